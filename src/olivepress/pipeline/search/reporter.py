"""How far a search is, for a person."""

from __future__ import annotations

from typing import Protocol

__all__ = ["SearchReporter"]


class SearchReporter(Protocol):
    """Is called with the progress of a search: each trial begins, goes on and ends."""

    def begin(self, text: str) -> None: ...
    def update(self, note: str, done: int, total: int) -> None: ...
    def end(self, text: str) -> None: ...
    def fetching_model(self, what: str, done: int, total: int) -> None: ...
    def reading_model(self, done: int, total: int) -> None: ...
