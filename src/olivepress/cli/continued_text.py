"""A continued training on the command line: its scores on every version of the data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from olivepress.core.messages import next_command

if TYPE_CHECKING:
    from olivepress.pipeline.training.continual import Continued

__all__ = ["continued_lines", "continued_record"]

_NAME = 28


def continued_lines(continued: Continued) -> Iterator[str]:
    """A line for each test split: before, after, and the difference with its interval."""
    record = continued.record
    replayed = f"{record.rows_replayed} of them replayed" if record.rows_replayed else "none of them replayed"
    yield f"recipe {continued.path}: {record.rows_trained} training rows, {replayed}"
    yield f"{'test rows of':{_NAME}} {'rows':>5} {'before':>7} {'after':>7}  difference [95 %]"
    for each in record.scores:
        name = f"{each.name}-{each.version[:6]}"[:_NAME]
        interval = f"{100 * each.difference:+.1f} [{100 * each.ci_low:+.1f}, {100 * each.ci_high:+.1f}]"
        role = ", new data" if each.is_new else ""
        shares = f"{100 * each.before:6.1f}% {100 * each.after:6.1f}%"
        yield f"{name:{_NAME}} {each.rows:>5} {shares}  {interval} points: {each.verdict}{role}"
    if record.scores:
        yield f"metric: {record.scores[0].metric}, paired by row"
    yield f"next: {next_command('run', continued.recipe)}, which exports it"


def continued_record(continued: Continued) -> dict[str, Any]:
    """As JSON."""
    fields = continued.record.model_dump(mode="json")
    verdicts = [each.verdict for each in continued.record.scores]
    scores = [score | {"verdict": verdict} for score, verdict in zip(fields["scores"], verdicts, strict=True)]
    return {"recipe": continued.recipe, "file": continued.path.as_posix(), **fields, "scores": scores}
