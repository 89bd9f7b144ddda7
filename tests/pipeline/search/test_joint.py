"""The joint search: exported artifacts by quality, speed and size, and the winner by the recipe's rule."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from olivepress.core.errors import JobError, SetupError, UsageError
from olivepress.core.layout import CONFIGS, RUNS
from olivepress.pipeline.search import finalists, warm_start
from olivepress.pipeline.search import finetune as module
from olivepress.pipeline.search import joint as joint_module
from olivepress.pipeline.search import trial as trial_module
from olivepress.pipeline.search.finetune import SearchDecision, load_searched, search_finetune
from olivepress.pipeline.search.finetune_search import kind_of
from olivepress.pipeline.search.joint import choose_joint, kept_within
from olivepress.pipeline.search.result import answer, write_result
from olivepress.recipe.finetune import Finetune
from olivepress.recipe.search import Joint
from olivepress.report.measurement import measured, not_measured
from olivepress.run.failure import ChecksFailed
from tests.pipeline.search.stand_in import SEARCH, Quiet, loss_of, scores_of, stand_in_run, write_recipe

# Target → what quantization costs of the share of right answers, tokens/s, bytes. The margin is wider than what 24
# trials leave between the best settings that they find for each target.
TARGETS = {"cpu-fp32": (0.0, 100.0, 40e6), "cpu-int8": (0.01, 180.0, 12e6), "cpu-int4": (0.2, 250.0, 7e6)}
FOUND = {"joint": {"targets": list(TARGETS), "choose": "smallest", "margin": 0.1}, "trials": 24, "finalists": 4}


def report_of(_searched: Any, plan: Any, _reporter: Any) -> Any:
    """Of what ``stand_in_run`` exports."""
    cost, speed, size = TARGETS[plan.jobs[-1].target.target]
    right = max(0.0, 1.5 - loss_of(plan.recipe.finetune) - cost)
    metrics = {
        "exact_match": measured("exact_match", min(1.0, right), n=40, interval=(max(0.0, right - 0.1), 1.0)),
        "decode_tps": measured("decode_tps", speed, n=9, interval=(speed - 5, speed + 5)),
        "size_on_disk_bytes": measured("size_on_disk_bytes", size, n=1),
    }
    return SimpleNamespace(metrics=metrics, value=lambda name: metrics[name].value)


def scores_of_export(searched: Any, plan: Any, reporter: Any) -> dict[str, float]:
    """Those of the fine-tune, without the rows that its quantization costs."""
    lost = round(40 * TARGETS[plan.jobs[-1].target.target][0])
    return {row: 0.0 if n < lost else score for n, (row, score) in enumerate(scores_of(0, plan, 0).items())}


@pytest.fixture(autouse=True)
def no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial_module, "run", stand_in_run())
    monkeypatch.setattr(finalists, "score_test_rows", scores_of_export)
    monkeypatch.setattr(joint_module, "measure_export", report_of)
    monkeypatch.setattr(joint_module, "place_of", lambda _: SimpleNamespace(how="native", reason=""))


def write_joint(project: Path, targets: list[str] | None = None, **search: Any) -> None:
    path = write_recipe(project, SEARCH | FOUND | search)
    recipe = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(recipe | {"targets": targets or list(TARGETS)}))


def search(*, new: bool = False) -> tuple[SearchDecision, Quiet]:
    reporter = Quiet()
    return search_finetune(load_searched("t", joint=True), reporter=reporter, new=new), reporter


def test_the_smallest_that_keeps_quality_wins_and_is_compared_with_fresh_seeds(project: Path) -> None:
    write_joint(project)
    decision, reporter = search()
    trials = decision.stages["trials"]
    assert trials.name == "t/joint.1" and trials.higher == (True, True, False)
    assert trials.objectives == ("validation exact_match", "decode_tps", "size_on_disk_bytes")
    assert len(trials.trials) == 24 and trials.trials[0].params["target"] == "cpu-fp32"
    assert {trial.params["target"] for trial in trials.trials} == set(TARGETS)
    assert decision.winner is not None and decision.winner["target"] == "cpu-int8"
    assert decision.verdict is not None and decision.verdict.call == "better" and decision.verdict.rows == 40
    seeds = [{trial.facts["seed"] for trial in decision.stages[name].trials} for name in ("finalists", "comparison")]
    assert seeds == [{0, 1}, {2, 3}]
    assert decision.measured["default"][1:] == [100.0, 40e6] and decision.measured["winner"][1:] == [180.0, 12e6]
    assert not list(RUNS.rglob("*.safetensors")) and not list(CONFIGS.glob("t.j1-*"))
    again, silent = search()
    assert again == decision and silent.ended == [] and reporter.ended


def test_its_recipe_page_and_record(project: Path) -> None:
    write_joint(project)
    decision, _ = search()
    result = write_result(decision)
    lines = list(answer(decision))
    assert lines[0].startswith("The winner is better than the default: exact_match on 40 test rows")
    assert "Its quality is shown to be within the margin of 0.1 of the default's." in lines
    assert "Target cpu-int8: 12.0 MB against 40.0 MB, 180 against 100 tokens/s of the default (cpu-fp32)." in lines
    assert "Rule: the smallest artifact whose validation exact_match is at most 0.1 below the best." in lines
    assert result.written is not None and result.written.recipe == Path("recipes/t-joint.yaml")
    best = yaml.safe_load(result.written.recipe.read_text())
    assert best["targets"] == ["cpu-int8"] and "search" not in best and "target" not in best["finetune"]
    assert [path.stem for path in result.written.workflows] == ["finetune", "merge", "export-cpu-int8"]
    assert (result.page.name, result.record.name) == ("joint.html", "joint.json")
    page, record = result.page.read_text(), json.loads(result.record.read_text())
    assert "<h2>Pareto front</h2>" in page and "on the Pareto front" in page and "180 tok/s (175 to 185)" in page
    assert "; on the Pareto front: trial " in page and "12.0 MB" in page and ">cpu-int8</text>" in page
    front = record["stages"]["trials"]["front"]
    by_number = {trial["number"]: trial for trial in record["stages"]["trials"]["trials"]}
    assert front and all(by_number[number]["intervals"]["decode_tps"] for number in front)
    best_quality = max(trial["values"][0] for trial in by_number.values() if trial["values"])
    assert any(by_number[number]["values"][0] == best_quality for number in front)


def test_settings_of_earlier_searches_are_tried_first_and_not_taken_for_known(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_joint(project)
    runs = [(SimpleNamespace(name=f"t.s1/{n}"), Finetune(r=8, learning_rate=1e-3 * n), float(n)) for n in range(1, 7)]
    monkeypatch.setattr(warm_start, "_runs_of_task", lambda _: iter(runs))
    study = module.begin(load_searched("t", joint=True), reporter=Quiet()).study()
    origins = [trial.user_attrs["origin"] for trial in study.get_trials()]
    assert origins == ["default", *(f"settings of run t.s1/{n}" for n in (1, 2, 3))]
    assert {trial.user_attrs["params"]["target"] for trial in study.get_trials()} == {"cpu-fp32"}


def test_a_search_of_fine_tunes_stays_as_it_is_beside_it(project: Path) -> None:
    write_joint(project)
    search()
    searched = load_searched("t")
    assert searched.search.joint is None and kind_of(searched).level == "finetune"


def test_what_the_values_depend_on_must_stay(project: Path) -> None:
    write_joint(project)
    module.begin(load_searched("t", joint=True), reporter=Quiet())
    write_joint(project, joint={"targets": ["cpu-fp32", "cpu-int4"], "margin": 0.1, "choose": "fastest"})
    with pytest.raises(SetupError) as error:
        search()
    assert "search.joint.targets was" in str(error.value) and "finetune t --joint --new" in str(error.value)


def test_targets_that_are_not_named_are_the_recipes(project: Path) -> None:
    write_joint(project, targets=["cpu-int8", "cpu-int4"], joint=None)
    joint = load_searched("t", joint=True).search.joint
    assert joint is not None and joint.targets == ("cpu-int8", "cpu-int4")


def test_what_cannot_be_searched_jointly_is_refused(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_joint(project, targets=["cpu-fp32"])
    with pytest.raises(UsageError, match=r"search\.joint\.targets has 'cpu-int8', expected its own: cpu-fp32"):
        load_searched("t", joint=True)
    write_joint(project)
    place = SimpleNamespace(how="copy", reason="CPUExecutionProvider: absent")
    monkeypatch.setattr(joint_module, "place_of", lambda _: place)
    with pytest.raises(UsageError, match="target cpu-fp32 cannot be measured here: CPUExecutionProvider: absent"):
        load_searched("t", joint=True)


def test_an_artifact_that_was_not_measured_fails_with_the_reason(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unmeasured(searched: Any, plan: Any, reporter: Any) -> Any:
        report = report_of(searched, plan, reporter)
        report.metrics["decode_tps"] = not_measured("decode_tps", "the context has 64 tokens")
        return report

    write_joint(project)
    monkeypatch.setattr(joint_module, "measure_export", unmeasured)
    with pytest.raises(JobError, match="decode_tps was not measured: the context has 64 tokens"):
        search()


def test_artifacts_that_do_not_pass_their_checks_are_pruned_and_the_search_goes_on(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def int4_fails(plan: Any) -> None:
        if plan.jobs[-1].target.target == "cpu-int4":
            raise ChecksFailed("kl_divergence 0.2 above 0.03", checks=())

    write_joint(project)
    monkeypatch.setattr(trial_module, "run", stand_in_run(int4_fails))
    decision, _ = search()
    refused = [trial for trial in decision.stages["trials"].trials if trial.params["target"] == "cpu-int4"]
    assert len(refused) > 2 and {trial.state for trial in refused} <= {"pruned"}
    reason = "pruned, as its artifact does not pass its checks: kl_divergence 0.2 above 0.03"
    assert {trial.reason for trial in refused if not trial.diverged} == {reason}
    assert decision.winner is not None and decision.winner["target"] == "cpu-int8"


def test_a_comparison_without_a_result_says_the_reason(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def default_fails(plan: Any) -> None:
        if "-fresh-" in plan.recipe.name and plan.jobs[-1].target.target == "cpu-fp32":
            raise ChecksFailed("kl_divergence 0.2 above 0.03", checks=())

    write_joint(project)
    monkeypatch.setattr(trial_module, "run", stand_in_run(default_fails))
    with pytest.raises(JobError) as error:
        search()
    assert error.value.message == (
        "t/joint.1/fresh: 2 of 2 seeds have no result of both, the last: pruned, as its artifact does not pass its "
        "checks: kl_divergence 0.2 above 0.03"
    )


@pytest.mark.parametrize(
    ("choose", "margin", "name"),
    [("smallest", 0.02, "b"), ("smallest", 0.5, "d"), ("fastest", 0.02, "c"), ("best", 0.5, "a")],
)
def test_the_rule(choose: Any, margin: float, name: str) -> None:
    values = {
        "a": (0.90, 100.0, 40e6),
        "b": (0.89, 150.0, 10.05e6),
        "e": (0.885, 150.0, 10.00e6),  # smaller by less than counts, and worse
        "c": (0.885, 170.0, 12e6),
        "d": (0.60, 300.0, 5e6),
    }
    assert choose_joint(values, Joint(choose=choose, margin=margin)) == name


def test_what_an_interval_says_about_the_margin() -> None:
    assert [kept_within(*ends, 0.02) for ends in ((-0.01, 0.1), (-0.1, -0.03), (-0.1, 0.1))] == [
        "kept",
        "lost",
        "not shown",
    ]
