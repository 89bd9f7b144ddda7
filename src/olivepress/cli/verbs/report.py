"""``olivepress report``."""

from __future__ import annotations

from typing import Annotated

import typer

from olivepress.cli.documents import print_pages
from olivepress.cli.options import DataOption, JsonOption, ModelArgument, TrustTargets
from olivepress.cli.plans import load_plan

__all__ = ["report"]


def report(
    model: ModelArgument,
    data: DataOption = None,
    full: Annotated[bool, typer.Option("--full", help="Print every table, not only what decides.")] = False,
    trust_targets: TrustTargets = False,
    as_json: JsonOption = False,
) -> None:
    """Compare the device reports of a recipe; print what to ship and write a page.

    Page, Markdown and JSON are written into runs/<recipe>/report/.
    """
    from olivepress.pipeline.report import report_recipe
    from olivepress.pipeline.tracking import track_results

    pages = report_recipe(load_plan(model, data, trust_targets))
    print_pages(pages, as_json, full=full)
    track_results(pages=pages)
