"""What tracked runs of the same task already know is not paid for again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from olivepress.core.errors import SetupError
from olivepress.core.jsonl import append_json_line
from olivepress.core.layout import run_record
from olivepress.pipeline.search import finalists
from olivepress.pipeline.search import trial as trial_module
from olivepress.pipeline.search.common import loss_file
from olivepress.pipeline.search.finetune import begin, load_searched, search_finetune
from olivepress.pipeline.search.trial import Searched, trial_recipe
from olivepress.pipeline.search.warm_start import known_points
from olivepress.recipe.schema import Recipe
from tests.pipeline.search.stand_in import SEARCH, Quiet, scores_of, stand_in_run, write_recipe


def track(searched: Searched, recipe: Recipe, losses: list[float], *, status: str = "finished", **facts: Any) -> None:
    """The record that a fine-tune of this recipe leaves."""
    path = run_record(recipe.name, "finetune", 1)
    known = {"dataset_version": searched.dataset.version, "base_model": searched.base_model, **facts}
    points = [{"step": step, "at": step, "values": {"validation_loss": loss}} for step, loss in enumerate(losses, 1)]
    start = {"type": "start", "at": 1, "id": f"{recipe.name}-0123456789", "recipe": recipe.name, "job": "finetune"}
    settings = recipe.model_dump(mode="json")
    append_json_line(path, {**start, "number": 1, "kind": "finetune", "settings": settings, "facts": known})
    append_json_line(path, {"type": "points", "points": points})
    append_json_line(path, {"type": "end", "at": 9, "status": status})


def longer(searched: Searched, name: str, rate: float) -> Recipe:
    return trial_recipe(searched, {"learning_rate": rate, "r": 8}, name=name)


def test_a_run_as_a_trial_counts_with_its_value_and_others_are_tried(project: Path) -> None:
    write_recipe(project)
    searched = load_searched("t")
    params = {"learning_rate": 2e-3, "r": 8}
    track(searched, trial_recipe(searched, params, name="old.s1-trial-4", length=0.5), [0.9, 0.6, 0.7])
    for name, rate, loss in (("a", 1e-4, 0.8), ("b", 3e-4, 0.5), ("c", 5e-4, 0.7), ("d", 4e-2, 0.95)):
        track(searched, longer(searched, name, rate), [loss])
    track(searched, longer(searched, "failed", 6e-4), [0.1], status="failed")
    track(searched, longer(searched, "other-data", 7e-4), [0.1], dataset_version="0" * 64)
    track(searched, longer(searched, "other-base", 8e-4), [0.1], base_model="another")
    track(searched, longer(searched, "outside", 0.5), [0.1])
    cut = longer(searched, "other-length", 9e-4)
    assert cut.data is not None
    track(searched, cut.model_copy(update={"data": cut.data.model_copy(update={"max_length": 128})}), [0.1])
    old = longer(searched, "other-revision", 9e-4)
    track(searched, old.model_copy(update={"model": old.model.model_copy(update={"revision": "0" * 40})}), [0.1])
    same_name = longer(searched, "other-place", 9e-4)
    moved = same_name.model.model_copy(update={"path": "/elsewhere/embedded:tiny-phi"})
    track(searched, same_name.model_copy(update={"model": moved}), [0.1])
    track(searched, longer(searched, "other-loss", 9e-4), [0.1], loss_sha256="0" * 64)
    known = known_points(searched)
    assert (known[0].origin, known[0].value, dict(known[0].params)) == (
        "run old.s1-trial-4/finetune.1", 0.6, {"r": 8, "learning_rate": 2e-3}
    )  # fmt: skip
    assert [(each.origin, each.value) for each in known[1:]] == [
        ("settings of run b/finetune.1", None),
        ("settings of run c/finetune.1", None),
        ("settings of run a/finetune.1", None),
    ]


def test_known_points_come_first_and_cost_no_trial(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial_module, "run", stand_in_run())
    monkeypatch.setattr(finalists, "score_test_rows", scores_of)
    write_recipe(project, SEARCH | {"trials": 4, "finalists": 1})
    searched = load_searched("t")
    best = {"learning_rate": 1e-3, "r": 16}
    track(searched, trial_recipe(searched, best, name="old.s1-trial-4", length=0.5), [0.5])
    track(searched, longer(searched, "b", 3e-4), [0.7])
    decision = search_finetune(searched, reporter=Quiet())
    trials = decision.stages["trials"].trials
    assert [trial.origin for trial in trials][:3] == [
        "default", "run old.s1-trial-4/finetune.1", "settings of run b/finetune.1"
    ]  # fmt: skip
    assert len(trials) == 5 and [trial.counted for trial in trials] == [True, False, True, True, True]
    assert trials[1].values == (0.5,) and trials[1].seconds is None
    assert decision.winner == {"r": 16, "learning_rate": 1e-3}
    assert json.loads(json.dumps(dict(decision.winner))) == best


def test_a_loss_of_ones_own_that_was_changed_since_is_another_measure(project: Path) -> None:
    (project / "mine.py").write_text("def loss(outputs, labels):\n    return 1\n")
    write_recipe(project, loss={"module": "mine.py:loss"})
    searched = load_searched("t", trust_targets=True)
    begin(searched, reporter=Quiet())
    sha256 = loss_file(searched.recipe)
    track(searched, longer(searched, "a", 9e-4), [0.1], loss_sha256=sha256)
    assert sha256 is not None and [each.origin for each in known_points(searched)] == ["settings of run a/finetune.1"]
    (project / "mine.py").write_text("def loss(outputs, labels):\n    return 2\n")
    assert known_points(searched) == []
    with pytest.raises(SetupError, match=r"the file of finetune.loss was \"[0-9a-f]{64}\" when it began"):
        begin(searched, reporter=Quiet())
