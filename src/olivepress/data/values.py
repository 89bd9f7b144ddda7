"""What stands in a text column becomes text, by one rule for every format: as JSON spells it, and told."""

from __future__ import annotations

import json
import math
from typing import Any

__all__ = ["Problem", "Written", "as_text", "compact", "counted"]


class Problem(str):
    """Why a row is dropped."""

    __slots__ = ()


class Written(float):
    """A number that remembers how its file spells it: 1.50 is not 1.5."""

    written: str

    def __new__(cls, text: str) -> Written:
        number = super().__new__(cls, text)
        number.written = text
        return number


def counted(count: int, noun: str) -> str:
    """The count with its noun, as ``1 row`` and ``2 classes``."""
    return f"{count:,} {noun if count == 1 else noun + ('es' if noun.endswith('s') else 's')}"


def compact(value: Any) -> str:
    """JSON without white space. ValueError for NaN and infinities."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def as_text(value: Any, column: str) -> tuple[str, str | None] | Problem:
    """The text of ``value`` and what was done to it, None for a text; a Problem for what has no text."""
    if isinstance(value, str):
        return value, None
    if isinstance(value, bool):
        return compact(value), "true or false written as text"
    if isinstance(value, float) and not math.isfinite(value):
        return Problem(f"NaN or Infinity in {column}, expected text")
    if isinstance(value, (int, float)):
        return getattr(value, "written", None) or compact(value), "number written as text"
    if isinstance(value, (dict, list)) and value:
        try:
            return compact(value), "object written as compact JSON"
        except ValueError:
            return Problem(f"NaN or Infinity in {column}, expected JSON")
        except TypeError:
            pass
    return Problem(f"no text in {column}")
