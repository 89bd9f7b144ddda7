"""Rules for the values of a settings file: each yields what is wrong with a value, in words that begin with its key."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

__all__ = [
    "Rule",
    "choice",
    "digits",
    "either",
    "expected",
    "fields",
    "flag",
    "list_of",
    "mapping",
    "number",
    "text",
    "whole",
]

Rule = Callable[[str, Any], Iterator[str]]
"""(key, value) → what is wrong with it; nothing when it is allowed."""

_MOST_ENTRIES = 4096  # of a list


def expected(key: str, what: str, value: Any) -> str:
    """The problem with a value: where it stands, what was expected, and the start of what is there."""
    shown = ascii(value)
    if len(shown) > 60:
        shown = f"{shown[:57]}..."
    return f"{key}: expected {what}, not {shown}"


def whole(low: int, high: int) -> Rule:
    def rule(key: str, value: Any) -> Iterator[str]:
        if type(value) is not int or not low <= value <= high:
            yield expected(key, f"a whole number from {low} to {high}", value)

    return rule


def number(low: float, high: float) -> Rule:
    def rule(key: str, value: Any) -> Iterator[str]:
        if type(value) not in (int, float) or not low <= value <= high:
            yield expected(key, f"a number from {low:g} to {high:g}", value)

    return rule


def flag(key: str, value: Any) -> Iterator[str]:
    if type(value) is not bool:
        yield expected(key, "true or false", value)


def text(pattern: str, what: str) -> Rule:
    compiled = re.compile(pattern)

    def rule(key: str, value: Any) -> Iterator[str]:
        if not isinstance(value, str) or not compiled.fullmatch(value):
            yield expected(key, what, value)

    return rule


def choice(*names: str) -> Rule:
    def rule(key: str, value: Any) -> Iterator[str]:
        if not isinstance(value, str) or value not in names:
            yield expected(key, f"one of {', '.join(names)}", value)

    return rule


def digits(high: int) -> Rule:
    """A whole number from 0 written as text: provider options and session entries are texts."""

    def rule(key: str, value: Any) -> Iterator[str]:
        if not isinstance(value, str) or not re.fullmatch(r"[0-9]{1,18}", value) or int(value) > high:
            yield expected(key, f"a text with a whole number up to {high}", value)

    return rule


def either(first: Rule, second: Rule) -> Rule:
    def rule(key: str, value: Any) -> Iterator[str]:
        if any(first(key, value)):
            yield from second(key, value)

    return rule


def list_of(each: Rule, most: int = _MOST_ENTRIES) -> Rule:
    def rule(key: str, value: Any) -> Iterator[str]:
        if not isinstance(value, list) or len(value) > most:
            yield expected(key, f"a list of at most {most}", value)
            return
        for index, entry in enumerate(value):
            yield from each(f"{key}[{index}]", entry)

    return rule


def fields(known: Mapping[str, Rule]) -> Rule:
    """An object with these keys and no others, each of them optional."""

    def rule(key: str, value: Any) -> Iterator[str]:
        if not isinstance(value, dict):
            yield expected(key, "an object", value)
            return
        for name, entry in value.items():
            inner = f"{key}.{ascii(name)[1:-1][:60]}" if key else ascii(name)[1:-1][:60]
            if name in known:
                yield from known[name](inner, entry)
            else:
                yield f"{inner}: not a setting that olivepress writes into artifacts"

    return rule


def mapping(name_rule: Rule, value_rule: Rule, most: int = 256) -> Rule:
    """An object whose keys are free names."""

    def rule(key: str, value: Any) -> Iterator[str]:
        if not isinstance(value, dict) or len(value) > most:
            yield expected(key, f"an object of at most {most} entries", value)
            return
        for name, entry in value.items():
            yield from name_rule(f"{key}, a key of it", name)
            yield from value_rule(f"{key}.{ascii(name)[1:-1][:60]}", entry)

    return rule
