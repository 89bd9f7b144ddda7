"""A dataset, and how it is written to ``datasets/`` and read again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from olivepress.core.bounded import CONFIG, read_json
from olivepress.core.errors import DataError
from olivepress.core.files import new_directory
from olivepress.core.layout import DATASETS
from olivepress.core.names import slug
from olivepress.data.store.examples import SPLITS, Example, to_line
from olivepress.data.store.rows import SplitFile
from olivepress.data.store.version import Hashes, hash_splits

__all__ = [
    "FACTS",
    "Dataset",
    "interleave",
    "is_prepared",
    "load_dataset",
    "write_dataset",
]

FACTS = "dataset.json"
_SCHEMA_VERSION = 1
_BESIDE = ("audit.jsonl", "lineage.jsonl")


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Three splits and where they came from; ``version`` is the sha256 of their content.

    ``json_schema`` is what answers must conform to, None where none was given. ``dropped`` and ``changed`` count rows
    by reason; ``facts`` is what else its dataset.json tells; ``files`` is the directory with its audit, if it has one.
    """

    name: str
    format: str
    synthetic: bool
    splits: Mapping[str, Sequence[Example]]
    dropped: dict[str, int]
    changed: dict[str, int] = field(default_factory=dict)
    json_schema: dict[str, Any] | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    files: Path | None = None
    # Holds the directory of a dataset that was made and not written yet; gone with the last reference to it.
    scratch: TemporaryDirectory[str] | None = None

    @cached_property
    def hashes(self) -> Hashes:
        """Hashes of all splits, computed once."""
        return hash_splits({split: _lines(self.splits[split]) for split in SPLITS})

    @property
    def version(self) -> str:
        return self.hashes.version

    @property
    def directory(self) -> Path:
        """Where it lies, relative to the project root."""
        return DATASETS / f"{self.name}-{self.version[:12]}"

    @property
    def json_answers(self) -> bool:
        """Whether every test answer is a JSON object."""
        return all(example.answer.startswith("{") for example in self.splits["test"])


def interleave(name: str, datasets: Mapping[str, Dataset]) -> Dataset:
    """One dataset of several, their rows in turn, so that any first rows are of all of them; ids say whose a row is."""
    splits = {}
    for split in SPLITS:
        columns = [
            [replace(example, id=f"{key}:{example.id}") for example in dataset.splits[split]]
            for key, dataset in datasets.items()
        ]
        splits[split] = tuple(example for row in zip_longest(*columns) for example in row if example is not None)
    return Dataset(
        name=slug(name),
        format="+".join(sorted({dataset.format for dataset in datasets.values()})),
        synthetic=any(dataset.synthetic for dataset in datasets.values()),
        splits=splits,
        dropped={},
    )


def _lines(examples: Sequence[Example]) -> Iterator[bytes]:
    if isinstance(examples, SplitFile):
        with examples.path.open("rb") as file:
            yield from file
    else:
        yield from (to_line(example).encode("utf-8") for example in examples)


def is_prepared(path: Path) -> bool:
    """Whether ``path`` is a directory that ``write_dataset`` wrote."""
    return (path / FACTS).is_file() and all((path / f"{split}.jsonl").is_file() for split in SPLITS)


def load_dataset(directory: Path) -> Dataset:
    """A prepared dataset as it lies there. DataError when a file is missing, unreadable, or not what was written."""
    again = "prepare it again with olivepress data prepare"
    try:
        facts = read_json((directory / FACTS), CONFIG, DataError)
        splits = {split: SplitFile(directory / f"{split}.jsonl") for split in SPLITS}
        dataset = Dataset(
            name=facts.pop("name"),
            format=facts.pop("format"),
            synthetic=facts.pop("synthetic"),
            splits=splits,
            dropped=facts.pop("dropped"),
            changed=facts.pop("changed", {}),
            json_schema=facts.pop("json_schema"),
            facts=facts,
            files=directory,
        )
    except OSError as error:
        raise DataError(f"{error.filename}: {error.strerror}", next_step=again) from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise DataError(f"{directory / FACTS}: not readable as a dataset's facts", next_step=again) from None
    if dataset.version != facts.pop("version", None):
        raise DataError(f"{directory}: its rows are not those that {FACTS} names: they were changed", next_step=again)
    for derived in ("schema_version", "rows", "content_sha256", "sha256"):
        facts.pop(derived, None)
    return dataset


def write_dataset(dataset: Dataset, root: Path = Path()) -> Path:
    """Write splits, audit, lineage and ``dataset.json`` below ``root`` unless they lie there whole; the directory.

    Raises SetupError when the disk does not take them.
    """
    directory = root / dataset.directory
    facts = json.dumps(_facts(dataset), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    if _lies_there(dataset, directory, facts):
        return directory
    with new_directory(directory) as partial:
        for split in SPLITS:
            with (partial / f"{split}.jsonl").open("wb") as file:
                file.writelines(_lines(dataset.splits[split]))
        if dataset.files is not None:
            for name in _BESIDE:
                if (dataset.files / name).is_file():
                    shutil.copyfile(dataset.files / name, partial / name)
        (partial / FACTS).write_bytes(facts.encode("utf-8"))
    return directory


def _lies_there(dataset: Dataset, directory: Path, facts: str) -> bool:
    import hashlib

    if not _holds(directory / FACTS, facts):
        return False
    for name, expected in dataset.hashes.files.items():
        path = directory / name
        if not path.is_file():
            return False
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != expected:
                return False
    # An audit tells file and line as they were this time.
    return dataset.files is None or all(
        _same(dataset.files / name, directory / name) for name in _BESIDE if (dataset.files / name).is_file()
    )


def _same(one: Path, other: Path) -> bool:
    return other.is_file() and (one.samefile(other) or one.read_bytes() == other.read_bytes())


def _facts(dataset: Dataset) -> dict[str, Any]:
    return dataset.facts | {
        "schema_version": _SCHEMA_VERSION,
        "name": dataset.name,
        "version": dataset.version,
        "format": dataset.format,
        "synthetic": dataset.synthetic,
        "rows": {split: len(dataset.splits[split]) for split in SPLITS},
        "dropped": dataset.dropped,
        "changed": dataset.changed,
        "json_schema": dataset.json_schema,
        "content_sha256": dataset.hashes.content,
        "sha256": dataset.hashes.files,
    }


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text
