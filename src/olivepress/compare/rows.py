"""Loaded reports → the rows of a comparison: their order, their names, and their place on the ladder."""

from __future__ import annotations

from collections.abc import Sequence

from olivepress.compare.document import Row
from olivepress.compare.load import Loaded
from olivepress.core.printable import printable
from olivepress.report.device_report import DeviceReport

__all__ = ["STAGES", "labels", "names", "order", "role", "rows_of"]

STAGES = ("base", "few-shot", "fine-tuned", "merged", "exported", "quantized")
BITS = {"fp32": 32, "bf16": 17, "fp16": 16, "int16": 15, "int8": 8, "uint8": 8, "int4": 4, "uint4": 4, "nf4": 4}
_TRAINED = {"base": "base", "few-shot": "few-shot", "finetune": "fine-tuned"}  # job of a PyTorch model → stage


def rows_of(ordered: Sequence[Loaded]) -> tuple[Row, ...]:
    """One row per report, with a name that no other has."""
    rows = []
    for item, (name, short) in zip(ordered, names([item.report for item in ordered]), strict=True):
        report = item.report
        rows.append(
            Row(
                name=name,
                short=short,
                role=role(report),
                machine=printable(report.machine.id),
                labels=labels(report),
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


def labels(report: DeviceReport) -> tuple[str, ...]:
    """What every reader of a number must know first."""
    flags = {
        "random weights": report.random_weights,
        "emulated device": report.emulated,
        "synthetic data": report.synthetic_data,
    }
    return tuple(text for text, is_set in flags.items() if is_set)


def names(reports: Sequence[DeviceReport]) -> list[tuple[str, str]]:
    """(name, short name) of each: the job, with as much around it as distinguishes the rows. No name is given twice.

    The short name is for where the machine is known.
    """
    several_recipes = len({report.recipe for report in reports}) > 1
    several_machines = len({report.machine.id for report in reports}) > 1
    named: dict[str, str] = {}
    for report in reports:
        job = printable(f"{report.recipe}/{report.job}" if several_recipes else report.job)
        machine = f" @ {printable(report.machine.id)}" if several_machines else ""
        date, number = "", 1
        while f"{job}{machine}{date}" in named:
            again = f", {number}" if number > 1 else ""
            date, number = f" ({printable(report.created_at)}{again})", number + 1
        named[f"{job}{machine}{date}"] = f"{job}{date}"
    return list(named.items())
