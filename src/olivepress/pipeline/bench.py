"""Measure a recipe, or one artifact, on this machine: a device report for each subject."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from olivepress.core.errors import UsageError
from olivepress.core.layout import device_report
from olivepress.core.progress import JobProgress
from olivepress.measure.bench import Outcomes, Settings, bench
from olivepress.measure.latency.latency import Workload
from olivepress.measure.subject import Subject
from olivepress.pipeline.artifacts import not_measured_here
from olivepress.pipeline.packages import package_subjects
from olivepress.pipeline.subjects import artifact_subject, subjects_of
from olivepress.recipe.schema import Benchmark
from olivepress.report.device_report import DeviceReport
from olivepress.report.machine import fingerprint
from olivepress.workflow.plan import Plan

__all__ = ["Overrides", "bench_artifact", "bench_plan", "bench_recipe", "settings_of"]


@dataclass(frozen=True, kw_only=True)
class Overrides:
    """Settings of the command line, which override the recipe's; None overrides nothing."""

    workloads: tuple[Workload, ...] | None = None
    rounds: int | None = None
    repetitions: int | None = None
    limit: int | None = None
    text: Path | None = None
    lm_eval: tuple[str, ...] | None = None
    lm_eval_tasks: Path | None = None
    trust_tasks: bool = False
    allow_fallback: bool = False
    machine_name: str | None = None


def settings_of(benchmark: Benchmark | None, overrides: Overrides = Overrides()) -> Settings:
    """The settings of a recipe (None: the defaults), with those of the command line over them."""
    benchmark = benchmark or Benchmark()
    settings = Settings(
        workloads=tuple(Workload(prompt_tokens=p or None, generated_tokens=g) for p, g in benchmark.workloads),
        rounds=benchmark.rounds,
        repetitions=benchmark.repetitions,
        limit=benchmark.max_examples,
        text=Path(benchmark.text) if benchmark.text else None,
        text_window=benchmark.text_window,
        price_per_hour=benchmark.price_per_hour,
        currency=benchmark.currency,
    )
    return replace(settings, **{name: value for name, value in vars(overrides).items() if value is not None})


def bench_recipe(
    plan: Plan,
    *,
    only: Collection[str] | None = None,
    overrides: Overrides = Overrides(),
    on_skipped: Callable[[str, str], None] = lambda *_: None,
    on_models: Callable[[Sequence[str]], None] = lambda _: None,
    on_progress: JobProgress = lambda *_: None,
) -> list[Path]:
    """``bench_plan``; for a recipe of several adapters each of their plans, with the packages that have the adapter.

    ``only`` these reports, of each adapter. Returns the paths of all reports.
    """
    if not plan.members:
        return bench_plan(
            plan,
            only=only,
            overrides=overrides,
            on_skipped=on_skipped,
            on_models=on_models,
            on_progress=on_progress,
        )
    skipped, paths = not_measured_here(plan), list[Path]()
    for name, member in plan.members.items():
        others = package_subjects(plan, name, skipped)
        paths += bench_plan(
            member, only=only, overrides=overrides, others=others, on_models=on_models, on_progress=on_progress
        )
    return paths


def bench_plan(
    plan: Plan,
    *,
    only: Collection[str] | None = None,
    overrides: Overrides = Overrides(),
    others: Mapping[str, Subject] = MappingProxyType({}),
    on_skipped: Callable[[str, str], None] = lambda *_: None,
    on_models: Callable[[Sequence[str]], None] = lambda _: None,
    on_progress: JobProgress = lambda *_: None,
) -> list[Path]:
    """Measure what this machine can run, and ``others`` (report name → subject) in the same session.

    Returns the paths of the reports, base first. ``only`` those reports; UsageError for an unknown name.
    ``on_skipped`` gets each job that cannot be measured here, and the reason; ``on_models`` the names of all that are.
    """
    skipped = not_measured_here(plan)
    for job, reason in skipped.items():
        on_skipped(job, reason)
    subjects = subjects_of(plan, skipped) | dict(others)
    unknown = set(only or ()) - subjects.keys()
    if unknown:
        raise UsageError(f"nothing called {min(unknown)!r} to measure; known: {', '.join(subjects)}")
    machine, recipe = fingerprint().id, plan.recipe.name
    chosen = {
        device_report(machine, recipe, name): subject
        for name, subject in subjects.items()
        if only is None or name in only
    }
    on_models([subject.job for subject in chosen.values()])
    bench(
        chosen,
        dataset_dir=plan.dataset.directory,
        settings=settings_of(plan.recipe.benchmark, overrides),
        ladder={name: subject.artifact_sha256 for name, subject in subjects.items()},
        on_progress=on_progress,
    )
    return list(chosen)


def bench_artifact(
    directory: Path,
    *,
    dataset_dir: Path | None,
    reference_dir: Path | None,
    out: Path | None,
    settings: Settings,
    outcomes: Outcomes | None = None,
    on_progress: JobProgress = lambda *_: None,
) -> tuple[DeviceReport, Path]:
    """Measure one exported artifact where it stands, with or without the project around it.

    ``dataset_dir`` None measures without one. The parent's reference, if it is not named, is looked for in the artifact
    and beside it. ``outcomes`` as in ``bench``. Raises what ``bench`` raises.
    """
    subject = artifact_subject(directory, reference_dir)
    path = out or device_report(fingerprint().id, subject.recipe, subject.job)
    (report,) = bench(
        {path: subject}, dataset_dir=dataset_dir, settings=settings, outcomes=outcomes, on_progress=on_progress
    )
    return report, path
