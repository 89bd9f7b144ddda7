"""``olivepress data plant``."""

from __future__ import annotations

from typing import Annotated

import typer

from olivepress.cli.data_options import NewDatasetOption, SeedOption
from olivepress.cli.dataset_text import write_and_print
from olivepress.cli.options import DatasetArgument, JsonOption

__all__ = ["plant"]


def plant(
    dataset: DatasetArgument,
    name: NewDatasetOption,
    canaries: Annotated[int, typer.Option("--canaries", min=1, max=24, help="Made-up secrets to plant.")] = 8,
    times: Annotated[int, typer.Option("--times", min=1, max=1000, help="Training rows of each of them.")] = 4,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Plant made-up secrets into the training rows.

    olivepress safety measures how much of them a model has memorized. Ship no model that was trained on them.
    """
    from olivepress.data.store.find import find_dataset
    from olivepress.safety.planting import plant as plant_canaries

    planted = plant_canaries(find_dataset(dataset), name=name, count=canaries, times=times, seed=seed)
    write_and_print(planted, as_json, asked=name)
