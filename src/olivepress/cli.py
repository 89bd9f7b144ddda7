"""The command line: parse, call one function, print."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from olivepress.errors import OlivepressError

if TYPE_CHECKING:
    from olivepress.plan import Plan

__all__ = ["app", "main"]

_INTERRUPTED = 130

app = typer.Typer(
    help="One recipe becomes measured, verified edge artifacts, on Microsoft Olive.",
    rich_markup_mode=None,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

ModelArgument = Annotated[
    str, typer.Argument(metavar="MODEL", help="A recipe's path or name, a family, a Hub id or a model directory.")
]
DataOption = Annotated[
    str | None, typer.Option("--data", help="Data file or directory instead of the recipe's own.", metavar="PATH")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
QuietOption = Annotated[bool, typer.Option("--quiet", help="No progress.")]


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error (anywhere).")] = False,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        from olivepress import __version__

        print(__version__)
        raise typer.Exit


@app.command()
def recipes(as_json: JsonOption = False) -> None:
    """List the recipes, families and targets that are known here."""
    from olivepress.catalog import families, targets
    from olivepress.plan import RECIPES

    known: dict[str, Any] = {
        "recipes": sorted(path.stem for path in RECIPES.glob("*.yaml")),
        "families": {family.family: list(family.models) for family in families().values()},
        "targets": {target.target: target.description for target in targets().values()},
    }
    if as_json:
        print(json.dumps(known, indent=2))
        return
    print("recipes: " + (", ".join(known["recipes"]) or "none in ./recipes"))
    for family, models in known["families"].items():
        print(f"family {family}: {', '.join(models)}")
    for target, description in known["targets"].items():
        print(f"target {target}: {description}")


@app.command()
def plan(model: ModelArgument, data: DataOption = None, as_json: JsonOption = False) -> None:
    """Print the jobs of a recipe, what each needs and what it waits for."""
    _print_plan(_plan(model, data), as_json)


@app.command()
def prepare(model: ModelArgument, data: DataOption = None) -> None:
    """Write the dataset that the recipe's workflows read."""
    from olivepress import pipeline

    made = _plan(model, data)
    directory = pipeline.prepare(made)
    rows = ", ".join(f"{len(examples)} {split}" for split, examples in made.dataset.splits.items())
    print(f"{directory}: {rows}")
    for reason, count in made.dataset.dropped.items():
        print(f"  left out: {count} x {reason}")


