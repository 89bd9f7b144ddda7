"""``olivepress data mix``."""

from __future__ import annotations

from typing import Annotated

import typer

from olivepress.cli.data_options import NewDatasetOption, SeedOption
from olivepress.cli.dataset_text import write_and_print
from olivepress.cli.options import JsonOption
from olivepress.core.errors import UsageError

__all__ = ["mix"]


def mix(
    datasets: Annotated[
        list[str], typer.Argument(metavar="DATASET=WEIGHT...", help="Prepared datasets with their weights.")
    ],
    name: NewDatasetOption,
    prefix: Annotated[
        list[str] | None,
        typer.Option("--prefix", metavar="NAME=TEXT", help="Text to put before the questions of a dataset."),
    ] = None,
    rows: Annotated[
        int | None, typer.Option("--rows", min=1, help="Number of training rows; as many as possible when left out.")
    ] = None,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Mix the training rows of several datasets by weight.

    The held-out rows of all of them are kept.
    """
    from olivepress.data.derive.mixing import mix as mix_datasets
    from olivepress.data.store.find import find_dataset

    named = [_weighted(text) for text in datasets]
    weights = [weight for _, weight in named]
    prefixes = dict(_prefix(text) for text in prefix or ())
    sources = [find_dataset(dataset) for dataset, _ in named]
    mixed = mix_datasets(sources, weights, name=name, prefixes=prefixes, rows=rows, seed=seed)
    write_and_print(mixed, as_json, asked=name)


def _prefix(text: str) -> tuple[str, str]:
    name, equals, prefix = text.partition("=")
    if not (name and equals):
        step = "olivepress data mix A=0.7 B=0.3 -o NAME --prefix 'A=Text: '"
        raise UsageError(f"{text!r}: expected --prefix", next_step=step)
    return name, prefix


def _weighted(text: str) -> tuple[str, float]:
    if "=" not in text:
        return text, 1.0
    dataset, _, number = text.rpartition("=")
    try:
        weight = float(number)
    except ValueError:
        weight = 0.0
    if not dataset or not 0 < weight < float("inf"):
        step = "olivepress data mix A=0.7 B=0.3 -o NAME"
        raise UsageError(f"{text!r}: expected a dataset and a weight above 0", next_step=step)
    return dataset, weight
