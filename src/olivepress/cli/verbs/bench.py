"""``olivepress bench``.

Annotations are evaluated here: ``takes`` reads the options of records.
"""

import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from olivepress.cli.bench_progress import BenchProgress
from olivepress.cli.cluster_options import ClusterChoice, cluster_choice
from olivepress.cli.console import ConsoleReporter, job_progress
from olivepress.cli.options import (
    JsonOption,
    QuietOption,
    RoundsOption,
    SourceDataOption,
    TrustTargets,
    key_password,
    one_line_name,
    refuse_for_artifact,
    takes,
)
from olivepress.cli.plans import load_plan
from olivepress.cli.workload import workload_of

if TYPE_CHECKING:
    from olivepress.pipeline.bench import Overrides

__all__ = ["bench"]

TUNING_S = 600.0
_MachineName = Annotated[
    str | None,
    typer.Option(
        "--machine-name",
        metavar="NAME",
        envvar="OLIVEPRESS_MACHINE_NAME",
        help="What reports call this machine, such as 'Kitchen laptop'.",
    ),
]


@dataclass(frozen=True, kw_only=True)
class _Source:
    """What is measured: a bundle, an exported artifact, or a recipe; each takes some of these options."""

    target: str
    data: str | None
    job: str | None
    reference: Path | None
    out: Path | None
    trust_targets: bool
    key: Path | None

    @property
    def is_bundle(self) -> bool:
        return self.target.lower().endswith(".zip")

    @property
    def is_artifact(self) -> bool:
        from olivepress.pipeline.artifacts import is_artifact

        return not self.is_bundle and is_artifact(Path(self.target))

    @property
    def is_recipe(self) -> bool:
        return not (self.is_bundle or self.is_artifact)

    def check_options(self) -> None:
        """No option is accepted and then ignored. Raises UsageError."""
        from olivepress.core.errors import UsageError

        if not self.is_recipe:
            refuse_for_artifact("bench", self.target, job=self.job, trust_targets=self.trust_targets)
        for option, value, accepted in (
            ("--out", self.out, not self.is_recipe),
            ("--reference", self.reference, self.is_artifact),
            ("--key", self.key, self.is_bundle),
        ):
            if value is not None and not accepted:
                kind = "a bundle" if option == "--key" else "an artifact"
                message = f"{option} is for {kind}, and {self.target} is not one"
                raise UsageError(message, next_step="olivepress bench --help")


def _source(
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET", help="A bundle, the directory of an exported artifact, or a recipe as for other commands."
        ),
    ],
    data: SourceDataOption = None,
    job: Annotated[
        str | None, typer.Option("--job", help="For a recipe: measure this job only, 'base' or 'few-shot' included.")
    ] = None,
    reference: Annotated[
        Path | None, typer.Option("--reference", metavar="DIR", help="For an artifact: the reference of its parent.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="The report of an artifact; for a bundle, the file to carry back."),
    ] = None,
    trust_targets: TrustTargets = False,
    key: Annotated[
        Path | None,
        typer.Option("--key", metavar="FILE", help="For a bundle: sign what is carried back with this machine's key."),
    ] = None,
) -> _Source:
    return _Source(
        target=target, data=data, job=job, reference=reference, out=out, trust_targets=trust_targets, key=key
    )


