"""Text from elsewhere made safe to show."""

from __future__ import annotations

__all__ = ["printable"]


def printable(text: str) -> str:
    """Control characters replaced: a report from elsewhere must not move the terminal's cursor or reverse its text."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)
