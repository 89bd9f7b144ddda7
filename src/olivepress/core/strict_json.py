"""JSON from elsewhere, stricter than Python reads it: no key twice, no NaN, no infinity."""

from __future__ import annotations

from typing import Any

__all__ = ["NotAllowedError", "strict_hooks"]


class NotAllowedError(ValueError):
    """Raised inside the JSON parser's hooks, which do not know the path; its text names the problem."""


def strict_hooks(constant_reason: str) -> dict[str, Any]:
    """Arguments for ``json.loads`` that raise NotAllowedError; ``constant_reason`` follows the name of a constant."""

    def no_constant(name: str) -> float:
        raise NotAllowedError(f"{name} {constant_reason}")

    return {"object_pairs_hook": _no_duplicates, "parse_constant": no_constant}


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for key, value in pairs:
        if key in fields:
            raise NotAllowedError(f"key {key!r} occurs twice")
        fields[key] = value
    return fields