def _overrides(
    text: Annotated[Path | None, typer.Option("--text", metavar="FILE", help="A text file for perplexity.")] = None,
    workload: Annotated[
        list[str] | None,
        typer.Option(
            "--workload",
            metavar="PxG",
            help="Prompt x generated tokens, such as 128x128; 'dataset' for P uses the data's own prompt.",
        ),
    ] = None,
    rounds: RoundsOption = None,
    repetitions: Annotated[
        int | None, typer.Option("--repetitions", min=1, max=1000, help="Number of timed runs in each process.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, max=10_000_000, help="Number of test examples to answer.")
    ] = None,
    lm_eval: Annotated[
        list[str] | None,
        typer.Option(
            "--lm-eval",
            metavar="TASK",
            help="A task of lm-evaluation-harness ([eval]); 'dataset' is the test split.",
        ),
    ] = None,
    lm_eval_tasks: Annotated[
        Path | None, typer.Option("--lm-eval-tasks", metavar="DIR", help="A folder with your own task files.")
    ] = None,
    allow_fallback: Annotated[
        bool,
        typer.Option(
            "--allow-fallback", help="Measure even if nodes fell back to the CPU; the report states that they did."
        ),
    ] = False,
    trust_tasks: Annotated[
        bool, typer.Option("--trust-tasks", help="Allow the files of --lm-eval-tasks to run code of their own.")
    ] = False,
    machine_name: _MachineName = None,
) -> "Overrides":
    from olivepress.pipeline.bench import Overrides

    return Overrides(
        workloads=tuple(workload_of(each) for each in workload) if workload else None,
        rounds=rounds,
        repetitions=repetitions,
        limit=limit,
        text=text,
        lm_eval=tuple(lm_eval) if lm_eval else None,
        lm_eval_tasks=lm_eval_tasks,
        trust_tasks=trust_tasks,
        allow_fallback=allow_fallback,
        machine_name=one_line_name(machine_name),
    )


@takes(source=_source, overrides=_overrides, cluster=cluster_choice)
def bench(
    source: _Source,
    overrides: "Overrides",
    cluster: ClusterChoice,
    tune: Annotated[bool, typer.Option("--tune", help="Tune the artifacts first, as olivepress tune does.")] = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Measure a bundle, an artifact or a recipe on this machine.

    Latency, memory, accuracy and divergence. With --engine dask the exports of a recipe, on each kind of machine that a
    scheduler has workers on.
    """
    from olivepress.core.errors import UsageError
    from olivepress.core.messages import next_command
    from olivepress.pipeline.tracking import track_results

    source.check_options()
    if tune and cluster.engine != "local":
        raise UsageError("--tune is for a bench on this machine", next_step="leave it out")
    with ConsoleReporter(quiet=quiet or as_json) as reporter:
        if tune:
            _tune_first(source, reporter)
        if cluster.engine == "local":
            cluster.refuse_without_engine()
            paths = _measure(source, overrides, reporter)
        else:
            paths = _measure_elsewhere(source, overrides, cluster, reporter)
    _print_tuning_warnings(paths)
    print(json.dumps([str(path) for path in paths]) if as_json else "\n".join(map(str, paths)))
    if source.is_recipe:
        step = next_command("report", source.target, source.data)
        reporter.console.print(f"next: {step}", soft_wrap=True, markup=False)
    track_results(reports=paths)


def _measure(source: _Source, overrides: "Overrides", reporter: ConsoleReporter) -> list[Path]:
    from olivepress.bundle.device import SigningKey, bench_bundle
    from olivepress.pipeline.artifacts import prepared_dataset
    from olivepress.pipeline.bench import bench_artifact, bench_recipe, settings_of

    target, data = Path(source.target), Path(source.data) if source.data else None
    on_progress = BenchProgress(reporter)
    if source.is_bundle:
        key = SigningKey(file=source.key, password=key_password(source.key, is_new=False)) if source.key else None
        return list(
            bench_bundle(target, data=data, out=source.out, overrides=overrides, key=key, on_progress=on_progress)
        )
    if source.is_artifact:
        _, path = bench_artifact(
            target,
            dataset_dir=data or prepared_dataset(target),
            reference_dir=source.reference,
            out=source.out,
            settings=settings_of(None, overrides),
            on_progress=on_progress,
        )
        return [path]
    return bench_recipe(
        load_plan(source.target, source.data, source.trust_targets),
        only=None if source.job is None else {source.job},
        overrides=overrides,
        on_skipped=reporter.skipped,
        on_models=on_progress.models,
        on_progress=on_progress,
    )


def _measure_elsewhere(
    source: _Source, overrides: "Overrides", choice: ClusterChoice, reporter: ConsoleReporter
) -> list[Path]:
    """On the workers of a scheduler: bundles go there, reports come back. UsageError for what is no recipe."""
    from olivepress.bundle.on_cluster import bench_on_cluster
    from olivepress.cli.cluster import cluster_of

    if not source.is_recipe:
        refuse_for_artifact("bench", source.target, engine=choice.engine)
    plan = load_plan(source.target, source.data, source.trust_targets)
    with cluster_of(choice, reporter, trust=source.trust_targets) as workers:
        assert workers is not None
        return bench_on_cluster(
            plan, workers, only=source.job, overrides=overrides, on_progress=job_progress(reporter, "bundle")
        )


def _tune_first(source: _Source, reporter: ConsoleReporter) -> None:
    """What is measured is then what is shipped."""
    from olivepress.pipeline.tune import artifacts_to_tune, tune_all

    data = None if source.is_artifact else source.data
    directories = artifacts_to_tune(source.target, data=data, job=source.job, trust_targets=source.trust_targets)
    tunings = tune_all(directories, budget_s=TUNING_S, on_progress=job_progress(reporter, "tune"))
    for directory, tuning in tunings.items():
        settings = "kept as shipped" if tuning.winner is None else tuning.winner.text
        reporter.console.print(f"{directory}: {settings}: {tuning.reason}", soft_wrap=True, markup=False)


def _print_tuning_warnings(paths: Iterable[Path]) -> None:
    """On stderr, one line each: settings that were tuned for a larger machine."""
    from olivepress.measure.tuning.record import TUNED_FOR
    from olivepress.report.device_report import read_report

    for path in paths:
        if path.suffix != ".json":
            continue
        for warning in read_report(path).warnings:
            if warning.startswith(TUNED_FOR):
                print(f"{path}: {warning}", file=sys.stderr)
