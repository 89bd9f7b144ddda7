"""The lineage of an artifact on the command line: a tree of at most 80 columns."""

from __future__ import annotations

import re
from collections.abc import Iterator
from textwrap import wrap
from typing import TYPE_CHECKING

from olivepress.core.printable import printable

if TYPE_CHECKING:
    from olivepress.registry.lineage import Lineage, Node

__all__ = ["lineage_lines"]

_WIDTH = 80
_HASH = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{28,52}\b")


def lineage_lines(found: Lineage) -> Iterator[str]:
    """The tree; hashes in full are in the JSON."""
    yield from wrap(_text(found.root), _WIDTH)
    yield from _below(found.root, "")


def _below(node: Node, before: str) -> Iterator[str]:
    for index, child in enumerate(node.children):
        is_last = index == len(node.children) - 1
        under = before + ("    " if is_last else "│   ")
        first = before + ("└── " if is_last else "├── ")
        rest = under + ("│   " if child.children else "    ")
        yield from wrap(_text(child), _WIDTH, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)
        yield from _below(child, under)


def _text(node: Node) -> str:
    facts = [f"{name} {text}".strip() for name, text in node.facts.items()]
    text = f"{node.title}: {'; '.join(facts)}" if facts else node.title
    return _HASH.sub(r"\1", printable(text))
