"""The last thing a person reads: the error in one line and the next command to type, in any terminal's encoding."""

from __future__ import annotations

import codecs
import io
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from olivepress.core.errors import LintError, OlivepressError, UsageError

__all__ = [
    "counted",
    "exit_code_of",
    "explain",
    "next_command",
    "one_line",
    "open_streams",
    "some_of",
    "typed_text",
    "write_any_text",
]

# What a terminal of another encoding (ascii, cp1252) shows for the signs that we print.
_PLAIN = {
    "→": "->", "–": "-", "—": "-", "─": "-", "━": "-", "…": "...", "≈": "~", "≥": ">=", "≤": "<=", "×": "x", "±": "+-",
    "▲": "+", "▼": "-", "█": "#", "▇": "#", "▆": "#", "▅": "=", "▄": "=", "▃": "-", "▂": "-", "▁": "_", "•": "*",
    "“": '"', "”": '"', "‘": "'", "’": "'", "µ": "u", "°": " degrees", "✓": "ok", "✗": "x", "\u00a0": " ",
}  # fmt: skip
_SETUP, _UNEXPECTED = 7, 1

# Verb → target of the Makefile that takes MODEL and DATA.
_MAKE_TARGETS = {"render": "recipe", "run": "run", "bench": "bench", "report": "report"}


def counted(count: int, noun: str) -> str:
    """The count with its noun, as ``1 row`` and ``2 classes``."""
    if count != 1:
        noun += "es" if noun.endswith("s") else "s"
    return f"{count:,} {noun}"


def some_of(names: Sequence[str], most: int = 10) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"


def next_command(verb: str, model: str | None = None, data: str | None = None) -> str:
    """The command as it works in the current directory: ``make run MODEL=phi`` in a clone, else ``olivepress run phi``.

    ``verb`` is a command of olivepress that takes a recipe; for a ``model`` of None a placeholder is shown.
    """
    if verb in _MAKE_TARGETS and _is_clone():
        words = ["make", _MAKE_TARGETS[verb], f"MODEL={shlex.quote(model) if model else '...'}"]
        return " ".join([*words, f"DATA={shlex.quote(data)}"] if data else words)
    words = ["olivepress", verb, shlex.quote(model) if model else "MODEL"]
    return " ".join([*words, "--data", shlex.quote(data)] if data else words)


def _is_clone() -> bool:
    """Whether the Makefile here is the one that comes with olivepress."""
    try:
        with Path("Makefile").open(encoding="utf-8", errors="replace") as file:
            return file.readline(200).startswith("# olivepress:")
    except OSError:
        return False


def open_streams() -> None:
    """Python has None for a stream that its caller closed (``>&-``, a service): nothing to read, nowhere to write."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115  (to the end)


def typed_text(text: str, where: str) -> str:
    """What was typed: Python keeps bytes that the locale has no signs for as halves of pairs, and they are UTF-8.

    UsageError for other bytes; ``where`` names the option or the stream.
    """
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8")
    except UnicodeError:
        raise UsageError(f"{where}: not UTF-8 text", next_step="write it in UTF-8") from None


def write_any_text(*streams: TextIO) -> None:
    """Let ``streams`` write every text: a sign that their encoding lacks becomes plain ASCII instead of an error."""
    codecs.register_error("olivepress.plain", _plain)
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="olivepress.plain")


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    return "".join(_PLAIN.get(sign, "?") for sign in signs), error.end


def one_line(text: str) -> str:
    """``text`` in one line, without the control characters that foreign names may bring into a terminal."""
    words = " ".join(text.split())
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in words)


def exit_code_of(error: Exception) -> int:
    """What the process returns: an error's own code; 7 for files, memory and missing packages; else 1."""
    if isinstance(error, OlivepressError):
        return error.exit_code
    setup = isinstance(error, (OSError, MemoryError, ImportError)) or _is_no_home(error)
    return _SETUP if setup else _UNEXPECTED


def _is_no_home(error: Exception) -> bool:
    """What Path.expanduser raises for a user without an entry and without HOME, as in a container."""
    return isinstance(error, RuntimeError) and str(error) == "Could not determine home directory."


def explain(error: Exception) -> str:
    """The error and what to type next, in one line; the findings of a LintError in one line each."""
    if isinstance(error, LintError):
        *above, last = map(one_line, error.findings)
        return "\n".join([*above, f"{last}; next: {error.next_step}"])
    return one_line(_explain(error))


def _explain(error: Exception) -> str:
    if isinstance(error, OlivepressError):
        return str(error)
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or error}; next: check the path, the disk and your rights"
    if isinstance(error, MemoryError):
        return "out of memory; next: close other programs, or take a smaller input"
    if isinstance(error, ImportError):
        missing = error.name or str(error)
        return f"the package {missing} cannot be imported; next: pip install 'olivepress[build]', or olivepress doctor"
    if _is_no_home(error):
        return "no home directory, where packages keep caches; next: set HOME to a folder that you can write to"
    first = str(error).strip().split("\n")[0]
    return f"unexpected {type(error).__name__}: {first}; next: the same command with --debug, and report it"
