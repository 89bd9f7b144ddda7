"""The options that say how rows are prepared: declared once, taken by every command that prepares.

Annotations are evaluated here: typer reads them from commands of other modules.
"""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from olivepress.data.policy import Policy

__all__ = ["one_of", "takes_policy"]


def _policy(
    format_: Annotated[
        str | None, typer.Option("--format", help="Of the rows, where their columns fit several.")
    ] = None,
    stdin_type: Annotated[
        str | None, typer.Option("--type", help="Of standard input (-): csv, tsv, jsonl, json or txt.")
    ] = None,
    instruction: Annotated[str | None, typer.Option("--instruction", help="Text put before every prompt.")] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="A row that cannot be read is an error, not left out.")
    ] = False,
    ratio: Annotated[
        str, typer.Option("--ratio", metavar="T/V/T", help="Shares of train, validation and test.")
    ] = "80/10/10",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of splits and samples.")] = 0,
    slices: Annotated[
        list[str] | None, typer.Option("--slice", metavar="SLICE", help="Rows as the Hub writes them: 'train[:4096]'.")
    ] = None,
    near_duplicates: Annotated[
        str, typer.Option("--near-duplicates", help="group keeps them in one split, drop one of each; ignore.")
    ] = "group",
    near_threshold: Annotated[
        float,
        typer.Option("--near-threshold", min=0.3, max=1.0, help="Similarity from which rows are near duplicates."),
    ] = 0.8,
    against: Annotated[
        list[str] | None,
        typer.Option("--against", metavar="FILE", help="A benchmark that no training row may overlap with."),
    ] = None,
    overlap_words: Annotated[
        int, typer.Option("--overlap-words", min=0, help="Words in a row that train may not share with test; 0: any.")
    ] = 13,
    personal_data: Annotated[str, typer.Option("--personal-data", help="note, mask, drop or ignore.")] = "note",
    presidio: Annotated[
        bool, typer.Option("--presidio", help="Look with Presidio's recognizers too ([privacy]).")
    ] = False,
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
) -> "Policy":
    from olivepress.data.policy import Policy

    one_of("--near-duplicates", near_duplicates, ("group", "drop", "ignore"))
    if stdin_type is not None:
        one_of("--type", stdin_type, ("csv", "tsv", "jsonl", "json", "txt"))
    one_of("--personal-data", personal_data, ("note", "mask", "drop", "ignore"))
    validation, test = _fractions(ratio)
    return Policy(
        format=format_,
        stdin_type=stdin_type,
        instruction=instruction,
        strict=strict,
        validation_fraction=validation,
        test_fraction=test,
        seed=seed,
        slices=tuple(slices or ()),
        near_duplicates=near_duplicates,  # type: ignore[arg-type]
        threshold=near_threshold,
        benchmarks=tuple(against or ()),
        overlap_words=overlap_words,
        personal_data=personal_data,  # type: ignore[arg-type]
        presidio=presidio,
        echoes="keep" if keep_echoes else "drop",
        tokenizer=tokenizer,
        embeddings=embeddings,
    )


def takes_policy(command: Callable[..., None]) -> Callable[..., None]:
    """``command`` with the options of a Policy, which it gets as ``policy``; typer reads both from the signature."""
    options = inspect.signature(_policy).parameters
    own = [p for p in inspect.signature(command).parameters.values() if p.name != "policy"]
    parameters = [*own, *options.values()]  # a command's own options come first in its help

    @wraps(command)
    def with_policy(**given: Any) -> None:
        policy = _policy(**{name: given.pop(name) for name in options})
        command(**given, policy=policy)

    with_policy.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    with_policy.__annotations__ = {p.name: p.annotation for p in parameters}
    return with_policy


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


def one_of(option: str, value: str, known: Any) -> None:
    """Raises UsageError unless ``value`` is among ``known``."""
    from olivepress.core.errors import UsageError

    if value not in known:
        raise UsageError(f"{option} {value!r}: expected {' or '.join(known)}", next_step="olivepress data --help")
