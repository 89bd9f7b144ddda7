"""Loaded reports → the rows of a comparison: their order, their names, and their place on the ladder."""

from __future__ import annotations

from collections.abc import Sequence

from olivepress.compare.document import Row
from olivepress.compare.load import Loaded
from olivepress.core.printable import printable
from olivepress.report.device_report import DeviceReport

__all__ = ["STAGES", "labels", "machine_names", "names", "order", "role", "rows_of"]

STAGES = ("base", "few-shot", "fine-tuned", "merged", "exported", "quantized")
BITS = {"fp32": 32, "bf16": 17, "fp16": 16, "int16": 15, "int8": 8, "uint8": 8, "int4": 4, "uint4": 4, "nf4": 4}
_TRAINED = {"base": "base", "few-shot": "few-shot", "finetune": "fine-tuned"}  # job of a PyTorch model → stage


def rows_of(ordered: Sequence[Loaded]) -> tuple[Row, ...]:
    """One row per report, with a name that no other has."""
    rows = []
    reports = [item.report for item in ordered]
    machines = machine_names(reports)
    for item, machine, (name, short) in zip(ordered, machines, names(reports, machines), strict=True):
        report = item.report
        rows.append(
            Row(
                name=name,
                short=short,
                role=role(report),
                machine=machine,
                labels=labels(report, busy=item.busy),
                report=report,
                itl_ms=item.itl_ms,
                decode_by_round=tuple(item.by_round.get("decode_tps", {}).values()),
            )
        )
    return tuple(rows)


def order(report: DeviceReport) -> tuple[str, int, int, str, str, str]:
    """Sort key: by recipe, up the ladder, from many bits to few."""
    bits = -BITS.get(report.precision, 0)
    stage = min(STAGES.index(role(report)), STAGES.index("exported"))
    return report.recipe, stage, bits, report.execution_provider, report.job, report.machine.id


def role(report: DeviceReport) -> str:
    """One of ``STAGES``: the ladder on which each artifact is compared with the one before it."""
    if report.runtime == "pytorch":
        return _TRAINED.get(report.job, "merged")
    return "quantized" if BITS.get(report.precision, 0) in range(1, 16) else "exported"


def labels(report: DeviceReport, *, busy: bool = False) -> tuple[str, ...]:
    """What every reader of a number must know first. ``busy``: other programs disturbed the measurement."""
    flags = {
        "random weights": report.random_weights,
        "emulated device": report.emulated,
        "synthetic data": report.synthetic_data,
        "busy machine": busy,
    }
    return tuple(text for text, is_set in flags.items() if is_set)


def machine_names(reports: Sequence[DeviceReport]) -> list[str]:
    """What each report's machine is called: the name that a person gave it, else its id.

    A report without a name has that of the others of its machine, unless they disagree.
    """
    by_id: dict[str, set[str]] = {}
    ids_of: dict[str, set[str]] = {}
    for report in reports:
        if report.machine.name:
            by_id.setdefault(report.machine.id, set()).add(report.machine.name)
            ids_of.setdefault(report.machine.name, set()).add(report.machine.id)
    texts = []
    for report in reports:
        others = by_id.get(report.machine.id, set())
        name = report.machine.name or (next(iter(others)) if len(others) == 1 else None)
        is_shared = name is not None and (len(ids_of[name]) > 1 or name in by_id.keys() - {report.machine.id})
        text = f"{name} ({report.machine.id})" if is_shared else name or report.machine.id
        texts.append(printable(text))
    return texts


def names(reports: Sequence[DeviceReport], machines: Sequence[str]) -> list[tuple[str, str]]:
    """(name, short name) of each: the job, with as much around it as distinguishes the rows. No name is given twice.

    The short name is for where the machine is known. ``machines``: what each report's machine is called.
    """
    several_recipes = len({report.recipe for report in reports}) > 1
    several_machines = len(set(machines)) > 1
    named: dict[str, str] = {}
    for report, machine_name in zip(reports, machines, strict=True):
        job = printable(f"{report.recipe}/{report.job}" if several_recipes else report.job)
        machine = f" @ {machine_name}" if several_machines else ""
        date, number = "", 1
        while f"{job}{machine}{date}" in named:
            again = f", {number}" if number > 1 else ""
            date, number = f" ({printable(report.created_at)}{again})", number + 1
        named[f"{job}{machine}{date}"] = f"{job}{date}"
    return list(named.items())
