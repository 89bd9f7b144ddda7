"""What all charts share: the frame of a Vega-Lite specification and its channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from olivepress.charts.svg import theme
from olivepress.core.printable import printable

__all__ = ["WIDTH", "NoData", "Spec", "discrete", "make_spec", "quantity"]

SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
WIDTH = 460

Spec = dict[str, Any]


@dataclass(frozen=True)
class NoData:
    """There is nothing to draw, and the reason."""

    reason: str


class Labelled(Protocol):
    """A row of numbers with what every reader of them must know first, such as "random weights"."""

    @property
    def labels(self) -> Sequence[str]: ...


def make_spec(title: str, words: Sequence[str], rows: Sequence[Labelled], *, hint: str = "", **body: Any) -> Spec:
    """A specification with its numbers in ``words``, the labels of ``rows`` and how to read it (``hint``)."""
    labels = dict.fromkeys(label for row in rows for label in row.labels)
    caution = f" Note: {', '.join(labels)}." if labels else ""
    return {
        "$schema": SCHEMA,
        "title": printable(title),
        "description": printable(f"{hint}{'; '.join(words)}.{caution}"),
        "usermeta": {"words": [printable(text) for text in words]},
        "background": None,
        "padding": 4,
        "config": theme(),
        **body,
    }


def quantity(field: str, title: str | None = None, **more: Any) -> Spec:
    return {"field": field, "type": "quantitative", "title": title} | more


def discrete(field: str, names: Sequence[str], values: Sequence[Any], **more: Any) -> Spec:
    """A discrete channel with its values in a fixed order, repeated where there are more names than values."""
    wanted = [values[i % len(values)] for i in range(len(names))]
    return {"field": field, "type": "nominal", "scale": {"domain": list(names), "range": wanted}} | more
