"""A dataset: writing it to ``datasets/`` and loading it again."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from olivepress.core.errors import DataError
from olivepress.core.files import new_directory
from olivepress.core.layout import dataset_dir
from olivepress.core.names import slug
from olivepress.core.notebook import facts_html, record_html, table_html
from olivepress.data.store.examples import SPLITS, Example, to_line
from olivepress.data.store.reader import FACTS, read_facts
from olivepress.data.store.split_file import SplitFile
from olivepress.data.store.version import Hashes, hash_splits

__all__ = [
    "Dataset",
    "interleave",
    "is_prepared",
    "load_dataset",
    "write_dataset",
]

_SCHEMA_VERSION = 1
_AUDIT_FILES = ("audit.jsonl", "lineage.jsonl")
_PREPARE_AGAIN = "prepare it again with olivepress data prepare"


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Three splits and where they came from; ``version`` is the sha256 of their content.

    ``json_schema`` is what answers must conform to, if one was given. ``dropped`` and ``changed`` count rows by reason;
    ``facts`` are the other entries of its dataset.json; ``files`` is the directory with its audit, if it has one.
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
    # The directory of a dataset that is not written yet; it is deleted with the last reference to it.
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
        """Its directory, relative to the project root."""
        return dataset_dir(self.name, self.version)

    def _repr_html_(self) -> str:
        """What a notebook shows: the audit in short; ``olivepress data show`` writes all of it."""
        rows = {split: f"{len(self.splits[split]):,}" for split in SPLITS}
        facts = [("Version", self.version), ("Format", self.format), ("Synthetic", self.synthetic), *rows.items()]
        counts = [
            (action, reason, count)
            for action, reasons in (("dropped", self.dropped), ("changed", self.changed))
            for reason, count in reasons.items()
        ]
        advice = [
            (each.get("level"), each.get("text")) for each in self.facts.get("advice", []) if isinstance(each, dict)
        ]
        tables = table_html(("Rows", "Reason", "Count"), counts) + table_html(("Advice", "Text"), advice)
        return record_html(f"Dataset {self.name}", facts_html(facts), tables)

    @property
    def json_answers(self) -> bool:
        """Whether every test answer is a JSON object."""
        return all(example.answer.startswith("{") for example in self.splits["test"])


def interleave(name: str, datasets: Mapping[str, Dataset]) -> Dataset:
    """One dataset of several, rows in turn: any first rows come from all of them; ids begin with a dataset's key."""
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
        return examples.lines()
    return (to_line(example).encode("utf-8") for example in examples)


def is_prepared(path: Path) -> bool:
    """Whether ``path`` is a directory that ``write_dataset`` wrote."""
    return (path / FACTS).is_file() and all((path / f"{split}.jsonl").is_file() for split in SPLITS)


def load_dataset(directory: Path) -> Dataset:
    """A prepared dataset. Raises DataError when a file is missing, unreadable, or changed since it was written."""
    facts = read_facts(directory)
    version = facts.pop("version")
    for derived in ("schema_version", "rows", "content_sha256", "sha256"):
        facts.pop(derived, None)
    try:
        dataset = Dataset(
            name=facts.pop("name"),
            format=facts.pop("format"),
            synthetic=facts.pop("synthetic"),
            splits={split: SplitFile(directory / f"{split}.jsonl") for split in SPLITS},
            dropped=facts.pop("dropped"),
            changed=facts.pop("changed", {}),
            json_schema=facts.pop("json_schema"),
            facts=facts,
            files=directory,
        )
    except OSError as error:
        raise DataError(f"{error.filename}: {error.strerror}", next_step=_PREPARE_AGAIN) from None
    except KeyError as error:
        raise DataError(f"{directory / FACTS}: has no key {error}", next_step=_PREPARE_AGAIN) from None
    if dataset.version != version:
        raise DataError(
            f"{directory}: its rows are not those that {FACTS} names: they were changed", next_step=_PREPARE_AGAIN
        )
    return dataset


def write_dataset(dataset: Dataset, root: Path = Path()) -> Path:
    """Write splits, audit, lineage and ``dataset.json`` below ``root``, unless they are there already.

    Returns the directory. Raises SetupError when they cannot be written.
    """
    directory = root / dataset.directory
    facts = json.dumps(_facts(dataset), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    if _is_written(dataset, directory, facts):
        return directory
    with new_directory(directory) as partial:
        for split in SPLITS:
            with (partial / f"{split}.jsonl").open("wb") as file:
                file.writelines(_lines(dataset.splits[split]))
        if dataset.files is not None:
            for name in _AUDIT_FILES:
                if (dataset.files / name).is_file():
                    shutil.copyfile(dataset.files / name, partial / name)
        (partial / FACTS).write_bytes(facts.encode("utf-8"))
    return directory


def _is_written(dataset: Dataset, directory: Path, facts: str) -> bool:
    if not _has_text(directory / FACTS, facts):
        return False
    for name, expected in dataset.hashes.files.items():
        path = directory / name
        if not path.is_file():
            return False
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != expected:
                return False
    # The same rows may have come from other files and lines this time.
    return dataset.files is None or all(
        _is_same(dataset.files / name, directory / name) for name in _AUDIT_FILES if (dataset.files / name).is_file()
    )


def _is_same(source: Path, target: Path) -> bool:
    return target.is_file() and (source.samefile(target) or source.read_bytes() == target.read_bytes())


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


def _has_text(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text
