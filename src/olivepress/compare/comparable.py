"""Whether two reports can be compared in a metric, and what was different between them.

A difference that changes what the number means refuses the comparison; one that may change the number is noted next
to it. Nothing is averaged over such differences.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from olivepress.compare.load import Loaded
from olivepress.report.device_report import DeviceReport
from olivepress.report.registry import METRICS, Group

__all__ = ["notes", "refusal"]


def _group_of(metric: str) -> Group:
    """What has to be equal for it to mean the same; for a metric that is not ours the data."""
    return METRICS[metric].group if metric in METRICS else "task"


def refusal(a: DeviceReport, b: DeviceReport, metric: str) -> str | None:
    """Why ``metric`` of the two means different things; None when it means the same."""
    return _REFUSALS[_group_of(metric)](a, b)


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
    names = (a.machine.name, b.machine.name)
    if None not in names and names[0] != names[1]:  # two of the same model
        return f"measured on different machines: {names[0]} and {names[1]}"
    if a.headline_workload != b.headline_workload:
        return f"different workloads: {a.headline_workload} and {b.headline_workload} (prompt x generated tokens)"
    return None


def _fidelity(a: DeviceReport, b: DeviceReport) -> str | None:
    return _differ(a.settings, b.settings, "reference_sha256", "compared with different parents")


def _text(a: DeviceReport, b: DeviceReport) -> str | None:
    return _differ(a.settings, b.settings, "text_sha256", "different texts") or _differ(
        a.settings, b.settings, "text_window", "different windows"
    )


_REFUSALS: dict[Group, Callable[[DeviceReport, DeviceReport], str | None]] = {
    "task": _task,
    "cost": _task,
    "latency": _latency,
    "reliability": _latency,
    "fidelity": _fidelity,
    "text": _text,
    "size": lambda a, b: None,
}


def _differ(a: Mapping[str, Any], b: Mapping[str, Any], key: str, reason: str) -> str | None:
    return reason if a.get(key) != b.get(key) else None


def notes(first: Loaded, second: Loaded, metric: str) -> tuple[str, ...]:
    """What was different between two measurements that may be compared: packages, threads, load, sessions …"""
    a, b, group = first.report, second.report, _group_of(metric)
    differences = [] if group in ("size", "cost") else _packages(a, b)
    if group in ("task", "text") and a.job == "finetune" and b.job == "merge" and a.precision != b.precision:
        differences.append(f"trained on a base in {a.precision}, merged into the unquantized one")
    lengths = [report.settings.get("max_new_tokens") for report in (a, b)]
    if group == "task" and lengths[0] != lengths[1]:
        differences.append(f"answers of up to {lengths[0]} and {lengths[1]} tokens")
    if group in ("latency", "reliability"):
        differences += [*_conditions(a, b), *sorted({*first.disturbances, *second.disturbances})]
    return tuple(differences)


def _packages(a: DeviceReport, b: DeviceReport) -> list[str]:
    if "pytorch" in (a.runtime, b.runtime):  # a build machine has other packages, and answers do not depend on them
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
    differences = []
    threads = [report.settings.get("intra_op_num_threads") or "the default" for report in (a, b)]
    if threads[0] != threads[1]:
        differences.append(f"threads: {threads[0]} and {threads[1]}")
    if a.bench_session is None or a.bench_session != b.bench_session:
        differences.append("not measured in one session")
    if a.machine.governor != b.machine.governor:
        differences.append(f"CPU governor {a.machine.governor} and {b.machine.governor}")
    if a.machine.os != b.machine.os:
        differences.append(f"{a.machine.os} and {b.machine.os}")
    return differences
