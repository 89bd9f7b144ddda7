"""Texts of files, for a page: of limited size, without control characters, secrets, and paths of a person."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from olivepress.core.bounded import open_regular
from olivepress.core.errors import OlivepressError
from olivepress.core.printable import printable
from olivepress.core.secret_text import PERSONAL_FOLDER, SECRET

__all__ = ["FILE_BYTES", "LOG_BYTES", "Tail", "public", "public_lines", "read_tail", "tail_of"]

LOG_BYTES = 128 * 1024  # of a log its end
FILE_BYTES = 256 * 1024  # of another file its beginning
_LONGEST_LINE = 2_000
_HIDDEN = "[hidden]"

_NAMED_SECRET = re.compile(
    r"""(?ix)\b(api[_-]?key|passw(?:or)?d|secret|(?:access|auth|hf|hub)[_-]?token|authorization)
    (["']?\s*[:=]\s*["']?)(?!bearer\b)[^\s"',;]+"""
)
_SECRET_VARIABLE = re.compile(r"(?i)(?:TOKEN|SECRET|PASSWORD|API_KEY|CREDENTIALS?)$")
_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-_]")


@dataclass(frozen=True, kw_only=True)
class Tail:
    """The end of a file: ``left_out`` bytes come before it. ``reason`` instead of a text where it is not shown."""

    text: str
    size: int
    left_out: int = 0
    reason: str = ""


def read_tail(path: Path, limit: int) -> tuple[bytes, int]:
    """The last ``limit`` bytes of a regular file, from the beginning of a line on, and its size.

    OlivepressError for a pipe, a device or a directory, OSError as ``open``.
    """
    with open_regular(path) as file:
        size = file.seek(0, os.SEEK_END)
        begin = max(0, size - limit)
        file.seek(begin)
        data = file.read(limit)  # what is added meanwhile is read the next time
    if begin:
        data = data[data.find(b"\n") + 1 :]
    return data, size


def tail_of(path: Path, limit: int = LOG_BYTES) -> Tail:
    """The end of a text file as a page shows it; a reason for one that is missing, binary or no file at all."""
    try:
        data, size = read_tail(path, limit)
    except FileNotFoundError:
        return Tail(text="", size=0, reason="is not there")
    except (OSError, OlivepressError):
        return Tail(text="", size=0, reason="cannot be read")
    if b"\0" in data:
        return Tail(text="", size=size, reason="is a binary file")
    return Tail(text=_log_text(data.decode("utf-8", "replace")), size=size, left_out=size - len(data))


def _log_text(text: str) -> str:
    """Without colors; of a line that a progress bar wrote again and again the last state."""
    lines = _ESCAPES.sub("", text).replace("\r\n", "\n").split("\n")
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines)


def public(text: str) -> str:
    """One line as a page may show it: no secret, no path of a person, no control character."""
    return printable(_without_paths(_without_secrets(text)))


def public_lines(text: str) -> str:
    """``public``, with lines left as lines, none of which is endless."""
    lines = _without_paths(_without_secrets(text)).replace("\r\n", "\n").split("\n")
    return "\n".join(printable(line[:_LONGEST_LINE].expandtabs(4)) for line in lines)


def _without_secrets(text: str) -> str:
    for value in _secret_values():
        text = text.replace(value, _HIDDEN)
    text = SECRET.sub(_HIDDEN, text)
    return _NAMED_SECRET.sub(rf"\1\2{_HIDDEN}", text)


def _without_paths(text: str) -> str:
    root, home = _own_folders()
    for folder, shown in ((root, "."), (home, "~")):
        if len(folder) > 3:  # "/" is in every path
            text = re.sub(rf"{re.escape(folder)}(?=$|[\s/\\\"':;,)\]}}])", shown, text)
    return PERSONAL_FOLDER.sub("~", text)


def _own_folders() -> tuple[str, str]:
    return str(Path.cwd()), os.path.expanduser("~")  # noqa: PTH111  (Path.home raises where there is none)


@cache
def _secret_values() -> tuple[str, ...]:
    """The values of environment variables whose names say that they are secret."""
    values = {value for name, value in os.environ.items() if _SECRET_VARIABLE.search(name) and len(value) >= 8}
    return tuple(sorted(values, key=len, reverse=True))
