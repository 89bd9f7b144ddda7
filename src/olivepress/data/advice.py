"""Preflight: what the numbers of a dataset say about fine-tuning on it, in plain words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from olivepress.data.statistics import Statistics

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


def advise(*, train_rows: int, rows: int, near: int, overlaps: int, statistics: Statistics) -> tuple[Advice, ...]:
    """``near`` counts the near duplicates among ``rows`` (kept or dropped), ``overlaps`` rows dropped as leaks."""
    found: list[Advice] = []
    if train_rows < _FEW:
        text = f"{train_rows} training rows: do not fine-tune: few-shot or retrieval will serve better"
        found.append(Advice(level="stop", text=text))
    elif train_rows < _SCARCE:
        text = f"{train_rows} training rows, fewer than {_SCARCE}: expect gains that vary with the seed"
        found.append(_warning(text))
    counts = statistics.labels.get("train", {})
    if len(counts) > 1 and max(counts.values()) > _CLASS_RATIO * min(counts.values()):
        most, least = max(counts, key=lambda k: counts[k]), min(counts, key=lambda k: counts[k])
        text = (
            f"classes are {counts[most] / counts[least]:.0f}:1, more than {_CLASS_RATIO}:1 ({most!r} {counts[most]}, "
            f"{least!r} {counts[least]}): balance them (olivepress data augment --balance), or report macro F1"
        )
        found.append(_warning(text))
    if rows and near / rows > _NEAR_SHARE:
        found.append(
            _warning(
                f"{near / rows:.1%} of rows are near duplicates, more than {_NEAR_SHARE:.0%}: "
                "--near-duplicates drop keeps one of each"
            )
        )
    if statistics.distinct_2 is not None and statistics.distinct_2 < _DISTINCT:
        found.append(
            _warning(
                f"distinct-2 of {statistics.sampled} prompts is {statistics.distinct_2:.2f}, under {_DISTINCT}: "
                "they are much alike, and the model will learn their form"
            )
        )
    if statistics.over_max_length:
        text = f"{statistics.over_max_length} rows are longer than max_length: training leaves them out"
        found.append(_warning(text))
    if overlaps:
        found.append(_warning(f"{overlaps} training rows were dropped because held-out text stands in them"))
    return tuple(found)


def _warning(text: str) -> Advice:
    return Advice(level="warning", text=text)
