"""Olive's log, read for a person: the reason of a crash, and what was dropped or ignored."""

from __future__ import annotations

import re
from pathlib import Path

from olivepress.core.errors import whole_message

__all__ = ["last_error", "read_log", "warnings_in"]

# The last line of a traceback: a builtin error, or any class by its dotted name.
_LAST_ERROR = re.compile(
    r"^(?:(?:\w+\.)+(?=[A-Z])(?=\w+: )|(?=\w*(?:Error|Exception|Interrupt)\b))(\w+):?\s*(.*)$", re.MULTILINE
)
# What follows a message: an empty line, the next line of a log, another traceback or the next exception.
_AFTER_MESSAGE = re.compile(
    r"\n\s*\n|\n(?=\[\d{4}-|\[\w+\]|\d{4}-\d\d|Traceback|The above exception|During handling"
    r"|\S*(?:Warning|WARNING|INFO))"
)
# Between the two errors of a chain: how they belong together, then the frames of the second.
_CAUSE = re.compile(r"(?:(?!Traceback).)*(?:The above exception was|During handling of).*", re.DOTALL)
_WARNING = re.compile(r"^\[[^\]]+\] \[WARNING\] \[[^\]]+\] (.*(?i:\bignor|\bprun|\bdropp).*)$", re.MULTILINE)


def read_log(log: Path) -> str:
    """Its text; empty when there is no log."""
    return log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""


def last_error(text: str) -> str:
    """``Class: message`` of the last exception in a log, its further lines too, and the first of those it came from."""
    errors = list(_LAST_ERROR.finditer(text))
    if not errors:
        return ""
    first = len(errors) - 1
    while first and _CAUSE.fullmatch(text[errors[first - 1].end() : errors[first].start()]):
        first -= 1
    message, root = _message(text, errors[-1]), _message(text, errors[first])
    return message if root.partition(": ")[2] in message else f"{message}, from {root}"


def _message(text: str, match: re.Match[str]) -> str:
    """An error's class and message, up to where the log continues with something else."""
    following = _AFTER_MESSAGE.split(text[match.end() :], maxsplit=1)[0]
    return f"{match[1]}: {whole_message(match[2] + following) or 'no message'}"


def warnings_in(log: Path, *, most: int = 3) -> list[str]:
    """The log's warnings about what was dropped, ignored or left undone, in a few lines."""
    messages = dict.fromkeys(whole_message(match[1]) for match in _WARNING.finditer(read_log(log)))
    return [f"the log says: {message}" for message in messages][:most]
