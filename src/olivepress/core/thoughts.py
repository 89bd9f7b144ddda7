"""Thoughts of the assistant before its answer: in a field of the message, or in its text up to ``</think>``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["THOUGHTS", "THOUGHT_FIELDS", "answer_text", "has_thoughts", "text_holds_thoughts", "thoughts_under"]

THOUGHT_FIELDS = ("reasoning_content", "reasoning", "thinking")  # as datasets and templates name them
THOUGHTS = THOUGHT_FIELDS[0]
_END = "</think>"
_END_OF_LINE = re.compile(rf"\n[ \t]*{_END}|{_END}[ \t]*(?:\n|\Z)")


def text_holds_thoughts(content: str) -> bool:
    """Whether ``content`` begins with thoughts: after ``<think>``, or up to a ``</think>`` at either end of a line.

    Elsewhere ``</think>`` is a word of an ordinary answer.
    """
    return _END in content and (content.lstrip().startswith("<think>") or _END_OF_LINE.search(content) is not None)


def answer_text(content: str) -> str:
    """``content`` without the thoughts that it begins with."""
    return content.rpartition(_END)[2] if text_holds_thoughts(content) else content


def has_thoughts(message: Mapping[str, Any]) -> bool:
    """Whether an assistant's message contains thoughts, in a field of their own or in its text."""
    return text_holds_thoughts(str(message.get("content") or "")) or any(message.get(name) for name in THOUGHT_FIELDS)


def thoughts_under(message: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The assistant's message with its thoughts under ``name`` alone; the others as they are."""
    if message.get("role") != "assistant" or not any(field in message for field in THOUGHT_FIELDS):
        return dict(message)
    given = {field: value for field, value in message.items() if field not in THOUGHT_FIELDS}
    texts = (message.get(field) for field in THOUGHT_FIELDS)
    thoughts = next((text for text in texts if isinstance(text, str) and text.strip()), None)
    return given if thoughts is None else {**given, name: thoughts}
