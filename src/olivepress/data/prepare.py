"""Recipe's data section → Dataset: splits without leakage, named by their content."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

from olivepress.data.examples import SPLITS, Example, make_example, to_jsonl
from olivepress.data.formats import SUFFIXES, read_file
from olivepress.errors import DataError
from olivepress.recipe import Data, slug

__all__ = ["DATASETS", "Dataset", "build_dataset", "interleave", "write_dataset"]

DATASETS = Path("datasets")
_SCHEMA_VERSION = 1
_MINIMUM_ROWS = {"train": 8, "validation": 1, "test": 1}


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Three splits and where they came from; ``version`` is the sha256 of their content.

    ``json_schema`` is what answers must conform to, None where none was given.
    """

    name: str
    format: str
    synthetic: bool
    splits: dict[str, tuple[Example, ...]]
    dropped: dict[str, int]
    json_schema: dict[str, Any] | None = None

    @property
    def version(self) -> str:
        digest = hashlib.sha256()
        for split in SPLITS:
            digest.update(f"{split}\n{to_jsonl(self.splits[split])}".encode())
        return digest.hexdigest()

    @property
    def directory(self) -> Path:
        """Where it lies, relative to the project root."""
        return DATASETS / f"{self.name}-{self.version[:12]}"

    @property
    def json_answers(self) -> bool:
        """Whether every test answer is a JSON object."""
        return all(example.answer.startswith("{") for example in self.splits["test"])


def build_dataset(data: Data) -> Dataset:
    """Read, split and check what the recipe names. Nothing is written. Raises DataError."""
    if data.demo:
        return _with_schema(_limit(_demo(data.demo, data.instruction), data), data)
    assert data.source is not None
    source = Path(data.source)
    if not source.exists():
        raise DataError(f"{source}: no such file or directory", next_step="give the data with DATA=path")
    found, formats, dropped = _read(source, data.instruction)
    for split, fraction in (("test", data.test_fraction), ("validation", data.validation_fraction)):
        if not found[split]:
            found["train"], found[split] = _carve(found["train"], fraction, data.seed)
    splits, leaked = _without_leaks(found)
    dropped.update(leaked)
    name = source.stem if source.is_file() and source.stem not in SPLITS else source.resolve().name
    if source.is_file() and source.stem in SPLITS:
        name = source.resolve().parent.name
    dataset = Dataset(
        name=slug(name), format="+".join(sorted(formats)), synthetic=False, splits=splits, dropped=dict(dropped)
    )
    return _with_schema(_limit(dataset, data), data)


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


def _demo(task: str, instruction: str | None) -> Dataset:
    from olivepress.embedded import TASKS, answer_schema, generate

    if task not in TASKS:
        raise DataError(f"unknown demo task {task!r}, expected one of {', '.join(TASKS)}")
    prefix = f"{instruction.strip()}\n" if instruction else ""
    splits = {
        split: tuple(make_example(prefix + row.prompt, row.answer, label=row.label, example_id=row.id) for row in rows)
        for split, rows in generate(task).items()
    }
    return Dataset(name=task, format="demo", synthetic=True, splits=splits, dropped={}, json_schema=answer_schema(task))


def _read(source: Path, instruction: str | None) -> tuple[dict[str, list[Example]], set[str], Counter[str]]:
    """Files → split → examples; a file's split is the prefix of its name, ``train`` when it says nothing."""
    paths = [source]
    if source.is_dir():
        paths = sorted(path for path in source.rglob("*") if path.is_file() and path.suffix.lower() in SUFFIXES)
        paths = _prefer_full(paths)
    if not paths:
        raise DataError(f"{source}: no data files in it, expected {', '.join(SUFFIXES)}")
    found: dict[str, list[Example]] = {split: [] for split in SPLITS}
    formats: set[str] = set()
    dropped: Counter[str] = Counter()
    for path in paths:
        result = read_file(path, instruction=instruction)
        found[_split_of(path) if source.is_dir() else "train"] += result.examples
        formats.add(result.format)
        dropped.update(result.dropped)
    return found, formats, dropped


