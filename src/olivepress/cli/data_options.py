"""The options that say how rows are prepared, of every command that prepares.

Annotations are evaluated here: ``takes`` reads them.
"""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from olivepress.cli.options import one_of

if TYPE_CHECKING:
    from olivepress.data.prepare.policy import Policy

__all__ = ["FilesArgument", "NewDatasetOption", "SeedOption", "cleaning_options", "policy_of", "reading_options"]

FilesArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE...",
        help="CSV, TSV, JSONL, JSON (also .gz, .zst, .xz), Parquet, FILE.db::TABLE, FILE.xlsx::SHEET, - (stdin), "
        "a directory, a saved dataset, hub:owner/name.",
    ),
]
NewDatasetOption = Annotated[str, typer.Option("-o", "--name", metavar="NAME", help="The name of the new dataset.")]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="The seed of every random choice.")]


def reading_options(
    format_: Annotated[
        str | None, typer.Option("--format", help="The format of the rows, where their columns fit several.")
    ] = None,
    stdin_type: Annotated[
        str | None, typer.Option("--type", help="The type of standard input (-): csv, tsv, jsonl, json or txt.")
    ] = None,
    instruction: Annotated[str | None, typer.Option("--instruction", help="Text to put before every prompt.")] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail on a row that cannot be read, instead of leaving it out.")
    ] = False,
    ratio: Annotated[
        str, typer.Option("--ratio", metavar="T/V/T", help="Shares of train, validation and test.")
    ] = "80/10/10",
    seed: Annotated[int, typer.Option("--seed", min=0, help="The seed of splits and samples.")] = 0,
    slices: Annotated[
        list[str] | None,
        typer.Option("--slice", metavar="SLICE", help="Use these rows only, such as 'train[:4096]'."),
    ] = None,
) -> dict[str, Any]:
    """What is read, and how it is split: fields of a Policy."""
    if stdin_type is not None:
        one_of("--type", stdin_type, ("csv", "tsv", "jsonl", "json", "txt"))
    validation, test = _fractions(ratio)
    return {
        "format": format_,
        "stdin_type": stdin_type,
        "instruction": instruction,
        "strict": strict,
        "validation_fraction": validation,
        "test_fraction": test,
        "seed": seed,
        "slices": tuple(slices or ()),
    }


def cleaning_options(
    near_duplicates: Annotated[
        str,
        typer.Option(
            "--near-duplicates", help="group: keep them in one split; drop: keep one of each; or ignore them."
        ),
    ] = "group",
    near_threshold: Annotated[
        float,
        typer.Option("--near-threshold", min=0.3, max=1.0, help="The similarity from which rows are near duplicates."),
    ] = 0.8,
    against: Annotated[
        list[str] | None,
        typer.Option("--against", metavar="FILE", help="A benchmark that no training row may overlap with."),
    ] = None,
    overlap_words: Annotated[
        int, typer.Option("--overlap-words", min=0, help="Words in a row that train may not share with test; 0: any.")
    ] = 13,
    personal_data: Annotated[
        str, typer.Option("--personal-data", help="What to do with personal data: note, mask, drop or ignore.")
    ] = "note",
    presidio: Annotated[bool, typer.Option("--presidio", help="Also use Presidio's recognizers ([privacy]).")] = False,
    keep_echoes: Annotated[
        bool, typer.Option("--keep-echoes", help="Keep answers that begin with the whole prompt.")
    ] = False,
    tokenizer: Annotated[
        str | None, typer.Option("--tokenizer", metavar="DIR", help="Count lengths with this model's tokenizer.json.")
    ] = None,
    embeddings: Annotated[
        str | None,
        typer.Option("--embeddings", metavar="DIR", help="A model2vec model, for semantic diversity ([diversity])."),
    ] = None,
) -> dict[str, Any]:
    """Which rows are kept, and how they are counted: fields of a Policy."""
    one_of("--near-duplicates", near_duplicates, ("group", "drop", "ignore"))
    one_of("--personal-data", personal_data, ("note", "mask", "drop", "ignore"))
    return {
        "near_duplicates": near_duplicates,
        "threshold": near_threshold,
        "benchmarks": tuple(against or ()),
        "overlap_words": overlap_words,
        "personal_data": personal_data,
        "presidio": presidio,
        "echoes": "keep" if keep_echoes else "drop",
        "tokenizer": tokenizer,
        "embeddings": embeddings,
    }


def policy_of(reading: dict[str, Any], cleaning: dict[str, Any]) -> "Policy":
    """The policy that these options describe."""
    from olivepress.data.prepare.policy import Policy

    return Policy(**reading, **cleaning)


def _fractions(ratio: str) -> tuple[float, float]:
    """``80/10/10`` → (validation, test) as shares of one. Raises UsageError."""
    from olivepress.core.errors import UsageError

    try:
        parts = [float(part) for part in ratio.split("/")]
    except ValueError:
        parts = []
    if len(parts) != 3 or not all(0 < part < float("inf") for part in parts):
        raise UsageError(f"--ratio {ratio!r}: expected three positive numbers", next_step="--ratio 80/10/10")
    return parts[1] / sum(parts), parts[2] / sum(parts)
