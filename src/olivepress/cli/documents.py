"""Comparisons on the command line."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from olivepress.compare.document import Document
    from olivepress.pipeline.report import Page

__all__ = ["print_document", "print_pages"]

WIDTH = 80  # of a file or a pipe


def print_document(document: Document, form: str) -> None:
    """As a table, in a few lines ("short"), or as the text of another form: json, markdown or csv."""
    from rich.console import Console

    from olivepress.compare import render_short, render_terminal, to_csv, to_json, to_markdown

    if form in ("table", "short"):
        render = render_short if form == "short" else render_terminal
        if sys.stdout.isatty():
            Console(highlight=False).print(render(document))
            return
        console = Console(highlight=False, width=WIDTH)
        with console.capture() as text:
            console.print(render(document))
        sys.stdout.writelines(f"{line.rstrip()}\n" for line in text.get().splitlines())
        return
    write = {"json": to_json, "markdown": to_markdown, "csv": to_csv}[form]
    sys.stdout.write(write(document))


def print_pages(pages: Sequence[Page], as_json: bool, *, full: bool = False) -> None:
    """The decision, five lines and the path of its page for each comparison; as JSON the comparison, of several a list.

    ``full``: every table in place of the five lines.
    """
    from olivepress.compare import to_json

    if as_json:
        texts = [to_json(page.document) for page in pages]
        sys.stdout.write(texts[0] if len(texts) == 1 else f"[{','.join(texts)}]\n")
        return
    for page in pages:
        print_document(page.document, "table" if full else "short")
        print(f"page: {page.files['html']}")
