"""The search of fine-tunes from its first trial to the winner's recipe, with fine-tunes that take no time."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from olivepress.core.errors import JobError, SetupError, UsageError
from olivepress.core.layout import CONFIGS, RUNS
from olivepress.pipeline.search import finalists
from olivepress.pipeline.search import finetune as module
from olivepress.pipeline.search import trial as trial_module
from olivepress.pipeline.search.finetune import SearchDecision, load_searched, search_finetune
from olivepress.pipeline.search.result import answer, write_result
from olivepress.pipeline.search.trial import trial_recipe
from olivepress.study.storage import create, open_storage
from tests.pipeline.search.stand_in import SEARCH, Quiet, failing, scores_of, stand_in_run, write_recipe

Cli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(autouse=True)
def no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial_module, "run", stand_in_run())
    monkeypatch.setattr(finalists, "score_test_rows", scores_of)


def search(project: Path, *, new: bool = False) -> tuple[SearchDecision, Quiet]:
    reporter = Quiet()
    return search_finetune(load_searched("t"), reporter=reporter, new=new), reporter


def test_the_winner_beats_a_bad_default_and_is_a_recipe_that_renders(project: Path) -> None:
    write_recipe(project)
    decision, reporter = search(project)
    trials = decision.stages["trials"].trials
    assert len(trials) == 8 and trials[0].origin == "default" and trials[0].params["learning_rate"] == 1e-5
    assert decision.winner is not None and 1e-4 < float(decision.winner["learning_rate"]) < 1e-2  # type: ignore[arg-type]
    # Three finalists with two seeds each, and two contenders with two fresh ones.
    assert [len(decision.stages[name].trials) for name in ("finalists", "comparison")] == [6, 4]
    used = [{trial.facts["seed"] for trial in decision.stages[name].trials} for name in ("finalists", "comparison")]
    assert used == [{0, 1}, {2, 3}]
    assert decision.verdict is not None and decision.verdict.call == "better" and decision.verdict.rows == 40
    result = write_result(decision)
    assert result.written is not None
    text = result.written.recipe.read_text()
    assert text.startswith("# Written by olivepress search finetune.\n# The winner is better than the default: exact")
    best = yaml.safe_load(text)
    assert best["name"] == "t-best" and best["finetune"]["learning_rate"] == decision.winner["learning_rate"]
    assert "search" not in best and best["finetune"]["max_steps"] == 20
    assert [path.stem for path in result.written.workflows] == ["finetune", "merge", "export-cpu-fp32"]
    workflow = yaml.safe_load((CONFIGS / "t-best" / "finetune.yaml").read_text())
    assert workflow["passes"]["lora"]["training_args"]["learning_rate"] == decision.winner["learning_rate"]
    assert result.page.is_file() and json.loads(result.record.read_text())["verdict"]["call"] == "better"
    assert len(reporter.ended) == 8 + 6 + 4


def test_what_is_finished_is_not_done_again(project: Path) -> None:
    write_recipe(project)
    first, _ = search(project)
    again, reporter = search(project)
    assert again == first and reporter.ended == []


def test_no_weights_and_no_workflows_of_trials_stay(project: Path) -> None:
    write_recipe(project)
    search(project)
    assert not list(RUNS.glob("t.s1-*/finetune")) and not list(RUNS.rglob("*.safetensors"))
    assert not list(CONFIGS.glob("t.s1-*"))


def test_trials_are_shorter_and_alike_but_for_their_settings(project: Path) -> None:
    write_recipe(project, eval_steps=4, report_to=["tensorboard"])
    searched = load_searched("t")
    trial = trial_recipe(searched, {"learning_rate": 1e-3, "r": 8}, name="t.s1-trial-0", length=0.5)
    assert (trial.finetune.max_steps, trial.finetune.eval_steps, trial.finetune.eval_rows) == (10, 2, 32)
    assert (trial.finetune.r, trial.finetune.learning_rate, trial.finetune.report_to) == (8, 1e-3, ())
    whole = trial_recipe(searched, {"learning_rate": 1e-3, "r": 8}, name="t.s1-full-0", seed=5)
    assert (whole.finetune.max_steps, whole.finetune.seed, whole.search) == (20, 5, None)


def test_a_trial_that_diverges_is_pruned_with_its_reason(project: Path) -> None:
    write_recipe(project, SEARCH | {"learning_rate": {"choices": [1e-3, 9e-2]}, "sampler": "grid", "trials": 6})
    decision, _ = search(project)
    diverged = [trial for trial in decision.stages["trials"].trials if trial.params["learning_rate"] == 9e-2]
    assert len(diverged) == 3 and {trial.state for trial in diverged} == {"pruned"}
    assert diverged[0].reason == "pruned, as it diverged: step 3: loss is nan; the result would be worthless"
    assert decision.winner is not None and decision.winner["learning_rate"] == 1e-3


def test_trials_behind_the_others_are_pruned(project: Path) -> None:
    rates = [1e-3, 2e-3, 5e-4, 8e-4, 1e-5]
    axes = {"learning_rate": {"choices": rates}, "r": {"choices": [16]}, "sampler": "grid", "trials": 5}
    write_recipe(project, SEARCH | axes, learning_rate=1.0e-3, r=16)
    decision, _ = search(project)
    last = decision.stages["trials"].trials[-1]
    assert last.params["learning_rate"] == 1e-5 and last.state == "pruned"
    assert last.reason.startswith("pruned after 10 %: validation loss ") and max(last.curve) == 10
    assert [trial.state for trial in decision.stages["trials"].trials[:4]] == ["finished"] * 4


def test_the_default_may_be_the_best(project: Path) -> None:
    write_recipe(project, SEARCH | {"r": {"choices": [4, 16]}, "trials": 4}, learning_rate=1.0e-3, r=16)
    decision, _ = search(project)
    assert decision.winner is None and decision.verdict is None and set(decision.stages) == {"trials", "finalists"}
    assert next(answer(decision)) == (
        "The settings of recipe t are the best that was found: no finalist beats them at full length."
    )
    assert write_result(decision).written is None and not (project / "recipes" / "t-best.yaml").exists()


def test_trials_that_all_fail_end_it_with_the_reason(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_recipe(project)
    monkeypatch.setattr(trial_module, "run", stand_in_run(failing))
    with pytest.raises(JobError, match="3 trials in a row failed, the last: failed: no memory"):
        search(project)


def test_settings_that_do_not_go_together_fail_their_trial_only(project: Path) -> None:
    axes = {"torch_dtype": {"choices": ["float32", "float16"]}, "r": {"choices": [4, 16]}, "sampler": "grid"}
    write_recipe(project, {**axes, "finalists": 1, "seeds": 2})
    decision, _ = search(project)
    failed = [trial for trial in decision.stages["trials"].trials if trial.state == "failed"]
    assert [trial.params["torch_dtype"] for trial in failed] == ["float16", "float16"]
    assert "expected torch_dtype bfloat16 or float32 with method lora" in failed[0].reason


def test_minutes_end_it_too(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_recipe(project, {key: value for key, value in SEARCH.items() if key != "trials"} | {"minutes": 1.0})
    clock = iter(range(0, 100_000, 25))
    monkeypatch.setattr("olivepress.pipeline.search.stages.time.monotonic", lambda: float(next(clock)))
    decision, _ = search(project)
    assert len(decision.stages["trials"].trials) == 3  # 25 s each


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"r": {"choices": [4, 8]}}, 'search.r was {"choices": [4, 8, 16]} when it began and is {"choices": [4, 8]}'),
        ({"length": 0.25}, "search.length was 0.5 when it began and is 0.25 now"),
    ],
)
def test_a_study_whose_space_changed_is_not_gone_on_with(project: Path, change: dict[str, Any], says: str) -> None:
    write_recipe(project)
    module.begin(load_searched("t"), reporter=Quiet())
    write_recipe(project, SEARCH | change)
    with pytest.raises(SetupError) as error:
        search(project)
    assert says in str(error.value) and "olivepress search finetune t --new" in str(error.value)


def test_a_key_that_a_newer_olivepress_has_is_no_change(project: Path) -> None:
    write_recipe(project)
    study = module.begin(load_searched("t"), reporter=Quiet()).study()
    fixed = study.user_attrs["fixed"]
    study.set_user_attr("fixed", {key: value for key, value in fixed.items() if key != "finetune.packing"})
    module.begin(load_searched("t"), reporter=Quiet())
    write_recipe(project, packing=True)
    with pytest.raises(SetupError, match=r"finetune.packing was null when it began and is true now"):
        module.begin(load_searched("t"), reporter=Quiet())


def test_a_longer_budget_goes_on(project: Path) -> None:
    write_recipe(project)
    search(project)
    write_recipe(project, SEARCH | {"trials": 10, "pruner": "hyperband", "sampler": "random"})
    decision, _ = search(project)
    assert len(decision.stages["trials"].trials) == 10


def test_a_new_study_has_its_own_number(project: Path) -> None:
    write_recipe(project)
    search(project)
    write_recipe(project, SEARCH | {"r": {"choices": [4, 8]}})
    decision, _ = search(project, new=True)
    assert decision.stages["trials"].name == "t/finetune.2"
    assert len(create(open_storage(), "t/finetune.1", [], {}).get_trials()) == 8


def test_ctrl_c_and_the_same_command_again(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_recipe(project)
    names = list[str]()

    def interrupt(plan: Any) -> None:
        names.append(plan.recipe.name)
        if len(names) in (3, 4):
            raise KeyboardInterrupt

    monkeypatch.setattr(trial_module, "run", stand_in_run(interrupt))
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            search(project)
    decision, _ = search(project)
    assert names[2] == names[3] == names[4] == "t.s1-trial-2"
    trials = decision.stages["trials"].trials
    assert [trial.state for trial in trials].count("finished") + [t.state for t in trials].count("pruned") == 8


def test_what_no_search_wrote_is_not_replaced(project: Path) -> None:
    write_recipe(project)
    (project / "recipes" / "t-best.yaml").write_text("name: t-best\n")
    with pytest.raises(UsageError, match=r"recipes/t-best.yaml: exists and was not written by a search"):
        load_searched("t")


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("tiny-phi", "recipe tiny-phi has no key 'search', which names the settings to try; next: add search:"),
        ("nothing-like-it", "unknown model 'nothing-like-it'"),
    ],
)
def test_what_cannot_be_searched_is_one_line(project: Path, olivepress_here: Cli, model: str, says: str) -> None:
    done = olivepress_here("search", "finetune", model)
    assert done.returncode == 2 and says in done.stderr and done.stderr.count("\n") == 1, done.stderr


def test_the_command_prints_the_answer(project: Path, olivepress_here: Cli) -> None:
    write_recipe(project, SEARCH | {"trials": 5})
    done = olivepress_here("search", "finetune", "t")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("The winner is better than the default: exact_match on 40 test rows, 2 fresh seeds each")
    assert lines[-1] == "page: runs/t/search/finetune.html" and "recipe: recipes/t-best.yaml" in lines
    record = json.loads(olivepress_here("search", "finetune", "t", "--json").stdout)
    assert record["verdict"]["call"] == "better" and len(record["stages"]["trials"]["trials"]) == 5


def test_finalists_of_an_earlier_budget_still_count(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_recipe(project)
    first, _ = search(project)
    monkeypatch.setattr(finalists, "_best_trials", lambda _: [{"learning_rate": 2.0e-5, "r": 4}])  # of more trials
    again, reporter = search(project)
    assert len(reporter.ended) == 2 and again.winner == first.winner  # the new finalist with two seeds


def test_a_full_disk_does_not_decide_the_comparison(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_recipe(project)

    def full_disk(plan: Any) -> None:
        if "-fresh-" in plan.recipe.name:
            failing(plan)

    monkeypatch.setattr(trial_module, "run", stand_in_run(full_disk))
    with pytest.raises(JobError, match="3 trials in a row failed"):
        search(project)
    monkeypatch.setattr(trial_module, "run", stand_in_run())
    decision, reporter = search(project)
    assert decision.verdict is not None and decision.verdict.call == "better" and len(reporter.ended) == 4


def test_every_study_is_compared_with_seeds_of_its_own(project: Path) -> None:
    write_recipe(project)
    search(project)
    decision, _ = search(project, new=True)
    assert {trial.facts["seed"] for trial in decision.stages["comparison"].trials} == {42, 43}


def test_answers_judged_by_another_metric_are_not_mixed(project: Path) -> None:
    write_recipe(project)
    searched = load_searched("t")
    decision = search_finetune(searched, reporter=Quiet())
    assert {trial.facts["metric"] for trial in decision.stages["comparison"].trials} == {"exact_match"}
    path = project / "recipes" / "t.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"budget": {"all": {"min_f1_token": 0.5}}}))
    again, reporter = search(project)
    assert again.verdict is not None and again.verdict.metric == "f1_token" and len(reporter.ended) == 4


@pytest.mark.parametrize(
    ("metric", "of_rows"), [("rouge_l", "rouge_l"), ("f1_macro", "exact_match"), ("bleu", "exact_match")]
)
def test_rows_are_compared_by_a_metric_that_a_row_has(project: Path, metric: str, of_rows: str) -> None:
    write_recipe(project, eval_answers=8, early_stopping={"metric": metric})
    searched = load_searched("t")
    assert (searched.metric, searched.test_metric) == (metric, of_rows)
