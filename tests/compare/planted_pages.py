"""Comparisons that a page must survive, each made by ``compare`` from planted reports."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from olivepress.compare.comparison import compare
from olivepress.compare.document import Answer, Document, Example
from olivepress.compare.load import Loaded
from tests.report.factory import MACHINE

from .hostile import HOSTILE
from .planted import planted

RIGHT_TO_LEFT = "مختبر الطابق الثالث"
LONG = "the-small-grey-box-that-stands-under-the-desk-next-to-window"
FULL, LESS = "196*1 4*0", "180*1 20*0"


def artifact(job: str, answers: str | None = FULL, tps: float | None = 100.0, size: float = 100, **more: Any) -> Loaded:
    """One report; ``more``: facts of ``planted`` or fields of the report."""
    facts = {"answers": answers, "tps": tps, "size": size}
    for key in ("random", "emulated", "synthetic"):
        facts[key] = more.pop(key, False)
    return planted(job, facts, None, **more)


def fp32(**more: Any) -> Loaded:
    return artifact("export-cpu-fp32", FULL, 100.0, 400, precision="fp32", **more)


def base() -> Loaded:
    return artifact("base", "20*1 180*0", None, 400, runtime="pytorch", precision="fp32")


def machine(identity: str, name: str | None = None) -> Any:
    return MACHINE.model_copy(update={"id": identity, "name": name})


def close_together() -> list[Loaded]:
    """Twelve artifacts of nearly one speed and one accuracy."""
    return [
        base(),
        *(artifact(f"export-cpu-int{n}", f"{190 - n % 3}*1 {10 + n % 3}*0", 100 + n / 10, 100 + n) for n in range(12)),
    ]


def two_winners() -> list[Loaded]:
    """int4 is the faster on one machine, int8 on the other; both answer equally well."""
    found = [base()]
    for identity, int4, int8 in (("x86_64-box-4c", 220.0, 100.0), ("arm64-phone-8c", 50.0, 90.0)):
        there = machine(identity, "Kitchen laptop" if identity.startswith("x86") else None)
        found += [
            artifact("export-cpu-int4", FULL, int4, 100, machine=there),
            artifact("export-cpu-int8", FULL, int8, 200, machine=there, precision="int8"),
        ]
    return found


CASES: dict[str, list[Loaded]] = {
    "nothing measured": [artifact("export-cpu-int4", None, None)],
    "one artifact": [base(), artifact("export-cpu-int4")],
    "nothing right": [
        artifact("export-cpu-fp32", "40*0", 100.0, 400, precision="fp32"),
        artifact("export-cpu-int4", "40*0", 200.0),
    ],
    "a tie": [base(), artifact("export-cpu-int4"), artifact("export-cpu-int4-gptq")],
    "two winners": two_winners(),
    "packages": [base(), artifact("export-cpu-int4"), artifact("package-cpu-int4", LESS, 90.0, 120)],
    "busy machine": [base(), replace(fp32(), busy=True), replace(artifact("export-cpu-int4", FULL, 200.0), busy=True)],
    "random weights": [fp32(random=True), artifact("export-cpu-int4", random=True)],
    "close together": close_together(),
    "html names": [base(), artifact("export-cpu-int4", recipe=HOSTILE, machine=machine(HOSTILE, HOSTILE[:60]))],
    "right to left": [
        base(),
        fp32(machine=machine("x", RIGHT_TO_LEFT)),
        artifact("export-cpu-int4", FULL, 200.0, machine=machine("x", RIGHT_TO_LEFT)),
    ],
    "long names": [
        base(),
        artifact(f"export-{'very-long-target-name-' * 3}a", FULL, 200.0, machine=machine("x", LONG)),
        artifact(f"export-{'very-long-target-name-' * 3}b", LESS, 90.0, machine=machine("x", LONG)),
    ],
    "only latency": [artifact("export-cpu-fp32", None, precision="fp32"), artifact("export-cpu-int4", None, 200.0)],
    "no base": [fp32(), artifact("export-cpu-int4", LESS, 200.0)],
}


def document(case: str) -> Document:
    """The comparison of a case, with answers where any were planted: reports in memory have none beside them."""
    compared = compare(CASES[case])
    rows = [row for row in compared.rows if row.report.value("exact_match") is not None]
    examples = tuple(
        Example(
            id=f"e{number}",
            expected="lamp on",
            label=None,
            answers=tuple(Answer(row=row.name, output=f"{row.role} {number}", correct=False) for row in rows),
            question=f"{RIGHT_TO_LEFT} {HOSTILE} {'why ' * 60}",
        )
        for number in range(5 if rows else 0)
    )
    return replace(compared, examples=examples)
