"""What every reader must know before any number: random weights, synthetic data … once, with whom it concerns."""

from __future__ import annotations

from dataclasses import dataclass

from olivepress.compare.document import Document
from olivepress.core.messages import some_of

__all__ = ["Caution", "caution_text", "cautions"]

MOST_NAMES = 3
_MEANING = {
    "random weights": "the answers mean nothing",
    "emulated device": "the times are not those of the device",
    "synthetic data": "how it answers real questions is not shown",
    "busy machine": "other programs ran as well, so that times are less certain",
}


@dataclass(frozen=True, kw_only=True)
class Caution:
    """A label of rows, what follows from it, and the rows that have it.

    ``names`` is empty where all have it, or all that are no PyTorch models.
    """

    label: str
    meaning: str
    names: tuple[str, ...]


def cautions(document: Document) -> tuple[Caution, ...]:
    """Every label that rows of the document have, in the order in which it must be read."""
    there: dict[str, list[str]] = {}
    for row in document.rows:
        for label in row.labels:
            there.setdefault(label, []).append(row.name)
    everything = {row.name for row in document.rows}
    exports = {row.name for row in document.rows if row.report.runtime != "pytorch"}
    order = [*_MEANING, *sorted(there.keys() - _MEANING.keys())]
    return tuple(
        Caution(
            label=label,
            meaning=_MEANING.get(label, ""),
            names=() if set(there[label]) in (everything, exports) else tuple(there[label]),
        )
        for label in order
        if label in there
    )


def caution_text(caution: Caution) -> str:
    """``busy machine (cpu-int4, cpu-fp32): other programs took …``."""
    names = caution.names
    head = f"{caution.label} ({some_of(names, MOST_NAMES)})" if names else caution.label
    return f"{head}: {caution.meaning}" if caution.meaning else head
