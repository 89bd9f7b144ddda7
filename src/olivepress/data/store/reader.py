"""Reads a prepared dataset: ``datasets/<name>-<hash12>/{train,validation,test}.jsonl`` and its dataset.json.

Needs the base install only: devices read the rows that they measure with it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from olivepress.core.bounded import CONFIG, TEXT, parse_json, read_text
from olivepress.core.errors import DataError
from olivepress.data.store.examples import Example, parse_example

__all__ = ["FACTS", "LABELS", "Split", "dataset_labels", "read_facts", "read_split"]

FACTS = "dataset.json"
LABELS = "labels"  # in the dataset.json of a bundle: all classes, since its test rows may not contain every one


@dataclass(frozen=True, kw_only=True)
class Split:
    """The rows to measure, out of ``of`` in the file; ``version`` is the dataset's sha256."""

    name: str
    version: str
    split: str
    of: int
    synthetic: bool
    rows: tuple[Example, ...]
    json_schema: Mapping[str, Any] | None = None


def read_split(dataset_dir: Path, split: str, *, limit: int | None = None) -> Split:
    """Read a split. ``limit`` takes rows evenly spread over the file, so that a sorted file does not give one class.

    Raises DataError naming file and line for anything missing, malformed, repeated or empty, and for a file whose hash
    is not the one in dataset.json: measurements on it would not be comparable with those on the right file.
    """
    facts = read_facts(dataset_dir)
    path = dataset_dir / f"{split}.jsonl"
    text = _read_text(path, TEXT)
    _check_sha256(facts, path, text)
    examples = _parse_lines(path, text)
    if limit is not None and limit < 1:
        raise _error(str(path), f"a limit of {limit} leaves no rows to measure")
    count = len(examples)
    chosen = examples
    if limit is not None and limit < count:
        chosen = [examples[index * count // limit] for index in range(limit)]
    return Split(
        name=str(facts["name"]),
        version=str(facts["version"]),
        split=split,
        of=count,
        synthetic=bool(facts.get("synthetic", False)),
        rows=tuple(chosen),
        json_schema=facts.get("json_schema"),
    )


def read_facts(dataset_dir: Path) -> dict[str, Any]:
    """The content of dataset.json. Raises DataError unless it is an object with a name and a version."""
    path = dataset_dir / FACTS
    try:
        facts = parse_json(_read_text(path, CONFIG))
    except json.JSONDecodeError as error:
        raise _error(f"{path}:{error.lineno}", f"not JSON ({error.msg})") from error
    except ValueError as error:
        raise _error(str(path), "nested too deeply") from error
    if not isinstance(facts, dict) or not all(isinstance(facts.get(key), str) for key in ("name", "version")):
        raise _error(str(path), 'expected an object with the texts "name" and "version"')
    return facts


def dataset_labels(dataset_dir: Path) -> tuple[str, ...]:
    """The classes, sorted, if the answer of every training and test row is its class and there are two or more.

    Else (). On a device the training rows may be missing: then the classes are those that dataset.json lists, if it was
    written for a bundle, or those of the test rows.
    """
    facts = read_facts(dataset_dir)
    if not (dataset_dir / "train.jsonl").is_file() and LABELS in facts:
        return _listed_labels(dataset_dir / FACTS, facts[LABELS])
    splits = [name for name in ("train", "test") if (dataset_dir / f"{name}.jsonl").is_file()]
    examples = [example for split in splits for example in read_split(dataset_dir, split).rows]
    if any(example.label is None or example.label != example.answer for example in examples):
        return ()
    labels = tuple(sorted({example.answer for example in examples}))
    return labels if len(labels) > 1 else ()


def _listed_labels(path: Path, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(label, str) for label in value):
        raise _error(str(path), f'expected texts in "{LABELS}"')
    return tuple(value)


def _check_sha256(facts: Mapping[str, Any], path: Path, text: str) -> None:
    hashes = facts.get("sha256")
    expected = hashes.get(path.name) if isinstance(hashes, dict) else None
    if expected is not None and expected != hashlib.sha256(text.encode("utf-8")).hexdigest():
        raise _error(str(path), f"is not the file that {FACTS} names: it was changed after it was prepared")


def _parse_lines(path: Path, text: str) -> list[Example]:
    examples: list[Example] = []
    ids: set[str] = set()
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        example = parse_example(line, f"{path}:{number}")
        if example.id in ids:
            raise _error(f"{path}:{number}", f"id {example.id!r} occurs twice")
        ids.add(example.id)
        examples.append(example)
    if not examples:
        raise _error(str(path), "holds no rows")
    return examples


def _read_text(path: Path, limit: int) -> str:
    try:
        return read_text(path, limit, DataError)
    except (OSError, UnicodeDecodeError) as error:
        raise _error(str(path), f"cannot be read ({getattr(error, 'strerror', None) or 'not UTF-8'})") from error


def _error(where: str, problem: str) -> DataError:
    return DataError(f"{where}: {problem}", next_step="prepare the dataset again with olivepress data prepare")
