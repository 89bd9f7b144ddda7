"""The layout of a JSON object, found by its brackets alone: its lists may be too large for memory.

It is scanned before any row is read, so that a file with a second list is refused before the first one is used.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import BinaryIO, Literal

from olivepress.data.read.raw_rows import MAX_ROW_BYTES, TOO_LONG

__all__ = ["Entry", "Layout", "lay_out"]

_CHUNK = 1 << 20
# A key with its colon or any whole string, a quote whose string continues beyond the buffer, or a bracket.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"(?:\s*+:)?|"|[{}\[\]]', re.DOTALL)
_SCALAR = re.compile(rb"-?\d[\d.eE+-]*|true|false|null|NaN|-?Infinity")
Kind = Literal["list", "empty list", "object", "scalar"]


@dataclass(slots=True, kw_only=True)
class Entry:
    """A key of the object. ``offset`` and ``line`` are those of the content after the opening bracket of a list."""

    key: bytes
    kind: Kind | None = None
    offset: int = 0
    line: int = 0


@dataclass(slots=True)
class Layout:
    """The keys in their order; ``problem``: why it is not JSON; ``open_list``: the file ends within a list."""

    entries: list[Entry] = field(default_factory=list)
    problem: str | None = None
    open_list: bool = False


def lay_out(file: BinaryIO) -> Layout:
    """The layout of the object at the current position of ``file``."""
    return _Scan(file).run()


class _Scan:
    """The position of the scan: ``base`` is the buffer's offset in the file, ``done`` how much of it is processed."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.base, self.buffer, self.done = file, file.tell(), b"", 0
        self.depth, self.line = 0, 1
        self.layout = Layout()

    def run(self) -> Layout:
        while self.layout.problem is None:
            chunk = self.file.read(_CHUNK)
            self.line += self.buffer.count(b"\n", 0, self.done)
            self.base += self.done
            self.buffer, self.done = self.buffer[self.done :] + chunk, 0
            self._tokens(last=not chunk)
            if not chunk:
                self._end()
                break
            if len(self.buffer) - self.done > _CHUNK + MAX_ROW_BYTES:
                self.layout.problem = f"not valid JSON (a text {TOO_LONG})"
        return self.layout

    def _tokens(self, *, last: bool) -> None:
        for token in _TOKEN.finditer(self.buffer):
            text = token.group()
            whole = text != b'"' and (last or token.end() < len(self.buffer))
            if not whole:
                self.done = token.start() if self.depth > 1 else self.done
                return
            if self.depth <= 1:
                self._gap(self.buffer[self.done : token.start()])
                self._shallow(text, token.end())
            elif text in (b"{", b"["):
                self.depth += 1
            elif text in (b"}", b"]"):
                self._close(text, token)
            if self.layout.problem:
                return
            self.done = token.end()
        if self.depth > 1:  # numbers and commas within a list
            self.done = len(self.buffer)

    def _gap(self, raw: bytes) -> None:
        """The part between two tokens of the object itself: commas, and values that are not strings."""
        entry = self.layout.entries[-1] if self.layout.entries else None
        for part in raw.split(b","):
            part = part.strip()
            if not part:
                continue
            if self.depth == 1 and entry is not None and entry.kind is None and _SCALAR.fullmatch(part):
                entry.kind = "scalar"
            elif self.layout.entries and self.depth == 0:
                self.layout.problem = "text after the end of the object"
            else:
                self.layout.problem = "not valid JSON (text that is neither a key nor a value)"

    def _shallow(self, text: bytes, end: int) -> None:
        entries = self.layout.entries
        entry = entries[-1] if entries else None
        if self.depth == 0:
            if text != b"{" or entry is not None:
                self.layout.problem = "text after the end of the object"
            self.depth = 1
        elif text.endswith(b":"):
            entries.append(Entry(key=text[:-1].rstrip()))
        elif text == b"}":
            self.depth = 0
        elif entry is None or entry.kind is not None:
            self.layout.problem = "not valid JSON (a value without a key)"
        elif text in (b"{", b"["):
            self.depth += 1
            entry.kind = "list" if text == b"[" else "object"
            entry.offset = self.base + end
            entry.line = self.line + self.buffer.count(b"\n", 0, end)
        else:
            entry.kind = "scalar"

    def _close(self, text: bytes, token: re.Match[bytes]) -> None:
        self.depth -= 1
        entry = self.layout.entries[-1]
        if self.depth == 1 and entry.kind == "list" and text == b"]":
            start = entry.offset - self.base
            if start >= 0 and not self.buffer[start : token.start()].strip():
                entry.kind = "empty list"

    def _end(self) -> None:
        if self.layout.problem is None and self.depth:
            entries = self.layout.entries
            self.layout.open_list = self.depth > 1 and entries[-1].kind == "list"
            self.layout.problem = "not valid JSON (the file ends inside the object)"
        elif self.layout.problem is None:
            self._gap(self.buffer[self.done :])
