"""``olivepress data``: check, prepare, show and export datasets.

Annotations are evaluated here: ``takes_policy`` puts them beside those of another module.
"""

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from olivepress.cli.data_options import one_of, takes_policy
from olivepress.core.errors import UsageError

if TYPE_CHECKING:
    from olivepress.data.policy import Policy
    from olivepress.data.store.dataset import Dataset
    from olivepress.pipeline.console import ConsoleReporter

__all__ = ["data", "teller", "write_and_print"]

data = typer.Typer(help="Prepare datasets: versioned, audited, without leaks.", no_args_is_help=True)

_Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE...",
        help="CSV, TSV, JSONL, JSON (also .gz, .zst, .xz), Parquet, FILE.db::TABLE, FILE.xlsx::SHEET, - (stdin), "
        "a directory, a saved dataset, hub:owner/name.",
    ),
]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
_Quiet = Annotated[bool, typer.Option("--quiet", help="No progress.")]
_Name = Annotated[str, typer.Argument(metavar="DATASET", help="A prepared dataset: its directory, or its name.")]


@data.command()
@takes_policy
def check(
    files: _Files,
    policy: "Policy",
    audit: Annotated[Path | None, typer.Option("--audit", metavar="FILE", help="Write the audit there.")] = None,
    quiet: _Quiet = False,
    as_json: _Json = False,
) -> None:
    """Show what prepare would do with every row; keep nothing.

    And whether the data is worth fine-tuning on.
    """
    dataset = _prepare(files, policy, None, {}, quiet=quiet or as_json, audit=audit)
    _print(dataset, as_json)
    if not as_json:
        print(f"nothing was kept; next: olivepress data prepare {shlex.join(files)} -o NAME")


@data.command()
@takes_policy
def prepare(
    files: _Files,
    policy: "Policy",
    name: Annotated[
        str | None, typer.Option("-o", "--name", metavar="NAME", help="What the dataset is called.")
    ] = None,
    licence: Annotated[str | None, typer.Option("--licence", help="Of the data, kept with it.")] = None,
    origin: Annotated[str | None, typer.Option("--source", help="Where the data comes from, kept with it.")] = None,
    quiet: _Quiet = False,
    as_json: _Json = False,
) -> None:
    """Write a dataset: splits without leaks, an audit, a page.

    Into datasets/, with the lineage of every row.
    """
    if name is not None and not name.strip():
        raise UsageError("-o is empty, expected a name for the dataset", next_step="olivepress data prepare --help")
    said = {key: value for key, value in (("origin", origin), ("licence", licence)) if value}
    dataset = _prepare(files, policy, name, said, quiet=quiet or as_json)
    write_and_print(dataset, as_json, asked=name)


@data.command()
def show(name: _Name, as_json: _Json = False) -> None:
    """Show a dataset's format, version, source and lineage."""
    from olivepress.data.store.find import find_dataset

    _print(find_dataset(name), as_json)


@data.command()
def export(
    name: _Name,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Where the three files go.")],
    to: Annotated[str, typer.Option("--to", help="messages, prompt-completion, alpaca or sharegpt.")] = "messages",
    as_json: _Json = False,
) -> None:
    """Write a dataset in the form that other tools read.

    The JSON lines that hosted services and other trainers take.
    """
    from olivepress.data.derive.export import FORMS, export_dataset
    from olivepress.data.store.find import find_dataset
    from olivepress.data.text.values import counted

    one_of("--to", to, FORMS)
    exported = export_dataset(find_dataset(name), to, out)
    paths = {split: str(path) for split, path in exported.paths.items()}
    if as_json:
        print(json.dumps({**paths, "omitted": exported.omitted}))
        return
    print("\n".join(paths.values()))
    for what, count in exported.omitted.items():
        print(f"omitted, {to} has no place for it: {what} of {counted(count, 'row')}")


def _prepare(
    files: list[str],
    policy: "Policy",
    name: str | None,
    origin: dict[str, str],
    *,
    quiet: bool,
    audit: Path | None = None,
) -> "Dataset":
    from olivepress.data.build import prepare_files
    from olivepress.pipeline.console import ConsoleReporter

    with ConsoleReporter(quiet=quiet) as reporter:
        return prepare_files(files, policy, name=name, origin=origin, on_progress=teller(reporter), audit=audit)