def _prefer_full(paths: list[Path]) -> list[Path]:
    """SNIPS ships ``train_X.json`` (a part) and ``train_X_full.json``: keep the full one."""
    names = set(paths)
    return [path for path in paths if path.with_name(f"{path.stem}_full{path.suffix}") not in names]


def _split_of(path: Path) -> str:
    stem = path.stem.lower()
    if stem.startswith("test"):
        return "test"
    return "validation" if stem.startswith(("valid", "dev")) else "train"


def _carve(examples: list[Example], fraction: float, seed: int) -> tuple[list[Example], list[Example]]:
    """Take ``fraction`` out, the same share of every label, whole groups of equal prompts at a time."""
    by_label: dict[str | None, list[Example]] = defaultdict(list)
    for example in examples:
        by_label[example.label].append(example)
    taken: set[str] = set()
    shuffle = random.Random(seed)
    for label in sorted(by_label, key=str):
        prompts = sorted({example.prompt for example in by_label[label]})
        shuffle.shuffle(prompts)
        taken.update(prompts[: round(len(prompts) * fraction)])
    rest = [example for example in examples if example.prompt not in taken]
    return rest, [example for example in examples if example.prompt in taken]


def _without_leaks(found: dict[str, list[Example]]) -> tuple[dict[str, tuple[Example, ...]], Counter[str]]:
    """No prompt twice: test keeps it before validation, validation before train."""
    seen: set[str] = set()
    splits: dict[str, tuple[Example, ...]] = {}
    dropped: Counter[str] = Counter()
    for split in reversed(SPLITS):
        kept = []
        mine: set[str] = set()
        for example in found[split]:
            key = " ".join(example.prompt.split()).casefold()
            if key in seen or key in mine:
                dropped["prompt occurs in a held-out split" if key in seen else f"duplicate prompt in {split}"] += 1
            else:
                mine.add(key)
                kept.append(example)
        seen |= mine
        splits[split] = tuple(kept)
    return splits, dropped


def _limit(dataset: Dataset, data: Data) -> Dataset:
    """Seeded cut to the rows the recipe allows, then the check that enough are left."""
    splits = dict(dataset.splits)
    for split, limit in (("train", data.max_train_rows), ("test", data.max_test_rows)):
        if limit is not None and limit < len(splits[split]):
            chosen = set(random.Random(data.seed).sample(range(len(splits[split])), limit))
            splits[split] = tuple(example for number, example in enumerate(splits[split]) if number in chosen)
    for split, minimum in _MINIMUM_ROWS.items():
        if len(splits[split]) < minimum:
            raise DataError(
                f"data: {len(splits[split])} rows for the {split} split, at least {minimum} needed",
                next_step="give more data, or change validation_fraction and test_fraction",
            )
    return replace(dataset, splits=splits)


def write_dataset(dataset: Dataset, root: Path = Path()) -> Path:
    """Write the splits and ``dataset.json`` below ``root`` unless they lie there whole; returns the directory."""
    directory = root / dataset.directory
    files = {f"{split}.jsonl": to_jsonl(dataset.splits[split]) for split in SPLITS}
    hashes = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in files.items()}
    files["dataset.json"] = json.dumps(_facts(dataset) | {"sha256": hashes}, indent=2, sort_keys=True) + "\n"
    if all(_holds(directory / name, text) for name, text in files.items()):
        return directory
    partial = directory.with_name(f"{directory.name}.{os.getpid()}.partial")
    partial.mkdir(parents=True)
    try:
        for name, text in files.items():
            (partial / name).write_text(text, encoding="utf-8")
        shutil.rmtree(directory, ignore_errors=True)
        partial.rename(directory)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return directory


def _facts(dataset: Dataset) -> dict[str, Any]:
    return {
        "schema_version": _SCHEMA_VERSION,
        "name": dataset.name,
        "version": dataset.version,
        "format": dataset.format,
        "synthetic": dataset.synthetic,
        "rows": {split: len(dataset.splits[split]) for split in SPLITS},
        "dropped": dataset.dropped,
        "json_schema": dataset.json_schema,
    }


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text
