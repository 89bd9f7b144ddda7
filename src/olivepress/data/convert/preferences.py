"""Pairs of a preferred and a rejected answer, in the formats that TRL documents.

Standard rows have texts in ``prompt``, ``chosen`` and ``rejected``; conversational ones have lists of messages there.
Where ``chosen`` and ``rejected`` are whole conversations (TRL's implicit prompt), what both begin with is the prompt.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from olivepress.data.convert.conversations import Converted, are_turns, from_turns
from olivepress.data.text.values import RowError, as_text, structured

__all__ = ["PREFERENCE_COLUMNS", "from_preference"]

PREFERENCE_COLUMNS = ("prompt", "chosen", "rejected", "system", "tools")
_ROLES = ("role", "from")


def from_preference(row: Mapping[str, Any]) -> Converted:
    """The conversation with the preferred answer, and the rejected one beside it. RowError for half a pair."""
    sides = {}
    for name in ("chosen", "rejected"):
        side = structured(row.get(name))
        if side is None or side in ([], {}) or (isinstance(side, str) and not side.strip()):
            raise RowError(f"no {name} answer")
        sides[name] = side
    prompt = structured(row.get("prompt"))
    talk, changes = {}, list[str]()
    for name, side in sides.items():
        talk[name] = from_turns(row, _turns(prompt, side, name, changes))
        changes += talk[name].changes
    chosen, rejected = talk["chosen"], talk["rejected"].messages
    if chosen.messages[:-1] != rejected[:-1]:
        raise RowError("chosen and rejected differ before their last message")
    chosen.rejected, chosen.changes = rejected[-1], list(dict.fromkeys(changes))
    return chosen


def _turns(prompt: Any, side: Any, name: str, changes: list[str]) -> list[Any]:
    """The conversation that ends with one of the two answers."""
    if are_turns(side) and not _is_answer(side[0]):
        return list(side)  # with its prompt, whatever the column says of it
    if prompt is None or prompt in ("", []):
        raise RowError(f"no prompt, and {name} is no whole conversation")
    before = prompt if are_turns(prompt) else [_message("user", prompt, "prompt", changes)]
    after = side if are_turns(side) else [_message("assistant", side, name, changes)]
    if any("from" in turn for turn in (*before, *after)) and not all("from" in turn for turn in (*before, *after)):
        raise RowError("prompt and answers are messages of different formats")
    return [*before, *after]


def _is_answer(turn: Mapping[str, Any]) -> bool:
    return any(turn.get(role) in ("assistant", "gpt", "model") for role in _ROLES)


def _message(role: str, value: Any, column: str, changes: list[str]) -> dict[str, Any]:
    text, change = as_text(value, column)
    if change:
        changes.append(change)
    return {"role": role, "content": text}
