"""Shared by all importers: a metric has the value in the file or is null with a reason, and no value is invented."""

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
    "ImportedRun",
    "complete",
    "last_part",
    "machine",
    "median_of",
    "to_report",
    "to_utc",
]

Device = Literal["cpu", "gpu", "npu", "unknown"]
Settings = Mapping[str, int | float | str | None]
UNKNOWN = "unknown"
DEVICE_NOT_STATED = "the file does not state the device"


@dataclass(frozen=True, kw_only=True)
class ImportedRun:
    """One run as read from a file by one importer; ``measured_at`` is ISO 8601 or None."""

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


def complete(tool: str, measurements: Mapping[str, Measurement], reasons: Mapping[str, str]) -> dict[str, Measurement]:
    """Every metric of the registry: as given, else null with its reason or "<tool> does not measure <name>"."""
    return {
        name: measurements.get(name) or not_measured(name, reasons.get(name, f"{tool} does not measure {name}"))
        for name in METRICS
    }


def to_report(
    run: ImportedRun, *, recipe: str, job: str, now: datetime, machine_name: str | None = None
) -> DeviceReport:
    """The device report of an import; ``created_at`` is the file's own time where it states one, else ``now``."""
    imported_at = now.isoformat(timespec="seconds")
    return DeviceReport(
        recipe=recipe,
        job=job,
        artifact_sha256=UNKNOWN,
        runtime=run.runtime,
        execution_provider=run.execution_provider,
        device=run.device,
        precision=run.precision,
        machine=run.machine.model_copy(update={"name": machine_name}),
        dataset=None,
        created_at=run.measured_at or imported_at,
        settings={"imported_from": run.tool, "imported_at": imported_at, **run.settings},
        warnings=run.warnings,
        headline_workload=run.headline_workload,
        workloads=run.workloads,
        metrics=complete(run.tool, run.metrics, run.reasons),
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
    """A machine as described by a file: None for a missing count, "not stated" for a missing text."""
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
    """The median over repetitions with its bootstrap interval, in the metric's unit, as ``bench`` reports it."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    median = ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
    return measured(name, median, n=len(values), interval=bootstrap_median(values))


def last_part(text: str) -> str:
    """The last part of a path: folders of the machine that wrote the file are private and are not stored."""
    return re.split(r"[/\\]", text)[-1] or text


def to_utc(text: str) -> str | None:
    """A time as ISO 8601 in UTC (UTC is assumed without a zone); None when it is not a valid time."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    try:
        return aware.astimezone(UTC).isoformat(timespec="seconds")
    except OverflowError:  # year 1 with a zone
        return None
