"""Splits a JSON list of any size into the bytes of its elements, in bounded memory; a bad element affects no other.

Streaming parsers stop at the first byte that is not UTF-8 (SNIPS has some) and do not report lines; here each element
is located by its brackets alone and parsed afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

__all__ = ["AFTER_END", "MAX_DEPTH", "Element", "TooLong", "elements"]

MAX_DEPTH = 64
AFTER_END = "text after the end of the list"
_CHUNK = 1 << 20
# A whole string, a quote whose string continues beyond the buffer, or a bracket.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|"|[{}\[\]]', re.DOTALL)
# The parts between commas, except commas within strings.
_PARTS = re.compile(rb'(?:"(?:[^"\\]++|\\.)*+"|[^,"]++|")++', re.DOTALL)
_OPEN, _CLOSE = b"{[", b"}]"


class TooLong(Exception):
    """An element is longer than the limit; ``line`` is where it begins."""

    def __init__(self, line: int) -> None:
        super().__init__(f"line {line}")
        self.line = line


class Element(NamedTuple):
    """One element: its bytes, or the ``problem`` with it."""

    line: int
    raw: bytes
    problem: str | None = None


def elements(file: BinaryIO, *, line: int, limit: int, alone: bool = True) -> Iterator[Element]:
    """Elements of the list whose ``[`` was just read from ``file`` on ``line``; ``alone``: nothing may follow it.

    Raises TooLong for an element of more than ``limit`` bytes.
    """
    return _Scanner(file, line, limit).run(alone)


class _Scanner:
    """The position in the list: ``done`` bytes of the buffer are processed, and ``line`` is the current line."""

    def __init__(self, file: BinaryIO, line: int, limit: int) -> None:
        self.file, self.limit = file, limit
        self.buffer, self.done, self.line = b"", 0, line
        self.depth, self.deepest = 0, 0

    def run(self, alone: bool) -> Iterator[Element]:
        at = 0
        while True:
            for token in _TOKEN.finditer(self.buffer, at):
                at = token.start()
                if token.group() == b'"':
                    break
                at = token.end()
                if not self.depth and token.group() == b"]":
                    yield from self._between(token.start())
                    if alone:
                        yield from self._after(at)
                    return
                yield from self._token(token)
            else:
                at = len(self.buffer)
            if at - self.done > self.limit or len(self.buffer) - self.done > self.limit + _CHUNK:
                raise TooLong(self.line)
            chunk = self.file.read(_CHUNK)
            if not chunk:
                yield from self._cut_off()
                return
            self.buffer, at, self.done = self.buffer[self.done :] + chunk, at - self.done, 0

    def _token(self, token: re.Match[bytes]) -> Iterator[Element]:
        first = token.group()[:1]
        if first in _OPEN:
            if not self.depth:
                yield from self._between(token.start())
                self.deepest = 0
            self.depth += 1
            self.deepest = max(self.deepest, self.depth)
        elif first in _CLOSE:
            self.depth -= 1
            if self.depth <= 0:
                self.depth = 0
                if token.end() - self.done > self.limit:
                    raise TooLong(self.line)
                problem = f"nested deeper than {MAX_DEPTH}" if self.deepest > MAX_DEPTH else None
                yield self._take(token.end(), problem)

    def _take(self, end: int, problem: str | None = None) -> Element:
        raw = self.buffer[self.done : end]
        element = Element(self.line, raw, problem)
        self.line += raw.count(b"\n")
        self.done = end
        return element

    def _between(self, end: int) -> Iterator[Element]:
        """The part between two objects: a comma, or elements that are not objects."""
        gap = self._take(end)
        line = gap.line
        for part in _PARTS.findall(gap.raw):
            if part.strip():
                yield Element(line + part[: len(part) - len(part.lstrip())].count(b"\n"), part.strip(), None)
            line += part.count(b"\n")

    def _after(self, end: int) -> Iterator[Element]:
        self._take(end)
        rest = self.buffer[self.done :].strip() or self.file.read(_CHUNK).strip()
        if rest:
            yield Element(self.line, b"", AFTER_END)

    def _cut_off(self) -> Iterator[Element]:
        if self.depth:
            lead = self.buffer[self.done :]
            self._take(self.done + len(lead) - len(lead.lstrip()))
            yield Element(self.line, b"", "not valid JSON (the file ends inside this row)")
            return
        yield from self._between(len(self.buffer))
        yield Element(self.line, b"", "not valid JSON (the list is not closed)")
