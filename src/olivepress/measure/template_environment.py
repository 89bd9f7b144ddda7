"""Chat templates from elsewhere, rendered within a budget: they may loop for ever or make gigabytes of text.

The sandbox keeps a template from the machine, not from its time and memory. Here every loop, macro and block counts its
body's size, and all that makes a text or a list from others is looked at before it is made; the same template with the
same rows always takes the same steps, in any thread and on any system. Syntax and settings follow
``transformers.utils.chat_template_utils`` (trim_blocks, lstrip_blocks, loop controls, ``generation`` tag).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Set, ValuesView
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache, wraps
from types import GeneratorType
from typing import Any

from jinja2 import TemplateError, nodes, pass_context
from jinja2.ext import Extension, loopcontrols
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

from olivepress.bounded import TEMPLATE
from olivepress.errors import DataError

__all__ = ["FIXED_DATE", "LARGEST", "MOST_STEPS", "render_template"]

# Templates that print "today" would make every day's run another one; Llama's own template defaults to this date.
FIXED_DATE = "26 Jul 2024"
MOST_STEPS = 5_000_000  # a published template takes some hundred for each message
LARGEST = 16 * 1024 * 1024  # characters of one value, each counted as often as it stands in it
_MOST_ITEMS = 1_000_000
_LARGEST_COUNT = 10_000  # of a width, an indent, a repetition that is handed to a function
_CHARACTERS_PER_STEP = 64
_MOST_BITS = 4096
_WIDE_FIELD = re.compile(r"%[^a-zA-Z%]*(?:\d{4}|\*)|\{[^{}]+(?:\d{4}|\{)")
_NO_FILTERS = ("urlize", "xmlattr", "pprint", "wordwrap", "random")  # no chat template needs them
_COUNTED_FILTERS = frozenset(("batch", "center", "indent", "round", "slice", "tojson", "truncate"))
_WHOLE_TEXT = (str, bytes)
_SCOPES = ("_loop_vars", "_block_vars")  # what Jinja itself hands to every call


@dataclass
class _Budget:
    left: int = MOST_STEPS

    def take(self, steps: int) -> None:
        self.left -= steps
        if self.left < 0:
            raise TemplateError("it loops for too long, or makes too much text")


_BUDGET: ContextVar[_Budget] = ContextVar("template_budget")


def render_template(template: str, variables: dict[str, Any]) -> str:
    """The text that ``template`` makes of ``variables``.

    TemplateError for whatever goes wrong inside of it, a budget that is spent included; DataError for what it says
    itself with ``raise_exception``.
    """
    token = _BUDGET.set(_Budget())
    try:
        return str(_compiled(template).render(variables))
    except (TemplateError, DataError):
        raise
    except RecursionError:
        raise TemplateError("it calls itself, or is nested, too deeply") from None
    except Exception as error:  # division by zero, a missing key, a failed assertion of a filter, …: the template's own
        raise TemplateError(f"{type(error).__name__}: {str(error)[:200]}") from error
    finally:
        _BUDGET.reset(token)


@lru_cache(maxsize=32)
def _compiled(template: str) -> Any:
    if len(template) > TEMPLATE:
        raise TemplateError(f"it has {len(template):,} characters, at most {TEMPLATE:,} are read")
    return _Bounded().from_string(template)


def _take(steps: int) -> bool:
    """Count steps; true, so that it can stand before a condition."""
    _BUDGET.get().take(steps)
    return True


def _size(value: Any) -> int:
    """Characters and items of a value, shared parts as often as they stand in it. TemplateError above ``LARGEST``."""
    if isinstance(value, _WHOLE_TEXT):
        return 1 + len(value)
    items, characters, waiting = 0, 0, [value]
    while waiting:
        each = waiting.pop()
        items += 1
        if isinstance(each, _WHOLE_TEXT):
            characters += len(each)
        elif inside := _parts(each):
            waiting.extend(inside)
        if items + len(waiting) > _MOST_ITEMS:
            raise TemplateError(f"it makes a value of more than {_MOST_ITEMS:,} items")
        _expect(items + characters)
    _take(items)
    return items + characters


def _parts(value: Any) -> Collection[Any]:
    """What a container holds, keys included; nothing of all else."""
    if isinstance(value, Namespace):
        value = value._Namespace__attrs  # what is printed of it
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    return value if isinstance(value, list | tuple | Set | ValuesView) else ()


def _checked(value: Any) -> Any:
    """The value again, counted; one that is made piece by piece is counted as it comes."""
    if isinstance(value, GeneratorType):
        return _each(value)
    _take(1 + _size(value) // _CHARACTERS_PER_STEP)
    return value


def _each(items: Iterator[Any]) -> Iterator[Any]:
    for item in items:
        yield _checked(item)


def _expect(size: int) -> None:
    """Refuse what would become larger than a value may be."""
    if size > LARGEST:
        raise TemplateError(f"it makes a value of more than {LARGEST:,} characters")


def _check_counts(*arguments: Any, **named: Any) -> None:
    for value in (*arguments, *named.values()):
        if isinstance(value, int) and abs(value) > _LARGEST_COUNT:
            raise TemplateError(f"it asks for a width or count of {value if abs(value) < 10**9 else 'over 1e9'}")


def _check_format(text: Any, values: Any) -> None:
    """A format string repeats its values, and pads them to any width."""
    text = str(text)
    if _WIDE_FIELD.search(text):
        raise TemplateError("it formats to a width of thousands of characters")
    _expect(len(text) + (text.count("%") + text.count("{")) * _size(values))


def _check_replace(text: Any, old: Any = "", new: Any = "", *_: Any, **__: Any) -> None:
    text, old, new = str(text), str(old), str(new)
    _expect(len(text) + (text.count(old) if old else len(text) + 1) * len(new))


def _join(glue: Any, items: Any) -> list[Any]:
    """The items, if what they make together is not too large."""
    listed = list(_each(iter(items)))
    _expect(_size(listed) + len(listed) * len(str(glue)))
    return listed


def _concat(*parts: Any) -> str:
    """``a ~ b``"""
    _expect(sum(map(_size, parts)))
    return str(_checked("".join(map(str, parts))))


def _limited(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter or test whose arguments and result are counted."""
    # Jinja hands over the context or the environment first, where the function asks for them.
    first = 1 if getattr(function, "jinja_pass_arg", None) else 0

    @wraps(function)
    def limited(*arguments: Any, **named: Any) -> Any:
        given = list(arguments[first:])
        if name in _COUNTED_FILTERS:
            _check_counts(*given[1:], **named)
        _take(1 + sum(_size(each) for each in (*given, *named.values())) // _CHARACTERS_PER_STEP)
        if name == "replace":
            _check_replace(*given, **{{"s": "text"}.get(key, key): value for key, value in named.items()})
        elif name == "format":
            _check_format(given[0], [given[1:], named])
        elif name == "join":
            given[0] = _join(given[1] if len(given) > 1 else named.get("d", ""), given[0])
        elif name == "indent":
            width = given[1] if len(given) > 1 else named.get("width", 4)
            wide = len(width) if isinstance(width, str) else int(width)
            _expect(len(str(given[0])) + (str(given[0]).count("\n") + 1) * wide)
        elif name == "sum" and not isinstance(named.get("start", given[2] if len(given) > 2 else 0), int | float):
            raise TemplateError("it sums what are no numbers")
        return _checked(function(*arguments[:first], *given, **named))

    return limited


class _Bounded(ImmutableSandboxedEnvironment):
    """The environment of one template."""

    intercepted_binops = frozenset(("+", "*", "**", "%"))

    def __init__(self) -> None:
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=[_Generation, loopcontrols],
            optimized=False,  # nothing is worked out while it is compiled, outside of the budget
            finalize=_finalize,
        )
        self.filters["tojson"] = _tojson
        for name in _NO_FILTERS:
            self.filters.pop(name, None)
        for functions in (self.filters, self.tests):
            for name, function in list(functions.items()):
                functions[name] = _limited(name, function)
        self.globals.pop("lipsum", None)
        self.globals["raise_exception"] = _refuse
        self.globals["strftime_now"] = lambda _format: FIXED_DATE
        # What the compiled template calls, by names that no template can write.
        self.bounded_take, self.bounded_checked, self.bounded_concat = _take, _checked, _concat

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        _instrument(tree)
        tree.set_environment(self)
        return tree

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "%" and isinstance(left, _WHOLE_TEXT):
            _check_format(left, right)
        elif operator == "*":
            _check_product(left, right)
        elif operator == "**" and not (abs(left) <= 1000 and abs(right) <= 1000):
            raise TemplateError("it raises a number to a power of thousands")
        elif operator == "+" and not isinstance(left, int | float):
            _expect(_size(left) + _size(right))
        return _checked(super().call_binop(context, operator, left, right))

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        if obj in (_take, _checked, _concat):
            return obj(*args)
        named = {key: value for key, value in kwargs.items() if key not in _SCOPES}
        method = getattr(obj, "__wrapped__", obj)  # the sandbox puts a function of its own before format
        owner, name = getattr(method, "__self__", None), getattr(method, "__name__", "")
        if isinstance(owner, str | bytes | int):
            _check_counts(*args, **named)
        _take(1 + sum(_size(each) for each in (owner, *args, *named.values())) // _CHARACTERS_PER_STEP)
        if isinstance(owner, _WHOLE_TEXT):
            args = _check_text_method(owner, name, args, named)
        return _checked(super().call(context, obj, *args, **kwargs))


def _check_text_method(owner: str | bytes, name: str, args: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
    """Methods of a text that make a larger one of it; the arguments, a list that is joined in memory."""
    if name == "replace":
        _check_replace(owner, *args)
    elif name in ("format", "format_map"):
        _check_format(owner, [args, named])
    elif name == "join" and args:
        return (_join(owner, args[0]),)
    elif name == "expandtabs":
        wide = next((each for each in (*args, *named.values()) if isinstance(each, int)), 8)
        _expect(len(owner) + str(owner).count("\t") * wide)
    elif name == "translate":
        raise TemplateError("it calls translate")
    return args


def _check_product(left: Any, right: Any) -> None:
    for sequence, count in ((left, right), (right, left)):
        if isinstance(sequence, str | bytes | list | tuple) and isinstance(count, int):
            _expect(_size(sequence) * count)
            return
    if isinstance(left, int) and isinstance(right, int) and left.bit_length() + right.bit_length() > _MOST_BITS:
        raise TemplateError("it multiplies numbers of a thousand digits")


def _instrument(tree: nodes.Template) -> None:
    """Count the steps of every body that may run more than once, and the sizes of what is put together."""
    for node in list(tree.find_all(nodes.Stmt)):
        if not isinstance(node, nodes.Macro | nodes.CallBlock | nodes.Block | nodes.For):
            continue
        steps = 2 + sum(_steps(part) for part in node.body)
        if isinstance(node, nodes.For) and node.test is not None:
            node.test = nodes.And(_call("take", nodes.Const(_steps(node.test))), node.test)
        node.body.insert(0, nodes.ExprStmt(_call("take", nodes.Const(steps))))
    _wrap(tree)


def _steps(node: nodes.Node) -> int:
    """What running a part of a template once may cost."""
    texts = sum(len(text.data) for text in node.find_all(nodes.TemplateData))
    return 2 + sum(1 for _ in node.find_all(nodes.Node)) + texts // _CHARACTERS_PER_STEP


def _wrap(node: nodes.Node) -> None:
    """Replace, from the leaves up, each expression that copies or compares values by one that counts them."""
    for field, value in list(node.iter_fields()):
        if isinstance(value, nodes.Node):
            setattr(node, field, _counted(value, node))
        elif isinstance(value, list):
            setattr(node, field, [_counted(each, node) if isinstance(each, nodes.Node) else each for each in value])


def _counted(node: nodes.Node, parent: nodes.Node) -> nodes.Node:
    _wrap(node)
    if isinstance(node, nodes.Concat):
        return _call("concat", *node.nodes)
    sliced = isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Slice)
    literal = isinstance(node, nodes.List | nodes.Dict) or (isinstance(node, nodes.Tuple) and node.ctx == "load")
    compared = isinstance(parent, nodes.Compare | nodes.Operand) and isinstance(node, nodes.Expr)
    if sliced or literal or (compared and not isinstance(node, nodes.Const)):
        return _call("checked", node)
    return node


def _call(name: str, *arguments: nodes.Node) -> nodes.Call:
    lineno = next((each.lineno for each in arguments if getattr(each, "lineno", None)), 1)
    call = nodes.Call(nodes.EnvironmentAttribute(f"bounded_{name}"), list(arguments), [], None, None)
    call.set_lineno(lineno)
    return call


@pass_context
def _finalize(context: Context, value: Any) -> Any:
    """What is printed. Asked with the context, so that nothing is printed while the template is compiled."""
    return _checked(value)


def _refuse(message: str) -> None:
    raise DataError(f"the chat template says: {message}", next_step="change the rows' roles or their order")


def _tojson(value: Any, ensure_ascii: bool = False, indent: int | None = None) -> str:
    _expect(_size(value) * (1 + (indent or 0)))
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent)


class _Generation(Extension):
    """``{% generation %}`` marks the assistant's text for transformers; for us it prints its body."""

    tags = {"generation"}  # noqa: RUF012 (jinja2's own protocol)

    def parse(self, parser: Any) -> Any:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body).set_lineno(line)
