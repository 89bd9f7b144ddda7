"""The Pareto front of a study with several objectives: the trials that no other is at least as good as in all of them
and better in one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from olivepress.charts.spec import WIDTH, NoData, Spec, discrete, make_spec
from olivepress.charts.svg import PALETTE, SHAPES
from olivepress.study.objectives import objective_axis, objective_text, objective_title
from olivepress.study.results import StudyRecord, TrialRecord
from olivepress.study.space import TARGET

__all__ = ["front_charts", "front_of", "on_front", "value_text"]

_ON, _OFF = "on the front", "dominated"


def on_front(values: Sequence[Sequence[float]], higher: Sequence[bool]) -> list[bool]:
    """For each of these whether no other dominates it; equal ones do not dominate each other."""
    signed = [[value if up else -value for value, up in zip(each, higher, strict=True)] for each in values]
    return [not any(_dominates(other, each) for other in signed) for each in signed]


def _dominates(a: Sequence[float], b: Sequence[float]) -> bool:
    pairs = list(zip(a, b, strict=True))
    return all(x >= y for x, y in pairs) and any(x > y for x, y in pairs)


def front_of(record: StudyRecord) -> list[int]:
    """The numbers of the finished trials on the front."""
    finished = record.finished
    marks = on_front([trial.values for trial in finished], record.higher)
    return [trial.number for trial, mark in zip(finished, marks, strict=True) if mark]


def value_text(trial: TrialRecord, place: int, objective: str) -> str:
    """A value with its 95 % interval, where that was measured."""
    return objective_text(objective, trial.values[place], _interval(trial, objective))


def _interval(trial: TrialRecord, objective: str) -> tuple[float, float] | None:
    """Of the objective as the report of the trial names it."""
    found = trial.intervals.get(objective.removeprefix("validation "))
    return None if found is None else (found[0], found[1])


def front_charts(record: StudyRecord) -> Sequence[Spec] | NoData:
    """The first objective over each of the others, with the 95 % intervals of both."""
    if not record.finished:
        return NoData("no trial has finished")
    front = set(front_of(record))
    return [_chart(record, place, front) for place in range(1, len(record.objectives))]


def _chart(record: StudyRecord, place: int, front: set[int]) -> Spec:
    across, up = record.objectives[place], record.objectives[0]
    drawn = sorted(record.finished, key=lambda trial: trial.number in front)  # the front lies on top
    rows = [_row(trial, place, across, up, trial.number in front) for trial in drawn]
    names = objective_title(up), objective_title(across)
    words = [
        f"trial {trial.number} ({_ON if trial.number in front else _OFF}): "
        f"{names[0]} {value_text(trial, 0, up)}, {names[1]} {value_text(trial, place, across)}"
        for trial in record.finished
    ]
    x, y = objective_axis("x", across, tickCount=4), objective_axis("y", up)
    bottom = {"title": None, "orient": "bottom", "symbolOpacity": 1}
    colour = discrete("state", [_ON, _OFF], [PALETTE[1], PALETTE[0]], legend=bottom)
    targets = list(dict.fromkeys(str(row[TARGET]) for row in rows))
    ink = dict.fromkeys(("symbolFillColor", "symbolStrokeColor"), "currentColor")
    legend = {"title": None, "orient": "top", "columns": 2, **ink}
    shape = {"shape": discrete(TARGET, targets, SHAPES, legend=legend)} if len(targets) > 1 else {}
    rule, point = {"type": "rule", "opacity": 0.5}, {"type": "point", "filled": True, "size": 60, "opacity": 1}
    layers: list[Spec] = [
        {"mark": rule, "encoding": {"x": x, "y": y | {"field": "y_low"}, "y2": {"field": "y_high"}, "color": colour}},
        {"mark": rule, "encoding": {"y": y, "x": x | {"field": "x_low"}, "x2": {"field": "x_high"}, "color": colour}},
        {"mark": point, "encoding": {"x": x, "y": y, "color": colour, **shape}},
    ]
    title = f"{names[0]} and {names[1]}"
    return make_spec(title, words, (), width=WIDTH // 2, height=220, data={"values": rows}, layer=layers)


def _row(trial: TrialRecord, place: int, across: str, up: str, is_on: bool) -> dict[str, Any]:
    x, y = trial.values[place], trial.values[0]
    x_low, x_high = _interval(trial, across) or (x, x)
    y_low, y_high = _interval(trial, up) or (y, y)
    ends = {"x_low": x_low, "x_high": x_high, "y_low": y_low, "y_high": y_high}
    state = _ON if is_on else _OFF
    return {"trial": trial.number, "x": x, "y": y, **ends, "state": state, TARGET: str(trial.params.get(TARGET, ""))}
