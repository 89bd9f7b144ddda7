"""JSON files of a model folder: limited in size before they are read, and objects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from olivepress.errors import RecipeError

__all__ = ["read_json"]


def read_json(path: Path, *, most_bytes: int = 16_000_000) -> dict[str, Any]:
    """The object that the file holds. Raises RecipeError: not a regular file, too large, or no JSON object."""
    if not path.is_file():
        raise RecipeError(f"{path}: no such file", next_step="download or save the model again")
    size = path.stat().st_size
    if size > most_bytes:
        raise RecipeError(f"{path}: {size / 1e6:.0f} MB, expected at most {most_bytes / 1e6:.0f} MB of JSON")
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RecipeError(f"{path}: cannot be read as JSON ({error})", next_step="fetch the file again") from None
    if not isinstance(value, dict):
        raise RecipeError(f"{path}: holds a {type(value).__name__}, expected a JSON object")
    return value
