"""Reads the JSON of other tools and rejects values that cannot be measurements, with one-line errors."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from olivepress.core.bounded import parse_json as parse_json_text
from olivepress.core.bounded import read_text
from olivepress.core.errors import ReportError
from olivepress.core.strict_json import NotAllowedError, strict_hooks

__all__ = ["FORMATS", "MAX_BYTES", "NOT_STATED", "Record", "import_error", "one_line", "parse_json"]

MAX_BYTES = 64 * 1024 * 1024  # the largest of these files, MLPerf Client's with all its prompts, has a few MB
FORMATS = "llama-bench -o json, optimum-benchmark, MLPerf Client results.json, Olive metrics.json"
NOT_STATED = "not stated"
HOOKS = strict_hooks("is not a measurement")
LONGEST_TEXT = 200
SMALLEST, LARGEST = 1e-12, 1e18  # limits of every time, rate and size of these tools, in any of their units
LARGEST_COUNT = 2**53  # the largest range in which floats are exact for whole numbers


def import_error(path: Path, reason: str) -> ReportError:
    """The error of a file that cannot be imported: the reason, the supported formats, and the next step."""
    return ReportError(
        f"{path}: {reason}; formats that can be imported: {FORMATS}",
        next_step="run the tool again, write its JSON to a file of its own and import that file unedited",
    )


def parse_json(path: Path) -> Any:
    """The value of a JSON file, or the list of values of a JSON Lines file with more than one line.

    ReportError for a missing, truncated or oversized (64 MiB) file, NaN, infinities, duplicate keys, deep nesting.
    """
    text = _text(path)
    try:
        return _loads(text)
    except json.JSONDecodeError as error:
        lines = [(number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
        if error.msg != "Extra data" or len(lines) < 2:
            raise import_error(path, f"line {error.lineno}: not complete JSON ({error.msg}); truncated?") from error
    except NotAllowedError as error:
        raise import_error(path, one_line(str(error))) from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, deep nesting
        raise import_error(path, f"not a JSON text ({type(error).__name__})") from error
    return [_line(path, number, line) for number, line in lines]


def _text(path: Path) -> str:
    try:
        return read_text(
            path, MAX_BYTES, ReportError, encoding="utf-8-sig"
        )  # PowerShell redirects with a byte order mark
    except ReportError as error:  # a directory, a pipe, too large
        raise import_error(path, error.message.removeprefix(f"{path}: ")) from error
    except OSError as error:
        raise import_error(path, f"cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise import_error(path, "not UTF-8") from error


def _line(path: Path, number: int, line: str) -> Any:
    try:
        return _loads(line)
    except json.JSONDecodeError as error:
        raise import_error(path, f"line {number}: not complete JSON ({error.msg}); truncated?") from error
    except NotAllowedError as error:
        raise import_error(path, f"line {number}: {one_line(str(error))}") from error
    except (ValueError, RecursionError) as error:
        raise import_error(path, f"line {number}: not a JSON text ({type(error).__name__})") from error


def _loads(text: str) -> Any:
    return parse_json_text(text, parse_float=_finite, **HOOKS)


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise NotAllowedError(f"{digits[:20]} is not a finite number")
    return number


def one_line(text: str) -> str:
    """Text from a file for a message or a table: printable, single spaces, at most 200 characters."""
    words = "".join(character if character.isprintable() else " " for character in text).split()
    return " ".join(words)[:LONGEST_TEXT]


@dataclass(frozen=True, kw_only=True)
class Record:
    """One JSON object with its file and its place in it, which every error names."""

    path: Path
    where: str
    fields: Mapping[str, Any]

    def error(self, reason: str) -> ReportError:
        """The error for a value of this object."""
        return import_error(self.path, f"{self.where}: {reason}")

    def number(self, key: str, *, least: float | None = None) -> float:
        """A number above zero, or of at least ``least``, in the unit of the file. ReportError for anything else."""
        value = self.fields.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > LARGEST:
            raise self.error(f"expected a number in {key!r}, found {_shown(value)}")
        if least is None and value < SMALLEST:
            raise self.error(f"{key!r} is {value}, expected more than 0")
        if least is not None and value < least:
            raise self.error(f"{key!r} is {value}, expected {least:g} or more")
        return float(value)

    def count(self, key: str, *, least: int = 0) -> int:
        """A whole number of at least ``least``."""
        value = self.fields.get(key)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= LARGEST_COUNT:
            raise self.error(f"expected a whole number of {least} or more in {key!r}, found {_shown(value)}")
        return value

    def optional_count(self, key: str) -> int | None:
        """A whole number above zero, or None when the key is absent, null or zero (these tools write 0 for unknown)."""
        if self.fields.get(key) is None:
            return None
        return self.count(key) or None

    def numbers(self, key: str) -> tuple[float, ...]:
        """A list of numbers above zero; () when the key is absent."""
        values = self.fields.get(key, [])
        if not isinstance(values, list):
            raise self.error(f"expected a list in {key!r}, found {_shown(values)}")
        items = {str(index): value for index, value in enumerate(values)}
        inside = Record(path=self.path, where=f"{self.where}: {key}", fields=items)
        return tuple(inside.number(index) for index in items)

    def text(self, key: str) -> str:
        """A text on one line; "not stated" when it is absent, null or empty."""
        value = self.fields.get(key)
        if value is not None and not isinstance(value, str):
            raise self.error(f"expected a text in {key!r}, found {_shown(value)}")
        return one_line(value or "") or NOT_STATED

    def record(self, key: str) -> Record | None:
        """The object under ``key``; None when it is absent or null."""
        value = self.fields.get(key)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self.error(f"expected an object in {key!r}, found {_shown(value)}")
        return Record(path=self.path, where=key if self.where == "the file" else f"{self.where}.{key}", fields=value)


def _shown(value: Any) -> str:
    return "nothing" if value is None else one_line(repr(value)[:40])
