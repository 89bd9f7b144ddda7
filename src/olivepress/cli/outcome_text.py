"""How a job of a run ended, in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from olivepress.report.training_record import CHECKPOINT

if TYPE_CHECKING:
    from olivepress.run import JobOutcome

__all__ = ["checkpoint_lines", "outcome_text", "verdict_lines"]


def checkpoint_lines(outcome: JobOutcome) -> list[str]:
    """Which checkpoint of a fine-tune ships, and its validation loss or metric."""
    return [f"ships {check.detail}" for check in outcome.checks if check.name == CHECKPOINT]


def verdict_lines(outcome: JobOutcome) -> list[str]:
    """Whether an export keeps the task, or each adapter of a package, in plain words."""
    from olivepress.run.verify.task_text import verdict_text

    return [
        f"{name.rpartition(': ')[0]}: {verdict_text(verdict)}" if ": " in name else verdict_text(verdict)
        for name, verdict in outcome.verdicts.items()
        # The error of a failed job names the verdict already.
        if outcome.manifest is not None or verdict.call != "inferior"
    ]


def outcome_text(outcome: JobOutcome) -> str:
    """Its state, and the checks of what was made."""
    if outcome.manifest is None:
        return f"{outcome.state}: {outcome.error}" if outcome.error else outcome.state
    if outcome.state == "kept":
        return "kept, nothing changed"
    checks = ", ".join(
        f"{check.name} {check.value:.3g}" if check.value is not None else check.name
        for check in outcome.manifest.checks
    )
    return f"verified ({outcome.manifest.verified}): {checks}"
