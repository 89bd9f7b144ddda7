"""The options of onnxruntime-genai's builder: in the names of the installed release, and none that it would ignore."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Collection, Iterator, Mapping
from enum import IntEnum
from functools import cache
from pathlib import Path
from typing import Any

from olivepress.core.errors import JobError

__all__ = ["builder_options", "check_known", "options_read_in"]

# Parameters of Olive's pass that are not options of the builder.
_OF_THE_PASS = frozenset({"precision", "metadata_only", "search", "extra_options", "repairs"})
# 0.16 dropped the prefix. 0.18 ignores the old names (its own help calls them aliases "that still work"):
# onnxruntime-genai, src/python/py/models/builder.py and quantization/quant_config.py of 0.18.0.
_OLD_PREFIX = "int4_"
_DEFAULTS = {
    # 0.18 shares the embedding of a tied model with its head, in 4 bits where the head has 4, unless told otherwise.
    # Targets say themselves what an embedding is rounded to.
    "shared_embeddings": False,
    # A cache that keeps only the window of a layer cannot be rewound past it, and earlier runtimes cannot open it:
    # onnxruntime-genai 0.18.0, builders/base.py, context_length_attrs["window_kv_cache"].
    "windowed_kv_cache": False,
}
_READERS = frozenset({"get", "pop", "setdefault"})


def builder_options(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The builder's options of a pass's ``settings``; what ``extra_options`` says comes before the rest."""
    named = {
        key.removeprefix(_OLD_PREFIX): value.value if isinstance(value, IntEnum) else value
        for key, value in settings.items()
        if value is not None and key not in _OF_THE_PASS
    }
    extra = {key.removeprefix(_OLD_PREFIX): value for key, value in (settings.get("extra_options") or {}).items()}
    return _DEFAULTS | named | extra


def check_known(options: Collection[str], known: Collection[str]) -> None:
    """Raises JobError for an option that the builder never reads: it would build something else without a word."""
    for name in options:
        if name not in known:
            near = difflib.get_close_matches(name, sorted(known), n=1)
            guess = f"did you mean {near[0]}?" if near else "remove it from the target's extra_options"
            raise JobError(f"ModelBuilder: onnxruntime-genai's builder has no option {name!r}", next_step=guess)


@cache
def options_read_in(folder: Path) -> frozenset[str]:
    """The names that the builder's own code below ``folder`` reads from its options.

    Counted are ``options["name"]``, ``options.get("name")`` and ``"name" in options`` of anything whose name ends in
    ``options``.
    """
    names = set[str]()
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names |= set(_read_by(node))
    return frozenset(names)


def _read_by(node: ast.AST) -> Iterator[str]:
    keys: list[ast.expr] = []
    if isinstance(node, ast.Subscript) and _is_options(node.value):
        keys = [node.slice]
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _READERS:
        keys = node.args[:1] if _is_options(node.func.value) else []
    elif isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In | ast.NotIn):
        keys = [node.left] if _is_options(node.comparators[0]) else []
    yield from (key.value for key in keys if isinstance(key, ast.Constant) and isinstance(key.value, str))


def _is_options(node: ast.expr) -> bool:
    name = node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")
    return name.endswith("options")
