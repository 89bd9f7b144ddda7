"""Renders untrusted chat templates within a budget: they might loop forever or produce gigabytes of text.

The sandbox protects the machine, not its time and memory: the module ``budget`` counts both. This module inserts the
counting calls into every loop, macro, block and expression. Syntax and settings follow
``transformers.utils.chat_template_utils`` (trim_blocks, lstrip_blocks, loop controls, ``generation`` tag).
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from jinja2 import TemplateError, nodes, pass_context
from jinja2.ext import Extension, loopcontrols
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from olivepress.core.bounded import TEMPLATE
from olivepress.core.errors import DataError
from olivepress.runtimes.chat_template.budget import (
    CHARACTERS_PER_STEP,
    WHOLE_TEXT,
    budget,
    check_counts,
    check_format,
    check_product,
    check_text_method,
    checked,
    concat,
    expect,
    limited,
    size_of,
    take,
)
from olivepress.runtimes.chat_template.errors import ChatTemplateError

__all__ = ["FIXED_DATE", "render_template"]

# Templates that print "today" would give other results every day; Llama's own template defaults to this date.
FIXED_DATE = "26 Jul 2024"
_NO_FILTERS = ("urlize", "xmlattr", "pprint", "wordwrap", "random")  # no chat template needs them
_SCOPES = ("_loop_vars", "_block_vars")  # what Jinja itself hands to every call


def render_template(template: str, variables: dict[str, Any]) -> str:
    """The text that ``template`` renders for ``variables``.

    TemplateError for any error inside it, an exceeded budget included; DataError with its own message when it calls
    ``raise_exception``.
    """
    try:
        with budget():
            return str(_compiled(template).render(variables))
    except (TemplateError, DataError):
        raise
    except RecursionError:
        raise TemplateError("it calls itself, or is nested, too deeply") from None
    except (
        Exception
    ) as error:  # division by zero, a missing key, a failed assertion of a filter, …: errors of the template
        raise TemplateError(f"{type(error).__name__}: {str(error)[:200]}") from error


@lru_cache(maxsize=32)
def _compiled(template: str) -> Any:
    if len(template) > TEMPLATE:
        raise TemplateError(f"it has {len(template):,} characters, at most {TEMPLATE:,} are read")
    return _Bounded().from_string(template)


class _Bounded(ImmutableSandboxedEnvironment):
    """The environment of one template."""

    intercepted_binops = frozenset(("+", "*", "**", "%"))

    def __init__(self) -> None:
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=[_Generation, loopcontrols],
            optimized=False,  # no evaluation while compiling, which is outside the budget
            finalize=_finalize,
        )
        self.filters["tojson"] = _tojson
        for name in _NO_FILTERS:
            self.filters.pop(name, None)
        for functions in (self.filters, self.tests):
            for name, function in list(functions.items()):
                functions[name] = limited(name, function)
        self.globals.pop("lipsum", None)
        self.globals["raise_exception"] = _refuse
        self.globals["strftime_now"] = lambda _format: FIXED_DATE
        # Called by the compiled template, by names that no template can write.
        self.bounded_take, self.bounded_checked, self.bounded_concat = take, checked, concat

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        _instrument(tree)
        tree.set_environment(self)
        return tree

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "%" and isinstance(left, WHOLE_TEXT):
            check_format(left, right)
        elif operator == "*":
            check_product(left, right)
        elif operator == "**" and not (abs(left) <= 1000 and abs(right) <= 1000):
            raise TemplateError("it raises a number to a power of thousands")
        elif operator == "+" and not isinstance(left, int | float):
            expect(size_of(left) + size_of(right))
        return checked(super().call_binop(context, operator, left, right))

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        if obj in (take, checked, concat):
            return obj(*args)
        named = {key: value for key, value in kwargs.items() if key not in _SCOPES}
        method = getattr(obj, "__wrapped__", obj)  # the sandbox wraps format
        owner, name = getattr(method, "__self__", None), getattr(method, "__name__", "")
        if isinstance(owner, str | bytes | int):
            check_counts(*args, **named)
        take(1 + sum(size_of(each) for each in (owner, *args, *named.values())) // CHARACTERS_PER_STEP)
        if isinstance(owner, WHOLE_TEXT):
            args = check_text_method(owner, name, args, named)
        return checked(super().call(context, obj, *args, **kwargs))


def _instrument(tree: nodes.Template) -> None:
    """Insert counting of steps into every body that may run more than once, and of sizes into every concatenation."""
    for node in list(tree.find_all(nodes.Stmt)):
        if not isinstance(node, nodes.Macro | nodes.CallBlock | nodes.Block | nodes.For):
            continue
        steps = 2 + sum(_steps(part) for part in node.body)
        if isinstance(node, nodes.For) and node.test is not None:
            node.test = nodes.And(_call("take", nodes.Const(_steps(node.test))), node.test)
        node.body.insert(0, nodes.ExprStmt(_call("take", nodes.Const(steps))))
    _wrap(tree)


def _steps(node: nodes.Node) -> int:
    """The most steps that running a part of a template once may take."""
    texts = sum(len(text.data) for text in node.find_all(nodes.TemplateData))
    return 2 + sum(1 for _ in node.find_all(nodes.Node)) + texts // CHARACTERS_PER_STEP


def _wrap(node: nodes.Node) -> None:
    """Replace, from the leaves up, each expression that copies or compares values by one that counts."""
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
    """Count a printed value. Takes the context so that nothing is printed while the template is compiled."""
    return checked(value)


def _refuse(message: str) -> None:
    raise ChatTemplateError(f"raised: {message}", next_step="change the rows' roles or their order")


def _tojson(value: Any, ensure_ascii: bool = False, indent: int | None = None) -> str:
    expect(size_of(value) * (1 + (indent or 0)))
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent)


class _Generation(Extension):
    """``{% generation %}`` marks the assistant's text for transformers; for us it prints its body."""

    tags = {"generation"}  # noqa: RUF012 (jinja2's own protocol)

    def parse(self, parser: Any) -> Any:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body).set_lineno(line)
