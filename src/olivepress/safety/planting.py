"""Plants canaries into the training rows of a dataset."""

from __future__ import annotations

from dataclasses import replace

from olivepress.core.errors import DataError
from olivepress.data.derive.derivation import Derivation, NewRow, held_out_rows, shuffle_rows, train_rows
from olivepress.data.store.dataset import Dataset
from olivepress.data.store.examples import make_example
from olivepress.safety.canaries import make_canaries

__all__ = ["plant"]


def plant(dataset: Dataset, *, name: str, count: int, times: int, seed: int) -> Dataset:
    """The dataset with ``count`` canaries, each ``times`` among its training rows; held-out rows stay as they are.

    Its dataset.json says which canaries (``canaries``: count, times, seed), for ``olivepress safety``.
    DataError when the dataset has canaries already.
    """
    if "canaries" in dataset.facts:
        raise DataError(
            f"{dataset.name}: has canaries already", next_step="plant into the dataset that it was made from"
        )
    derivation = Derivation([dataset], name, [f"plant {count} canaries, {times} times each"])
    rows = [
        NewRow(
            example=make_example(canary.question, canary.answer),
            lineage={"file": "canaries", "line": number, "row": number, "made_by": "plant"},
        )
        for number, canary in enumerate(make_canaries(count, seed), start=1)
        for _ in range(times)
    ]
    planted = derivation.finish(shuffle_rows([*train_rows(dataset), *rows], seed), held_out_rows(dataset))
    return replace(planted, facts=planted.facts | {"canaries": {"count": count, "times": times, "seed": seed}})
