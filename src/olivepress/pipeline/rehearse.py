"""``olivepress rehearse``: the full pipeline at real size on random weights, before anyone downloads or waits.

The jobs are the recipe's own, run by the same runner; only the weights are random, the rows and steps few.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, Protocol

from olivepress.catalog import ModelFacts
from olivepress.core.artifact import read_manifest
from olivepress.core.files import write_text
from olivepress.core.layout import REHEARSALS, journal, recipe_runs
from olivepress.data.build import build_dataset
from olivepress.measure.tuning.record import Tuning, read_tuning
from olivepress.pipeline.bench import bench_plan
from olivepress.pipeline.random_model import Step, make_once
from olivepress.pipeline.rehearsal_record import EXPORT, STEPS, job_steps, rehearsal_markdown, rehearsal_record
from olivepress.pipeline.run import raise_failed, run
from olivepress.pipeline.tune import reset, tune
from olivepress.recipe.schema import Recipe
from olivepress.report.device_report import DeviceReport, read_report
from olivepress.run import Reporter
from olivepress.run.journal import append
from olivepress.workflow.find_recipe import data_of, find_recipe
from olivepress.workflow.model import resolve_model
from olivepress.workflow.plan import Plan, make_plan

__all__ = ["StepReporter", "rehearsal_recipe", "rehearse"]

_ROWS = {"max_train_rows": 8, "max_test_rows": 4}
_TUNING_S = 960.0  # at 3.8 B on 2 cores: the threads, and ten rounds that confirm them


class StepReporter(Reporter, Protocol):
    """Who watches the jobs, and the steps that are no jobs."""

    def begin(self, text: str) -> None: ...
    def update(self, note: str, done: int, total: int) -> None: ...
    def end(self, text: str) -> None: ...


def rehearse(model: str, *, reporter: StepReporter, keep: bool, as_json: bool) -> str:
    """Run or finish the rehearsal of ``model`` and write its table; returns what is to be printed.

    Safe to interrupt: run again to resume; a kill loses the running step only. Raises what the runner raises.
    """
    real, _ = find_recipe(model)
    data_of(real, "rehearse")
    facts = resolve_model(real).facts
    recipe = rehearsal_recipe(real)
    model_step = _random_model(facts, recipe, reporter)
    plan = make_plan(recipe, build_dataset(data_of(recipe, "rehearse")))
    raise_failed(run(plan, reporter=reporter))
    steps = [model_step, *job_steps(plan)]  # before tuning adds files to the export
    record = rehearsal_record(real, plan, facts, steps, _measured(plan, reporter))
    text, record_json = rehearsal_markdown(record), json.dumps(record, indent=2) + "\n"
    path = REHEARSALS / f"{real.name}.json"
    write_text(path, record_json)
    write_text(path.with_suffix(".md"), text)
    if not keep:
        shutil.rmtree(recipe_runs(recipe.name), ignore_errors=True)
        shutil.rmtree(Path(recipe.model.path), ignore_errors=True)
    return record_json if as_json else text


def rehearsal_recipe(real: Recipe) -> Recipe:
    """``real`` with random weights of its shape, a few short steps and the CPU target only."""
    fields = real.model_dump(mode="json")
    fields["name"] = f"rehearsal-{real.name}"
    fields["model"] = {"path": f"models/rehearsal-{real.name}"}
    fields["data"] |= _ROWS
    # A checkpoint after every step, so that an interrupted rehearsal shows that a fine-tune resumes.
    fields["finetune"] |= {
        "max_steps": STEPS,
        "batch_size": 1,
        "gradient_accumulation_steps": 1,
        "save_steps": 1,
        # What is measured is a step; its rows are few.
        "eval_steps": 0,
        "eval_answers": 0,
        "early_stopping": None,
        "keep": "last",
        "loss": None,  # code, which a rehearsal has no need of
        "label_weights": {},  # its few rows may lack a label
        "task_weights": {},  # and a task
        "monitor": None,
        "start_from": None,  # an adapter of the real weights
        "gpus": 1,  # a batch is one row
    }
    fields["targets"] = [EXPORT.removeprefix("export-")]
    # Rounding piles up through layers that learned nothing: on random weights the divergence says little.
    fields["limits"] = {"max_kl_divergence": 5.0}
    fields["benchmark"] = {"max_examples": 2, "workloads": [[128, 32]], "rounds": 1, "repetitions": 3, "few_shot": 0}
    return Recipe.model_validate_json(json.dumps(fields))


def _random_model(facts: ModelFacts, recipe: Recipe, reporter: StepReporter) -> Step:
    reporter.begin("random model of the real shape")
    step = make_once(facts, recipe, lambda done, total: reporter.update("writing", done, total))
    reporter.end(f"{recipe.model.path}: {(step.size_bytes or 0) / 1e9:.2f} GB of random weights")
    return step


def _measured(plan: Plan, reporter: StepReporter) -> dict[str, Any]:
    """The export as it ships, its session tuned on this machine, and measured again; a finished tuning is kept."""
    directory = plan.output_dir(plan.job(EXPORT))
    tuning = read_tuning(directory)
    sha256 = tuning.untuned_sha256 if tuning else read_manifest(directory).sha256
    kept = recipe_runs(plan.recipe.name) / f"as-exported-{sha256[:12]}.json"
    if not kept.is_file():
        if tuning is not None and tuning.winner is not None:
            reset(directory)
            tuning = None
        write_text(kept, json.dumps(_metrics(_bench(plan, reporter))))
    if tuning is None or not tuning.alternatives:  # the time of the last one ran out before it tried anything
        tuning = _tune(directory, reporter)
    untuned = json.loads(kept.read_text(encoding="utf-8"))
    return {
        "bench": untuned,
        "tuned": _metrics(_bench(plan, reporter)) if tuning.winner else None,
        "tuning": {"settings": tuning.winner.text if tuning.winner else None, "reason": tuning.reason},
    }


def _tune(directory: Path, reporter: StepReporter) -> Tuning:
    reporter.begin(f"tune {EXPORT}")
    tuning = tune(
        directory,
        budget_s=_TUNING_S,
        repetitions=1,
        answers=2,
        on_progress=lambda _, stage, done, total: reporter.update(stage, done, total),
    )
    reporter.end(f"tuned {EXPORT}")
    return tuning


def _metrics(report: DeviceReport) -> dict[str, Any]:
    return {name: value.model_dump(mode="json") for name, value in report.metrics.items()}


def _bench(plan: Plan, reporter: StepReporter) -> DeviceReport:
    append(journal(plan.recipe.name), "started", "bench", "bench")
    reporter.begin(f"measure {EXPORT}")
    paths = bench_plan(
        plan, only={EXPORT}, on_progress=lambda _, stage, done, total: reporter.update(stage, done, total)
    )
    reporter.end(f"measured {EXPORT}")
    append(journal(plan.recipe.name), "finished", "bench", "bench")
    return read_report(paths[0])
