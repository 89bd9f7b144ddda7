"""The budget of a chat template: counted steps, and sizes that are checked before a value is created.

Every loop, macro and block counts the size of its body (``environment`` inserts the calls), and every operation that
builds a text or a list from others is checked here. The same template with the same rows takes the same number of steps
in any thread and on any system.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Set, ValuesView
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from types import GeneratorType
from typing import Any

from jinja2 import TemplateError
from jinja2.utils import Namespace

__all__ = [
    "CHARACTERS_PER_STEP",
    "LARGEST",
    "MOST_STEPS",
    "WHOLE_TEXT",
    "budget",
    "check_counts",
    "check_format",
    "check_product",
    "check_text_method",
    "checked",
    "concat",
    "expect",
    "limited",
    "size_of",
    "take",
]

MOST_STEPS = 5_000_000  # published templates take some hundred per message
LARGEST = 16 * 1024 * 1024  # characters of one value, repeated parts counted repeatedly
CHARACTERS_PER_STEP = 64
WHOLE_TEXT = (str, bytes)
_MOST_ITEMS = 1_000_000
_LARGEST_COUNT = 10_000  # of a width, indent or repetition passed to a function
_MOST_BITS = 4096
_WIDE_FIELD = re.compile(r"%[^a-zA-Z%]*(?:\d{4}|\*)|\{[^{}]+(?:\d{4}|\{)")
_COUNTED_FILTERS = frozenset(("batch", "center", "indent", "round", "slice", "tojson", "truncate"))


@dataclass
class _Budget:
    left: int = MOST_STEPS

    def take(self, steps: int) -> None:
        self.left -= steps
        if self.left < 0:
            raise TemplateError("it loops for too long, or produces too much text")


_BUDGET: ContextVar[_Budget] = ContextVar("template_budget")


@contextmanager
def budget() -> Iterator[None]:
    """A budget of ``MOST_STEPS`` for what is rendered inside of it."""
    token = _BUDGET.set(_Budget())
    try:
        yield
    finally:
        _BUDGET.reset(token)


def take(steps: int) -> bool:
    """Count steps; returns True so that it can precede a condition."""
    _BUDGET.get().take(steps)
    return True


def size_of(value: Any) -> int:
    """Characters and items of a value, repeated parts counted repeatedly. TemplateError above ``LARGEST``."""
    if isinstance(value, WHOLE_TEXT):
        return 1 + len(value)
    items, characters, waiting = 0, 0, [value]
    while waiting:
        each = waiting.pop()
        items += 1
        if isinstance(each, WHOLE_TEXT):
            characters += len(each)
        elif inside := _parts(each):
            waiting.extend(inside)
        if items + len(waiting) > _MOST_ITEMS:
            raise TemplateError(f"it produces a value of more than {_MOST_ITEMS:,} items")
        expect(items + characters)
    take(items)
    return items + characters


def _parts(value: Any) -> Collection[Any]:
    """The contents of a container, keys included; empty for anything else."""
    if isinstance(value, Namespace):
        value = value._Namespace__attrs  # its printed content
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    return value if isinstance(value, list | tuple | Set | ValuesView) else ()


def checked(value: Any) -> Any:
    """The value itself, counted; the items of a generator are counted one by one."""
    if isinstance(value, GeneratorType):
        return _each(value)
    take(1 + size_of(value) // CHARACTERS_PER_STEP)
    return value


def _each(items: Iterator[Any]) -> Iterator[Any]:
    for item in items:
        yield checked(item)


def expect(size: int) -> None:
    """TemplateError when ``size`` exceeds the largest permitted value."""
    if size > LARGEST:
        raise TemplateError(f"it produces a value of more than {LARGEST:,} characters")


def check_counts(*arguments: Any, **named: Any) -> None:
    """TemplateError when a number among the arguments is too large for a width or count."""
    for value in (*arguments, *named.values()):
        if isinstance(value, int) and abs(value) > _LARGEST_COUNT:
            shown = value if abs(value) < 10**9 else "over 1e9"
            raise TemplateError(f"it requests a width or count of {shown}")


def check_format(text: Any, values: Any) -> None:
    """TemplateError for a format string whose result may be too large: it repeats values and pads to any width."""
    text = str(text)
    if _WIDE_FIELD.search(text):
        raise TemplateError("it formats to a width of thousands of characters")
    expect(len(text) + (text.count("%") + text.count("{")) * size_of(values))


def _check_replace(text: Any, old: Any = "", new: Any = "", *_: Any, **__: Any) -> None:
    text, old, new = str(text), str(old), str(new)
    expect(len(text) + (text.count(old) if old else len(text) + 1) * len(new))


def _join(glue: Any, items: Any) -> list[Any]:
    """The items as a list. TemplateError when the joined text would be too large."""
    listed = list(_each(iter(items)))
    expect(size_of(listed) + len(listed) * len(str(glue)))
    return listed


def concat(*parts: Any) -> str:
    """The operator ``a ~ b``."""
    expect(sum(map(size_of, parts)))
    return str(checked("".join(map(str, parts))))


def limited(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter or test whose arguments and result are counted."""
    # Jinja passes the context or the environment first where the function declares it.
    first = 1 if getattr(function, "jinja_pass_arg", None) else 0

    @wraps(function)
    def counted(*arguments: Any, **named: Any) -> Any:
        given = list(arguments[first:])
        if name in _COUNTED_FILTERS:
            check_counts(*given[1:], **named)
        take(1 + sum(size_of(each) for each in (*given, *named.values())) // CHARACTERS_PER_STEP)
        if name == "replace":
            _check_replace(*given, **{{"s": "text"}.get(key, key): value for key, value in named.items()})
        elif name == "format":
            check_format(given[0], [given[1:], named])
        elif name == "join":
            given[0] = _join(given[1] if len(given) > 1 else named.get("d", ""), given[0])
        elif name == "indent":
            width = given[1] if len(given) > 1 else named.get("width", 4)
            wide = len(width) if isinstance(width, str) else int(width)
            expect(len(str(given[0])) + (str(given[0]).count("\n") + 1) * wide)
        elif name == "sum" and not isinstance(named.get("start", given[2] if len(given) > 2 else 0), int | float):
            raise TemplateError("it sums values that are not numbers")
        return checked(function(*arguments[:first], *given, **named))

    return counted


def check_text_method(owner: str | bytes, name: str, args: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
    """Check methods that create a larger text; returns the arguments, for ``join`` with the items as a list."""
    if name == "replace":
        _check_replace(owner, *args)
    elif name in ("format", "format_map"):
        check_format(owner, [args, named])
    elif name == "join" and args:
        return (_join(owner, args[0]),)
    elif name == "expandtabs":
        wide = next((each for each in (*args, *named.values()) if isinstance(each, int)), 8)
        expect(len(owner) + str(owner).count("\t") * wide)
    elif name == "translate":
        raise TemplateError("it calls translate")
    return args


def check_product(left: Any, right: Any) -> None:
    """TemplateError when ``left * right`` would be too large."""
    for sequence, count in ((left, right), (right, left)):
        if isinstance(sequence, str | bytes | list | tuple) and isinstance(count, int):
            expect(size_of(sequence) * count)
            return
    if isinstance(left, int) and isinstance(right, int) and left.bit_length() + right.bit_length() > _MOST_BITS:
        raise TemplateError("it multiplies numbers of a thousand digits")