def teller(reporter: "ConsoleReporter") -> Any:
    """Progress on the console: one line for each step."""
    shown = ""

    def tell(step: str, done: int, total: int) -> None:
        nonlocal shown
        if step != shown:
            reporter.begin(step)
            shown = step
        reporter.update(f"{done:,}", done, total)

    return tell


def write_and_print(dataset: "Dataset", as_json: bool, *, asked: str | None = None) -> None:
    """Write a new dataset with its page, and print it; ``asked`` is the name that was asked for."""
    from olivepress.data.page import write_audit_page
    from olivepress.data.store.dataset import write_dataset

    directory = write_dataset(dataset)
    write_audit_page(dataset, directory)
    _print(dataset, as_json, directory)
    if as_json:
        return
    if asked not in (None, dataset.name):
        print(f"{asked!r} became {dataset.name!r}: names hold letters, digits, dots, _ and -, 40 at most")
    print(f"{directory}: next: olivepress data show {directory}, or source: {directory} under data: in a recipe")


def _print(dataset: "Dataset", as_json: bool, directory: Path | None = None) -> None:
    from olivepress.data.store.find import describe

    told = describe(dataset)
    if directory is not None:
        told["directory"] = str(directory)
    if as_json:
        print(json.dumps(told, indent=2, ensure_ascii=False))
    else:
        print("\n".join(_sentences(told)))


def _sentences(told: dict[str, Any]) -> Iterator[str]:
    from olivepress.data.text.values import counted

    rows = ", ".join(f"{count:,} {split}" for split, count in told["rows"].items())
    yield f"{told['name']}, {told['format']}: {rows}; sha256 {told['version']}"
    for key, title in (("origin", "source"), ("licence", "licence")):
        if key in told["source"] or not told["parents"]:
            yield f"{title}: {told['source'].get(key, 'unknown')}"
    for parent in told["parents"]:
        yield f"from {parent['name']}, sha256 {parent['version']}"
    read, dropped = sum(told["read"].values()), sum(told["dropped"].values())
    if told["read"]:
        files = counted(len(told["read"]), "file")
        yield f"{counted(read, 'row')} in from {files} = {read - dropped:,} kept + {dropped:,} dropped"
    for title, counts in (("dropped", told["dropped"]), ("changed", told["changed"]), ("noted", told["noted"])):
        for reason, count in sorted(counts.items(), key=lambda item: -item[1]):
            yield f"  {title} {count:>7,} x {reason}"
    for file, columns in told["unused_columns"].items():
        yield f"  not used in {file}: {', '.join(columns)}"
    if told["statistics"]:
        yield from _numbers(told["statistics"])
    if len(told["lineage"]) > 1:
        for origin, counts in list(told["lineage"].items())[:20]:
            yield f"  from {origin}: {', '.join(f'{count:,} {split}' for split, count in counts.items())}"
    for parent, count in told["left_out"].items():
        if count:
            yield f"  left out of {parent}: {counted(count, 'training row')} beyond its share"
    for advice in told["advice"]:
        yield f"{advice['level'].upper()}: {advice['text']}"


def _numbers(statistics: dict[str, Any]) -> Iterator[str]:
    from olivepress.data.text.values import counted

    for what in ("prompt", "answer"):
        found = statistics["lengths"][what]
        if found["n"]:
            yield (
                f"{what}: median {found['median']:g} {statistics['unit']}, "
                f"95 % up to {found['p95']:g}, longest {found['maximum']}"
            )
    for split, counts in statistics["labels"].items():
        ratio = max(counts.values()) / min(counts.values())
        yield f"{split}: {counted(len(counts), 'class')}, largest to smallest {ratio:.1f}:1"
    if statistics["distinct_2"] is not None:
        found = f"distinct-1 {statistics['distinct_1']}, distinct-2 {statistics['distinct_2']}"
        yield f"{found} (n={statistics['sampled']})"
    if statistics["semantic_diversity"] is not None:
        yield f"semantic diversity {statistics['semantic_diversity']} (n={statistics['sampled']})"
    if statistics["languages"]:
        ordered = sorted(statistics["languages"].items(), key=lambda item: (-item[1], item[0]))
        shares = ", ".join(f"{code} {share:.1%}" for code, share in ordered[:5])
        yield f"languages: {shares} (n={statistics['sampled']})"
