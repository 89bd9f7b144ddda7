"""Reads filled sheets, and refuses what can be seen to be wrong with them.

What can be detected without a secret is a change that nobody covered up: the page's checksum is in the file, and who
knows how it is computed can compute it again. A sheet of another comparison, an item that is not on the sheet, a file
given twice and two saves of one session are refused whatever the checksum says.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from olivepress.abtest.records import Filled, Key, checksum
from olivepress.core.bounded import parse_json, read_text
from olivepress.core.errors import DataError
from olivepress.core.printable import printable
from olivepress.core.strict_json import NotAllowedError, strict_hooks

__all__ = ["COLUMNS", "FilledSheet", "check_keys", "read_filled", "read_key"]

COLUMNS = ("sheet", "item", "prompt", "left", "right", "vote", "rater")
_LIMIT = 64 * 1024 * 1024
_HOOKS = strict_hooks("is not a value of a filled sheet")
_FILL_AGAIN = "open the sheet in the browser and save it again"


@dataclass(frozen=True, kw_only=True)
class FilledSheet:
    """A filled sheet with its file."""

    path: Path
    filled: Filled


def read_key(path: Path) -> Key:
    """The key of a sheet. DataError when it is missing or not valid."""
    text = _text(path, "give the key.json that `olivepress abtest make` wrote")
    try:
        return Key.model_validate_json(text)
    except ValidationError as error:
        raise DataError(
            f"{path}: not the key of a sheet ({error.errors()[0]['msg']})",
            next_step="restore it, as the votes of its sheet cannot be scored without it; --key FILE names other keys",
        ) from None


def read_filled(paths: Iterable[Path], keys: Mapping[str, Key]) -> list[FilledSheet]:
    """The filled sheets of these files, each checked against the key of its sheet.

    DataError: not a filled sheet, changed after it was saved, of a sheet without a key, with an item that its sheet
    does not have or that was voted on twice, or counted twice; and of two artifacts that have one name.
    """
    sheets = [FilledSheet(path=path, filled=_read(path)) for path in paths]
    for sheet in sheets:
        _check_items(sheet, keys)
    _check_counted_once(sheets)
    _check_names(sheets, keys)
    return sheets


def check_keys(keys: Iterable[tuple[Path, Key]]) -> dict[str, Key]:
    """Sheet → key. DataError when two keys of one sheet differ in what they say about it."""
    known: dict[str, tuple[Path, Key]] = {}
    for path, key in keys:
        other = known.setdefault(key.sheet, (path, key))
        if other[1].model_copy(update={"created_at": key.created_at}) != key:
            raise DataError(
                f"{path}: contradicts {other[0]}, the key of the same sheet", next_step="remove the wrong one"
            )
    return {sheet: key for sheet, (_, key) in known.items()}


def _read(path: Path) -> Filled:
    text = _text(path, "check the path")
    if path.suffix.lower() == ".csv":
        return _from_csv(path, text)
    try:
        fields = parse_json(text, **_HOOKS)
        filled = Filled.model_validate_json(text)
    except (NotAllowedError, ValidationError, ValueError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else printable(str(error))[:200]
        raise DataError(f"{path}: not a filled sheet ({reason})", next_step=_FILL_AGAIN) from None
    if not isinstance(fields, dict) or filled.check != checksum(filled):
        raise DataError(
            f"{path}: its checksum is not that of its votes: it was changed after it was saved", next_step=_FILL_AGAIN
        )
    return filled


def _from_csv(path: Path, text: str) -> Filled:
    """A sheet that was filled in a spreadsheet: rows without a vote are left out."""
    reader = csv.DictReader(io.StringIO(text), delimiter=_delimiter(text))
    try:
        return _of_rows(path, reader)
    except csv.Error as error:
        raise DataError(
            f"{path}: line {reader.line_num + 1}: not CSV ({error})",
            next_step="save it from the spreadsheet as CSV again, or fill in sheet.html",
        ) from None


def _of_rows(path: Path, reader: csv.DictReader[str]) -> Filled:
    missing = [name for name in ("sheet", "item", "vote", "rater") if name not in (reader.fieldnames or ())]
    if missing:
        raise DataError(f"{path}: no column {missing[0]!r}", next_step="fill in the sheet.csv that was made")
    rows = [{key: (value or "").strip() for key, value in row.items() if isinstance(value, str)} for row in reader]
    voted = [row for row in rows if row.get("vote")]
    raters = {row["rater"] for row in rows if row.get("rater")}
    if len(raters) != 1:
        raise DataError(
            f"{path}: expected one rater in the column 'rater', it has {len(raters)}",
            next_step="write your name into the first row of that column",
        )
    sheets = {row.get("sheet", "") for row in rows if row.get("item")}
    fields = {
        "sheet": min(sheets, default=""),
        "session": "",
        "rater": raters.pop(),
        "saved_at": "",
        "votes": tuple({"item": row.get("item", ""), "vote": row["vote"].lower()} for row in voted),
    }
    if len(sheets) != 1:
        raise DataError(f"{path}: rows of {len(sheets)} sheets in one file", next_step="fill in one file for each")
    try:
        return Filled.model_validate(fields)
    except ValidationError as error:
        place = error.errors()[0]
        value = printable(str(place.get("input")))[:40]
        raise DataError(
            f"{path}: {place['loc'][-1]} is {value!r}, expected {place['msg'].removeprefix('Input should be ')}",
            next_step="write left, right or tie",
        ) from None


def _delimiter(text: str) -> str:
    """Spreadsheets of many languages save with semicolons."""
    first = text.partition("\n")[0]
    return max(",;\t", key=first.count)


def _check_items(sheet: FilledSheet, keys: Mapping[str, Key]) -> None:
    key = keys.get(sheet.filled.sheet)
    if key is None:
        raise DataError(
            f"{sheet.path}: no key for its sheet {sheet.filled.sheet[:12]}", next_step="--key FILE, the key.json of it"
        )
    voted = Counter(each.item for each in sheet.filled.votes)
    for item, count in voted.items():
        if item not in key.items:
            raise DataError(f"{sheet.path}: item {item} is not on the sheet", next_step=_FILL_AGAIN)
        if count > 1:
            raise DataError(f"{sheet.path}: item {item} has two votes", next_step=_FILL_AGAIN)
    if not voted:
        raise DataError(f"{sheet.path}: no vote in it", next_step="fill it in first")


def _check_counted_once(sheets: Iterable[FilledSheet]) -> None:
    """A session and a rater count once for a sheet."""
    known: dict[tuple[str, str, str], tuple[int, Path]] = {}
    for number, sheet in enumerate(sheets):
        filled = sheet.filled
        marks = [("rater", " ".join(filled.rater.casefold().split()))]
        if filled.session:
            marks.append(("session", filled.session))
        for kind, mark in marks:
            first, other = known.setdefault((filled.sheet, kind, mark), (number, sheet.path))
            if first != number:
                raise DataError(
                    f"{sheet.path}: the same sheet by the same {kind} as {other}: it would be counted twice",
                    next_step="give the file that was saved last, only",
                )


def _check_names(sheets: Iterable[FilledSheet], keys: Mapping[str, Key]) -> None:
    """A recipe's artifact is called the same before and after it is trained again."""
    known: dict[str, tuple[str, Path]] = {}
    for sheet in sheets:
        key = keys[sheet.filled.sheet]
        for artifact in (key.a, key.b):
            if artifact.sha256 is None:
                continue
            sha256, other = known.setdefault(artifact.name, (artifact.sha256, sheet.path))
            if sha256 != artifact.sha256:
                raise DataError(
                    f"{sheet.path}: its {printable(artifact.name)} (sha256 {artifact.sha256[:12]}) is not that of "
                    f"{other} ({sha256[:12]})",
                    next_step="score them apart; abtest make takes --name-a and --name-b",
                )


def _text(path: Path, step: str) -> str:
    try:
        return read_text(path, _LIMIT, DataError, encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise DataError(f"{path}: cannot be read ({reason})", next_step=step) from None
