"""Promotions on the command line: the table of gates, rollbacks and audits in at most 80 columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from olivepress.core.messages import counted
from olivepress.core.printable import printable

if TYPE_CHECKING:
    from olivepress.registry.audit import Audited
    from olivepress.registry.gate import GateResult
    from olivepress.registry.promote import Promotion
    from olivepress.registry.rollback import Rollback

__all__ = ["audit_lines", "promotion_lines", "promotion_record", "rollback_lines"]

_WIDTH, _NAME, _OUTCOME = 80, 11, 13
_ORDER = ("fail", "inconclusive", "pass", "not required")


def promotion_record(promotion: Promotion) -> dict[str, Any]:
    """For ``--json``."""
    line = promotion.line.model_dump(mode="json") if promotion.line else None
    return {
        "model": promotion.model,
        "verdict": promotion.verdict,
        "already_champion": promotion.already,
        "compared_with_version": promotion.champion,
        "gates": [asdict(gate) for gate in promotion.gates],
        "line": line,
        "notes": promotion.notes,
    }


def promotion_lines(promotion: Promotion, *, dry_run: bool) -> Iterator[str]:
    """The table, what is wrong first, then what was done and what to do next."""
    for note in promotion.notes:
        yield from _wrapped(printable(note), indent=0)
    for gate in sorted(promotion.gates, key=lambda each: (_ORDER.index(each.outcome), each.name)):
        yield from _gate_lines(gate)
    yield from _wrapped(printable(_result(promotion, dry_run=dry_run)), indent=0)
    steps = [gate.next_step for gate in promotion.gates if gate.next_step and gate.outcome in _ORDER[:2]]
    for step in dict.fromkeys(steps):
        yield from _wrapped(printable(f"next: {step}"), indent=0)


def _gate_lines(gate: GateResult) -> Iterator[str]:
    head = f"{gate.name:{_NAME}} {gate.outcome:{_OUTCOME}}"
    texts = [printable(text) for text in gate.evidence]
    if gate.n is not None:
        texts.append(f"{gate.n:,} examples would decide")
    lines = [line for text in texts for line in _wrapped(text, indent=len(head) + 1)]
    yield f"{head} {lines[0].lstrip()}" if lines else head.rstrip()
    yield from lines[1:]


def _wrapped(text: str, *, indent: int) -> list[str]:
    space = " " * indent
    lines = wrap(text, _WIDTH - indent, break_on_hyphens=False) or [""]
    return [f"{space}{line}" for line in lines]


def _result(promotion: Promotion, *, dry_run: bool) -> str:
    name, line = promotion.model, promotion.line
    if promotion.already or promotion.verdict is None:
        return f"{name}: {_already(promotion)}"
    if dry_run:
        return f"{name}: {_WOULD[promotion.verdict]}; nothing was changed"
    if promotion.verdict == "fail":
        return f"{name}: not promoted"
    if line is None:
        return f"{name}: not promoted; it is the challenger already"
    if promotion.verdict == "inconclusive":
        return f"{name}: not promoted; version {line.version} is the challenger"
    before = "there was none before" if line.replaces is None else f"before: version {line.replaces}"
    return f"{name}: version {line.version} is the champion ({before})"


def _already(promotion: Promotion) -> str:
    text = f"this artifact is the champion already (version {promotion.champion}); nothing was changed"
    if promotion.verdict is None:
        return f"{text}, and no gate was judged: --dry-run does that again"
    return f"{text}; judged again: {promotion.verdict}"


_WOULD = {
    "pass": "would be promoted",
    "fail": "would not be promoted",
    "inconclusive": "would become the challenger",
}


def rollback_lines(done: Rollback) -> Iterator[str]:
    """What is the champion now."""
    line = done.line
    before = "no version" if line.replaces is None else f"version {line.replaces}"
    yield f"{line.model}: version {line.version} is the champion again (before: {before})"
    for version in done.skipped:
        yield f"version {version} is left out: it was deleted in the registry"
    yield f"artifact  sha256 {line.artifact_sha256}"
    for note in done.notes:
        yield from _wrapped(printable(note), indent=0)


def audit_lines(found: Sequence[Audited]) -> Iterator[str]:
    """A line for each model, and its problems below it."""
    if not found:
        yield "no promotions are recorded here; next: olivepress promote RECIPE --target TARGET"
    for each in found:
        champion = "no champion" if each.champion is None else f"champion version {each.champion}"
        verdict = "wrong" if each.problems else "whole"
        yield printable(f"{each.model}: {counted(each.lines, 'line')}, {champion}: {verdict}")
        for text in (*each.problems, *each.notes):
            yield from _wrapped(printable(text), indent=2)
