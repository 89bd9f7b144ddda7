"""The pure parts of the comparison of methods on a real model: recipes, the record, the table."""

from __future__ import annotations

import json

import pytest
import training_methods
from training_methods import METHODS, SEEDS, markdown, outcomes_of, recipe, save

from olivepress.recipe.schema import Recipe

ROWS = [f"row-{number}" for number in range(100)]


def outcomes(right):
    return {row: number < right for number, row in enumerate(ROWS)}


@pytest.fixture
def state(tmp_path, monkeypatch):
    """40 of 100 by the base, 50 few-shot; 80, 84 and 90 by the methods, one more with each seed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(training_methods, "STATE", tmp_path / "training_methods.json")
    made = {"rows": [], "answers": {}, "trained": {}, "date": "2026-11-27"}
    save(made, "base", outcomes(40))
    save(made, "few-shot", outcomes(50))
    for method, right in zip(METHODS, (80, 84, 90), strict=True):
        for seed in SEEDS:
            made["trained"][f"{method}-{seed}"] = {"seconds": 1800.0 + 60 * seed, "machine": "m"}
            save(made, f"{method}-{seed}", outcomes(right + seed))
    return made


@pytest.mark.parametrize("method", METHODS)
def test_every_recipe_is_one(method):
    made = Recipe.model_validate_json(json.dumps(recipe(method, 2, "banking77")))
    assert (made.finetune.method, made.finetune.seed, made.finetune.keep) == (method, 2, "best")
    assert made.benchmark.max_examples == 1000 and made.benchmark.few_shot == 5


def test_answers_go_on_from_the_record(state):
    kept = json.loads(training_methods.STATE.read_text())
    assert outcomes_of(kept, "lora-1") == outcomes(81) and len(kept["answers"]) == 11
    with pytest.raises(SystemExit, match="answered other rows"):
        save(state, "more", {"row-0": True})


def test_what_is_in_the_record_is_not_made_again(state, monkeypatch):
    monkeypatch.setattr(training_methods, "olivepress", lambda *arguments: pytest.fail(str(arguments)))
    training_methods.collect(state, "banking77")
    del state["answers"]["full-1"]
    with pytest.raises(pytest.fail.Exception, match="full-1"):
        training_methods.collect(state, "banking77")


def test_the_table(state):
    lines = markdown(state).splitlines()
    assert "| LoRA | 80.0% / 81.0% / 82.0% | 30 / 31 / 32 | +41.0 (+" in "\n".join(lines)
    assert "| full fine-tuning | 90.0% / 91.0% / 92.0% | 30 / 31 / 32 | +51.0 (+" in "\n".join(lines)
    assert lines[-1].startswith("Asked of a LoRA: 75% with every seed within 60 minutes: yes (best 82.0%, at most 32")
    state["answers"]["lora-2"] = state["answers"]["base"]
    assert "within 60 minutes: no (best 81.0%" in markdown(state)
