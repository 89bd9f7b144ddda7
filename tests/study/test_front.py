"""The Pareto front: what no other trial dominates, and its chart."""

from __future__ import annotations

from typing import Any

import optuna

from olivepress.study.front import front_charts, front_of, on_front, value_text
from olivepress.study.results import StudyRecord, TrialRecord, study_record

HIGHER = (True, True, False)


def trial(number: int, values: tuple[float, ...], **more: Any) -> TrialRecord:
    return TrialRecord(number=number, state="finished" if values else "failed", params={}, values=values, **more)


RECORD = StudyRecord(
    name="t/joint.1",
    objectives=("validation exact_match", "decode_tps", "size_on_disk_bytes"),
    higher=HIGHER,
    trials=(
        trial(0, (0.9, 100.0, 40.0), intervals={"exact_match": [0.8, 0.95], "decode_tps": [95.0, 105.0]}),
        trial(1, (0.8, 90.0, 50.0)),
        trial(2, ()),
        trial(3, (0.7, 200.0, 10.0)),
        trial(4, (0.7, 200.0, 10.0)),
    ),
)


def test_only_what_is_worse_in_one_and_better_in_none_is_dominated() -> None:
    assert front_of(RECORD) == [0, 3, 4]  # 1 is worse in everything; equal ones stay
    assert on_front([], HIGHER) == [] and on_front([(1.0, 1.0, 1.0)], HIGHER) == [True]


def test_it_is_that_of_optuna() -> None:
    study = optuna.create_study(directions=["maximize", "maximize", "minimize"])
    sampler = optuna.samplers.RandomSampler(seed=3)
    study.sampler = sampler
    for _ in range(60):
        drawn = study.ask()
        drawn.set_user_attr("outcome", "finished")
        study.tell(drawn, [round(drawn.suggest_float(name, 0, 1), 1) for name in "abc"])
    expected = sorted(each.number for each in study.best_trials)
    assert front_of(study_record(study, ["a", "b", "c"])) == expected and len(expected) < 60


def test_charts_have_intervals_and_say_what_is_on_the_front() -> None:
    charts = front_charts(RECORD)
    assert isinstance(charts, list) and len(charts) == 2
    rows = {row["trial"]: row for row in charts[0]["data"]["values"]}
    assert (rows[0]["y_low"], rows[0]["y_high"], rows[0]["x_low"], rows[0]["x_high"]) == (0.8, 0.95, 95.0, 105.0)
    assert [rows[number]["state"] for number in (0, 1, 3)] == ["on the front", "dominated", "on the front"]
    assert [row["state"] for row in charts[0]["data"]["values"]] == ["dominated"] + 3 * ["on the front"]  # on top
    assert all("shape" not in layer["encoding"] for layer in charts[0]["layer"])  # of one target
    assert value_text(RECORD.trials[0], 0, "validation exact_match") == "90.0 % (80.0 to 95.0)"
    assert value_text(RECORD.trials[1], 0, "validation exact_match") == "80.0 %"
