"""What a table of model types says otherwise than the recorded one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from olivepress.catalog.evidence import Seen
from olivepress.core.yaml_document import Record

__all__ = ["Difference", "differences"]

_STEPS = ("float32", "int4", "lora")
_MUCH, _VISIBLE = 10.0, 1e-4  # a difference of a logit that grew this much, and is at least that large


class Difference(Record):
    """One step of a model type, or the type itself (``step`` type), before and after."""

    model_type: str
    variant: str
    step: str
    before: str
    after: str


def differences(before: Sequence[Seen], after: Sequence[Seen], only: Sequence[str] = ()) -> list[Difference]:
    """Every change from right, wrong and cannot to another, numbers that grew much, and types that came or went.

    ``only`` these types were asked for; of none, all were.
    """
    known = {(seen.model_type, seen.variant): seen for seen in before}
    changed = [each for seen in after for each in _of_type(known.get((seen.model_type, seen.variant)), seen)]
    there = {seen.model_type for seen in after}
    asked_for = [seen for seen in before if not only or seen.model_type in only]
    return [*changed, *(_gone(seen) for seen in asked_for if seen.model_type not in there and seen.float32 is not None)]


def _gone(before: Seen) -> Difference:
    """A type that could be tried, and that transformers no longer knows."""
    return Difference(
        model_type=before.model_type,
        variant=before.variant,
        step="type",
        before=_text(before, "float32"),
        after="not known",
    )


def _of_type(before: Seen | None, after: Seen) -> Iterator[Difference]:
    name = {"model_type": after.model_type, "variant": after.variant}
    if before is None:
        if after.float32 is not None:
            yield Difference(**name, step="type", before="not known", after=_text(after, "float32"))
        return
    for step in _STEPS:
        old, new = _state(before, step), _state(after, step)
        if old != new or _grew(before, after, step):
            yield Difference(**name, step=step, before=_text(before, step), after=_text(after, step))


def _state(seen: Seen, step: str) -> str:
    if seen.float32 is None:
        return "cannot" if step == "float32" else "not tried"
    tried = getattr(seen, step)
    return "not tried" if tried is None else tried.state


def _grew(before: Seen, after: Seen, step: str) -> bool:
    old, new = getattr(before, step), getattr(after, step)
    if old is None or new is None:
        return False
    return bool(new.max_abs >= _VISIBLE and new.max_abs > _MUCH * max(old.max_abs, 1e-6))


def _text(seen: Seen, step: str) -> str:
    """State, number and reason."""
    state, tried = _state(seen, step), getattr(seen, step)
    if state == "cannot":
        reason = (tried.reason if tried is not None else None) or seen.reason or "no reason was recorded"
        return f"cannot: {reason}"
    return state if tried is None else f"{state}, {tried.max_abs:.1e}"
