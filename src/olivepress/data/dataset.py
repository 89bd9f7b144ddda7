"""A dataset, how it is made from a recipe's ``data:`` and how it is written to ``datasets/``."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from olivepress.data.examples import SPLITS, Example, make_example, to_line
from olivepress.data.policy import Policy
from olivepress.data.rows import SplitFile
from olivepress.data.version import Hashes, hash_splits
from olivepress.errors import DataError
from olivepress.recipe import Data, slug

__all__ = [
    "DATASETS",
    "FACTS",
    "Dataset",
    "build_dataset",
    "interleave",
    "is_prepared",
    "load_dataset",
    "prepare_files",
    "write_dataset",
]

DATASETS = Path("datasets")
FACTS = "dataset.json"
_SCHEMA_VERSION = 1
_BESIDE = ("audit.jsonl", "lineage.jsonl")
Tell = Callable[[str, int, int], None]


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


def build_dataset(data: Data, *, tell: Tell = lambda *_: None) -> Dataset:
    """Read, clean, split and check what the recipe names. Nothing is written below ``datasets/``. Raises DataError."""
    if data.demo:
        return _with_schema(_demo(data), data)
    assert data.source is not None
    if is_prepared(Path(data.source)):
        return _with_schema(load_dataset(Path(data.source)), data)
    return _with_schema(prepare_files([data.source], policy_of(data), tell=tell), data)


def policy_of(data: Data) -> Policy:
    """A recipe's ``data:`` as the choices of a preparation."""
    limits = (("train", data.max_train_rows), ("test", data.max_test_rows))
    return Policy(
        instruction=data.instruction,
        validation_fraction=data.validation_fraction,
        test_fraction=data.test_fraction,
        seed=data.seed,
        max_rows=tuple((split, limit) for split, limit in limits if limit is not None),
        max_length=data.max_length,
        languages=False,
        **data.preparation,
    )


def prepare_files(
    names: Sequence[str],
    policy: Policy,
    *,
    name: str | None = None,
    origin: Mapping[str, str] | None = None,
    tell: Tell = lambda *_: None,
    split: str | None = None,
) -> Dataset:
    """Prepare files into a dataset in a scratch directory, until it is written. ``origin``: source and licence."""
    from olivepress.data.prepare import prepare_rows
    from olivepress.data.sources import source_name

    scratch = TemporaryDirectory(prefix="olivepress-data-")
    made = prepare_rows(names, policy, Path(scratch.name), tell=tell, split=split)
    called = slug(name or source_name(names))
    account = asdict(made.account)
    # Seconds differ from run to run: what is written must not.
    facts = {
        "source": {"files": list(made.account.read), **(origin or {})},
        "formats": made.formats,
        "unused_columns": {file: list(columns) for file, columns in made.unused.items()},
        "read": account["read"],
        "noted": account["noted"],
        "statistics": asdict(made.statistics),
        "advice": [asdict(advice) for advice in made.advice],
        "policy": policy.facts,
    }
    dataset = Dataset(
        name=called,
        format="+".join(sorted(set(made.formats.values()))),
        synthetic=False,
        splits={split: SplitFile(made.directory / f"{split}.jsonl", scratch) for split in SPLITS},
        dropped=made.account.dropped,
        changed=made.account.changed,
        facts=facts,
        files=made.directory,
        scratch=scratch,
    )
    dataset.__dict__["hashes"] = made.hashes  # they were computed while writing
    return dataset


def _with_schema(dataset: Dataset, data: Data) -> Dataset:
    """The recipe's own schema of the answers, when it names one. Raises DataError when that is none."""
    if data.json_schema is None:
        return dataset
    try:
        schema = json.loads(Path(data.json_schema).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{data.json_schema}: not readable as JSON ({error})", next_step="give a JSON Schema") from None
    if not isinstance(schema, dict):
        raise DataError(f"{data.json_schema}: expected a JSON Schema, an object", next_step="give a JSON Schema")
    return replace(dataset, json_schema=schema)


def _demo(data: Data) -> Dataset:
    from olivepress.data.prepare import MINIMUM_ROWS
    from olivepress.embedded import TASKS, answer_schema, generate

    task = data.demo or ""
    if task not in TASKS:
        raise DataError(f"unknown demo task {task!r}, expected one of {', '.join(TASKS)}")
    prefix = f"{data.instruction.strip()}\n" if data.instruction else ""
    splits = {
        split: tuple(make_example(prefix + row.prompt, row.answer, label=row.label, example_id=row.id) for row in rows)
        for split, rows in generate(task).items()
    }
    for split, limit in (("train", data.max_train_rows), ("test", data.max_test_rows)):
        splits[split] = _chosen(splits[split], limit, data.seed)
        if len(splits[split]) < MINIMUM_ROWS[split]:
            message = f"data: {len(splits[split])} rows for the {split} split, at least {MINIMUM_ROWS[split]} needed"
            raise DataError(message, next_step="allow more rows")
    return Dataset(name=task, format="demo", synthetic=True, splits=splits, dropped={}, json_schema=answer_schema(task))


def _chosen(examples: tuple[Example, ...], limit: int | None, seed: int) -> tuple[Example, ...]:
    """A seeded choice of ``limit`` rows, in their order."""
    import random

    if limit is None or limit >= len(examples):
        return examples
    chosen = set(random.Random(seed).sample(range(len(examples)), limit))
    return tuple(example for number, example in enumerate(examples) if number in chosen)


def is_prepared(path: Path) -> bool:
    """Whether ``path`` is a directory that ``write_dataset`` wrote."""
    return (path / FACTS).is_file() and all((path / f"{split}.jsonl").is_file() for split in SPLITS)


def load_dataset(directory: Path) -> Dataset:
    """A prepared dataset as it lies there. DataError when a file is missing, unreadable, or not what was written."""
    again = "prepare it again with olivepress data prepare"
    try:
        facts = json.loads((directory / FACTS).read_text(encoding="utf-8"))
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
    """Write splits, audit, lineage and ``dataset.json`` below ``root`` unless they lie there whole; the directory."""
    directory = root / dataset.directory
    facts = json.dumps(_facts(dataset), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    if _lies_there(dataset, directory, facts):
        return directory
    partial = directory.with_name(f"{directory.name}.{os.getpid()}.partial")
    partial.mkdir(parents=True)
    try:
        for split in SPLITS:
            with (partial / f"{split}.jsonl").open("wb") as file:
                file.writelines(_lines(dataset.splits[split]))
        if dataset.files is not None:
            for name in _BESIDE:
                if (dataset.files / name).is_file():
                    shutil.copyfile(dataset.files / name, partial / name)
        (partial / FACTS).write_text(facts, encoding="utf-8")
        shutil.rmtree(directory, ignore_errors=True)
        partial.rename(directory)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
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
