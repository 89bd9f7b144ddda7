"""The pure parts of the real model's search: what must be so at its end, and the studies as SQL."""

from __future__ import annotations

import copy
import json
from dataclasses import asdict

import pytest
import search_real

from olivepress.recipe.schema import Recipe
from olivepress.study.storage import create, open_storage
from olivepress.study.trials import Point, add_ended, enqueue
from olivepress.study.verdict import compare_scores


def trial(number, state="finished", **changes):
    fields = {"number": number, "state": state, "params": {"r": number}, "facts": {}, "counted": True}
    return fields | {"repeats": None, "diverged": False} | changes


def answer():
    """30 trials, one of which was killed once and repeated."""
    trials = [trial(number) for number in range(28)] + [trial(28, "pruned"), trial(29, "killed", counted=False)]
    trials.append(trial(30, params={"r": 29}, repeats=29))
    full = [trial(number, params={"r": 1}, facts={"seed": number}) for number in range(3)]
    stages = {"trials": {"trials": trials}, "finalists": {"trials": full}}
    return {"stages": stages, "verdict": verdict(1.0)}


def verdict(winner):
    """As ``--json`` has it: 40 rows, all right of the winner or none."""
    scores = [dict.fromkeys(map(str, range(40)), winner)] * 3
    nothing = [dict.fromkeys(map(str, range(40)), 0.0)] * 3
    return json.loads(json.dumps(asdict(compare_scores("exact_match", nothing, scores))))


def test_all_is_as_it_was_asked_for():
    assert search_real.problems([answer(), answer()], 5) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda each: each["stages"]["trials"]["trials"].pop(0), "29 trials, expected 30"),
        (lambda each: each["stages"]["trials"]["trials"][1].update(params={"r": 2}), "was tried 2 times"),
        (lambda each: each["stages"]["finalists"]["trials"][1].update(facts={"seed": 0}), "finalists: "),
        (
            lambda each: each["stages"]["trials"]["trials"][30].update(repeats=None),
            "trial 29 was killed and repeated 0",
        ),
        (lambda each: each["stages"]["trials"]["trials"][28].update(diverged=True), "no trial was pruned"),
        (lambda each: each.update(verdict=None), "the default is the best; expected a better"),
        (lambda each: each.update(verdict=verdict(0.0)), "not distinguishable from the default: exact_match on 40"),
    ],
)
def test_what_is_not_so_is_named(change, says):
    changed = answer()
    change(changed)
    (problem,) = search_real.problems([changed, copy.deepcopy(changed)], 5)
    assert says in problem


def test_kills_and_other_answers_are_counted():
    assert search_real.problems([answer()], 4) == ["killed 4 times, expected 5: the search was over before"]
    other = answer() | {"verdict": verdict(0.5)}
    assert search_real.problems([answer(), other], 5) == ["the processes have different verdicts"]


def test_studies_go_on_from_their_sql(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study = create(open_storage(), "t/finetune.1", ["minimize"], {"space": {"r": [1, 2]}})
    add_ended(study, Point(params={"r": 1}), [0.5])
    enqueue(study, Point(params={"r": 2}))
    search_real.save_studies(tmp_path / "studies.db", tmp_path / "studies.sql")
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    search_real.restore_studies(tmp_path / "studies.sql", tmp_path / "other" / "studies.db")
    again = create(open_storage(), "t/finetune.1", [], {})
    assert again.user_attrs["space"] == {"r": [1, 2]}
    assert [(each.state.name, each.user_attrs["params"]) for each in again.get_trials()] == [
        ("COMPLETE", {"r": 1}),
        ("WAITING", {"r": 2}),
    ]
    add_ended(again, Point(params={"r": 3}), [0.1])
    search_real.restore_studies(tmp_path / "studies.sql", tmp_path / "other" / "studies.db")  # is there: stays
    assert len(create(open_storage(), "t/finetune.1", [], {}).get_trials()) == 3


def test_its_default_is_in_the_space_and_far_below_what_works():
    recipe = Recipe.model_validate_json(json.dumps(search_real.RECIPE | {"data": {"demo": "device-command"}}))
    assert recipe.search is not None and recipe.search.pruner == "median" and recipe.search.seeds == 3
    assert recipe.finetune.learning_rate == 1.0e-5 and recipe.search.axes["learning_rate"].low == 1.0e-5
