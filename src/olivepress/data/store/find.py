"""A prepared dataset by its directory or by its name."""

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

    DataError when there is none, or several: then the message lists them.
    """
    if is_prepared(Path(name)):
        return load_dataset(Path(name))
    found = [one for one in sorted(DATASETS.glob("*-*")) if is_prepared(one)]
    fitting = [one for one in found if one.name == name or one.name.rsplit("-", 1)[0] == name]
    if len(fitting) == 1:
        return load_dataset(fitting[0])
    known = ", ".join(one.name for one in fitting or found) or "none"
    what = "several datasets of that name" if fitting else "no such dataset"
    raise DataError(f"{name}: {what}; in {DATASETS}/: {known}", next_step="give one of them, or its directory")


def describe(dataset: Dataset) -> dict[str, Any]:
    """What a dataset is and where it came from; ``lineage`` counts the rows of each split by what made them."""
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
    """``file`` or ``file, made by operation`` → split → rows; empty where no lineage was written."""
    path = dataset.files / "lineage.jsonl" if dataset.files else None
    if path is None or not path.is_file():
        return {}
    counts: dict[str, dict[str, int]] = {}
    # It is written split by split.
    splits = (split for split in SPLITS for _ in range(len(dataset.splits[split])))
    with path.open(encoding="utf-8") as file:
        for line, split in zip(file, splits, strict=False):
            entry = json.loads(line)
            made = f", {entry['made_by']}" if "made_by" in entry else ""
            held = counts.setdefault(f"{entry['file']}{made}", {})
            held[split] = held.get(split, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: -sum(item[1].values())))
