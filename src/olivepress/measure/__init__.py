"""Measures a model on the machine it stands on. Light to import: runtimes and torch load inside functions only."""

from olivepress.measure.bench import bench
from olivepress.measure.child import run_child
from olivepress.measure.dataset import read_split
from olivepress.measure.fidelity import fidelity
from olivepress.measure.latency import DEFAULT_WORKLOADS, Workload
from olivepress.measure.machine import Machine, fingerprint
from olivepress.measure.prompts import RenderedPrompt, render_prompt
from olivepress.measure.registry import METRICS, Metric
from olivepress.measure.report import SCHEMA_VERSION, DeviceReport, Measurement, read_report, write_report
from olivepress.measure.task_metrics import task_metric

__all__ = [
    "DEFAULT_WORKLOADS",
    "METRICS",
    "SCHEMA_VERSION",
    "DeviceReport",
    "Machine",
    "Measurement",
    "Metric",
    "RenderedPrompt",
    "Workload",
    "bench",
    "fidelity",
    "fingerprint",
    "read_report",
    "read_split",
    "render_prompt",
    "run_child",
    "task_metric",
    "write_report",
]
