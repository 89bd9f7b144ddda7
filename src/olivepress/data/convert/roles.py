"""The role of a turn, by the names that public datasets use."""

from __future__ import annotations

from typing import Any

__all__ = ["CALL", "role_of"]

CALL = "call"  # a turn of the assistant that contains only tool calls
_ROLES = {
    "system": "system", "developer": "system",
    "user": "user", "human": "user", "prompter": "user",
    "assistant": "assistant", "gpt": "assistant", "chatgpt": "assistant", "bot": "assistant", "model": "assistant",
    "ai": "assistant", "bard": "assistant", "bing": "assistant", "claude": "assistant", "llm": "assistant",
    "function_call": CALL, "function_calls": CALL, "tool_call": CALL, "tool_calls": CALL,
    "tool": "tool", "function": "tool", "observation": "tool", "function_response": "tool", "function_result": "tool",
    "tool_response": "tool", "tool_responses": "tool", "tool_result": "tool", "tool_results": "tool",
    "ipython": "tool",
}  # fmt: skip


def role_of(given: Any) -> str | None:
    """``system``, ``user``, ``assistant``, ``tool`` or CALL; None for anything else."""
    return _ROLES.get(given.lower().strip().replace("-", "_").replace(" ", "_")) if isinstance(given, str) else None
