"""``olivepress compare``."""

from __future__ import annotations

import enum
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from olivepress.cli.documents import print_document
from olivepress.cli.options import JsonOption

__all__ = ["compare"]


class _Format(enum.StrEnum):
    table = "table"
    json = "json"
    markdown = "markdown"
    csv = "csv"


def compare(
    sources: Annotated[
        list[str], typer.Argument(metavar="REPORT...", help="Report files, folders of them, globs, or git:REVISION.")
    ],
    recipe: Annotated[
        Path | None, typer.Option("--recipe", metavar="FILE", help="Use the hard limits of this recipe's budget.")
    ] = None,
    baseline: Annotated[
        list[str] | None,
        typer.Option(
            "--gate", metavar="BASELINE", help="Exit with 0 if not worse than the baseline, 1 if worse, 2 if unknown."
        ),
    ] = None,
    form: Annotated[_Format, typer.Option("--format", help="What to print.")] = _Format.table,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Write page, Markdown, JSON, CSV and plots there.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare device reports; decide what to ship to each machine."""
    from olivepress.compare import compare as compare_reports
    from olivepress.compare import find_reports, load, write_report_page
    from olivepress.pipeline.report import budgets
    from olivepress.recipe.schema import load_recipe

    limits = budgets(load_recipe(recipe)) if recipe else None
    with find_reports(sources) as paths:
        items = load(paths)
        document = compare_reports(items, budgets=limits)
        print_document(document, "json" if as_json else form.value)
        if out is not None:
            print(f"page: {write_report_page(document, out)['html']}", file=sys.stderr)
        if baseline:
            _gate(items, baseline, out, as_markdown=form is _Format.markdown and not as_json)


def _gate(items: list[Any], baseline: list[str], out: Path | None, *, as_markdown: bool) -> None:
    """Print the result, and exit with its code."""
    from olivepress.compare import find_reports, gate, gate_markdown, load
    from olivepress.compare.gate import EXIT
    from olivepress.core.files import write_text

    with find_reports(baseline) as paths:
        verdict = gate(items, load(paths))
    print("\n".join([f"gate: {verdict.result}", *(f"  {reason}" for reason in verdict.reasons)]), file=sys.stderr)
    if as_markdown:
        sys.stdout.write(f"\n{gate_markdown(verdict)}")
    if out is not None:
        write_text(out / "gate.md", gate_markdown(verdict))
    raise typer.Exit(EXIT[verdict.result])
