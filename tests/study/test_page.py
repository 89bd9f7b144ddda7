"""The page of a search: its charts have the numbers of its trials, and nothing from outside acts in it."""

from __future__ import annotations

import json
import math
from html.parser import HTMLParser
from typing import Any

import optuna
import pytest

from olivepress.charts.spec import NoData
from olivepress.study.charts import history, importance, parallel, slices
from olivepress.study.objectives import objective_axis, objective_text
from olivepress.study.page import SearchPage, search_html, state_words
from olivepress.study.results import StudyRecord, TrialRecord, importances, study_record

EVIL = '<script>alert("1")</script>\u202e'


def trial(number: int, rate: float, r: int, **more: Any) -> TrialRecord:
    value = 0.4 + (math.log10(rate) + 3) ** 2 + r / 1000
    fields = {"state": "finished", "params": {"learning_rate": rate, "r": r}, "values": (value,)} | more
    return TrialRecord(number=number, **fields)


TRIALS = (
    trial(0, 1e-5, 4, origin="default"),
    trial(1, 1e-3, 16, counted=False),
    trial(2, 1e-2, 8),
    trial(3, 1e-1, 8, state="pruned", values=(), curve={10: 4.5, 20: 4.4}, reason=EVIL),
    trial(4, 1e-1, 8, state="failed", values=(), reason="no memory"),
)
RECORD = StudyRecord(
    name="t/finetune.1",
    objectives=("validation loss",),
    higher=(False,),
    trials=TRIALS,
    importances={"learning_rate": 0.9, "r": 0.1},
    log=frozenset({"learning_rate"}),
)


def layer(spec: Any, number: int) -> list[dict[str, Any]]:
    values: list[dict[str, Any]] = spec["layer"][number]["data"]["values"]
    return values


def test_history_has_every_value_and_the_best_until_then() -> None:
    spec = history(RECORD)
    assert [point["value"] for point in layer(spec, 0)] == pytest.approx([4.404, 0.416, 0.416])
    assert [(point["trial"], point["state"]) for point in layer(spec, 1)] == [
        (0, "finished"), (1, "known before"), (2, "finished"), (3, "pruned")
    ]  # fmt: skip
    assert layer(spec, 1)[3]["value"] == 4.4
    assert isinstance(history(StudyRecord(name="x", objectives=("y",), higher=(False,), trials=())), NoData)


def test_parallel_lines_stand_by_the_logarithm_and_the_best_is_on_top() -> None:
    spec = parallel(RECORD)
    rows = layer(spec, 1)
    places = {(row["trial"], row["axis"]): row["place"] for row in rows}
    assert places[0, "learning_rate"] == 0.0 and places[2, "learning_rate"] == 1.0
    assert places[1, "learning_rate"] == pytest.approx(2 / 3)
    assert places[1, "r"] == 1.0 and places[0, "validation loss"] == 1.0 and places[1, "validation loss"] == 0.0
    assert {row["rank"] for row in rows if row["trial"] == 1} == {1.0}


def test_slices_and_importance() -> None:
    drawn = slices(RECORD)
    assert [spec["encoding"]["x"]["title"] for spec in drawn] == ["learning_rate", "r"]
    assert drawn[0]["encoding"]["x"]["scale"]["type"] == "log" and "type" not in drawn[1]["encoding"]["x"]["scale"]
    bars = importance(RECORD)
    assert not isinstance(bars, NoData) and [row["share"] for row in bars["data"]["values"]] == [0.9, 0.1]
    assert isinstance(importance(StudyRecord(name="x", objectives=("y",), higher=(False,), trials=TRIALS)), NoData)


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen = set[str]()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.seen.add(tag)
        assert not any(name.startswith("on") for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_escapes_what_it_shows_and_has_every_chart() -> None:
    page = SearchPage(
        title=EVIL, answer=[EVIL], stages={EVIL: RECORD}, settings=[(EVIL, EVIL, 0.001)], labels=["synthetic data"]
    )
    text = search_html(page)
    tags = Tags()
    tags.feed(text)
    assert "script" not in tags.seen and "\u202e" not in text and "synthetic data" in tags.text
    assert text.count("<svg") == 5  # history, parallel coordinates, importance, two slices
    assert "no memory" in tags.text and '<script>alert("1")' in tags.text
    assert "default-src 'none'" in text


def test_states_in_words() -> None:
    assert state_words(TRIALS) == "2 finished, 1 known before, 1 pruned, 1 failed"
    assert state_words(()) == "no trial"


def test_importance_finds_the_setting_that_matters() -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(30):
        drawn = study.ask()
        rate, r = drawn.suggest_float("learning_rate", 1e-5, 1e-1, log=True), drawn.suggest_int("r", 4, 64)
        study.tell(drawn, (math.log10(rate) + 3) ** 2 + r / 1000)
    found = importances(study)
    assert list(found) == ["learning_rate", "r"] and found["learning_rate"] > 0.8
    assert sum(found.values()) == pytest.approx(1.0)
    record = study_record(study, ["validation loss"])
    assert record.log == {"learning_rate"} and record.importances == found
    assert json.loads(json.dumps(record.trials[0].values)) == [study.trials[0].value]


def test_importance_of_several_objectives_is_that_of_the_first() -> None:
    study = optuna.create_study(
        sampler=optuna.samplers.RandomSampler(seed=0), directions=["maximize", "maximize", "minimize"]
    )
    for _ in range(30):
        drawn = study.ask()
        rate, r = drawn.suggest_float("learning_rate", 1e-5, 1e-1, log=True), drawn.suggest_int("r", 4, 64)
        drawn.set_user_attr("outcome", "finished")
        study.tell(drawn, [-((math.log10(rate) + 3) ** 2), float(r), float(r)])
    record = study_record(study, ["validation exact_match", "decode_tps", "size_on_disk_bytes"])
    assert record.importances["learning_rate"] > 0.8
    bars = importance(record)
    assert not isinstance(bars, NoData)
    assert bars["encoding"]["x"]["title"] == "share of the variance of Exact match, validation rows"


def test_objectives_are_shown_in_their_units() -> None:
    assert objective_text("validation loss", 0.41234) == "0.4123"
    assert objective_text("validation exact_match", 0.5, (0.4, 0.6)) == "50.0 % (40.0 to 60.0)"
    assert objective_text("size_on_disk_bytes", 95_400_000) == "95.4 MB"
    sizes, rates = objective_axis("x", "size_on_disk_bytes", tickCount=4), objective_axis("x", "decode_tps")
    assert sizes["title"] == "Size, MB" and sizes["axis"]["tickCount"] == 4 and "1e6" in str(sizes["axis"])
    assert rates["title"].endswith(", tok/s") and objective_axis("y", "validation loss")["title"] == "validation loss"


@pytest.mark.parametrize("values", [[1.0] * 7 + [1.0 + 1e-15], [1e308, -1e308] * 4, [0.0] * 7 + [5e-324]])
def test_importance_of_values_that_its_trees_cannot_take_is_left_out(values: list[float]) -> None:
    study = optuna.create_study()
    for number, value in enumerate(values):
        drawn = study.ask()
        drawn.suggest_float("learning_rate", 1e-5, 1e-1, log=True)
        drawn.suggest_int("r", 4, 64)
        study.tell(drawn, value)
        assert number < 8
    found = importances(study)
    assert set(found) <= {"learning_rate", "r"} and all(math.isfinite(share) for share in found.values())
