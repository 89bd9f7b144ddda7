"""What all importers share: every metric is either in the file or null with a reason, and nothing is made up."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from olivepress.report.device_report import DeviceReport, Measurement, Runtime, WorkloadResult, measured, not_measured
from olivepress.report.machine import Machine, machine_slug
from olivepress.report.registry import METRICS
from olivepress.stats.intervals import bootstrap_median

__all__ = [
    "DEVICE_NOT_STATED",
    "Device",
    "Findings",
    "complete",
    "imported",
    "machine",
    "median_of",
    "report",
    "when",
]

Device = Literal["cpu", "gpu", "npu", "unknown"]
Settings = Mapping[str, int | float | str | None]
UNKNOWN = "unknown"
DEVICE_NOT_STATED = "the file does not state the device"


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What one importer found in one file about one run; ``measured_at`` is ISO 8601 or None."""

    tool: str
    runtime: Runtime
    execution_provider: str
    device: Device
    precision: str
    machine: Machine
    measured_at: str | None
    settings: Settings
    metrics: Mapping[str, Measurement]
    reasons: Mapping[str, str] = field(default_factory=dict)
    workloads: tuple[WorkloadResult, ...] = ()
    headline_workload: str | None = None
    warnings: tuple[str, ...] = ()


def complete(tool: str, found: Mapping[str, Measurement], reasons: Mapping[str, str]) -> dict[str, Measurement]:
    """Every metric of the registry: the one found, else null with its reason or "<tool> does not measure <name>"."""
    return {
        name: found.get(name) or not_measured(name, reasons.get(name, f"{tool} does not measure {name}"))
        for name in METRICS
    }


def report(findings: Findings, *, recipe: str, job: str, now: datetime) -> DeviceReport:
    """The device report of an import; ``created_at`` is the file's own time where it states one, else ``now``."""
    imported_at = now.isoformat(timespec="seconds")
    return DeviceReport(
        recipe=recipe,
        job=job,
        artifact_sha256=UNKNOWN,
        runtime=findings.runtime,
        execution_provider=findings.execution_provider,
        device=findings.device,
        precision=findings.precision,
        machine=findings.machine,
        dataset=None,
        created_at=findings.measured_at or imported_at,
        settings={"imported_from": findings.tool, "imported_at": imported_at, **findings.settings},
        warnings=findings.warnings,
        headline_workload=findings.headline_workload,
        workloads=findings.workloads,
        metrics=complete(findings.tool, findings.metrics, findings.reasons),
        samples=(),
        examples_file=None,
        examples_sha256=None,
        emulated=False,
        random_weights=False,
    )


def machine(
    *,
    cpu: str,
    architecture: str = UNKNOWN,
    physical_cores: int | None = None,
    logical_cores: int | None = None,
    memory_bytes: int | None = None,
    os: str = "not stated",
    python: str = "not stated",
    packages: Mapping[str, str] | None = None,
    drivers: Mapping[str, str] | None = None,
) -> Machine:
    """A machine as a file describes it; null where it states no count, "not stated" where it states no text."""
    slug = machine_slug(architecture, cpu, logical_cores or 0)
    return Machine(
        id=slug if logical_cores else slug.removesuffix("-0c"),
        cpu=cpu,
        architecture=architecture,
        physical_cores=physical_cores,
        logical_cores=logical_cores,
        memory_bytes=memory_bytes,
        os=os,
        python=python,
        packages=dict(packages or {}),
        drivers=dict(drivers or {}),
    )


def median_of(name: str, values: Sequence[float]) -> Measurement:
    """The median over repetitions with its bootstrap interval, as our own bench reports it; in the metric's unit."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    median = ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
    return measured(name, median, n=len(values), interval=bootstrap_median(values))


def imported(text: str) -> str:
    """The last part of a path in a file: where a model lay on someone's disk is not ours to keep."""
    return re.split(r"[/\\]", text)[-1] or text


def when(text: str) -> str | None:
    """A time of a file as ISO 8601 in UTC (without a zone it is taken as UTC); None when it cannot be read as one."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    try:
        return aware.astimezone(UTC).isoformat(timespec="seconds")
    except OverflowError:  # year 1 with a zone
        return None
