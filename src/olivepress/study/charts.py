"""The charts of a study as Vega-Lite specifications, with the same numbers in words."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from olivepress.charts.spec import WIDTH, NoData, Spec, discrete, make_spec, quantity
from olivepress.charts.svg import PALETTE
from olivepress.study.objectives import objective_axis, objective_text, objective_title
from olivepress.study.results import StudyRecord, TrialRecord

__all__ = ["history", "importance", "parallel", "shown_value", "slices"]

_HEIGHT = 220
_STATES = ("finished", "pruned", "known before")
_LINES = 240  # of a chart of parallel coordinates: the best ones, beyond that nothing can be told apart
_DIGITS = 3


def shown_value(value: Any) -> str:
    """A setting or a value as a person reads it."""
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    if isinstance(value, int | float):
        return f"{value:.{_DIGITS}g}" if isinstance(value, float) else str(value)
    if isinstance(value, list | tuple):
        return " + ".join(str(each) for each in value)
    return str(value)


def history(record: StudyRecord) -> Spec | NoData:
    """The value of each trial in the order in which they began, and the best until then."""
    points = [point for trial in record.trials if (point := _history_point(trial)) is not None]
    if not any(point["state"] != "pruned" for point in points):
        return NoData("no trial has finished")
    best, steps, sign = math.inf, [], -1 if record.higher[0] else 1
    for point in points:
        if point["state"] != "pruned":
            best = min(best, sign * point["value"])
            steps.append({"trial": point["trial"], "value": sign * best})
    x = quantity("trial", "trial", axis={"format": "d", "tickMinStep": 1})
    y = objective_axis("value", record.objectives[0])
    states = [state for state in _STATES if any(point["state"] == state for point in points)]
    legend = {"legend": {"title": None, "orient": "bottom"}}
    layers = [
        {
            "data": {"values": steps},
            "mark": {"type": "line", "interpolate": "step-after", "color": PALETTE[1], "opacity": 0.7},
            "encoding": {"x": x, "y": y},
        },
        {
            "data": {"values": points},
            "mark": {"type": "point", "filled": True, "size": 60},
            "encoding": {
                "x": x,
                "y": y,
                "color": discrete("state", states, [PALETTE[0], PALETTE[3], PALETTE[2]], **legend),
                "shape": discrete("state", states, ["circle", "cross", "square"], **legend),
            },
        },
    ]
    words = [
        f"trial {point['trial']} ({point['state']}): {objective_text(record.objectives[0], point['value'])}"
        for point in points
    ]
    hint = "The line is the best value so far; a pruned trial stands where it was ended. "
    return make_spec("History", words, (), hint=hint, width=WIDTH, height=_HEIGHT, layer=layers)


def _history_point(trial: TrialRecord) -> dict[str, Any] | None:
    if trial.state == "finished":
        state = "finished" if trial.counted else "known before"
        return {"trial": trial.number, "value": trial.values[0], "state": state}
    if trial.state == "pruned" and trial.curve:
        return {"trial": trial.number, "value": trial.curve[max(trial.curve)], "state": "pruned"}
    return None


def importance(record: StudyRecord) -> Spec | NoData:
    """The share of the variance of the values that each setting explains alone."""
    if not record.importances:
        return NoData("importance needs eight finished trials and two settings that vary")
    rows = [{"setting": name, "share": share} for name, share in record.importances.items()]
    y = {"field": "setting", "type": "nominal", "sort": None, "title": None}
    of = f" of {objective_title(record.objectives[0])}" if len(record.objectives) > 1 else ""
    x = quantity("share", f"share of the variance{of}", axis={"format": "%", "tickCount": 5}, scale={"domain": [0, 1]})
    words = [f"{row['setting']}: {row['share']:.0%}" for row in rows]
    mark = {"type": "bar", "color": PALETTE[0], "height": {"band": 0.6}}
    return make_spec(
        "Importance of the settings (fANOVA)",
        words,
        (),
        width=WIDTH,
        height=34 * len(rows),
        data={"values": rows},
        mark=mark,
        encoding={"x": x, "y": y},
    )


@dataclass(frozen=True, kw_only=True)
class _Scale:
    """Where the values of a setting stand, from 0 to 1; ``marks``: (place, text)."""

    places: dict[str, float]
    marks: tuple[tuple[float, str], ...]


def parallel(record: StudyRecord) -> Spec | NoData:
    """Every finished trial as a line through its settings, its value last; better ones are drawn over the others."""
    settings, objective = _settings(record), record.objectives[0]
    finished = [trial for trial in record.finished if all(name in trial.params for name in settings)]
    if len(finished) < 2 or not settings:
        return NoData("no two finished trials have the same settings")
    sign = -1 if record.higher[0] else 1
    finished.sort(key=lambda trial: -sign * trial.values[0])  # the best is drawn last
    finished = finished[-_LINES:]
    axes = [*settings, objective_title(objective)]
    columns = [[trial.params[name] for trial in finished] for name in settings]
    scales = [_scale(column, name in record.log) for name, column in zip(settings, columns, strict=True)]
    columns.append([trial.values[0] for trial in finished])
    scales.append(_scale(columns[-1], False, lambda value: objective_text(objective, value)))
    rank = {trial.number: index / (len(finished) - 1) for index, trial in enumerate(finished)}
    rows = [
        {
            "trial": trial.number,
            "axis": axis,
            "place": scale.places[_key(column[index])],
            "rank": rank[trial.number],
        }
        for index, trial in enumerate(finished)
        for axis, scale, column in zip(axes, scales, columns, strict=True)
    ]
    marks = [
        {"axis": axis, "place": place, "text": text}
        for axis, scale in zip(axes, scales, strict=True)
        for place, text in scale.marks
    ]
    words = [
        f"trial {trial.number}: {', '.join(f'{name} {shown_value(trial.params[name])}' for name in settings)}, "
        f"{axes[-1]} {objective_text(objective, trial.values[0])}"
        for trial in reversed(finished)
    ]
    hint = "One line for each finished trial, the best ones strongest and on top. "
    return make_spec(
        "Parallel coordinates", words, (), hint=hint, width=max(WIDTH, 120 * len(axes)), height=260,
        layer=list(_parallel_layers(axes, rows, marks)),
    )  # fmt: skip


def _parallel_layers(axes: Sequence[str], rows: list[dict[str, Any]], marks: list[dict[str, Any]]) -> Iterator[Spec]:
    x: Spec = {"field": "axis", "type": "nominal", "sort": list(axes), "title": None, "axis": {"labelAngle": 0}}
    x |= {"scale": {"type": "point", "padding": 0.4}}
    y = quantity("place", None, axis=None, scale={"domain": [-0.04, 1.04]})
    ends = [{"axis": axis, "low": 0.0, "high": 1.0} for axis in axes]
    yield {
        "data": {"values": ends},
        "mark": {"type": "rule", "color": "currentColor", "opacity": 0.5},
        "encoding": {"x": x, "y": quantity("low", None, axis=None), "y2": {"field": "high"}},
    }
    yield {
        "data": {"values": rows},
        "mark": {"type": "line", "color": PALETTE[0], "strokeWidth": 1.6},
        "encoding": {
            "x": x,
            "y": y,
            "detail": {"field": "trial", "type": "nominal"},
            "order": {"field": "trial", "type": "quantitative"},
            "opacity": quantity("rank", None, scale={"domain": [0, 1], "range": [0.12, 0.95]}, legend=None),
        },
    }
    yield {
        "data": {"values": marks},
        "mark": {"type": "text", "align": "left", "dx": 5, "fontSize": 11, "color": "currentColor"},
        "encoding": {"x": x, "y": y, "text": {"field": "text", "type": "nominal"}},
    }


def _settings(record: StudyRecord) -> list[str]:
    """The settings that every finished trial has and that vary, in their order."""
    finished = record.finished
    names = list(finished[0].params) if finished else []
    common = [name for name in names if all(name in trial.params for trial in finished)]
    return [name for name in common if len({_key(trial.params[name]) for trial in finished}) > 1]


def _key(value: Any) -> str:
    return json.dumps(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _scale(values: Sequence[Any], log: bool, shown: Callable[[Any], str] = shown_value) -> _Scale:
    """Numbers by their size, anything else evenly in the order in which it first occurs."""
    if not all(map(_is_number, values)):
        distinct = list(dict.fromkeys(map(_key, values)))
        last = max(1, len(distinct) - 1)
        places = {key: number / last for number, key in enumerate(distinct)}
        texts = {_key(value): shown(value) for value in values}
        return _Scale(places=places, marks=tuple((places[key], texts[key]) for key in distinct))
    measure = math.log if log and min(values) > 0 else float
    low, high = measure(min(values)), measure(max(values))
    width = high - low or 1.0
    places = {_key(value): (measure(value) - low) / width for value in values}
    return _Scale(places=places, marks=((0.0, shown(min(values))), (1.0, shown(max(values)))))


def slices(record: StudyRecord) -> list[Spec]:
    """For each setting the values of the finished trials over it."""
    return [_slice(record, name) for name in _settings(record)]


def _decades(values: Sequence[float]) -> list[float]:
    """Powers of ten among the values, or their ends where there are none."""
    low, high = math.log10(min(values)), math.log10(max(values))
    return [10.0**power for power in range(math.ceil(low), math.floor(high) + 1)] or [min(values), max(values)]


def _slice(record: StudyRecord, name: str) -> Spec:
    rows = [
        {"setting": trial.params[name], "text": shown_value(trial.params[name]), "value": trial.values[0]}
        for trial in record.finished
    ]
    if all(_is_number(row["setting"]) for row in rows):
        axis: dict[str, Any] = {"labelExpr": "format(datum.value, '.2~g')", "labelOverlap": True, "tickCount": 5}
        scale: dict[str, Any] = {"zero": False, "nice": False, "padding": 8}
        if name in record.log:
            scale["type"] = "log"
            axis |= {"grid": False, "values": _decades([row["setting"] for row in rows])}
        x: Spec = quantity("setting", name, scale=scale, axis=axis)
    else:
        x = {"field": "text", "type": "nominal", "title": name, "sort": None, "axis": {"labelAngle": 0}}
        rows = [{key: row[key] for key in ("text", "value")} for row in rows]
    words = [f"{row['text']}: {objective_text(record.objectives[0], row['value'])}" for row in rows]
    return make_spec(
        f"{name} and {objective_title(record.objectives[0])}",
        words,
        (),
        width=WIDTH // 2,
        height=150,
        data={"values": rows},
        mark={"type": "point", "filled": True, "color": PALETTE[0], "size": 50, "opacity": 0.7},
        encoding={"x": x, "y": objective_axis("value", record.objectives[0])},
    )
