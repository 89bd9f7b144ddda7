"""Tools and tool calls in OpenAI's format, with arguments as objects: what chat templates expect.

``arguments`` as JSON text would be quoted a second time by templates that write them with ``tojson``.
"""

from __future__ import annotations

import math
import re
from typing import Any

from olivepress.core.bounded import check_nesting
from olivepress.data.text.values import JSON_TEXT, RowError, parse_json, structured

__all__ = ["call_as_text", "read_calls", "read_tools"]

_MAX_NESTING = 32
_ARGUMENTS_READ = "arguments of a tool call given as JSON text read as an object"
_FORM = "tool calls or tools written in OpenAI's form"
_NULLS = "nulls that no tool declares left out of arguments or tools"
_TAGGED = re.compile(r"<(tool_call|functioncall)>\s*(.*?)\s*(?:</\1>|<\|endoftext\|>|(?=<\1>)|\Z)", re.DOTALL)
# glaive writes arguments between single quotes: {"name": "f", "arguments": '{"a": 1}'}
_QUOTED = re.compile(r"""("arguments"\s*:\s*)'(\{.*\})'(\s*\}\s*)\Z""", re.DOTALL)


def _too_deep(value: Any) -> bool:
    """Whether ``value`` is nested more deeply than chat templates should have to handle."""
    try:
        check_nesting(value, _MAX_NESTING)
    except ValueError:
        return True
    return False


def _is_not_json(value: Any) -> bool:
    """Whether it contains NaN, an infinity, or a type that only tables have."""
    if isinstance(value, dict):
        return any(not isinstance(key, str) or _is_not_json(entry) for key, entry in value.items())
    if isinstance(value, list):
        return any(map(_is_not_json, value))
    if isinstance(value, float):
        return not math.isfinite(value)
    return not isinstance(value, (str, int, type(None)))


def read_tools(value: Any, changes: list[str]) -> list[dict[str, Any]] | None:
    """The tools of a row as ``[{"type": "function", "function": {...}}]``; None if there are none.

    Raises RowError for anything else.
    """
    if value is None or (isinstance(value, str) and value.strip() in ("", "null")):
        return None
    parsed = structured(value)
    if isinstance(value, str) and parsed is not value:
        _note(changes, JSON_TEXT)
    tools = [parsed] if isinstance(parsed, dict) else parsed
    tools = list(map(structured, tools)) if isinstance(tools, list) else tools
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools) or _too_deep(tools):
        raise RowError('tools is not a list of objects: write [{"type": "function", "function": {"name": …}}]')
    if _is_not_json(tools):
        raise RowError("NaN, Infinity or a value that is not JSON in tools")
    return [_tool(tool, changes) for tool in tools] or None


def _tool(tool: dict[str, Any], changes: list[str]) -> dict[str, Any]:
    if "function" not in tool and isinstance(tool.get("name"), str) and tool.get("type", "function") == "function":
        _note(changes, _FORM)
        tool = {"type": "function", "function": {key: value for key, value in tool.items() if key != "type"}}
    cleaned: dict[str, Any] = _without_null_schemas(tool)
    if cleaned != tool:
        _note(changes, _NULLS)
    return cleaned


def _without_null_schemas(value: Any) -> Any:
    """Properties whose schema is null are left out: Arrow gives every tool the properties of all tools."""
    if isinstance(value, list):
        return [_without_null_schemas(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    kept = {key: _without_null_schemas(entry) for key, entry in value.items()}
    properties = kept.get("properties")
    if isinstance(properties, dict):
        kept["properties"] = {name: schema for name, schema in properties.items() if schema is not None}
    return kept


def read_calls(value: Any, tools: list[dict[str, Any]] | None, changes: list[str]) -> list[dict[str, Any]]:
    """Tool calls, with arguments as objects. Raises RowError for calls that cannot be read."""
    parsed = structured(value)
    if isinstance(value, str) and parsed is not value:
        _note(changes, JSON_TEXT)
    calls = [parsed] if isinstance(parsed, dict) else parsed
    calls = list(map(structured, calls)) if isinstance(calls, list) else calls
    if not isinstance(calls, list) or not calls or not all(isinstance(call, dict) for call in calls):
        raise RowError("tool calls that are not objects")
    return [_call(call, tools, changes) for call in calls]


def _call(call: dict[str, Any], tools: list[dict[str, Any]] | None, changes: list[str]) -> dict[str, Any]:
    if "function" not in call and isinstance(call.get("name"), str):
        _note(changes, _FORM)
        beside = {key: call[key] for key in ("id",) if call.get(key) is not None}
        call = {**beside, "function": {key: value for key, value in call.items() if key not in ("id", "type")}}
    function = call.get("function")
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise RowError('a tool call without a name: write {"name": …, "arguments": {…}}')
    name = "arguments" if "arguments" in function or "parameters" not in function else "parameters"
    if name == "parameters":
        _note(changes, _FORM)
    arguments = _arguments(function.get(name), changes)
    if _too_deep(arguments):
        raise RowError("arguments of a tool call are nested too deep")
    if _is_not_json(arguments):
        raise RowError("NaN, Infinity or a value that is not JSON in the arguments of a tool call")
    kept = _declared(arguments, _schema(tools, function["name"]))
    if kept != arguments:
        _note(changes, _NULLS)
    beside = {key: value for key, value in function.items() if key != name}
    given = {key: value for key, value in call.items() if value is not None}
    return {"type": "function", **given, "function": {**beside, "arguments": kept}}


def _arguments(value: Any, changes: list[str]) -> dict[str, Any]:
    """The arguments as an object; an empty one if there are none."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return {}
    if isinstance(value, str):
        try:
            value = parse_json(value)
        except ValueError:
            raise RowError("arguments of a tool call are not JSON") from None
        _note(changes, _ARGUMENTS_READ)
    if not isinstance(value, dict):
        raise RowError("arguments of a tool call are not a JSON object")
    return value


def _schema(tools: list[dict[str, Any]] | None, name: str) -> Any:
    """The schema of the arguments of the tool that is called, if the row declares one."""
    for tool in tools or ():
        declared = tool.get("function")
        if isinstance(declared, dict) and declared.get("name") == name:
            return declared.get("parameters")
    return None


def _declared(value: Any, schema: Any) -> Any:
    """``value`` without nulls, at any depth, that a schema with ``properties`` does not declare."""
    if not isinstance(schema, dict):
        return value
    if isinstance(value, list):
        return [_declared(entry, schema.get("items")) for entry in value]
    properties = schema.get("properties")
    if not isinstance(value, dict) or not isinstance(properties, dict):
        return value
    kept = {name: entry for name, entry in value.items() if entry is not None or name in properties}
    return {name: _declared(entry, properties.get(name)) for name, entry in kept.items()}


def call_as_text(text: str) -> tuple[str, list[Any]] | None:
    """Calls between tags in a text, as Hermes and glaive write them: (text without them, calls); None if it has none.

    A call that cannot be parsed is returned as its text.
    """
    matches = list(_TAGGED.finditer(text))
    if not matches:
        return None
    calls = []
    for match in matches:
        raw = match.group(2)
        if quoted := _QUOTED.search(raw):
            raw = f"{raw[: quoted.start()]}{quoted[1]}{quoted[2]}{quoted[3]}"
        calls.append(structured(raw))
    return _TAGGED.sub("", text).strip(), calls


def _note(changes: list[str], change: str) -> None:
    if change not in changes:
        changes.append(change)
