"""The rows of a prepared split as the torch dataset that Olive's containers expect."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from olivepress.core.sampling import evenly_spread
from olivepress.workflow.olive_plugin.supervision import Supervised

__all__ = ["WEIGHT", "Rows", "as_inputs", "spread"]

WEIGHT = "weight"  # column of a row that a weighted sampler draws by


class Rows(torch.utils.data.Dataset):  # type: ignore[type-arg]
    """A list, and the directory of the dataset that it was read from."""

    def __init__(self, items: list[Any], directory: Path | None = None) -> None:
        self.items = items
        self.directory = directory

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Any:
        return self.items[index]


def as_inputs(examples: Sequence[Supervised], label_weights: Mapping[str, float] | None = None) -> Rows:
    """Unpadded, so that Olive's collator pads each batch to its own longest row; with the weight of each row's label.

    A row whose label has no weight, or that has no label, counts as 1.
    """
    return Rows(
        [
            (
                {
                    "input_ids": list(example.input_ids),
                    "attention_mask": [1] * len(example.input_ids),
                    **({WEIGHT: float(label_weights.get(example.label or "", 1.0))} if label_weights else {}),
                },
                list(example.labels),
            )
            for example in examples
        ]
    )


def spread(count: int, most: int) -> Iterator[int]:
    """All of ``count`` indices: first ``most`` at equal distances, then the rest, from all parts too."""
    first = evenly_spread(range(count), most)
    yield from first
    step = max(count // most, 1)
    rest = sorted(set(range(count)).difference(first))
    for offset in range(step):
        yield from rest[offset::step]
