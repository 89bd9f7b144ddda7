"""A gate: one condition of a promotion, and what it found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from olivepress.report.judgement import Judgement

__all__ = [
    "GateResult", "Outcome", "absent", "failed", "from_judgement", "inconclusive", "not_required", "passed", "worst",
]  # fmt: skip

Outcome = Literal["pass", "fail", "inconclusive", "not required"]
_ORDER: tuple[Outcome, ...] = ("fail", "inconclusive", "pass", "not required")


@dataclass(frozen=True, kw_only=True)
class GateResult:
    """``evidence`` are sentences, the most important first. ``n`` is how many examples would decide what is
    inconclusive, where that is known. ``next_step`` is what to do, where something is to be done."""

    outcome: Outcome
    evidence: tuple[str, ...]
    name: str = ""
    n: int | None = None
    next_step: str = ""


def passed(*evidence: str) -> GateResult:
    return GateResult(outcome="pass", evidence=evidence)


def failed(*evidence: str, next_step: str) -> GateResult:
    return GateResult(outcome="fail", evidence=evidence, next_step=next_step)


def inconclusive(*evidence: str, next_step: str, n: int | None = None) -> GateResult:
    return GateResult(outcome="inconclusive", evidence=evidence, next_step=next_step, n=n)


def not_required(*evidence: str) -> GateResult:
    return GateResult(outcome="not required", evidence=evidence)


def absent(missing: str, reason: str, *, required: bool, next_step: str) -> GateResult:
    """Nothing to judge: ``missing`` fails where the recipe requires it; else ``reason`` says what was not done."""
    return failed(missing, next_step=next_step) if required else not_required(reason)


def from_judgement(judged: Judgement, *, required: bool, next_step: str) -> GateResult:
    """A judgement as the result of a gate. One that fails does so in any case; one that cannot tell matters where it is
    required only."""
    if judged.outcome == "pass":
        return passed(judged.evidence)
    if judged.outcome == "fail":
        return failed(judged.evidence, next_step=next_step)
    if not required:
        return not_required(judged.evidence)
    return inconclusive(judged.evidence, next_step=next_step, n=judged.needed)


def worst(results: list[GateResult]) -> GateResult:
    """Several results of one gate (machines, metrics) as one: the worst outcome, with the evidence of all that have it.

    ValueError without results.
    """
    outcome = min((result.outcome for result in results), key=_ORDER.index)
    same = [result for result in results if result.outcome == outcome]
    needed = [result.n for result in same if result.n is not None]
    return GateResult(
        outcome=outcome,
        evidence=tuple(dict.fromkeys(text for result in same for text in result.evidence)),
        n=max(needed, default=None),
        next_step=next((result.next_step for result in same if result.next_step), ""),
    )
