"""Every text of a row and its path: contents, names, thoughts, tool calls with their arguments, tools, label.

Roles are skipped, ids are visited like the names of values. The arguments of a call may be an object or its JSON; in
JSON only changed values are rewritten, the rest stays byte for byte.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Literal

from olivepress.data.convert.conversations import Converted

__all__ = ["Change", "Kind", "is_json", "rewrite", "rewrite_json"]

# ``text``: prose of a message; ``value``: a text in arguments or tools, whose white space matters; ``number``: a number
# there, as it is written; ``key``: the name of a value or the id of a call, which is never changed.
Kind = Literal["text", "value", "number", "key"]
Change = Callable[[str, str, Kind], str]  # text, path, kind → new text

_TOKEN = re.compile(r'("(?:[^"\\]|\\.)*")(\s*:)?|-?\d[\d.eE+-]*', re.DOTALL)
_NAME = re.compile(r"[A-Za-z_][\w.-]{0,39}")


def rewrite(row: Converted, change: Change) -> None:
    """Replace every text of ``row`` by the result of ``change``."""
    named = [(f"messages[{number}]", message) for number, message in enumerate(row.messages)]
    if row.rejected is not None:
        named.append(("rejected", row.rejected))
    for place, message in named:
        for name, value in message.items():
            path = f"{place}.{name}"
            if name == "tool_calls":
                message[name] = [_call(call, f"{path}[{at}]", change) for at, call in enumerate(value)]
            elif name == "tool_call_id":
                change(str(value), path, "key")
            elif name != "role":
                message[name] = change(value, path, "text") if isinstance(value, str) else _value(value, path, change)
    if row.tools is not None:
        row.tools = _value(row.tools, "tools", change)
    if row.label is not None:
        row.label = change(row.label, "label", "text")


def _call(call: Any, path: str, change: Change) -> Any:
    if not isinstance(call, dict):
        return _value(call, path, change)
    if "id" in call:
        change(str(call["id"]), f"{path}.id", "key")
    return {
        name: value if name in ("id", "type") else _value(value, f"{path}.{name}", change)
        for name, value in call.items()
    }


def _value(value: Any, path: str, change: Change) -> Any:
    if isinstance(value, dict):
        entries = {}
        for name, entry in value.items():
            change(str(name), path, "key")
            entries[name] = _value(entry, f"{path}.{_shown(str(name))}", change)
        return entries
    if isinstance(value, list):
        return [_value(entry, f"{path}[{at}]", change) for at, entry in enumerate(value)]
    if isinstance(value, str):
        return _text(value, path, change)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        written = str(getattr(value, "written", value))
        changed = change(written, path, "number")
        return value if changed == written else changed
    return value


def _text(text: str, path: str, change: Change) -> str:
    """A text in arguments or tools; of a text that is JSON itself, its values."""
    return rewrite_json(text, path, change) if is_json(text) else change(text, path, "value")


def is_json(text: str) -> bool:
    """Whether ``text`` is a JSON object or list."""
    if text[:1] not in ("{", "["):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _shown(name: str) -> str:
    """A key as shown in a path; one that does not look like a name may be data, and audits are shared."""
    return name if _NAME.fullmatch(name) and "@" not in name else "*"


def rewrite_json(text: str, path: str, change: Change) -> str:
    """JSON with ``change`` applied to its values; names, and values that do not change, keep their spelling."""
    inside = path

    def replace(token: re.Match[str]) -> str:
        nonlocal inside
        written = token.group()
        if token.group(1) is None:
            changed = change(written, inside, "number")
            return written if changed == written else json.dumps(changed, ensure_ascii=False)
        value = _decoded(token.group(1))
        if token.group(2):
            change(value, path, "key")
            inside = f"{path}.{_shown(value)}"
            return written
        changed = _text(value, inside, change)
        return written if changed == value else json.dumps(changed, ensure_ascii="\\u" in written)

    return _TOKEN.sub(replace, text)


def _decoded(token: str) -> str:
    try:
        return str(json.loads(token, strict=False))
    except ValueError:
        return token[1:-1]
