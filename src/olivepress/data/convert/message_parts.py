"""The parts of a message whose content is a list: texts are joined, thoughts are separated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from olivepress.core.thoughts import THOUGHT_FIELDS
from olivepress.data.text.values import RowError

__all__ = ["joined_text", "own_thoughts", "without_thoughts"]

_TEXT_KEYS = ("text", "value", "content")
_TEXT_PARTS = ("text", "input_text", "output_text")
_THOUGHT_PARTS = ("thinking", "reasoning")


def joined_text(content: Any) -> str | None:
    """The texts of a content's parts, one per line; None if it has no parts. Raises RowError for other parts."""
    if isinstance(content, dict) and content.get("type") in _TEXT_PARTS:
        content = [content]
    if not isinstance(content, list) or not any(map(_is_part, content)):
        return None
    texts = []
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind not in (None, *_TEXT_PARTS):
            raise RowError(f"a message with a part of type {str(kind)[:40]!r}, only text is read")
        if (text := _text(part, _TEXT_KEYS)) is None:
            raise RowError("a message with a part that has no text under its key text")
        texts.append(text)
    return "\n".join(text for text in texts if text)


def own_thoughts(turn: Mapping[str, Any], content: Any) -> str:
    """The assistant's thoughts, from a field of their own or from parts of the content; "" for none."""
    texts = {text.strip(): text for name in THOUGHT_FIELDS if isinstance(text := turn.get(name), str) and text.strip()}
    parts = content if isinstance(content, list) else []
    in_parts = [_text(part, ("thinking", *_TEXT_KEYS)) or "" for part in parts if _is_thought(part)]
    if joined := "\n".join(text for text in in_parts if text.strip()):
        texts.setdefault(joined.strip(), joined)
    if len(texts) > 1:
        raise RowError(f"different thoughts in one message, expected one of {', '.join(THOUGHT_FIELDS)}")
    return next(iter(texts.values()), "")


def without_thoughts(content: Any) -> Any:
    """The content without its parts that are thoughts."""
    return [part for part in content if not _is_thought(part)] if isinstance(content, list) else content


def _is_thought(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") in _THOUGHT_PARTS


def _is_part(part: Any) -> bool:
    return isinstance(part, dict) and ("type" in part or _text(part, _TEXT_KEYS) is not None)


def _text(part: Any, keys: tuple[str, ...]) -> str | None:
    if not isinstance(part, dict):
        return None
    return next((part[key] for key in keys if isinstance(part.get(key), str)), None)