@app.command()
def render(
    model: ModelArgument,
    data: DataOption = None,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail when a file would change.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Render and lint every workflow of a recipe into olive_configs/, offline."""
    from olivepress import pipeline
    from olivepress.errors import LintError
    from olivepress.lint import olive_installed

    made = _plan(model, data)
    files = pipeline.render_files(made)
    if check:
        stale = [path for path, text in files.items() if not path.is_file() or path.read_text("utf-8") != text]
        if stale:
            raise LintError(f"{stale[0]} is not what its recipe renders", next_step=f"olivepress render {model}")
        print(f"{len(files)} files are what recipe {made.recipe.name} renders")
        return
    pipeline.prepare(made)
    pipeline.write_workflows(made)
    findings = pipeline.lint_plan(made)
    _print_plan(made, as_json)
    if as_json:
        return
    done = "linted against the installed Olive" if olive_installed() else "Olive is not installed: only files checked"
    print(f"{len(files) - 1} workflows in {next(iter(files)).parent}, {done}; {len(findings)} inputs pending")
    print(f"next: make run MODEL={model}" + (f" DATA={data}" if data else ""))


@app.command()
def lint(workflow: Annotated[Path, typer.Argument(metavar="WORKFLOW", help="An Olive workflow in YAML.")]) -> None:
    """Check one workflow file, edited by hand or not, against the installed Olive."""
    from olivepress import pipeline
    from olivepress.lint import olive_installed

    pending = pipeline.lint_file(workflow)
    print("\n".join(f"pending: {finding}" for finding in pending) or f"{workflow}: nothing to complain about")
    if not olive_installed():
        print("Olive is not installed: only files were checked")


@app.command()
def run(
    model: ModelArgument,
    data: DataOption = None,
    job: Annotated[str | None, typer.Option("--job", help="Only this job.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Start although memory or disk look too small.")] = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Run every job of a recipe that is not finished: fine-tune, merge, export, verify."""
    from olivepress import pipeline
    from olivepress.console import ConsoleReporter

    made = _plan(model, data)
    with ConsoleReporter(quiet=quiet or as_json) as reporter:
        outcomes = pipeline.run(made, reporter=reporter, only=job, force=force)
    if as_json:
        print(json.dumps([{"state": o.state, **o.manifest.model_dump(mode="json")} for o in outcomes], indent=2))
        return
    for outcome in outcomes:
        print(f"{made.output_dir(made.job(outcome.job))}: {outcome.state}, sha256 {outcome.manifest.sha256[:12]}")


@app.command()
def bench(
    model: ModelArgument,
    data: DataOption = None,
    job: Annotated[str | None, typer.Option("--job", help="Only this job, or 'base'.")] = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Measure the artifacts of a recipe on this machine: latency, memory, size, accuracy, divergence."""
    from olivepress.console import ConsoleReporter

    made = _plan(model, data)
    with ConsoleReporter(quiet=quiet or as_json) as reporter:
        paths = _bench(made, reporter, job)
    print(json.dumps([str(path) for path in paths]) if as_json else "\n".join(map(str, paths)))


@app.command()
def report(
    model: ModelArgument,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare the device reports of a recipe: a table here, and a page, Markdown and JSON in runs/<recipe>/report/."""
    from olivepress import pipeline

    made = _plan(model, data)
    _print_report(made, pipeline.report_paths(made), as_json)


@app.command()
def demo(quiet: QuietOption = False) -> None:
    """The whole way for the embedded model: prepare, fine-tune, merge, quantize, measure, compare."""
    from olivepress import pipeline
    from olivepress.console import ConsoleReporter

    made = _plan("tiny-phi", None)
    with ConsoleReporter(quiet=quiet) as reporter:
        pipeline.run(made, reporter=reporter)
        paths = _bench(made, reporter, None)
    _print_report(made, paths, False)


@app.command()
def rehearse(
    model: ModelArgument,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the random model and its artifacts.")] = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """The whole chain at real size on random weights: what memory, disk and time the real run will take."""
    from olivepress.console import ConsoleReporter
    from olivepress.rehearsal import rehearse as rehearse_model

    with ConsoleReporter(quiet=quiet or as_json) as reporter:
        text = rehearse_model(model, reporter=reporter, keep=keep, as_json=as_json)
    print(text, end="")


@app.command()
def schema() -> None:
    """Print the JSON Schema of a recipe, for editors."""
    from olivepress.recipe import json_schema

    print(json_schema(), end="")


def _plan(model: str, data: str | None) -> Plan:
    from olivepress.pipeline import load_plan

    return load_plan(model, data=data)


def _bench(made: Plan, reporter: Any, job: str | None) -> list[Path]:
    from olivepress import pipeline

    found = []
    for name, reason in pipeline.not_measured_here(made).items():
        reporter.console.print(f"{name}: not measured: {reason}", soft_wrap=True)
    for target in pipeline.bench_targets(made):
        if job in (None, target.name):
            reporter.begin(f"measure {target.name}")
            found += pipeline.bench_plan(
                made, only=target.name, tell=lambda _, stage, done, total: reporter.update(stage, done, total)
            )
            reporter.end(f"measured {target.name}")
    return found or pipeline.bench_plan(made, only=job)


def _print_report(made: Plan, paths: list[Path], as_json: bool) -> None:
    from rich.console import Console

    from olivepress import pipeline
    from olivepress.compare import render_terminal

    reports, written = pipeline.report(made, paths)
    if as_json:
        print(written["json"].read_text(encoding="utf-8"), end="")
        return
    # Into a file or a pipe there is no width to fit.
    Console(highlight=False, width=None if sys.stdout.isatty() else 120).print(render_terminal(reports))
    print(f"page: {written['html']}")


def _print_plan(made: Plan, as_json: bool) -> None:
    from olivepress.plan import need

    needs = {job.id: need(made, job) for job in made.jobs}
    if as_json:
        jobs = [
            {
                "id": job.id,
                "kind": job.kind,
                "parent": job.parent,
                "target": job.target.target if job.target else None,
                "output_dir": str(made.output_dir(job)),
                "memory_bytes": needs[job.id].memory_bytes,
                "disk_bytes": needs[job.id].disk_bytes,
                "time_class": needs[job.id].time_class,
            }
            for job in made.jobs
        ]
        dataset = {"name": made.dataset.name, "version": made.dataset.version}
        print(json.dumps({"recipe": made.recipe.name, "dataset": dataset, "jobs": jobs}, indent=2))
        return
    rows = ", ".join(f"{len(examples)} {split}" for split, examples in made.dataset.splits.items())
    kind = "synthetic, " if made.dataset.synthetic else ""
    print(f"recipe {made.recipe.name}: {made.recipe.model.path}, {made.model.facts.parameters / 1e6:,.1f} M parameters")
    print(f"data {made.dataset.name} ({kind}{rows}), sha256 {made.dataset.version[:12]}")
    for reason, count in made.dataset.dropped.items():
        print(f"  left out: {count} x {reason}")
    print(f"{'job':<20}{'after':<12}{'memory':>9}{'disk':>9}  {'time on a desktop CPU':<24}runs on")
    for job in made.jobs:
        wanted = needs[job.id]
        where = job.target.description if job.target else "this machine"
        print(
            f"{job.id:<20}{job.parent or '-':<12}{wanted.memory_bytes / 1e9:>6.1f} GB{wanted.disk_bytes / 1e9:>6.1f} GB"
            f"  {wanted.time_class:<24}{where}"
        )


def main() -> None:
    """Entry point: every error is one line and its exit code; ``--debug``, anywhere, shows the traceback."""
    # typer carries its own click and exports only one leaf of its errors.
    usage_error: Any = typer.BadParameter.__mro__[2]
    debug = "--debug" in sys.argv
    sys.argv = [argument for argument in sys.argv if argument != "--debug"]
    try:
        code = app(standalone_mode=False)
    except usage_error as error:
        print(f"olivepress: {error.format_message()}; next: olivepress --help", file=sys.stderr)
        sys.exit(2)
    except Exception as error:
        if debug:
            raise
        print(f"olivepress: {_one_line(error)}", file=sys.stderr)
        sys.exit(error.exit_code if isinstance(error, OlivepressError) else 7 if isinstance(error, OSError) else 1)
    if code == _INTERRUPTED:  # typer turns Ctrl-C into a return value
        print("olivepress: interrupted; the same command goes on where it stopped", file=sys.stderr)
    sys.exit(code if isinstance(code, int) else 0)


def _one_line(error: Exception) -> str:
    if isinstance(error, OlivepressError):
        return str(error)
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or error}; next: check disk and rights"
    first = str(error).strip().split("\n")[0]
    return f"unexpected {type(error).__name__}: {first}; next: the same command with --debug, and report it"
