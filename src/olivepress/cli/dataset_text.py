"""Datasets on the command line: prepared, written, and described."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from olivepress.cli.console import ConsoleReporter, stage_progress

if TYPE_CHECKING:
    from olivepress.data.policy import Policy
    from olivepress.data.store.dataset import Dataset

__all__ = ["prepare_dataset", "print_dataset", "write_and_print"]


def prepare_dataset(
    files: list[str],
    policy: Policy,
    *,
    quiet: bool,
    name: str | None = None,
    origin: dict[str, str] | None = None,
    audit: Path | None = None,
) -> Dataset:
    """The dataset of these files, with progress on the console."""
    from olivepress.data.build import prepare_files

    with ConsoleReporter(quiet=quiet) as reporter:
        return prepare_files(
            files, policy, name=name, origin=origin or {}, on_progress=stage_progress(reporter), audit=audit
        )


def write_and_print(dataset: Dataset, as_json: bool, *, asked: str | None = None) -> None:
    """Write a new dataset with its page, and print it; ``asked`` is the name that was asked for."""
    from olivepress.data.page import write_audit_page
    from olivepress.data.store.dataset import write_dataset

    directory = write_dataset(dataset)
    write_audit_page(dataset, directory)
    print_dataset(dataset, as_json, directory)
    if as_json:
        return
    if asked not in (None, dataset.name):
        print(f"{asked!r} became {dataset.name!r}: names hold letters, digits, dots, _ and -, 40 at most")
    print(f"{directory}: next: olivepress data show {directory}, or source: {directory} under data: in a recipe")


def print_dataset(dataset: Dataset, as_json: bool, directory: Path | None = None) -> None:
    """What a dataset holds, where it comes from, and advice on it."""
    from olivepress.data.store.find import describe

    description = describe(dataset)
    if directory is not None:
        description["directory"] = str(directory)
    if as_json:
        print(json.dumps(description, indent=2, ensure_ascii=False))
    else:
        print("\n".join(_lines(description)))


def _lines(description: dict[str, Any]) -> Iterator[str]:
    yield from _origin(description)
    yield from _account(description)
    if description["statistics"]:
        yield from _statistics(description["statistics"])
    yield from _lineage(description)
    for advice in description["advice"]:
        yield f"{advice['level'].upper()}: {advice['text']}"


def _origin(description: dict[str, Any]) -> Iterator[str]:
    """What the dataset is and where it comes from."""
    rows = ", ".join(f"{count:,} {split}" for split, count in description["rows"].items())
    yield f"{description['name']}, {description['format']}: {rows}; sha256 {description['version']}"
    for key, title in (("origin", "source"), ("licence", "licence")):
        if key in description["source"] or not description["parents"]:
            yield f"{title}: {description['source'].get(key, 'unknown')}"
    for parent in description["parents"]:
        yield f"from {parent['name']}, sha256 {parent['version']}"


def _account(description: dict[str, Any]) -> Iterator[str]:
    """Rows that were read, dropped and changed, and columns that were not used."""
    from olivepress.core.messages import counted

    read, dropped = sum(description["read"].values()), sum(description["dropped"].values())
    if description["read"]:
        files = counted(len(description["read"]), "file")
        yield f"{counted(read, 'row')} in from {files} = {read - dropped:,} kept + {dropped:,} dropped"
    for title in ("dropped", "changed", "noted"):
        for reason, count in sorted(description[title].items(), key=lambda item: -item[1]):
            yield f"  {title} {count:>7,} x {reason}"
    for file, columns in description["unused_columns"].items():
        yield f"  not used in {file}: {', '.join(columns)}"


def _lineage(description: dict[str, Any]) -> Iterator[str]:
    """The files and datasets that the rows come from, and rows that were left out of them."""
    from olivepress.core.messages import counted

    if len(description["lineage"]) > 1:
        for origin, counts in list(description["lineage"].items())[:20]:
            yield f"  from {origin}: {', '.join(f'{count:,} {split}' for split, count in counts.items())}"
    for parent, count in description["left_out"].items():
        if count:
            yield f"  left out of {parent}: {counted(count, 'training row')} beyond its share"


def _statistics(statistics: dict[str, Any]) -> Iterator[str]:
    from olivepress.core.messages import counted

    for what in ("prompt", "answer"):
        lengths = statistics["lengths"][what]
        if lengths["n"]:
            yield (
                f"{what}: median {lengths['median']:g} {statistics['unit']}, "
                f"95 % up to {lengths['p95']:g}, longest {lengths['maximum']}"
            )
    for split, counts in statistics["labels"].items():
        ratio = max(counts.values()) / min(counts.values())
        yield f"{split}: {counted(len(counts), 'class')}, largest to smallest {ratio:.1f}:1"
    if statistics["distinct_2"] is not None:
        distinct = f"distinct-1 {statistics['distinct_1']}, distinct-2 {statistics['distinct_2']}"
        yield f"{distinct} (n={statistics['sampled']})"
    if statistics["semantic_diversity"] is not None:
        yield f"semantic diversity {statistics['semantic_diversity']} (n={statistics['sampled']})"
    if statistics["languages"]:
        ordered = sorted(statistics["languages"].items(), key=lambda item: (-item[1], item[0]))
        shares = ", ".join(f"{code} {share:.1%}" for code, share in ordered[:5])
        yield f"languages: {shares} (n={statistics['sampled']})"
