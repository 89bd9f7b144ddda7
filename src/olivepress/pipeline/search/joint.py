"""``search finetune --joint``: each trial is fine-tuned, exported for a target and measured as what ships.

Its objectives are the quality of the exported artifact on the validation split, its decode rate and its size. The
winner is chosen by the recipe's rule: of the artifacts that keep quality within a margin, the smallest or fastest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from olivepress.core.errors import JobError, UsageError
from olivepress.core.layout import recipe_runs
from olivepress.measure.bench import bench
from olivepress.pipeline.bench import Overrides, settings_of
from olivepress.pipeline.search.artifact_study import SIZE, SPEED
from olivepress.pipeline.search.kind import Kind, Measured
from olivepress.pipeline.search.reporter import SearchReporter
from olivepress.pipeline.search.trial import Searched, export_trial
from olivepress.pipeline.subjects import artifact_subject
from olivepress.recipe.schema import Recipe
from olivepress.recipe.search import Joint, Search
from olivepress.report.device_report import DeviceReport
from olivepress.report.registry import METRICS
from olivepress.run.interpreters import place_of
from olivepress.study.front import on_front
from olivepress.study.objective import TrialWatch
from olivepress.study.results import TrialRecord
from olivepress.workflow.plan import Plan

__all__ = ["choose_joint", "joint_kind", "joint_search", "kept_within", "rule_text"]

_ROUNDS = 3  # processes that time an artifact
_EQUAL = {SIZE: 0.01, SPEED: 0.05}  # relative differences below these decide nothing: then quality does


def joint_search(search: Search, plan: Plan) -> Search:
    """``search`` with the targets that its trials are exported for: those it names, or all of the recipe.

    UsageError for one that is not the recipe's, or that this machine does not run: its speed is measured here.
    """
    joint = search.joint or Joint()
    known = {job.target.target: job.target for job in plan.jobs if job.target is not None}
    if not known:
        raise UsageError(f"recipe {plan.recipe.name}: --joint needs targets", next_step="add targets: [cpu-int4] to it")
    for name in joint.targets:
        if name not in known:
            raise UsageError(
                f"recipe {plan.recipe.name}: search.joint.targets has {name!r}, expected its own: {', '.join(known)}",
                next_step="add it to the recipe's targets",
            )
    for name in joint.targets or known:
        place = place_of(known[name])
        if place.how != "native":
            raise UsageError(
                f"recipe {plan.recipe.name}: target {name} cannot be measured here: {place.reason or place.how}",
                next_step="name targets that run on this machine: search.joint.targets",
            )
    return search.model_copy(update={"joint": joint.model_copy(update={"targets": tuple(joint.targets or known)})})


def joint_kind(searched: Searched) -> Kind:
    """Exported artifacts, by quality, decode rate and size."""
    joint, metric = searched.search.joint, searched.test_metric
    assert joint is not None
    higher = {metric: METRICS[metric].higher_is_better, SPEED: True, SIZE: False}

    def ranked(trials: Sequence[TrialRecord]) -> list[TrialRecord]:
        """Those on the front: by the rule those within the margin, then the others by their quality."""
        front = [
            trial
            for trial, is_on in zip(trials, on_front([t.values for t in trials], tuple(higher.values())), strict=True)
            if is_on
        ]
        order = list[TrialRecord]()
        while front:
            values = {str(trial.number): trial.values for trial in front}
            best = choose_joint(values, joint)
            order += [trial for trial in front if str(trial.number) == best]
            front = [trial for trial in front if str(trial.number) != best]
        return order

    def choose(values: Mapping[str, Sequence[Sequence[float]]], seeds: int) -> str | None:
        whole = {name: given for name, given in values.items() if len(given) == seeds}
        means = {name: tuple(np.mean(given, axis=0).tolist()) for name, given in whole.items()}
        return choose_joint(means, joint) if means else None

    return Kind(
        level="joint",
        letter="j",
        objectives={f"validation {metric}": higher[metric], SPEED: True, SIZE: False},
        prunes=False,  # Optuna has no pruning of several objectives, and a loss before quantization is none of them
        measure=_measure,
        ranked=ranked,
        choose=choose,
    )


def choose_joint(values: Mapping[str, Sequence[float]], joint: Joint) -> str:
    """By the rule, of candidates with their (quality, decode rate, size): the smallest or fastest of those whose
    quality is at most the margin below the best. Differences that are none decide by quality, the first of equals."""
    best = max(quality for quality, _, _ in values.values())
    kept = {name: each for name, each in values.items() if each[0] >= best - joint.margin}
    if joint.choose == "smallest":
        least = min(size for _, _, size in kept.values())
        kept = {name: each for name, each in kept.items() if each[2] <= least * (1 + _EQUAL[SIZE])}
    elif joint.choose == "fastest":
        most = max(speed for _, speed, _ in kept.values())
        kept = {name: each for name, each in kept.items() if each[1] >= most * (1 - _EQUAL[SPEED])}
    return max(kept, key=lambda name: kept[name][0])


def rule_text(joint: Joint, metric: str) -> str:
    """The rule in words."""
    if joint.choose == "best":
        return f"the artifact with the best validation {metric}"
    return f"the {joint.choose} artifact whose validation {metric} is at most {joint.margin:g} below the best"


def kept_within(low: float, high: float, margin: float) -> str:
    """What the interval of a difference of quality says about the margin."""
    if low > -margin:
        return "kept"
    return "lost" if high < -margin else "not shown"


def _measure(searched: Searched, recipe: Recipe, reporter: SearchReporter, _: TrialWatch | None) -> Measured:
    plan, validation, step = export_trial(searched, recipe, reporter)
    report = measure_export(searched, plan, reporter)
    names = (searched.test_metric, SPEED, SIZE)
    measurements = {name: report.metrics[name] for name in names if name in report.metrics}
    values = [report.value(name) for name in names]
    if None in values:
        name = names[values.index(None)]
        reason = measurements[name].reason if name in measurements else "no such metric in its report"
        raise JobError(f"{plan.recipe.name}: {name} was not measured: {reason}")
    intervals = {name: (each.ci_low, each.ci_high) for name, each in measurements.items() if each.ci_low is not None}
    facts: dict[str, Any] = {"step": step, "validation": validation, "intervals": intervals}
    return Measured(plan=plan, values=tuple(value for value in values if value is not None), facts=facts)


def measure_export(searched: Searched, plan: Plan, reporter: SearchReporter) -> DeviceReport:
    """A device report of the only export of ``plan``, its quality of the validation split."""
    job = next(job for job in plan.jobs if job.target is not None)
    overrides = Overrides(rounds=_ROUNDS)
    settings = replace(settings_of(plan.recipe.benchmark, overrides), split="validation", text=None, lm_eval=())
    subject = replace(artifact_subject(plan.output_dir(job)), reference_dir=None)
    (report,) = bench(
        {recipe_runs(plan.recipe.name) / "report.json": subject},
        dataset_dir=plan.dataset.directory,
        settings=replace(settings, workloads=settings.workloads[:1]),
        on_progress=lambda _, stage, done, total: reporter.update(stage, done, total),
    )
    return report
