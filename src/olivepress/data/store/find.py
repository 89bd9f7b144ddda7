"""Find a prepared dataset by its directory or its name, and describe it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from olivepress.core.errors import DataError
from olivepress.core.layout import DATASETS
from olivepress.data.store.dataset import Dataset, is_prepared, load_dataset
from olivepress.data.store.examples import SPLITS

__all__ = ["describe", "find_dataset"]


def find_dataset(name: str) -> Dataset:
    """The dataset in the directory ``name``, or the only one of that name in ``datasets/``, with or without its hash.

    Raises DataError, which lists the candidates, when there is none or more than one.
    """
    if is_prepared(Path(name)):
        return load_dataset(Path(name))
    prepared = [path for path in sorted(DATASETS.glob("*-*")) if is_prepared(path)]
    matching = [path for path in prepared if path.name == name or path.name.rsplit("-", 1)[0] == name]
    if len(matching) == 1:
        return load_dataset(matching[0])
    listed = ", ".join(path.name for path in matching or prepared) or "none"
    problem = "several datasets of that name" if matching else "no such dataset"
    raise DataError(f"{name}: {problem}; in {DATASETS}/: {listed}", next_step="give one of them, or its directory")


def describe(dataset: Dataset) -> dict[str, Any]:
    """A dataset and its origin; ``lineage`` counts the rows of each split by source file and operation."""
    facts = dataset.facts
    return {
        "name": dataset.name,
        "version": dataset.version,
        "content_sha256": dataset.hashes.content,
        "directory": str(dataset.files or dataset.directory),
        "format": dataset.format,
        "synthetic": dataset.synthetic,
        "rows": {split: len(dataset.splits[split]) for split in SPLITS},
        "read": facts.get("read", {}),
        "dropped": dataset.dropped,
        "changed": dataset.changed,
        "noted": facts.get("noted", {}),
        "unused_columns": facts.get("unused_columns", {}),
        "source": facts.get("source", {}),
        "parents": facts.get("parents", []),
        "lineage": _lineage(dataset),
        "left_out": facts.get("left_out", {}),
        "statistics": facts.get("statistics"),
        "advice": facts.get("advice", []),
    }


def _lineage(dataset: Dataset) -> dict[str, dict[str, int]]:
    """``file`` or ``file, operation`` → split → rows; empty if no lineage was written."""
    path = dataset.files / "lineage.jsonl" if dataset.files else None
    if path is None or not path.is_file():
        return {}
    counts: dict[str, dict[str, int]] = {}
    # The file has one line for each row, split by split.
    splits = (split for split in SPLITS for _ in range(len(dataset.splits[split])))
    with path.open(encoding="utf-8") as file:
        for line, split in zip(file, splits, strict=False):
            entry = json.loads(line)
            operation = f", {entry['made_by']}" if "made_by" in entry else ""
            rows = counts.setdefault(f"{entry['file']}{operation}", {})
            rows[split] = rows.get(split, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: -sum(item[1].values())))
