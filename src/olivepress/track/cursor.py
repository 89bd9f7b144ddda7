"""How far a record was sent, to each store: written after a line arrived, so that a kill repeats it at most.

Every line is sent in a way that a repetition changes nothing (``mlflow_store``): each arrives once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from olivepress.core.bounded import CONFIG, read_json
from olivepress.core.errors import OlivepressError
from olivepress.core.files import write_text

__all__ = ["Cursor", "cursor_path", "read_cursor", "write_cursor"]


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """``lines`` of the record have arrived as ``run_id``, and as ``model_id`` if it made a model.

    ``size``: of a record all of whose lines have arrived, in bytes; while it is that, the record need not be read.
    ``deleted``: somebody deleted the run in the store, so nothing more is sent. ``refused`` lines were not accepted.
    """

    run_id: str | None = None
    experiment_id: str | None = None
    model_id: str | None = None
    lines: int = 0
    size: int = 0
    deleted: bool = False
    refused: int = 0

    def after(self, lines: int, **changes: Any) -> Cursor:
        return replace(self, lines=lines, **changes)


def cursor_path(record: Path) -> Path:
    return record.with_suffix(".sent.json")


def _stores(record: Path) -> dict[str, Any]:
    try:
        stores = read_json(cursor_path(record), CONFIG, OlivepressError)
    except (OSError, ValueError, OlivepressError):
        return {}
    return stores if isinstance(stores, dict) else {}


def read_cursor(record: Path, store: str) -> Cursor:
    """That of ``store``; at the beginning where there is none, or a damaged one: what arrived is then recognized."""
    fields = _stores(record).get(store)
    try:
        cursor = Cursor(**fields) if isinstance(fields, Mapping) else Cursor()
    except TypeError:
        return Cursor()
    whole = isinstance(cursor.lines, int) and cursor.lines >= 0
    return cursor if whole else Cursor()


def write_cursor(record: Path, store: str, cursor: Cursor) -> None:
    """SetupError when the disk does not take it."""
    text = json.dumps(_stores(record) | {store: asdict(cursor)}, indent=1, sort_keys=True)
    write_text(cursor_path(record), text + "\n")
