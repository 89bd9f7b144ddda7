"""Advice on whether a dataset is worth fine-tuning on, from its statistics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from olivepress.core.messages import counted
from olivepress.data.prepare.statistics import Statistics

__all__ = ["Advice", "advise"]

_FEW, _SCARCE = 100, 500
_CLASS_RATIO = 10
_NEAR_SHARE = 0.05
_DISTINCT = 0.2


@dataclass(frozen=True, kw_only=True)
class Advice:
    """``stop``: do not fine-tune on this data; ``warning``: fix it or keep it in mind."""

    level: Literal["stop", "warning"]
    text: str


def advise(
    *, train_rows: int, rows: int, near: int, overlaps: int, statistics: Statistics, template_share: float = 0.0
) -> tuple[Advice, ...]:
    """``near`` counts the near duplicates among ``rows`` (kept or dropped), ``overlaps`` the rows dropped as leaks.

    ``template_share``: the share of rows that contain phrases of a template.
    """
    advice: list[Advice] = []
    if train_rows < _FEW:
        text = f"{counted(train_rows, 'training row')}: do not fine-tune: few-shot or retrieval will work better"
        advice.append(Advice(level="stop", text=text))
    elif train_rows < _SCARCE:
        text = f"{train_rows} training rows, fewer than {_SCARCE}: expect gains that vary with the seed"
        advice.append(_warning(text))
    advice += _of_classes(statistics.labels, statistics.labels_are_answers)
    advice += _of_similarity(near / rows if rows else 0.0, template_share, statistics)
    if statistics.over_max_length:
        text = f"{statistics.over_max_length} rows are longer than max_length: training skips them"
        advice.append(_warning(text))
    if overlaps:
        advice.append(_warning(f"{counted(overlaps, 'training row')} dropped because they contain held-out text"))
    return tuple(advice)


def _of_similarity(near: float, template_share: float, statistics: Statistics) -> Iterator[Advice]:
    """``near``: share of the rows that are near duplicates."""
    if near > _NEAR_SHARE:
        yield _warning(
            f"{near:.1%} of rows are near duplicates, more than {_NEAR_SHARE:.0%}: "
            "use --near-duplicates drop to keep one of each"
        )
    if statistics.distinct_2 is not None and statistics.distinct_2 < _DISTINCT:
        yield _warning(
            f"distinct-2 of {statistics.sampled} prompts is {statistics.distinct_2:.2f}, under {_DISTINCT}: "
            "they are very similar, and the model will learn their pattern"
        )
    if template_share:
        yield _warning(
            f"{template_share:.0%} of rows contain phrases of a template, shared by over a quarter of all rows: these "
            "phrases do not count as overlap with held-out text, nor for near duplicates among rows under 32 words"
        )


def _of_classes(labels: Mapping[str, Mapping[str, int]], are_answers: bool) -> Iterator[Advice]:
    """``labels``: split → class → rows."""
    counts = labels.get("train", {})
    if len(counts) == 1 and are_answers:
        text = f"all training rows are of the class {next(iter(counts))!r}: there is nothing to learn"
        yield Advice(level="stop", text=text)
    if len(counts) > 1 and max(counts.values()) > _CLASS_RATIO * min(counts.values()):
        largest, smallest = max(counts, key=lambda k: counts[k]), min(counts, key=lambda k: counts[k])
        yield _warning(
            f"classes are {counts[largest] / counts[smallest]:.0f}:1, more than {_CLASS_RATIO}:1 "
            f"({largest!r} {counts[largest]}, {smallest!r} {counts[smallest]}): "
            "balance them (olivepress data augment --balance), or report macro F1"
        )
    single = sum(count == 1 for count in counts.values())
    if len(counts) > 1 and single > len(counts) / 2:
        yield _warning(f"{single} of {len(counts)} classes have a single training row: are the answers really classes?")
    unknown = sorted({name for split in ("validation", "test") for name in labels.get(split, {})} - set(counts))
    if counts and unknown:
        named = ", ".join(map(repr, unknown[:3])) + (", …" if len(unknown) > 3 else "")
        if len(unknown) == 1:
            yield _warning(f"1 held-out class has no training row ({named}): it cannot be learned")
        else:
            yield _warning(f"{len(unknown)} held-out classes have no training row ({named}): they cannot be learned")


def _warning(text: str) -> Advice:
    return Advice(level="warning", text=text)
