"""The command line: parse, call one function, print."""

from __future__ import annotations

import enum
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from olivepress import __version__
from olivepress.cli.adapters import adapters
from olivepress.cli.data import data as data_group
from olivepress.cli.data_derive import augment as _augment  # noqa: F401  (registers its commands)
from olivepress.cli.environments import env
from olivepress.cli.speed import BUDGET_S, directories_of, teller, tune_all, workload_of
from olivepress.cli.speed import register as register_speed
from olivepress.core.errors import UsageError
from olivepress.core.messages import (
    exit_code_of,
    explain,
    next_command,
    one_line,
    open_streams,
    typed_text,
    write_any_text,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from olivepress.run import JobOutcome
    from olivepress.workflow.estimate import Need
    from olivepress.workflow.lint import Finding
    from olivepress.workflow.plan import Plan

__all__ = ["app", "main"]

_INTERRUPTED = 130

app = typer.Typer(
    help="One recipe becomes measured, verified edge artifacts, on Microsoft Olive.",
    rich_markup_mode=None,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(env, name="env")
app.add_typer(adapters, name="adapters")
app.add_typer(data_group, name="data")
searches = typer.Typer(help="Search for what is best to ship.", no_args_is_help=True)
app.add_typer(searches, name="search")

ModelArgument = Annotated[
    str, typer.Argument(metavar="MODEL", help="A recipe's path or name, a family, a Hub id or a model directory.")
]
DataOption = Annotated[
    str | None, typer.Option("--data", help="Data file or directory instead of the recipe's own.", metavar="PATH")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
TrustTargets = Annotated[
    bool, typer.Option("--trust-targets", help="Let targets beside the recipe run code of their own.")
]
QuietOption = Annotated[bool, typer.Option("--quiet", help="No progress.")]


def _print_version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error (anywhere).")] = False,
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    """Options of every command."""


@app.command()
def recipes(as_json: JsonOption = False) -> None:
    """List the recipes, families and targets that are known here."""
    from olivepress.catalog import families, targets
    from olivepress.models.wheels import wheel_models
    from olivepress.recipe.schema import recipe_files

    known: dict[str, Any] = {
        "recipes": sorted(recipe_files()),
        "families": {family.family: list(family.models) for family in families().values()},
        "wheel_models": {path: model.license for path, model in wheel_models().items()},
        "targets": {target.target: target.description for target in targets().values()},
    }
    if as_json:
        print(json.dumps(known, indent=2))
        return
    print("recipes: " + ", ".join(known["recipes"]))
    for family, models in known["families"].items():
        print(f"family {family}: {', '.join(models)}")
    for path, license_name in known["wheel_models"].items():
        print(f"model {path}: out of a PyPI wheel, {license_name}")
    for target, description in known["targets"].items():
        print(f"target {target}: {description}")


@app.command()
def plan(
    model: ModelArgument, data: DataOption = None, trust_targets: TrustTargets = False, as_json: JsonOption = False
) -> None:
    """Print the jobs of a recipe and what each needs."""
    _print_plans(_plan(model, data, trust_targets), as_json)


@app.command()
def prepare(model: ModelArgument, data: DataOption = None, trust_targets: TrustTargets = False) -> None:
    """Write the dataset that the recipe's workflows read."""
    from olivepress.pipeline import verbs as pipeline
    from olivepress.pipeline.console import ConsoleReporter

    planned = _plan(model, data, trust_targets)
    with ConsoleReporter(quiet=False) as reporter:
        pipeline.fetch_model(planned, reporter.fetching_model)
    for made in planned.all:
        directory = pipeline.prepare(made)
        rows = ", ".join(f"{len(examples)} {split}" for split, examples in made.dataset.splits.items())
        print(f"{directory}: {rows}")
        for reason, count in made.dataset.dropped.items():
            print(f"  left out: {count} x {reason}")
        for note in pipeline.row_notes(made):
            print(f"  note: {note}")


@app.command()
def render(
    model: ModelArgument,
    data: DataOption = None,
    trust_targets: TrustTargets = False,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail when a file would change.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Render and lint the Olive workflows of a recipe, offline.

    They are written into olive_configs/.
    """
    from olivepress.core.errors import LintError
    from olivepress.pipeline import verbs as pipeline
    from olivepress.workflow.lint import olive_installed

    made = _plan(model, data, trust_targets)
    files = {path: text for one in made.all for path, text in pipeline.render_files(one).items()}
    if check:
        stale = [path for path, text in files.items() if not path.is_file() or path.read_text("utf-8") != text]
        if stale:
            raise LintError(f"{stale[0]} is not what its recipe renders", next_step=f"olivepress render {model}")
        print(f"{len(files)} files are what recipe {made.recipe.name} renders")
        return
    findings = []
    for one in made.all:
        pipeline.prepare(one)
        pipeline.write_workflows(one)
        findings += pipeline.lint_plan(one)
    _print_plans(made, as_json)
    if as_json:
        return
    _print_notes(findings)
    pending = sum(finding.level == "pending" for finding in findings)
    done = "linted against the installed Olive" if olive_installed() else "Olive is not installed: only files checked"
    jobs = sum(len(one.jobs) for one in made.all)
    places = ", ".join(dict.fromkeys(str(path.parent) for path in files))
    print(f"{jobs} workflows in {places}, {done}; {pending} inputs pending")
    print(f"next: {next_command('run', model, data)}")


def _print_notes(findings: Sequence[Finding]) -> None:
    for text in dict.fromkeys(finding.message for finding in findings if finding.level == "note"):
        print(f"note: {text}")


@app.command()
def lint(workflow: Annotated[Path, typer.Argument(metavar="WORKFLOW", help="An Olive workflow in YAML.")]) -> None:
    """Check a workflow file against the installed Olive."""
    from olivepress.pipeline import verbs as pipeline
    from olivepress.workflow.lint import olive_installed

    findings = pipeline.lint_file(workflow)
    print("\n".join(f"{finding.level}: {finding}" for finding in findings) or f"{workflow}: nothing to complain about")
    if not olive_installed():
        print("Olive is not installed: only files were checked")


@app.command()
def run(
    model: ModelArgument,
    data: DataOption = None,
    job: Annotated[str | None, typer.Option("--job", help="Only this job.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Start although memory or disk look too small.")] = False,
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="Start although an export's environment is not here.")
    ] = False,
    trust_targets: TrustTargets = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Run what is not finished: fine-tune, merge, export, verify."""
    from olivepress.pipeline import verbs as pipeline
    from olivepress.pipeline.console import ConsoleReporter, verdict_lines
    from olivepress.pipeline.cost_table import measured_lines

    made = _plan(model, data, trust_targets)
    with ConsoleReporter(quiet=quiet or as_json) as reporter:
        outcomes = pipeline.run(made, reporter=reporter, only=job, force=force, keep_going=keep_going)
    if as_json:
        print(json.dumps([_outcome(one, outcome) for one, outcome in outcomes], indent=2))
    else:
        for one, outcome in outcomes:
            said = f"{outcome.state}, sha256 {outcome.manifest.sha256[:12]}" if outcome.manifest else f"{outcome.state}"
            where = one.output_dir(one.job(outcome.job))
            print(f"{where}: {said}" + (f": {outcome.error}" if outcome.error else ""))
            for line in verdict_lines(outcome):
                print(f"  {line}")
        for line in measured_lines(outcomes):
            print(line)
    pipeline.raise_failed(outcomes)


@app.command()
def matrix(
    model: ModelArgument, trust_targets: TrustTargets = False, quiet: QuietOption = False, as_json: JsonOption = False
) -> None:
    """Build and verify a model for every target.

    Prints what was built, how it was verified, and what was lost.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from olivepress.core.errors import JobError
    from olivepress.pipeline.console import ConsoleReporter
    from olivepress.pipeline.matrix import HEAD, table
    from olivepress.pipeline.matrix import matrix as every_target

    with ConsoleReporter(quiet=quiet or as_json) as reporter:
        record = every_target(model, reporter=reporter, trust_targets=trust_targets)
    if as_json:
        print(json.dumps(record, indent=2))
    else:
        rows, notes = table(record["rows"])
        grid = Table(box=box.SIMPLE_HEAD, padding=0, show_edge=False)
        for name in HEAD:
            grid.add_column(name, no_wrap=name == "target")
        for row in rows:
            grid.add_row(*row)
        print(record["model"] + (", random weights" if record["random_weights"] else ""))
        Console(highlight=False).print(grid)
        for number, note in enumerate(notes, start=1):
            print(f"[{number}] {note}")
    failed = [row for row in record["rows"] if row.get("failed")]
    if failed:
        raise JobError(f"{len(failed)} targets failed, first {failed[0]['target']}: {failed[0]['why']}")


def _outcome(made: Plan, outcome: JobOutcome) -> dict[str, Any]:
    from olivepress.workflow.estimate import need

    held = outcome.manifest.model_dump(mode="json") if outcome.manifest else {"job": outcome.job}
    error = str(outcome.error) if outcome.error else None
    tokenizer = {"tokenizer": asdict(outcome.tokenizer)} if outcome.tokenizer else {}
    estimated = _need(need(made, made.job(outcome.job)))
    checks = [check.model_dump(mode="json") for check in outcome.checks]
    return {"state": outcome.state, "error": error, "estimated": estimated, "checks": checks, **held, **tokenizer}


def _need(estimated: Need) -> dict[str, Any]:
    """In the units of the keys, time to the second."""
    return {
        "memory_bytes": estimated.memory_bytes,
        "disk_bytes": estimated.disk_bytes,
        "seconds": round(estimated.seconds),
    }


@app.command()
def bench(
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET", help="A bundle, an exported artifact's directory, or a recipe as for the other verbs."
        ),
    ],
    data: Annotated[
        str | None,
        typer.Option("--data", metavar="PATH", help="For an artifact: a prepared dataset. For a recipe: its data."),
    ] = None,
    job: Annotated[str | None, typer.Option("--job", help="Of a recipe: only this job, 'base' or 'few-shot'.")] = None,
    reference: Annotated[
        Path | None, typer.Option("--reference", metavar="DIR", help="The parent's reference, for an artifact.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Report of an artifact; of a bundle the file to carry.")
    ] = None,
    text: Annotated[Path | None, typer.Option("--text", metavar="FILE", help="Text for perplexity.")] = None,
    workload: Annotated[
        list[str] | None,
        typer.Option("--workload", metavar="PxG", help="Prompt x generated tokens, as 128x128; 'dataset' for P."),
    ] = None,
    rounds: Annotated[int | None, typer.Option("--rounds", min=1, max=1000, help="Processes per workload.")] = None,
    repetitions: Annotated[
        int | None, typer.Option("--repetitions", min=1, max=1000, help="Timed runs in each.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, max=10_000_000, help="Test examples to answer.")
    ] = None,
    lm_eval: Annotated[
        list[str] | None,
        typer.Option(
            "--lm-eval", metavar="TASK", help="A task of lm-evaluation-harness ([eval]); 'dataset': the test split."
        ),
    ] = None,
    lm_eval_tasks: Annotated[
        Path | None, typer.Option("--lm-eval-tasks", metavar="DIR", help="Folder of your own task files.")
    ] = None,
    allow_fallback: Annotated[
        bool, typer.Option("--allow-fallback", help="Measure although nodes fell back to the CPU; the report says so.")
    ] = False,
    tune: Annotated[bool, typer.Option("--tune", help="Tune what is measured first, as olivepress tune does.")] = False,
    trust_targets: TrustTargets = False,
    trust_tasks: Annotated[
        bool, typer.Option("--trust-tasks", help="Let the files of --lm-eval-tasks run code of their own.")
    ] = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Measure a bundle, an artifact or a recipe on this machine.

    Latency, memory, accuracy and divergence.
    """
    from olivepress.pipeline import device_reports
    from olivepress.pipeline.console import ConsoleReporter

    overrides = device_reports.Overrides(
        workloads=tuple(workload_of(text) for text in workload) if workload else None,
        rounds=rounds,
        repetitions=repetitions,
        limit=limit,
        text=text,
        lm_eval=tuple(lm_eval) if lm_eval else None,
        lm_eval_tasks=lm_eval_tasks,
        trust_tasks=trust_tasks,
        allow_fallback=allow_fallback,
    )
    is_bundle = target.lower().endswith(".zip")
    is_artifact = not is_bundle and _is_artifact(Path(target))
    _refuse_options(target, job, reference, out, is_bundle=is_bundle, is_artifact=is_artifact)
    if trust_targets and (is_bundle or is_artifact):
        raise UsageError(
            f"--trust-targets is for a recipe, and {target} is not a recipe", next_step="olivepress bench --help"
        )
    with ConsoleReporter(quiet=quiet or as_json) as reporter:
        if tune:
            _tune_first(target, data, job, reporter, trust_targets)
        if is_bundle:
            from olivepress.bundle import bench_bundle

            given = Path(data) if data else None
            paths = list(bench_bundle(Path(target), data=given, out=out, overrides=overrides, tell=teller(reporter)))
        elif is_artifact:
            _, path = device_reports.bench_artifact(
                Path(target),
                dataset_dir=Path(data) if data else device_reports.prepared_dataset(Path(target)),
                reference_dir=reference,
                out=out,
                settings=device_reports.settings_of(None, overrides),
                tell=teller(reporter),
            )
            paths = [path]
        else:
            paths = _bench(_plan(target, data, trust_targets), reporter, job, overrides)
    _warn_of_settings(paths)
    print(json.dumps([str(path) for path in paths]) if as_json else "\n".join(map(str, paths)))


def _tune_first(target: str, data: str | None, job: str | None, reporter: Any, trust_targets: bool) -> None:
    """What is measured is then what is shipped."""
    of_artifact = _is_artifact(Path(target))
    directories = directories_of(target, None if of_artifact else data, None if of_artifact else job, trust_targets)
    for directory, tuning in tune_all(directories, BUDGET_S, teller(reporter, "tune")).items():
        settled = "kept as shipped" if tuning.winner is None else tuning.winner.text
        reporter.console.print(f"{directory}: {settled}: {tuning.why}", soft_wrap=True, markup=False)


def _warn_of_settings(paths: Sequence[Path]) -> None:
    """On stderr, one line each: settings that were tuned for a larger machine."""
    from olivepress.measure.tuning.record import TUNED_FOR
    from olivepress.report.device_report import read_report

    for path in (path for path in paths if path.suffix == ".json"):
        for warning in (said for said in read_report(path).warnings if said.startswith(TUNED_FOR)):
            print(f"{path}: {warning}", file=sys.stderr)


def _refuse_options(
    target: str, job: str | None, reference: Path | None, out: Path | None, *, is_bundle: bool, is_artifact: bool
) -> None:
    """No option is taken and then ignored. Raises UsageError."""
    given: dict[str, tuple[Any, str]] = {"--job": (job, "a recipe")}
    if not (is_bundle or is_artifact):
        given = {"--out": (out, "an artifact")}
    if not is_artifact:
        given["--reference"] = (reference, "an artifact")
    for option, (value, what) in given.items():
        if value is not None:
            raise UsageError(f"{option} is for {what}, {target} is none", next_step="olivepress bench --help")


register_speed(app)


@app.command()
def bundle(
    target: Annotated[
        str,
        typer.Argument(metavar="TARGET", help="A recipe as for the other verbs, or an exported artifact's directory."),
    ],
    data: Annotated[
        str | None,
        typer.Option("--data", metavar="PATH", help="For an artifact: a prepared dataset. For a recipe: its data."),
    ] = None,
    job: Annotated[
        list[str] | None, typer.Option("--job", help="Of a recipe: only this export; all finished ones when left out.")
    ] = None,
    ids_only: Annotated[
        bool,
        typer.Option("--ids-only", help="The test split's ids instead of its rows: no accuracy is measured there."),
    ] = False,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the zip files go.")] = Path("bundles"),
    trust_targets: TrustTargets = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Pack artifacts for devices that are elsewhere.

    One zip file each, with data, settings and how to install.
    """
    from olivepress.bundle import bundle_artifact, bundle_plan
    from olivepress.pipeline.console import ConsoleReporter
    from olivepress.pipeline.device_reports import prepared_dataset
    from olivepress.workflow.plan import data_of

    is_artifact = _is_artifact(Path(target))
    if is_artifact and job:
        raise UsageError(f"--job is for a recipe, and {target} is not a recipe", next_step="olivepress bundle --help")
    if is_artifact and trust_targets:
        raise UsageError(
            f"--trust-targets is for a recipe, and {target} is not a recipe", next_step="olivepress bundle --help"
        )
    with ConsoleReporter(quiet=quiet or as_json) as reporter:
        tell = teller(reporter, "bundle")
        if is_artifact:
            directory = Path(data) if data else prepared_dataset(Path(target))
            made = [bundle_artifact(Path(target), dataset_dir=directory, ids_only=ids_only, out=out, tell=tell)]
        else:
            planned = _plan(target, data, trust_targets)
            data_of(planned.recipe, "bundle")
            made = bundle_plan(planned, only=job or (), ids_only=ids_only, out=out, tell=tell)
    if as_json:
        print(json.dumps([{"path": str(one.path), "job": one.job, "sha256": one.sha256} for one in made], indent=2))
        return
    for one in made:
        print(f"{one.path}: sha256 {one.sha256}")
    print("next: carry it to its device; INSTALL.md in it and docs/devices.md say how it goes on")


@app.command(name="import")
def import_(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="A device's report, or a result of llama-bench, optimum-benchmark, MLPerf Client or Olive.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the reports go.")] = Path(
        "benchmarks", "results"
    ),
    recipe: Annotated[
        str | None, typer.Option("--recipe", help="Recipe name of another tool's reports; default imported.")
    ] = None,
    job: Annotated[
        str | None, typer.Option("--job", help="Job name of another tool's reports; default the file's name.")
    ] = None,
) -> None:
    """Take in a report from a device, or another tool's results.

    A device's report is verified; what results of other tools lack is null with the reason.
    """
    from datetime import UTC, datetime

    from olivepress.bundle import import_report, is_device_report
    from olivepress.measure.importers import import_results
    from olivepress.recipe.schema import slug
    from olivepress.report.device_report import read_report, write_report

    if is_device_report(file):
        if recipe or job:
            raise UsageError("--recipe and --job are for other tools' results: a device report has its own")
        arrived = import_report(file, out=out)
        print(f"{arrived.path}" + (f": replaces that of {arrived.replaced}" if arrived.replaced else ""))
        if not arrived.answers:
            print("without answers: accuracy cannot be compared example by example", file=sys.stderr)
        return
    name = slug(job or file.stem)
    found = import_results(file, recipe=slug(recipe or "imported"), job=name, now=lambda: datetime.now(UTC))
    for number, made in enumerate(found):
        stem = slug(made.job) if len({r.job for r in found}) == len(found) else f"{slug(made.job)}-{number}"
        path = out / slug(made.machine.id) / made.recipe / f"{stem}.json"
        if path.is_file() and "imported_from" not in read_report(path).settings:
            raise UsageError(f"{path}: a report of olivepress bench", next_step="choose another --recipe or --job")
        write_report(made, path)
        print(path)


@app.command()
def report(
    model: ModelArgument,
    data: DataOption = None,
    trust_targets: TrustTargets = False,
    as_json: JsonOption = False,
) -> None:
    """Compare the device reports of a recipe; write the page.

    A table here, and a page, Markdown and JSON in runs/<recipe>/report/.
    """
    made = _plan(model, data, trust_targets)
    if not made.members:
        from olivepress.pipeline.device_reports import report_paths

        _print_reports([(made, report_paths(made))], as_json)
        return
    from olivepress.pipeline.package_subjects import package_report_paths

    _print_reports([(member, package_report_paths(made, name)) for name, member in made.members.items()], as_json)


class _Format(enum.StrEnum):
    table = "table"
    json = "json"
    markdown = "markdown"
    csv = "csv"


@app.command()
def compare(
    sources: Annotated[
        list[str], typer.Argument(metavar="REPORT...", help="Report files, folders of them, globs, or git:REVISION.")
    ],
    recipe: Annotated[
        Path | None, typer.Option("--recipe", metavar="FILE", help="Take the hard limits of its budget.")
    ] = None,
    baseline: Annotated[
        list[str] | None,
        typer.Option("--gate", metavar="BASELINE", help="Exit 0: not worse than it, 1: worse, 2: cannot tell."),
    ] = None,
    form: Annotated[_Format, typer.Option("--format", help="What is printed.")] = _Format.table,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Write page, Markdown, JSON, CSV and plots there.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare device reports; decide what to ship to each machine."""
    from olivepress.compare import compare as compare_reports
    from olivepress.compare import find_reports, load, write_report_page
    from olivepress.pipeline import verbs as pipeline
    from olivepress.recipe.schema import load_recipe

    budgets = pipeline.budgets(load_recipe(recipe)) if recipe else None
    with find_reports(sources) as paths:
        items = load(paths)
        document = compare_reports(items, budgets=budgets)
        _print_document(document, "json" if as_json else form.value)
        if out is not None:
            print(f"page: {write_report_page(document, out)['html']}", file=sys.stderr)
        if baseline:
            _gate(items, baseline, out, as_markdown=form is _Format.markdown and not as_json)


@app.command()
def history(
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The page.")] = Path(
        "benchmarks", "results", "index.html"
    ),
    as_json: JsonOption = False,
) -> None:
    """Show how the metrics of all reports changed over git's commits.

    Those in benchmarks/results, with the points where their level changed.
    """
    from olivepress.compare.history import read_history
    from olivepress.compare.render.history_page import history_html
    from olivepress.report.device_report import write_text

    series, refused = read_history()
    if as_json:
        print(json.dumps({"series": [asdict(one) for one in series], "not_read": refused}, indent=1))
        return
    write_text(out, history_html(series, refused))
    for one in series:
        counts = f"{len(one.points)} reports, {len(one.changes)} changes"
        print(f"{one.machine} {one.recipe} {one.job} {one.metric}: {counts}")
    for text in refused:
        print(f"not read: {text}", file=sys.stderr)
    print(f"page: {out}")


def _gate(items: list[Any], baseline: list[str], out: Path | None, *, as_markdown: bool) -> None:
    """Say whether it passes, and exit with its code."""
    from olivepress.compare import find_reports, gate, gate_markdown, load
    from olivepress.compare.gate import EXIT
    from olivepress.report.device_report import write_text

    with find_reports(baseline) as paths:
        found = gate(items, load(paths))
    print("\n".join([f"gate: {found.result}", *(f"  {reason}" for reason in found.reasons)]), file=sys.stderr)
    if as_markdown:
        sys.stdout.write(f"\n{gate_markdown(found)}")
    if out is not None:
        write_text(out / "gate.md", gate_markdown(found))
    raise typer.Exit(EXIT[found.result])


@searches.command()
def artifact(
    model: ModelArgument,
    data: DataOption = None,
    rounds: Annotated[int | None, typer.Option("--rounds", min=1, max=1000, help="Processes per workload.")] = None,
    budget: Annotated[
        float, typer.Option("--budget", metavar="SECONDS", min=0.0, help="To tune each; 0: none.")
    ] = 60.0,
    trust_targets: TrustTargets = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Compare many ways to quantize one merged model.

    Builds, tunes and measures a fixed grid of them.
    """
    from olivepress.pipeline.console import ConsoleReporter
    from olivepress.pipeline.device_reports import Overrides
    from olivepress.pipeline.search import search

    made, overrides = _plan(model, data, trust_targets), Overrides(rounds=rounds)
    with ConsoleReporter(quiet=quiet or as_json) as reporter:
        document, files, failed = search(
            made, overrides=overrides, budget_s=budget, reporter=reporter,
            tell=teller(reporter), tell_tuning=teller(reporter, "tune"),
        )  # fmt: skip
    _print_document(document, "json" if as_json else "table")
    for text in failed:
        print(text, file=sys.stderr)
    if not as_json:
        print(f"page: {files['html']}")


@app.command()
def demo(quiet: QuietOption = False) -> None:
    """Go the whole way with the embedded model, in minutes.

    Prepare, fine-tune, merge, quantize, measure, compare.
    """
    from olivepress.pipeline import verbs as pipeline
    from olivepress.pipeline.console import ConsoleReporter

    made = _plan("tiny-phi", None)
    with ConsoleReporter(quiet=quiet) as reporter:
        outcomes = pipeline.run(made, reporter=reporter)
        paths = _bench(made, reporter, None, None)
    _print_reports([(made, paths)], False)
    pipeline.raise_failed(outcomes)


@app.command()
def chat(
    model_dir: Annotated[Path, typer.Argument(metavar="DIR", help="A package, or any exported artifact.")],
    adapter: Annotated[
        str | None, typer.Option("--adapter", metavar="NAME", help="Of the package; the base alone when left out.")
    ] = None,
    prompt: Annotated[
        str | None, typer.Option("--prompt", metavar="TEXT", help="Answer this and end, instead of asking.")
    ] = None,
    max_tokens: Annotated[
        int, typer.Option("--max-tokens", min=1, max=1_000_000, help="Of each answer, at most.")
    ] = 256,
    as_json: JsonOption = False,
) -> None:
    """Talk to an exported artifact, or to a package.

    Greedy answers; each line is a question of its own.
    """
    from olivepress.cli.chat import Chat

    talk = Chat(model_dir, adapter=adapter, max_tokens=max_tokens)
    if prompt is not None:
        prompt = typed_text(prompt, "--prompt")
        answer = talk.answer(prompt)
        print(json.dumps({"adapter": talk.adapter, "prompt": prompt, "answer": answer}) if as_json else answer)
        return
    if as_json:
        raise UsageError("--json is for one --prompt", next_step="olivepress chat DIR --prompt TEXT --json")
    talk.run(sys.stdin, sys.stdout)


@app.command()
def rehearse(
    model: ModelArgument,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the random model and its artifacts.")] = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Run the whole chain at real size on random weights.

    It tells what memory, disk and time the real run will take.
    """
    from olivepress.pipeline.console import ConsoleReporter
    from olivepress.pipeline.rehearse import rehearse as rehearse_model

    with ConsoleReporter(quiet=quiet or as_json) as reporter:
        text = rehearse_model(model, reporter=reporter, keep=keep, as_json=as_json)
    print(text, end="")


@app.command()
def doctor(quiet: QuietOption = False, as_json: JsonOption = False) -> None:
    """Check packages, providers, devices and targets here.

    Says what is broken, and the fix (then exit 7).
    """
    from rich.console import Console

    from olivepress.core.errors import SetupError
    from olivepress.doctor import diagnose, render_terminal
    from olivepress.pipeline.console import ConsoleReporter

    with ConsoleReporter(quiet=quiet or as_json) as reporter:
        found = diagnose(on_progress=reporter.begin if reporter.live else lambda step: None)
        reporter.end_task()
    if as_json:
        print(found.model_dump_json(indent=2))
    else:
        # Commands are not cropped to the terminal's width: they are there to be copied.
        Console(highlight=False, width=None if sys.stdout.isatty() else 120).print(render_terminal(found), crop=False)
    if found.problems:
        raise typer.Exit(SetupError.exit_code)


@app.command()
def schema() -> None:
    """Print the JSON Schema of a recipe, for editors."""
    from olivepress.recipe.schema import json_schema

    print(json_schema(), end="")


def _is_artifact(directory: Path) -> bool:
    """Whether bench is asked for one artifact: a folder with a manifest, or a GenAI folder that lost it."""
    return (directory / "manifest.json").is_file() or (directory / "genai_config.json").is_file()


def _plan(model: str, data: str | None, trust_targets: bool = False) -> Plan:
    """The plan; on stderr, what its targets run where they are trusted to run something."""
    from olivepress.pipeline.verbs import load_plan
    from olivepress.workflow.plan import code_in_targets

    made = load_plan(model, data=data, trust_targets=trust_targets)
    for target, what in code_in_targets([job.target for job in made.jobs if job.target]) if trust_targets else ():
        print(f"target {target.target} runs code of its own, as --trust-targets allows: {what}", file=sys.stderr)
    return made


def _bench(made: Plan, reporter: Any, job: str | None, overrides: Any) -> list[Path]:
    """Measure a recipe; one of several adapters adapter by adapter, the packages beside its merged exports."""
    from olivepress.pipeline import device_reports

    only = None if job is None else {job}
    if made.members:
        from olivepress.pipeline.package_subjects import bench_packages

        tell = teller(reporter)
        return bench_packages(made, only=only, overrides=overrides or device_reports.Overrides(), tell=tell)
    for name, reason in device_reports.not_measured_here(made).items():
        reporter.console.print(f"{name}: not measured: {reason}", soft_wrap=True)
    return device_reports.bench_plan(
        made, only=only, overrides=overrides or device_reports.Overrides(), tell=teller(reporter)
    )


def _print_reports(reports: Sequence[tuple[Plan, list[Path]]], as_json: bool) -> None:
    """One report a plan; of several as JSON a list."""
    from olivepress.compare import to_json
    from olivepress.pipeline import verbs as pipeline

    texts = []
    for made, paths in reports:
        document, written = pipeline.report(made, paths)
        if as_json:
            texts.append(to_json(document))
            continue
        _print_document(document, "table")
        print(f"page: {written['html']}")
    if as_json:
        sys.stdout.write(texts[0] if len(texts) == 1 else f"[{','.join(texts)}]\n")


def _print_document(document: Any, form: str) -> None:
    from rich.console import Console

    from olivepress.compare import render_terminal, to_csv, to_json, to_markdown

    if form == "table":
        # Into a file or a pipe there is no width to fit.
        width = None if sys.stdout.isatty() else 120
        Console(highlight=False, width=width).print(render_terminal(document))
        return
    write = {"json": to_json, "markdown": to_markdown, "csv": to_csv}[form]
    sys.stdout.write(write(document))


def _print_plans(made: Plan, as_json: bool) -> None:
    if as_json:
        found = [_plan_record(one) for one in made.all]
        print(json.dumps(found if made.members else found[0], indent=2))
        return
    if made.model.wheel is not None:
        print(f"note: {made.model.wheel.note}")
    for one in made.all:
        _print_plan(one)


def _plan_record(made: Plan) -> dict[str, Any]:
    from olivepress.workflow.estimate import needs, total
    from olivepress.workflow.plan import first_of_each_choice

    wanted = needs(made)
    certain = {job.id: wanted[job.id] for job in first_of_each_choice(made.jobs)}
    jobs = [
        {
            "id": job.id,
            "kind": job.kind,
            "parent": job.parent,
            "target": job.target.target if job.target else None,
            "if_needed": job.id not in certain,
            "output_dir": str(made.output_dir(job)),
            **_need(wanted[job.id]),
        }
        for job in made.jobs
    ]
    dataset = {"name": made.dataset.name, "version": made.dataset.version}
    return {"recipe": made.recipe.name, "dataset": dataset, "jobs": jobs, "total": _need(total(certain))}


def _print_plan(made: Plan) -> None:
    from olivepress.pipeline.cost_table import plan_lines

    rows = ", ".join(f"{len(examples)} {split}" for split, examples in made.dataset.splits.items())
    kind = "synthetic, " if made.dataset.synthetic else ""
    print(f"recipe {made.recipe.name}: {made.recipe.model.path}, {made.model.facts.parameters / 1e6:,.1f} M parameters")
    print(f"data {made.dataset.name} ({kind}{rows}), sha256 {made.dataset.version[:12]}")
    for reason, count in made.dataset.dropped.items():
        print(f"  left out: {count} x {reason}")
    for line in plan_lines(made):
        print(line)


def main() -> None:
    """Entry point: every error is one line and its exit code; ``--debug``, anywhere, shows the traceback."""
    # typer carries its own click and exports only one leaf of its errors.
    usage_error: Any = typer.BadParameter.__mro__[2]
    open_streams()
    write_any_text(sys.stdout, sys.stderr)
    debug = "--debug" in sys.argv
    sys.argv = [argument for argument in sys.argv if argument != "--debug"]
    try:
        code = app(standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:  # `olivepress recipes | head -1`: nobody reads on, which is no error
        sys.stdout = None  # or Python tries to flush it once more
        sys.exit(0)
    except usage_error as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            print(error.format_message())
            sys.exit(0)
        print(f"olivepress: {one_line(error.format_message())}; next: olivepress --help", file=sys.stderr)
        sys.exit(2)
    except Exception as error:
        if debug:
            raise
        print(f"olivepress: {explain(error)}", file=sys.stderr)
        sys.exit(exit_code_of(error))
    if code == _INTERRUPTED:  # typer turns Ctrl-C into a return value
        kept = "nothing was kept" if sys.argv[1:2] == ["data"] else "the same command goes on where it stopped"
        print(f"olivepress: interrupted; {kept}", file=sys.stderr)
    sys.exit(code if isinstance(code, int) else 0)
