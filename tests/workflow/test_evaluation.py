"""When a run is evaluated, on how many rows, and what is refused before anything runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from olivepress.core.errors import RecipeError
from olivepress.pipeline.plan import load_plan
from olivepress.recipe.finetune import EarlyStopping, Finetune, Monitor
from olivepress.workflow.estimate import need
from olivepress.workflow.evaluation import (
    check_evaluation,
    evaluation_of,
    higher_is_better,
    monitor_looks,
    training_steps,
)
from olivepress.workflow.render import render_all

Here = Callable[..., Any]


@pytest.mark.parametrize(
    ("settings", "rows", "steps"),
    [
        ({"max_steps": 7}, 1000, 7),
        ({"epochs": 2.0, "batch_size": 8}, 100, 26),
        ({"epochs": 0.5, "batch_size": 8}, 100, 7),
        ({"epochs": 1.0, "batch_size": 8, "gradient_accumulation_steps": 4}, 100, 4),
    ],
)
def test_steps_of_a_run(settings: dict[str, Any], rows: int, steps: int) -> None:
    assert training_steps(Finetune(**settings), rows) == steps


def test_ten_evaluations_when_left_out() -> None:
    chosen = evaluation_of(Finetune(max_steps=250, batch_size=32), train_rows=2000, validation_rows=500)
    assert chosen is not None and (chosen.steps, chosen.count, chosen.rows) == (0.1, 10, 80)
    few = evaluation_of(Finetune(max_steps=4), train_rows=2000, validation_rows=500)
    assert few is not None and (few.steps, few.count, few.rows) == (0.1, 4, 32)
    own = evaluation_of(Finetune(max_steps=250, eval_steps=100, eval_rows=9), train_rows=50, validation_rows=5)
    assert own is not None and (own.steps, own.count, own.rows) == (100, 3, 5)
    answered = evaluation_of(Finetune(max_steps=4, eval_answers=100), train_rows=2000, validation_rows=500)
    assert answered is not None and answered.rows == 100
    assert evaluation_of(Finetune(eval_steps=0, keep="last"), train_rows=50, validation_rows=5) is None


def test_the_direction_of_a_metric() -> None:
    assert not higher_is_better("loss") and higher_is_better("exact_match")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"eval_steps": 0}, "keep: last with eval_steps: 0"),
        ({"eval_steps": 0, "keep": "last", "eval_answers": 4}, "no early_stopping and no eval_answers"),
        ({"early_stopping": {"metric": "exact_match"}}, "eval_answers: rows to answer, which"),
        ({"eval_rows": 8, "eval_answers": 9}, "eval_answers of at most eval_rows, 8"),
        ({"early_stopping": {"metric": "exactmatch"}}, "loss or a metric of the task \\(exact_match"),
        (
            {"eval_answers": 4, "early_stopping": {"metric": "label_accuracy_constrained"}},
            "loss or a metric of the task",
        ),
        ({"early_stopping": {"patience": 0}}, "greater than or equal to 1"),
    ],
)
def test_settings_that_cannot_go_together(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Finetune.model_validate(settings)


@pytest.mark.parametrize(("rows", "says"), [(0, "no validation split"), (1, "1 validation row")])
def test_too_few_rows_to_choose_by(project: object, rows: int, says: str) -> None:
    plan = load_plan("tiny-phi")
    splits = plan.dataset.splits
    few = dataclasses.replace(plan.dataset, splits={**splits, "validation": splits["validation"][:rows]})
    with pytest.raises(RecipeError, match=f"{says}, expected at least 2 rows") as error:
        check_evaluation(plan.recipe, few)
    assert "eval_steps: 0 with finetune.keep: last" in str(error.value.next_step)
    unevaluated = plan.recipe.finetune.model_copy(update={"eval_steps": 0, "keep": "last"})
    check_evaluation(plan.recipe.model_copy(update={"finetune": unevaluated}), few)


def test_patience_that_is_longer_than_the_run(project: object) -> None:
    plan = load_plan("tiny-phi")
    for patience, refused in ((8, False), (9, True), (10, True)):
        stopping = plan.recipe.finetune.model_copy(update={"early_stopping": EarlyStopping(patience=patience)})
        recipe = plan.recipe.model_copy(update={"finetune": stopping})
        if not refused:
            check_evaluation(recipe, plan.dataset)
            continue
        with pytest.raises(RecipeError, match=f"patience is {patience} and the run has 10 evaluations, .* at most 8"):
            check_evaluation(recipe, plan.dataset)


def with_monitor(plan: Any, **monitor: Any) -> Any:
    finetune = plan.recipe.finetune.model_copy(update={"monitor": Monitor(**monitor)})
    return dataclasses.replace(plan, recipe=plan.recipe.model_copy(update={"finetune": finetune}))


def test_a_monitor_that_could_see_no_fall(project: object) -> None:
    plan = load_plan("tiny-phi")
    check_evaluation(with_monitor(plan, every=249).recipe, plan.dataset)
    with pytest.raises(RecipeError, match=r"finetune.monitor.every is 250, expected less than the 250 steps"):
        check_evaluation(with_monitor(plan, every=250).recipe, plan.dataset)
    splits = plan.dataset.splits
    few = dataclasses.replace(plan.dataset, splits={**splits, "validation": splits["validation"][:1]})
    with pytest.raises(RecipeError, match=r"finetune.monitor looks at validation rows, expected at least 2"):
        check_evaluation(with_monitor(plan, every=50).recipe, few)


def test_a_monitor_is_in_the_workflow_and_in_the_estimate(project: object) -> None:
    plan = load_plan("tiny-phi")
    watched = with_monitor(plan, every=50, rows=20, on_alert="fail")
    assert monitor_looks(watched.recipe.finetune, 2400) == 5 and monitor_looks(plan.recipe.finetune, 2400) == 0
    train = render_all(watched)[0].config["data_configs"][0]["pre_process_data_config"]
    assert train["monitor"] == {"every": 50, "rows": 20, "on_alert": "fail"}
    assert "monitor" not in render_all(plan)[0].text
    more = need(watched, watched.jobs[0]).seconds - need(plan, plan.jobs[0]).seconds
    assert 0 < more < need(plan, plan.jobs[0]).seconds
