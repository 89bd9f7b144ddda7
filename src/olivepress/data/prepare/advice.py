"""Preflight: what the numbers of a dataset say about fine-tuning on it, in plain words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from olivepress.data.convert.values import counted
from olivepress.data.prepare.statistics import Statistics

__all__ = ["Advice", "advise"]

_FEW, _SCARCE = 100, 500
_CLASS_RATIO = 10
_NEAR_SHARE = 0.05
_DISTINCT = 0.2


@dataclass(frozen=True, kw_only=True)
class Advice:
    """``stop``: better not fine-tune; ``warning``: mend it or know it."""

    level: Literal["stop", "warning"]
    text: str


def advise(
    *, train_rows: int, rows: int, near: int, overlaps: int, statistics: Statistics, template_share: float = 0.0
) -> tuple[Advice, ...]:
    """``near`` counts the near duplicates among ``rows`` (kept or dropped), ``overlaps`` rows dropped as leaks.

    ``template_share``: of rows that hold words which a template puts into many.
    """
    found: list[Advice] = []
    if train_rows < _FEW:
        text = f"{counted(train_rows, 'training row')}: do not fine-tune: few-shot or retrieval will serve better"
        found.append(Advice(level="stop", text=text))
    elif train_rows < _SCARCE:
        text = f"{train_rows} training rows, fewer than {_SCARCE}: expect gains that vary with the seed"
        found.append(_warning(text))
    found += _of_classes(statistics.labels, statistics.labels_are_answers)
    found += _of_likeness(near / rows if rows else 0.0, template_share, statistics)
    if statistics.over_max_length:
        text = f"{statistics.over_max_length} rows are longer than max_length: training leaves them out"
        found.append(_warning(text))
    if overlaps:
        found.append(_warning(f"{counted(overlaps, 'training row')} dropped because held-out text stands in them"))
    return tuple(found)


def _of_likeness(near: float, template_share: float, statistics: Statistics) -> Iterator[Advice]:
    """``near``: share of the rows that are near duplicates."""
    if near > _NEAR_SHARE:
        yield _warning(
            f"{near:.1%} of rows are near duplicates, more than {_NEAR_SHARE:.0%}: "
            "--near-duplicates drop keeps one of each"
        )
    if statistics.distinct_2 is not None and statistics.distinct_2 < _DISTINCT:
        yield _warning(
            f"distinct-2 of {statistics.sampled} prompts is {statistics.distinct_2:.2f}, under {_DISTINCT}: "
            "they are much alike, and the model will learn their form"
        )
    if template_share:
        yield _warning(
            f"{template_share:.0%} of rows hold words that a template puts into more than a quarter of them: these "
            "words say nothing of overlap with held-out text, nor of near duplicates among rows under 32 words"
        )


def _of_classes(labels: Mapping[str, Mapping[str, int]], are_answers: bool) -> Iterator[Advice]:
    """``labels``: split → class → rows."""
    counts = labels.get("train", {})
    if len(counts) == 1 and are_answers:
        text = f"all training rows are of the class {next(iter(counts))!r}: there is nothing to tell apart"
        yield Advice(level="stop", text=text)
    if len(counts) > 1 and max(counts.values()) > _CLASS_RATIO * min(counts.values()):
        most, least = max(counts, key=lambda k: counts[k]), min(counts, key=lambda k: counts[k])
        yield _warning(
            f"classes are {counts[most] / counts[least]:.0f}:1, more than {_CLASS_RATIO}:1 ({most!r} {counts[most]}, "
            f"{least!r} {counts[least]}): balance them (olivepress data augment --balance), or report macro F1"
        )
    single = sum(count == 1 for count in counts.values())
    if len(counts) > 1 and single > len(counts) / 2:
        yield _warning(f"{single} of {len(counts)} classes have one training row: are the answers classes?")
    unknown = sorted({name for split in ("validation", "test") for name in labels.get(split, {})} - set(counts))
    if counts and unknown:
        named = ", ".join(map(repr, unknown[:3])) + (", …" if len(unknown) > 3 else "")
        what = "class has no training row" if len(unknown) == 1 else "classes have no training row"
        they = "it" if len(unknown) == 1 else "they"
        yield _warning(f"{len(unknown)} held-out {what} ({named}): {they} cannot be learned")


def _warning(text: str) -> Advice:
    return Advice(level="warning", text=text)
