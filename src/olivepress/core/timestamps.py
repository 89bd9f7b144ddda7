"""The times that stand in records: ISO 8601 with a time zone, so that two of them can be compared as times."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator

__all__ = ["Timestamp", "parse_timestamp", "time_text"]


def parse_timestamp(text: str) -> datetime:
    """The time that ``text`` names. ValueError for any other text, and for a time without a zone."""
    try:
        time = datetime.fromisoformat(text)
        if time.utcoffset() is None:
            raise ValueError("no time zone")
        time.timestamp()  # years that no clock can show
    except (ValueError, OverflowError):
        raise ValueError("expected a date and time with its zone, as 2026-11-20T08:00:00+00:00") from None
    return time


def time_text(ms: int) -> str:
    """Milliseconds since 1970 as a text of these records, in UTC, to the second."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds")


def _checked(text: str) -> str:
    parse_timestamp(text)
    return text


Timestamp = Annotated[str, AfterValidator(_checked)]
"""Kept as it was written."""
