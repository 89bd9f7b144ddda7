"""``olivepress data replay``."""

from __future__ import annotations

from typing import Annotated

import typer

from olivepress.cli.data_options import NewDatasetOption, SeedOption
from olivepress.cli.dataset_text import write_and_print
from olivepress.cli.options import JsonOption

__all__ = ["replay"]


def replay(
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="The new version of a dataset.")],
    earlier: Annotated[
        list[str],
        typer.Option("--earlier", metavar="DATASET", help="Earlier versions, oldest first; the last three are used."),
    ],
    name: NewDatasetOption,
    share: Annotated[float, typer.Option("--share", help="The share of earlier rows among all training rows.")] = 0.2,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Add training rows of earlier versions to a new one.

    This keeps a model from forgetting what it learned.
    """
    from olivepress.data.derive.mixing import replay as replay_dataset
    from olivepress.data.store.find import find_dataset

    sources = [find_dataset(version) for version in earlier]
    replayed = replay_dataset(find_dataset(dataset), sources, name=name, share=share, seed=seed)
    write_and_print(replayed, as_json, asked=name)
