"""A recipe that names a device: the first target of it that holds its checks is taken."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from olivepress.catalog import choices, targets
from olivepress.cli.cost_table import plan_lines
from olivepress.core.artifact import Manifest
from olivepress.core.errors import RecipeError, SetupError
from olivepress.core.pace import duration
from olivepress.data.build import build_dataset
from olivepress.models.admission import BaseModel
from olivepress.pipeline.report import budgets
from olivepress.pipeline.run import raise_failed
from olivepress.recipe.schema import Recipe, load_recipe
from olivepress.run import choice, runner
from olivepress.run.failure import ChecksFailed
from olivepress.run.journal import events
from olivepress.run.outcome import JobOutcome
from olivepress.run.outlook import outlooks
from olivepress.workflow.estimate import needs
from olivepress.workflow.plan import Job, Plan, first_of_each_choice, make_package_plan, make_plan
from olivepress.workflow.render import render_all

BASE: dict[str, Any] = {
    "name": "mine",
    "model": {"path": "embedded:tiny-phi"},
    "data": {"demo": "short-qa", "max_train_rows": 16, "max_test_rows": 8},
}
MANIFEST = Manifest.model_construct(sha256="0" * 64)


def plan_of(*names: str, **changes: Any) -> Plan:
    recipe = Recipe.model_validate_json(json.dumps({**BASE, "targets": names, **changes}))
    assert recipe.data is not None
    return make_plan(recipe, build_dataset(recipe.data))


def exports(plan: Plan) -> list[tuple[str, str | None]]:
    return [(job.id, job.choice) for job in plan.jobs if job.target]


def test_every_choice_of_the_catalog_is_of_its_device_and_grows() -> None:
    known = targets()
    assert {"cpu", "cuda", "directml", "qnn-npu", "webgpu", "openvino-cpu"} <= choices().keys()
    for device, names in choices().items():
        sizes = [known[name].bytes_per_parameter for name in names]
        assert sizes == sorted(sizes) and {known[name].file for name in names} == {device}


def test_a_device_stands_for_its_targets_in_order() -> None:
    expected = [(f"export-{name}", "cpu") for name in choices()["cpu"]]
    assert exports(plan_of("cpu")) == expected
    assert len(render_all(plan_of("cpu"))) == 2 + len(expected)


def test_a_target_that_is_named_too_is_always_built() -> None:
    planned = exports(plan_of("cpu-fp32", "cpu"))
    assert planned[0] == ("export-cpu-fp32", None)
    assert ("export-cpu-fp32", "cpu") not in planned and ("export-cpu-int8", "cpu") in planned
    with pytest.raises(RecipeError, match="targets names cpu, and each of its targets too"):
        plan_of(*choices()["cpu"], "cpu")


def test_unknown_names_and_several_adapters(project: Path) -> None:
    with pytest.raises(RecipeError, match="unknown target 'cpux'; did you mean 'cpu'"):
        plan_of("cpux")
    with pytest.raises(RecipeError, match="budget of 'cpu-int5', which is not one of its targets"):
        plan_of("cpu", budget={"cpu-int5": {"max_ttft_ms": 5}})
    recipe = load_recipe(Path("recipes/tiny-tasks.yaml"))
    several = Recipe.model_validate_json(json.dumps({**recipe.model_dump(mode="json"), "targets": ["cpu"]}))
    datasets = {name: build_dataset(adapter.data) for name, adapter in several.adapters.items()}
    with pytest.raises(RecipeError, match="names cpu and no precision, which adapter_mode multi needs"):
        make_package_plan(several, datasets)


def test_the_budget_of_a_device_is_of_each_of_its_targets() -> None:
    budget = {"cpu": {"max_ttft_ms": 50}, "cpu-int8": {"max_ttft_ms": 90}, "all": {"min_decode_tps": 5}}
    limits = budgets(plan_of("cpu", budget=budget).recipe)
    assert limits["cpu-int4"] == {"max_ttft_ms": 50} and limits["cpu-int8"] == {"max_ttft_ms": 90}
    assert limits["all"] == {"min_decode_tps": 5}


class Quiet:
    def job_started(self, job: object, number: int, total: int) -> None: ...
    def job_ended(self, outcome: object) -> None: ...
    def note(self, job: object, text: str) -> None: ...


@dataclasses.dataclass
class Jobs:
    """Stands for Olive: which exports do not hold their checks, and what was tried."""

    fails: dict[str, Exception]
    tried: list[str] = dataclasses.field(default_factory=list)

    def run(self, plan: Plan, job: Job, *_: object) -> JobOutcome:
        self.tried.append(job.id)
        if job.id in self.fails:
            raise self.fails[job.id]
        return JobOutcome(job=job.id, state="done", manifest=MANIFEST)


def run(plan: Plan, jobs: Jobs, monkeypatch: pytest.MonkeyPatch, only: str | None = None) -> dict[str, JobOutcome]:
    monkeypatch.setattr(runner, "_run_job", jobs.run)
    monkeypatch.setattr(runner, "current", lambda plan, job, *_: (f"key of {job.id}", None))
    monkeypatch.setattr(runner, "_check_beforehand", lambda *_: None)
    monkeypatch.setattr(runner, "admit", lambda *_: BaseModel(training="base", whole="base"))
    outcomes = runner.run_plan(plan, render_all(plan), reporter=Quiet(), only=only)  # type: ignore[arg-type]
    raise_failed([(plan, outcome) for outcome in outcomes])
    return {outcome.job: outcome for outcome in outcomes}


def test_the_next_is_tried_when_the_smallest_does_not_hold(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan, first = plan_of("cpu"), f"export-{choices()['cpu'][0]}"
    jobs = Jobs({first: ChecksFailed(f"{first}: lost too much", checks=())})
    outcomes = run(plan, jobs, monkeypatch)
    states = [outcomes[name].state for name, _ in exports(plan)]
    assert states == ["passed over", "done", *["not needed"] * (len(states) - 2)]
    assert "lost too much" in str(outcomes[first].error)
    again = Jobs(jobs.fails)
    assert run(plan, again, monkeypatch)[first].state == "passed over" and first not in again.tried
    assert [event["event"] for event in events(Path("runs/mine/journal.jsonl"))] == ["passed over"]


def test_other_limits_or_asked_for_by_name_it_is_tried_again(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = f"export-{choices()['cpu'][0]}"
    run(plan_of("cpu"), Jobs({first: ChecksFailed("no", checks=())}), monkeypatch)
    looser, by_name = Jobs({}), Jobs({})
    assert run(plan_of("cpu", limits={"max_kl_divergence": 9.0}), looser, monkeypatch)[first].state == "done"
    assert run(plan_of("cpu"), by_name, monkeypatch, only=first)[first].state == "done"
    assert by_name.tried == [first] and first in looser.tried


def test_the_last_that_does_not_hold_is_a_failure(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_of("cpu")
    with pytest.raises(ChecksFailed, match="no target of cpu passes its checks; the last: lost"):
        run(plan, Jobs({name: ChecksFailed("lost", checks=()) for name, _ in exports(plan)}), monkeypatch)


def test_what_is_no_check_is_a_failure_and_the_next_is_tried(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_of("cpu")
    (first, _), (second, _), *_ = exports(plan)
    jobs = Jobs({first: SetupError("disk full")})
    with pytest.raises(SetupError, match="disk full"):
        run(plan, jobs, monkeypatch)
    assert second in jobs.tried
    assert choice.passed_over(plan, plan.job(first), f"key of {first}") is None


def test_only_the_first_of_a_choice_is_checked_beforehand() -> None:
    plan = plan_of("cpu-fp32", "cpu")
    kept = [job.id for job in first_of_each_choice(plan.jobs)]
    assert kept == ["finetune", "merge", "export-cpu-fp32", f"export-{choices()['cpu'][0]}"]


def test_a_plan_says_what_is_only_tried_if_needed() -> None:
    plan = plan_of("cpu")
    lines = {line.split()[0]: line for line in plan_lines(plan, outlooks(plan, None))}
    first, *others = [f"export-{name}" for name in choices()["cpu"]]
    assert "if needed" not in lines[first] and all("if needed" in lines[name] for name in others)
    wanted = needs(plan)
    assert (
        lines["total"].split()[-2:]
        == duration(sum(wanted[name].seconds for name in ("finetune", "merge", first))).split()
    )
