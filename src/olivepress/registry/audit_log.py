"""The audit log of a registered model: JSON lines that are only appended to, each with the hash of the line before.

A change, an insertion or a removal in the middle breaks the chain. The registry keeps the hash of the last line, which
shows a cut at the end.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from olivepress.core.bounded import CONFIG, parse_json, read_text
from olivepress.core.errors import AuditError
from olivepress.core.files import cannot_write
from olivepress.core.timestamps import Timestamp

__all__ = [
    "FIRST",
    "Action",
    "Log",
    "LogLine",
    "append",
    "challenger",
    "champions",
    "head_text",
    "line_hash",
    "line_text",
    "parse_line",
    "read_log",
]

FIRST = "0" * 64  # what the first line has in place of the hash of a line before
Action = Literal["promote", "challenge", "rollback"]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_ALIASES: dict[Action, str] = {"promote": "champion", "challenge": "challenger", "rollback": "champion"}


class LogLine(BaseModel):
    """One move of an alias. ``version`` has it since, ``replaces`` had it before.

    ``by`` is the name that a person gave, and null where none was given. ``reports``: machine → sha256 of its report;
    ``gates``: name → outcome; ``records_sha256`` is the hash of the folder with what was decided from.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    number: int = Field(ge=1)
    at: Timestamp
    action: Action
    model: str
    version: int = Field(ge=1)
    artifact_sha256: Sha256
    replaces: int | None
    by: str | None
    reports: dict[str, str] = {}
    gates: dict[str, str] = {}
    signed_by: str | None = None
    records_sha256: Sha256 | None = None
    previous: Sha256

    @property
    def alias(self) -> str:
        """The alias that moved."""
        return _ALIASES[self.action]


@dataclass(frozen=True, kw_only=True)
class Log:
    """The lines up to the first that is wrong; ``problem`` says what that is, with its number, and is "" for none.

    ``torn`` is a last line that was not written completely.
    """

    path: Path
    texts: tuple[str, ...] = ()
    lines: tuple[LogLine, ...] = ()
    problem: str = ""
    torn: str = ""

    @property
    def last(self) -> str:
        """The hash of the last line."""
        return line_hash(self.texts[-1]) if self.texts else FIRST

    @property
    def head(self) -> str:
        """What the registry keeps of it: how many lines it has, and the hash of the last."""
        return head_text(len(self.texts), self.last)


def head_text(number: int, last: str) -> str:
    return f"{number} {last}"


def line_text(line: LogLine) -> str:
    """The line as it is written, without its end: keys sorted, ASCII only."""
    return json.dumps(line.model_dump(mode="json"), sort_keys=True, ensure_ascii=True, allow_nan=False)


def line_hash(text: str) -> str:
    """sha256 of a line's bytes without its end."""
    return hashlib.sha256(text.encode()).hexdigest()


def parse_line(text: str) -> LogLine:
    """ValueError for what is no line of an audit log."""
    parse_json(text)  # a line that nests without end
    return LogLine.model_validate_json(text)


def read_log(path: Path) -> Log:
    """A missing file has no lines. AuditError for what is no text file of at most 16 MB."""
    try:
        text = read_text(path, CONFIG, AuditError)
    except FileNotFoundError:
        return Log(path=path)
    except (OSError, UnicodeDecodeError) as error:
        raise AuditError(f"{path}: cannot be read ({error})", next_step="restore it, e.g. from git") from None
    *whole, torn = text.split("\n")
    texts, lines, previous = list[str](), list[LogLine](), FIRST
    for number, each in enumerate(whole, start=1):
        problem, line = _check(each, number, previous, path.stem)
        if line is None:
            return Log(path=path, texts=tuple(texts), lines=tuple(lines), problem=problem, torn=torn)
        texts.append(each)
        lines.append(line)
        previous = line_hash(each)
    problem = f"line {len(whole) + 1} was not written completely" if torn else ""
    return Log(path=path, texts=tuple(texts), lines=tuple(lines), problem=problem, torn=torn)


def _check(text: str, number: int, previous: str, model: str) -> tuple[str, LogLine | None]:
    try:
        line = parse_line(text)
    except (ValueError, ValidationError):
        return f"line {number} is not a line of an audit log", None
    if line.number != number:
        return f"line {number} has the number {line.number}: lines were removed, inserted or moved", None
    if line.previous != previous:
        changed = f"line {number - 1} was changed" if number > 1 else "the beginning was cut"
        return f"line {number} does not follow the line before: {changed}", None
    if line.model != model:
        return f"line {number} is of {line.model}", None
    return "", line


def append(log: Log, text: str) -> None:
    """Add a line in one write and force it to the disk. What a crash left of this very line is completed.

    AuditError where something else was left there, SetupError when the disk does not take it.
    """
    rest = f"{text}\n"
    if not rest.startswith(log.torn):
        raise AuditError(f"{log.path}: its last line was not written completely", next_step="restore it, e.g. from git")
    rest = rest[len(log.torn) :]
    try:
        log.path.parent.mkdir(parents=True, exist_ok=True)
        with log.path.open("ab", buffering=0) as file:
            file.write(rest.encode())
            os.fsync(file.fileno())
    except OSError as error:
        raise cannot_write(log.path, log.path.parent, error) from error


def champions(lines: Sequence[LogLine]) -> list[LogLine]:
    """The lines that made the champions that one can go back to, the present one last."""
    stack = list[LogLine]()
    for line in lines:
        if line.action == "promote":
            stack.append(line)
        elif line.action == "rollback":
            while stack and stack[-1].version != line.version:
                stack.pop()
    return stack


def challenger(lines: Sequence[LogLine]) -> LogLine | None:
    """The line of the present challenger; None after it became the champion."""
    last = None
    for line in lines:
        if line.action == "challenge":
            last = line
        elif last is not None and line.version == last.version:
            last = None
    return last
