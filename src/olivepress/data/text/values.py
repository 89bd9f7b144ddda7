"""The values of a field as text, by one rule for every format: as JSON writes them."""

from __future__ import annotations

import datetime
import json
import math
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

__all__ = [
    "JSON_TEXT",
    "PLACEHOLDER",
    "PLACEHOLDER_ONLY",
    "RowError",
    "Written",
    "as_text",
    "compact",
    "is_placeholder",
    "parse_json",
    "structured",
    "unique_keys",
]

JSON_TEXT = "JSON given as text read as what it holds"
PLACEHOLDER = "a placeholder such as <noinput> or nan left out of the input"
PLACEHOLDER_ONLY = "no input but a placeholder such as <noinput> or nan"
_PLACEHOLDER = re.compile(
    r"[<\[(]?\s*(no[ _-]?input( (provided|required|needed|given|necessary))?|n/a|none|nan|null)\s*[>\])]?\.?|<na>|#n/a",
    re.IGNORECASE,
)


class RowError(Exception):
    """A row cannot be used; the message is the reason, as the audit shows it."""


class Written(float):
    """A number with its spelling in the file: 1.50 is not 1.5."""

    written: str

    def __new__(cls, text: str) -> Written:
        number = super().__new__(cls, text)
        number.written = text
        return number


def compact(value: Any) -> str:
    """JSON without white space. ValueError for NaN and infinities."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def is_placeholder(value: Any) -> bool:
    """Whether a field holds a placeholder instead of a text, as Alpaca's ``<noinput>`` or pandas' ``nan``."""
    if isinstance(value, float):
        return math.isnan(value)
    return isinstance(value, str) and len(value) < 40 and _PLACEHOLDER.fullmatch(value.strip()) is not None


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def parse_json(text: str) -> Any:
    """The value of JSON text in a field. ValueError for anything else, including NaN and infinities."""
    try:
        return json.loads(text, parse_constant=_refuse_constant, parse_float=_finite, object_pairs_hook=unique_keys)
    except RecursionError:
        raise ValueError("nested too deep") from None


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of these pairs. ValueError for a key that occurs twice: one of its values would be lost."""
    value = dict(pairs)
    if len(value) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in value if names.count(name) > 1)
        raise ValueError(f"the key {repeated[:40]!r} occurs twice")
    return value


def _finite(text: str) -> Written:
    number = Written(text)
    if not math.isfinite(number):
        raise ValueError("a number beyond what a float holds")
    return number


def structured(value: Any) -> Any:
    """The list or object in a JSON text, as tables store them; anything else unchanged."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            return parse_json(value)
        except ValueError:
            return value
    return value


def as_text(value: Any, column: str) -> tuple[str, str | None]:
    """The text of ``value`` and the change made to it, None if it is text. Raises RowError for other values."""
    if isinstance(value, str):
        return value, None
    if isinstance(value, bool):
        return compact(value), "true or false written as text"
    if isinstance(value, float) and not math.isfinite(value):
        raise RowError(f"NaN or Infinity in {column}, expected text")
    if isinstance(value, (int, float)):
        return getattr(value, "written", None) or compact(value), "number written as text"
    if isinstance(value, (dict, list)) and value:
        try:
            text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain)
        except ValueError:
            raise RowError(f"NaN or Infinity in {column}, expected JSON") from None
        except TypeError:
            raise RowError(f"no text in {column}") from None
        return text, "object written as compact JSON"
    for kind, write, change in _SCALARS:
        if isinstance(value, kind):
            return write(value), change
    if isinstance(value, (bytes, bytearray, memoryview)):
        raise RowError(f"bytes in {column}, expected text")
    raise RowError(f"no text in {column}")


def _plain(value: Any) -> str:
    """A date or decimal within an object. TypeError for anything else."""
    for kind, write, _ in _SCALARS:
        if isinstance(value, kind):
            return write(value)
    raise TypeError(type(value).__name__)


# Types that only tables have are written as Python's csv and sqlite3 write them: 2024-01-05, 2024-01-05 10:00:00, 1.50.
_SCALARS: tuple[tuple[type, Callable[[Any], str], str], ...] = (
    (datetime.datetime, str, "date written as text"),
    (datetime.date, str, "date written as text"),
    (datetime.time, str, "time written as text"),
    (Decimal, str, "number written as text"),
)
