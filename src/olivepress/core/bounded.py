"""Files from elsewhere: their kind and size are checked before they are read.

Opening a named pipe waits for a writer, a device never ends, and a text of a few bytes may nest without end: each is an
error that names the file, what it is and what is allowed. Every reader of a file that may come from another machine
goes through here.
"""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any, BinaryIO

from olivepress.core.errors import OlivepressError

__all__ = [
    "ANSWERS",
    "CONFIG",
    "DEEPEST",
    "HEADER",
    "RECIPE",
    "REPORT",
    "TEMPLATE",
    "TEXT",
    "TOKENIZER",
    "check_nesting",
    "check_regular",
    "open_regular",
    "parse_json",
    "read_bytes",
    "read_json",
    "read_text",
]

MB = 1024 * 1024
RECIPE = 1 * MB  # a recipe, a target, a task: a person writes them
CONFIG = 16 * MB  # config.json and its kin, records that olivepress writes beside an artifact
TEMPLATE = 256 * 1024  # the longest published chat template has 20 kB
TOKENIZER = 512 * MB  # of 250,000 tokens in many languages: 40 MB
HEADER = 100 * MB  # of a safetensors file: the limit of the safetensors library itself
REPORT = 256 * MB  # a report is a few hundred kB
ANSWERS = 1024 * MB  # the answers beside a report
TEXT = 1024 * MB  # a text for perplexity, the rows of a prepared split, the log of a job
DEEPEST = 100  # levels of JSON or YAML

_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def check_regular(path: Path, error: type[OlivepressError] = OlivepressError) -> None:
    """Raise ``error`` for what is there and no regular file. OSError when there is nothing, or links lead in a loop."""
    _refuse_special(path, path.stat().st_mode, error)


def open_regular(path: Path, error: type[OlivepressError] = OlivepressError) -> BinaryIO:
    """Open a file of any size for reading; ``error`` for a pipe, socket, device or directory, OSError as ``open``."""
    check_regular(path, error)
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    descriptor = os.open(path, flags)
    try:  # once more, of what was opened: it may have been exchanged in between
        _refuse_special(path, os.fstat(descriptor).st_mode, error)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def _refuse_special(path: Path, mode: int, error: type[OlivepressError]) -> None:
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "something else")
        raise error(
            f"{path}: cannot be read, it is {kind} and not a file",
            next_step="write its content to a file and name that",
        )


def read_bytes(path: Path, limit: int, error: type[OlivepressError] = OlivepressError) -> bytes:
    """The bytes of a regular file of at most ``limit`` bytes; ``error`` for anything else, OSError as ``open``."""
    with open_regular(path, error) as file:
        size = os.fstat(file.fileno()).st_size
        # The files of /proc say 0, and a file may grow: what is read is limited as well.
        data = b"" if size > limit else file.read(limit + 1)
    if max(size, len(data)) > limit:
        shown = f"{max(size, len(data)):,}"
        raise error(
            f"{path}: larger than {limit:,} bytes, it has {shown}", next_step="check that it is the file you meant"
        )
    return data


def read_text(
    path: Path,
    limit: int,
    error: type[OlivepressError] = OlivepressError,
    *,
    encoding: str = "utf-8",
    errors: str = "strict",
) -> str:
    """As ``read_bytes``, decoded, line ends as Python's text files have them. UnicodeDecodeError for another text."""
    text = read_bytes(path, limit, error).decode(encoding, errors)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_json(path: Path, limit: int = CONFIG, error: type[OlivepressError] = OlivepressError) -> Any:
    """The JSON value of a file; ``error`` and OSError as ``read_bytes``, ValueError as ``parse_json``."""
    return parse_json(read_text(path, limit, error))


def parse_json(text: str | bytes, **hooks: Any) -> Any:
    """The value of a JSON text. ValueError for any other text, deep nesting, and numbers of thousands of digits."""
    try:
        value = json.loads(text, **hooks)
    except RecursionError:
        raise ValueError(f"nested too deep, more than {DEEPEST} levels") from None
    if _opened(text) > DEEPEST:  # fewer cannot be nested deeper, and most texts are short
        check_nesting(value)
    return value


def _opened(text: str | bytes) -> int:
    """How many lists and objects begin in a text, and perhaps more: its strings count too."""
    if isinstance(text, bytes):
        return text.count(b"[") + text.count(b"{")
    return text.count("[") + text.count("{")


def check_nesting(value: Any, deepest: int = DEEPEST) -> None:
    """ValueError when lists and mappings in ``value`` stand inside each other more than ``deepest`` times.

    What takes a value apart calls itself for every level, and Python ends that with an error of its own.
    """
    inside, depth = [value], 0
    while inside := [item for item in inside if isinstance(item, dict | list)]:
        depth += 1
        if depth > deepest:
            raise ValueError(f"nested too deep, more than {deepest} levels")
        inside = [each for item in inside for each in (item.values() if isinstance(item, dict) else item)]
