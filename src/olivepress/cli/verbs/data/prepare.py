"""``olivepress data prepare``. Annotations are evaluated here: ``takes`` reads them."""

from typing import Annotated, Any

import typer

from olivepress.cli.data_options import FilesArgument, cleaning_options, policy_of, reading_options
from olivepress.cli.dataset_text import prepare_dataset, write_and_print
from olivepress.cli.options import JsonOption, QuietOption, takes
from olivepress.core.errors import UsageError

__all__ = ["prepare"]


@takes(reading=reading_options, cleaning=cleaning_options)
def prepare(
    files: FilesArgument,
    name: Annotated[str | None, typer.Option("-o", "--name", metavar="NAME", help="The name of the dataset.")] = None,
    licence: Annotated[str | None, typer.Option("--licence", help="The licence of the data, kept with it.")] = None,
    origin: Annotated[str | None, typer.Option("--source", help="Where the data comes from, kept with it.")] = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    *,
    reading: dict[str, Any],
    cleaning: dict[str, Any],
) -> None:
    """Write a dataset: splits without leaks, an audit, a page.

    It is written into datasets/, with the lineage of every row.
    """
    if name is not None and not name.strip():
        raise UsageError("-o is empty, expected a name for the dataset", next_step="olivepress data prepare --help")
    about = {key: value for key, value in (("origin", origin), ("licence", licence)) if value}
    dataset = prepare_dataset(files, policy_of(reading, cleaning), name=name, origin=about, quiet=quiet or as_json)
    write_and_print(dataset, as_json, asked=name)
