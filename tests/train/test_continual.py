"""The recipe that goes on from a model, and the score on an earlier test split."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from olivepress.core.errors import DataError, UsageError
from olivepress.measure.worker.records import Answer
from olivepress.recipe.schema import Recipe
from olivepress.train.continual import Version, continued_recipe, metric_of, read_continuation, score

VERSION = Version(name="lamps", version="ab" * 32)


def recipe(**more: Any) -> Recipe:
    fields = {"name": "lamps", "model": {"path": "x/y", "revision": "main"}, "targets": ["cpu"]}
    data = {"data": {"source": "lamps.csv", "instruction": "Name it.", "max_length": 99}}
    return Recipe.model_validate_json(json.dumps(fields | data | more))


def answers(right: list[bool]) -> list[Answer]:
    return [Answer(id=str(n), output="a" if each else "b", expected="a") for n, each in enumerate(right)]


def test_a_score_is_paired_by_row() -> None:
    """40 rows right before, 10 of them wrong after, and 2 others right: McNemar by scipy's binomial test."""
    before = [True] * 40 + [False] * 20
    after = [False] * 10 + [True] * 32 + [False] * 18
    result = score(VERSION, "exact_match", answers(before), answers(after), is_new=False)
    assert (result.rows, result.before, result.after) == (60, 40 / 60, 32 / 60)
    assert result.difference == pytest.approx(-8 / 60)
    assert result.p_value == pytest.approx(stats.binomtest(2, 12).pvalue)
    assert result.ci_low < result.difference < result.ci_high < 0
    assert result.verdict == "forgotten"
    assert (
        score(VERSION, "exact_match", answers(before), answers(before), is_new=False).verdict == "no difference shown"
    )
    assert score(VERSION, "exact_match", answers(after), answers(before), is_new=True).verdict == "better"
    assert score(VERSION, "exact_match", answers(before), answers(after), is_new=True).verdict == "worse"


def test_a_score_of_free_text() -> None:
    def texts(words: list[str]) -> list[Answer]:
        return [Answer(id=str(n), output=each, expected="one two three four") for n, each in enumerate(words)]

    before, after = texts(["one two three four"] * 30), texts(["one two x y", "one two three y"] * 15)
    result = score(VERSION, "f1_token", before, after, is_new=False)
    differences = np.array([-0.5, -0.25] * 15)
    assert result.difference == pytest.approx(differences.mean())
    spread = 1.96 * differences.std() / 30**0.5
    assert (result.ci_low, result.ci_high) == pytest.approx((-0.375 - spread, -0.375 + spread), abs=0.01)


@pytest.mark.parametrize(
    "weights", [{"task_weights": {"colours": 2.0}}, {"label_weights": {"red": 2.0, "gone": 3.0}}, {}]
)
def test_the_recipe_goes_on_slower_and_shorter(weights: dict[str, dict[str, float]]) -> None:
    finetune = {
        "learning_rate": 3.0e-4, "max_steps": 500, "r": 8, "early_stopping": {"patience": 2},
        "monitor": {"every": 50}, "eval_answers": 4, **weights,
    }  # fmt: skip
    made = continued_recipe(
        recipe(finetune=finetune), name="lamps-2", model=Path("runs/lamps/merge/model"),
        dataset=Path("datasets/new-123"), labels={"red", "blue", None}, learning_rate=None, epochs=1.0,
    )  # fmt: skip
    assert made.data is not None
    assert (made.name, made.model.path, made.model.revision) == ("lamps-2", "runs/lamps/merge/model", None)
    assert (made.data.source, made.data.max_length, made.data.instruction) == ("datasets/new-123", 99, None)
    settings = made.finetune
    assert (settings.learning_rate, settings.epochs, settings.max_steps) == (1.0e-4, 1.0, None)
    assert (settings.r, settings.eval_answers, settings.early_stopping, settings.monitor) == (8, 4, None, None)
    # Replayed rows have no task any more, and no row may have a label: the recipe would be refused.
    assert (settings.task_weights, settings.label_weights) == ({}, {"red": 2.0} if "label_weights" in weights else {})


def test_a_recipe_of_several_adapters() -> None:
    several = {
        "adapter_mode": "multi",
        "data": None,
        "adapters": {"a": {"data": {"source": "a.csv"}}, "b": {"data": {"source": "b.csv"}}},
    }
    with pytest.raises(UsageError, match=r"lamps\.a"):
        continued_recipe(
            recipe(**several), name="x", model=Path("m"), dataset=Path("d"), labels=(), learning_rate=None, epochs=1.0
        )


@pytest.mark.parametrize(
    ("changed", "key"),
    [({"epochs": float("nan")}, "finetune.epochs"), ({"learning_rate": float("inf")}, "finetune.learning_rate")],
)
def test_a_number_that_no_recipe_takes(changed: dict[str, float], key: str) -> None:
    named = {"learning_rate": None, "epochs": 1.0, **changed}
    with pytest.raises(UsageError, match=rf"lamps-2: its recipe would be wrong: {key}: .*finite"):
        continued_recipe(recipe(), name="lamps-2", model=Path("m"), dataset=Path("d"), labels=(), **named)


def test_the_metric_is_that_of_the_budget() -> None:
    assert metric_of(recipe()) == "exact_match"
    assert metric_of(recipe(budget={"all": {"min_rouge_l": 0.5}})) == "rouge_l"


@pytest.mark.parametrize("text", ["{", "[]", '{"run": 1}'])
def test_a_record_that_cannot_be_read(tmp_path: Path, text: str) -> None:
    path = tmp_path / "continue.json"
    assert read_continuation(path) is None
    path.write_text(text)
    with pytest.raises(DataError, match=r"continue\.json"):
        read_continuation(path)
