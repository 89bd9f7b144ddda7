"""The four panels of fine-tunes as specifications: what is drawn, in which scale, and what is said in words."""

from __future__ import annotations

import re
from typing import Any

import pytest

from olivepress.charts.spec import NoData, Spec
from olivepress.charts.svg import PALETTE, render_svg
from olivepress.charts.training import MOST_RUNS, PANELS, Panel, training_panel
from olivepress.report.training_record import Shipped, TrainingRun, TrainingStep

HOSTILE = '<script>alert(1)</script>"&\u202e' + "x" * 80


def run(steps: int = 100, scale: float = 1.0, metric: str = "exact_match", ships: int | None = 50) -> TrainingRun:
    """Losses that fall by ``scale`` / step; an evaluation each ten steps, the best of which is at step 50."""
    made = []
    for step in range(1, steps + 1):
        evaluated: dict[str, Any] = {}
        if step % 10 == 0:
            evaluated = {"validation_loss": 1 + abs(step - 50) / 50, "metrics": {"rouge_l": 0.1, metric: step / steps}}
        made.append(
            TrainingStep(
                step=step, total=steps, loss=scale / step, learning_rate=1e-4, grad_norm=2.0 + step % 2, **evaluated
            )
        )
    shipped = Shipped(step=ships, steps=steps, total=steps, metric=metric, keep="best") if ships else None
    return TrainingRun(steps=tuple(made), shipped=shipped)


def panel(name: Panel, runs: dict[str, TrainingRun] | None = None, **options: Any) -> Spec:
    spec = training_panel(name, runs or {"tiny": run()}, **options)
    assert isinstance(spec, dict), spec
    return spec


def layers(spec: Spec, kind: str) -> list[Spec]:
    return [layer for layer in spec["layer"] if layer["mark"]["type"] == kind]


def rows(layer: Spec) -> list[dict[str, Any]]:
    return list(layer["data"]["values"])


def test_the_loss_raw_and_smoothed_with_validation_and_the_step_that_ships() -> None:
    spec = panel("loss")
    validation, raw, smoothed = layers(spec, "line")
    assert [len(rows(layer)) for layer in (validation, raw, smoothed)] == [10, 100, 100]
    assert raw["mark"]["opacity"] < 1 and rows(raw)[1]["value"] == 0.5 and rows(smoothed)[1]["value"] > 0.5
    dots, ring = layers(spec, "point")
    assert len(rows(dots)) == 10 and rows(ring) == [{"run": "tiny", "series": "validation", "step": 50, "value": 1.0}]
    assert spec["encoding"]["color"]["scale"]["domain"] == ["training", "validation"]
    assert spec["usermeta"]["words"] == [
        "loss 1 at step 1, lowest 0.01 at step 100, last 0.01 at step 100",
        "validation loss 1.8 at step 10, lowest 1 at step 50, last 2 at step 100",
        "step 50 ships",
    ]


def test_the_other_panels() -> None:
    assert panel("learning rate")["usermeta"]["words"][0].startswith("learning rate 0.0001 at step 1, highest 0.0001")
    assert len(layers(panel("gradient norm"), "line")) == 2 and len(layers(panel("learning rate"), "line")) == 1
    metric = panel("task metric")
    assert metric["title"] == "Exact match on validation rows: tiny"
    assert metric["encoding"]["y"]["scale"] == {"domain": [0, 1]} and metric["encoding"]["y"]["axis"]["format"] == ".0%"
    assert [row["value"] for row in rows(layers(metric, "line")[0])][:2] == [0.1, 0.2]


def test_the_metric_is_that_which_chose_the_checkpoint() -> None:
    assert panel("task metric", {"a": run(metric="f1_token")})["title"].startswith("Token F1 on validation rows")
    assert "ROUGE-L" in str(panel("task metric", {"a": run(metric="own", ships=None)})["title"])


def test_several_runs_have_a_colour_each_and_the_first_lies_on_top() -> None:
    runs = {f"tiny/finetune.{n}": run(scale=n) for n in range(1, 10)}
    spec = panel("loss", runs)
    names = list(runs)[:MOST_RUNS]
    assert spec["title"] == "Loss"
    assert spec["encoding"]["color"]["scale"] == {"domain": names, "range": list(PALETTE)}
    assert rows(spec["layer"][-1])[0]["run"] == names[0] and len(spec["usermeta"]["words"]) == MOST_RUNS
    dashes = layers(spec, "line")[0]["encoding"]["strokeDash"]
    assert dashes["scale"]["range"] == [[1, 0], [5, 3]]
    assert spec["usermeta"]["words"][1].startswith("tiny/finetune.2: loss lowest 0.02 at step 100")


def test_names_that_are_cut_alike_stay_apart() -> None:
    long = "a" * 50
    words = panel("loss", {long + "1": run(), long + "2": run()})["usermeta"]["words"]
    assert len({text.partition(":")[0] for text in words}) == 2


def test_an_outlier_makes_the_axis_logarithmic() -> None:
    steps = tuple(TrainingStep(step=n, total=20, loss=1.0, grad_norm=1e6 if n == 3 else 1.0) for n in range(1, 21))
    axis = panel("gradient norm", {"tiny": TrainingRun(steps=steps)})["encoding"]["y"]
    assert axis["scale"] == {"type": "log"} and axis["title"] == "gradient norm (log)"
    assert panel("loss", {"tiny": TrainingRun(steps=steps)})["encoding"]["y"]["scale"] == {"zero": False}


def test_thousands_of_steps_are_few_points() -> None:
    assert 250 < max(len(rows(layer)) for layer in panel("loss", {"tiny": run(9_999)})["layer"]) <= 300


@pytest.mark.parametrize("name", PANELS)
def test_what_was_not_recorded_is_no_panel(name: Panel) -> None:
    empty = training_panel(name, {"tiny": TrainingRun(steps=(TrainingStep(step=1, total=1, loss=1.0),))})
    assert isinstance(empty, NoData) and re.search("fewer than t", empty.reason)


@pytest.mark.parametrize("name", PANELS)
def test_foreign_names_stay_texts(name: Panel) -> None:
    pytest.importorskip("vl_convert")
    runs = {HOSTILE: run(metric=HOSTILE), HOSTILE + "2": run(20, metric=HOSTILE)}
    svg = render_svg(panel(name, runs))
    assert "<script" not in svg and "\u202e" not in svg and "&lt;script" in svg
