"""Which dataset each training row of several mixed ones came from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from olivepress.core.errors import DataError
from olivepress.core.jsonl import read_json_lines
from olivepress.data.store.examples import Example

__all__ = ["labelled_by_task", "tasks_of"]

_MIXED = re.compile(r"mixed from (.+)-[0-9a-f]{12}")  # as derive.mixing writes it


def tasks_of(directory: Path | None) -> dict[str, str]:
    """Row id → name of the dataset that ``data mix`` took it from; {} for rows that were not mixed."""
    if directory is None:
        return {}
    tasks = dict[str, str]()
    for line in read_json_lines(directory / "lineage.jsonl", error=DataError):
        if isinstance(line, Mapping) and (match := _MIXED.fullmatch(str(line.get("made_by")))):
            tasks[str(line.get("id"))] = match[1]
    return tasks


def labelled_by_task(rows: Sequence[Example], directory: Path | None) -> list[Example]:
    """The rows with their tasks as labels. DataError where none of them was mixed from another dataset."""
    tasks = tasks_of(directory)
    labelled = [replace(row, label=tasks.get(row.id)) for row in rows]
    if not any(row.label is not None for row in labelled):
        raise DataError(
            f"{directory}: lineage.jsonl names no dataset that its rows were mixed from, expected for task_weights",
            next_step="mix the data again with olivepress data mix, or remove finetune.task_weights",
        )
    return labelled
