"""``olivepress data show``."""

from __future__ import annotations

from olivepress.cli.dataset_text import print_dataset
from olivepress.cli.options import DatasetArgument, JsonOption

__all__ = ["show"]


def show(name: DatasetArgument, as_json: JsonOption = False) -> None:
    """Show the format, version, source and lineage of a dataset."""
    from olivepress.data.store.find import find_dataset

    print_dataset(find_dataset(name), as_json)
