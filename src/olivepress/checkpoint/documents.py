"""JSON files of a model folder, limited in size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from olivepress.core import bounded
from olivepress.core.errors import RecipeError

__all__ = ["read_json"]


def read_json(path: Path, *, most_bytes: int = bounded.CONFIG) -> dict[str, Any]:
    """The JSON object in the file. Raises RecipeError: not a regular file, too large, or not a JSON object."""
    try:
        value = bounded.read_json(path, most_bytes, RecipeError)
    except FileNotFoundError:
        raise RecipeError(f"{path}: no such file", next_step="download or save the model again") from None
    except (OSError, ValueError) as error:
        raise RecipeError(f"{path}: cannot be read as JSON ({error})", next_step="download the file again") from None
    if not isinstance(value, dict):
        raise RecipeError(f"{path}: contains a {type(value).__name__}, expected a JSON object")
    return value
