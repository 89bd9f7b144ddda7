"""``olivepress demo``."""

from __future__ import annotations

from olivepress.cli.bench_progress import BenchProgress
from olivepress.cli.console import ConsoleReporter
from olivepress.cli.documents import print_pages
from olivepress.cli.options import QuietOption
from olivepress.cli.plans import load_plan

__all__ = ["demo"]


def demo(quiet: QuietOption = False) -> None:
    """Run the full pipeline with the embedded model, in minutes.

    Prepare, fine-tune, merge, quantize, measure, compare.
    """
    from olivepress.pipeline.bench import bench_recipe
    from olivepress.pipeline.report import report
    from olivepress.pipeline.run import raise_failed, run

    plan = load_plan("tiny-phi")
    with ConsoleReporter(quiet=quiet) as reporter:
        outcomes = run(plan, reporter=reporter)
        progress = BenchProgress(reporter)
        paths = bench_recipe(plan, on_skipped=reporter.skipped, on_models=progress.models, on_progress=progress)
    print_pages([report(plan, paths)], as_json=False)
    raise_failed(outcomes)
