"""How many rows of a split are trained on, and how many are too long to be: counted, judged and put in words."""

from __future__ import annotations

from collections.abc import Sequence

from olivepress.core.yaml_document import Record

__all__ = ["RowCounts", "count_rows", "row_problem", "row_summary"]

_MOST_LEFT_OUT, _KEPT_SHARE = 0.5, 0.95


class RowCounts(Record):
    """``left_out`` of ``rows`` are longer than ``max_length`` tokens; ``supervised`` tokens of the others are trained
    on. ``enough`` tokens would hold 95 % of the rows; ``sample_of`` is the size of the split when it was not read
    whole."""

    rows: int
    left_out: int
    supervised: int
    max_length: int
    longest: int
    enough: int
    sample_of: int | None = None

    @property
    def trained(self) -> int:
        return self.rows - self.left_out


def count_rows(lengths: Sequence[int], supervised: Sequence[int], max_length: int) -> RowCounts:
    """Of rows of so many tokens, and so many of them supervised."""
    ordered = sorted(lengths)
    kept = [tokens for length, tokens in zip(lengths, supervised, strict=True) if length <= max_length]
    place = max(0, -(-int(_KEPT_SHARE * 100) * len(ordered) // 100) - 1)
    return RowCounts(
        rows=len(ordered),
        left_out=len(ordered) - len(kept),
        supervised=sum(kept),
        max_length=max_length,
        longest=ordered[-1] if ordered else 0,
        enough=ordered[place] if ordered else 0,
    )


def row_summary(counts: RowCounts) -> str:
    """In one sentence; "" when no row is left out."""
    if not counts.left_out:
        return ""
    share = 100 * counts.left_out / counts.rows
    sample = f" (a sample of {counts.sample_of})" if counts.sample_of else ""
    return (
        f"{counts.left_out} of {counts.rows} rows{sample}, {share:.0f} %, are longer than {counts.max_length} tokens "
        f"and left out; data.max_length: {counts.enough} keeps 95 %, the longest has {counts.longest}"
    )


def row_problem(counts: RowCounts) -> str:
    """The same, where most of the data would not be trained on; "" where it would."""
    return row_summary(counts) if counts.left_out > _MOST_LEFT_OUT * counts.rows else ""
