"""``olivepress data check``. Annotations are evaluated here: ``takes`` reads them."""

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from olivepress.cli.data_options import FilesArgument, cleaning_options, policy_of, reading_options
from olivepress.cli.dataset_text import prepare_dataset, print_dataset
from olivepress.cli.options import JsonOption, QuietOption, takes

__all__ = ["check"]


@takes(reading=reading_options, cleaning=cleaning_options)
def check(
    files: FilesArgument,
    audit: Annotated[Path | None, typer.Option("--audit", metavar="FILE", help="Write the audit to this file.")] = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    *,
    reading: dict[str, Any],
    cleaning: dict[str, Any],
) -> None:
    """Show what prepare would do with every row, without keeping anything.

    Also shows whether the data is worth fine-tuning on.
    """
    dataset = prepare_dataset(files, policy_of(reading, cleaning), quiet=quiet or as_json, audit=audit)
    print_dataset(dataset, as_json)
    if not as_json:
        print(f"nothing was kept; next: olivepress data prepare {shlex.join(files)} -o NAME")
