"""Whether two reports can be held against each other in a metric, and what was different between them.

A difference that changes what the number means refuses the comparison; one that may change the number is told beside
it. Nothing is averaged over such differences.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from olivepress.measure.quality.fidelity import FIDELITY_METRICS
from olivepress.report.cell_metrics import LATENCY_METRICS
from olivepress.report.device_report import DeviceReport

__all__ = ["group_of", "notes", "refusal"]

TEXT = ("perplexity", "bits_per_byte")
SIZES = ("size_on_disk_bytes",)


def group_of(metric: str) -> str:
    """``latency``, ``fidelity``, ``text``, ``size`` or ``task``: what has to be equal for it to mean the same."""
    if metric in LATENCY_METRICS:
        return "latency"
    if metric in FIDELITY_METRICS:
        return "fidelity"
    return "text" if metric in TEXT else "size" if metric in SIZES else "task"


def refusal(a: DeviceReport, b: DeviceReport, metric: str) -> str | None:
    """Why ``metric`` of the two means different things; None when it means the same."""
    return _REFUSALS[group_of(metric)](a, b)


def _task(a: DeviceReport, b: DeviceReport) -> str | None:
    if a.dataset is None or b.dataset is None:
        return "one of them was measured without a dataset"
    if (a.dataset.version, a.dataset.split) != (b.dataset.version, b.dataset.split):
        return f"measured on different data: {_data(a)} and {_data(b)}"
    return _differ(a.settings, b.settings, "json_schema_sha256", "different JSON Schemas")


def _data(report: DeviceReport) -> str:
    data = report.dataset
    return f"{data.name} {data.version[:12]} ({data.split})" if data else "none"


def _latency(a: DeviceReport, b: DeviceReport) -> str | None:
    if a.emulated or b.emulated:
        return "the device is emulated: its times say nothing about the real one"
    if a.machine.id != b.machine.id:
        return f"measured on different machines: {a.machine.id} and {b.machine.id}"
    if a.headline_workload != b.headline_workload:
        return f"different workloads: {a.headline_workload} and {b.headline_workload} (prompt x generated tokens)"
    return None


def _fidelity(a: DeviceReport, b: DeviceReport) -> str | None:
    return _differ(a.settings, b.settings, "reference_sha256", "held against different parents")


def _text(a: DeviceReport, b: DeviceReport) -> str | None:
    return _differ(a.settings, b.settings, "text_sha256", "different texts") or _differ(
        a.settings, b.settings, "text_window", "different windows"
    )


_REFUSALS: dict[str, Callable[[DeviceReport, DeviceReport], str | None]] = {
    "task": _task,
    "latency": _latency,
    "fidelity": _fidelity,
    "text": _text,
    "size": lambda a, b: None,
}


def _differ(a: Mapping[str, Any], b: Mapping[str, Any], key: str, said: str) -> str | None:
    return said if a.get(key) != b.get(key) else None


def notes(a: DeviceReport, b: DeviceReport, metric: str) -> tuple[str, ...]:
    """What was different between two measurements that may be compared: packages, threads, load, sittings …"""
    group, said = group_of(metric), []
    if group in ("latency", "fidelity", "task", "text"):
        said += _packages(a, b)
    if group in ("task", "text") and a.job == "finetune" and b.job == "merge" and a.precision != b.precision:
        said.append(f"trained on a base in {a.precision}, merged into the unquantized one")
    if group == "task" and a.settings.get("max_new_tokens") != b.settings.get("max_new_tokens"):
        said.append(
            f"answers of up to {a.settings.get('max_new_tokens')} and {b.settings.get('max_new_tokens')} tokens"
        )
    if group == "latency":
        said += _conditions(a, b)
    return tuple(said)


def _packages(a: DeviceReport, b: DeviceReport) -> list[str]:
    if "pytorch" in (a.runtime, b.runtime):  # the desk has more packages than the device, and answers alike
        return []
    names = [*sorted(a.machine.packages.keys() | b.machine.packages.keys())]
    changed = [
        f"{name} {a.machine.packages.get(name, 'none')} and {b.machine.packages.get(name, 'none')}"
        for name in names
        if name.startswith("onnxruntime") and a.machine.packages.get(name) != b.machine.packages.get(name)
    ]
    drivers = a.machine.drivers != b.machine.drivers
    return [f"different versions: {', '.join(changed)}"] * bool(changed) + ["different drivers"] * drivers


def _conditions(a: DeviceReport, b: DeviceReport) -> list[str]:
    said = []
    threads = [r.settings.get("intra_op_num_threads") for r in (a, b)]
    if threads[0] != threads[1]:
        said.append(f"threads: {threads[0] or 'the default'} and {threads[1] or 'the default'}")
    if a.sitting is None or a.sitting != b.sitting:
        said.append("not measured in one sitting")
    if a.machine.governor != b.machine.governor:
        said.append(f"CPU governor {a.machine.governor} and {b.machine.governor}")
    if a.machine.os != b.machine.os:
        said.append(f"{a.machine.os} and {b.machine.os}")
    loaded = sorted({w for r in (a, b) for w in r.warnings if "used" in w or "took" in w or "throttled" in w})
    return said + loaded
