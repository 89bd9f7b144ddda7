"""``olivepress demo``."""

from __future__ import annotations

from typing import Annotated

import typer

from olivepress.cli.bench_progress import BenchProgress
from olivepress.cli.console import ConsoleReporter
from olivepress.cli.documents import print_pages
from olivepress.cli.options import QuietOption
from olivepress.cli.plans import load_plan

__all__ = ["demo"]


def demo(
    short: Annotated[
        bool, typer.Option("--short", help="Take about two minutes: recipe demo-short instead of tiny-phi.")
    ] = False,
    quiet: QuietOption = False,
) -> None:
    """Run the full pipeline with the embedded model, in minutes.

    Prepare, fine-tune, merge, quantize, measure, compare. Needs no network and no data of yours. The demo is a recipe
    that ships, tiny-phi: every command that takes a MODEL takes it too.
    """
    from olivepress.pipeline.bench import bench_recipe
    from olivepress.pipeline.report import report
    from olivepress.pipeline.run import raise_failed, run
    from olivepress.pipeline.tracking import track_results

    plan = load_plan("demo-short" if short else "tiny-phi")
    with ConsoleReporter(quiet=quiet) as reporter:
        outcomes = run(plan, reporter=reporter)
        progress = BenchProgress(reporter)
        paths = bench_recipe(plan, on_skipped=reporter.skipped, on_models=progress.models, on_progress=progress)
    pages = [report(plan, paths)]
    print_pages(pages, as_json=False)
    track_results(reports=paths, pages=pages)
    raise_failed(outcomes)
    print("next: olivepress init MODEL --data FILE, a recipe for your own model and data")
