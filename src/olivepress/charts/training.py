"""Fine-tunes in four panels: loss, learning rate, gradient norm and a metric of the task; several runs in each."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from olivepress.charts.smoothing import Point, average, smooth, span_of
from olivepress.charts.spec import WIDTH, NoData, Spec, discrete, make_spec, quantity
from olivepress.charts.svg import PALETTE
from olivepress.core.printable import printable
from olivepress.report.registry import METRICS
from olivepress.report.training_record import TrainingRun, TrainingStep

__all__ = ["MOST_RUNS", "NARROW", "PANELS", "Panel", "training_panel"]

Panel = Literal["loss", "learning rate", "gradient norm", "task metric"]
PANELS: tuple[Panel, ...] = get_args(Panel)
MOST_RUNS = len(PALETTE)
NARROW = 250  # pixels of the drawing on a phone, without its axis
_HEIGHT = 190
_MOST_POINTS = 300  # of a line
_OUTLIER = 30.0  # the largest value over the median, from which on the axis is logarithmic
_LONGEST_NAME = 36
_TRAINING, _VALIDATION = "training", "validation"
_DASHES = {_TRAINING: [1, 0], _VALIDATION: [5, 3]}


@dataclass(frozen=True, kw_only=True)
class _Line:
    """A curve of one run; ``label`` is what its values are called in words, ``best`` which end of them is good."""

    run: str
    series: str
    label: str
    points: tuple[Point, ...]
    best: Literal["lowest", "highest"]
    noisy: bool = False
    ships: Point | None = None


def training_panel(panel: Panel, runs: Mapping[str, TrainingRun], *, width: float = WIDTH) -> Spec | NoData:
    """One panel of runs by their names, of which the first ``MOST_RUNS`` are drawn; or the reason why there is none.

    A noisy curve is drawn raw, thin, and as its exponential moving average over a twentieth of its steps.
    """
    shown = _named(runs)
    metric = _metric(shown.values())
    lines = [line for name, run in shown.items() for line in _lines(panel, name, run, metric)]
    lines = [line for line in lines if len(line.points) > 1]
    if not lines:
        return NoData(_no_data(panel))
    several = len(shown) > 1
    title = _title(panel, metric)
    whole = title if several else f"{title}: {next(iter(shown))}"
    color, dash = _channels(lines, several, width)
    layers = [layer for line in reversed(lines) for layer in _layers(line, dash)]  # the first run lies on the others
    last = max(step.step for run in shown.values() for step in run.steps)
    encoding = {
        "x": quantity(
            "step", "step", axis={"tickCount": 6, "tickMinStep": 1, "format": "d"}, scale={"domain": [0, last]}
        ),
        "y": _vertical(panel, lines, metric),
        "color": color,
    }
    body: Spec = {"width": width, "height": _HEIGHT, "layer": layers, "encoding": encoding}
    return make_spec(whole, _words(lines, several), (), **body)


def _named(runs: Mapping[str, TrainingRun]) -> dict[str, TrainingRun]:
    """The runs that are drawn, by names that fit a legend and differ from each other."""
    named: dict[str, TrainingRun] = {}
    for number, (name, run) in enumerate(list(runs.items())[:MOST_RUNS], start=1):
        text = printable(name)
        short = text if len(text) <= _LONGEST_NAME else f"{text[: _LONGEST_NAME - 1]}…"
        named[f"{short} ({number})" if short in named else short] = run
    return named


def _metric(runs: Any) -> str | None:
    """The task's metric that is drawn: what the checkpoint was chosen by, else the first that was measured."""
    measured = {name for run in runs for step in run.steps for name in step.metrics}
    chosen = [run.shipped.metric for run in runs if run.shipped is not None]
    wanted = [*chosen, *METRICS, *sorted(measured)]
    return next((name for name in wanted if name in measured), None)


def _metric_title(metric: str) -> str:
    return (
        METRICS[metric].title if metric in METRICS else printable(metric)[:_LONGEST_NAME].replace("_", " ").capitalize()
    )


def _lines(panel: Panel, name: str, run: TrainingRun, metric: str | None) -> list[_Line]:
    if panel == "loss":
        training, validation = _points(run, "loss"), _points(run, "validation_loss")
        ships = _ships(run, validation or training)
        seen, of = (None, ships) if validation else (ships, None)
        return [
            _Line(run=name, series=_TRAINING, label="loss", points=training, best="lowest", noisy=True, ships=seen),
            _Line(run=name, series=_VALIDATION, label="validation loss", points=validation, best="lowest", ships=of),
        ]
    if panel == "task metric":
        points = tuple((float(s.step), s.metrics[metric]) for s in run.steps if metric in s.metrics) if metric else ()
        label = _title(panel, metric).lower()
        better: Literal["lowest", "highest"] = "highest" if _higher(metric) else "lowest"
        ships = _ships(run, points)
        return [_Line(run=name, series=_VALIDATION, label=label, points=points, best=better, ships=ships)]
    field = "learning_rate" if panel == "learning rate" else "grad_norm"
    noisy = panel == "gradient norm"
    points = _points(run, field)
    return [_Line(run=name, series=_TRAINING, label=panel, points=points, best="highest", noisy=noisy)]


def _points(run: TrainingRun, field: str) -> tuple[Point, ...]:
    values: list[tuple[TrainingStep, float | None]] = [(step, getattr(step, field)) for step in run.steps]
    return tuple((step.step, value) for step, value in values if value is not None)


def _ships(run: TrainingRun, points: Sequence[Point]) -> Point | None:
    return next((point for point in points if run.shipped is not None and point[0] == run.shipped.step), None)


def _higher(metric: str | None) -> bool:
    return metric not in METRICS or METRICS[metric].higher_is_better


def _title(panel: Panel, metric: str | None) -> str:
    if panel != "task metric":
        return panel.capitalize()
    return f"{_metric_title(metric)} on validation rows" if metric else panel.capitalize()


def _no_data(panel: Panel) -> str:
    if panel == "task metric":
        return "the model answered validation rows fewer than twice; finetune.eval_answers sets how many it answers"
    return f"the run logged fewer than two steps with a {panel}"


def _layers(line: _Line, dash: Spec) -> list[Spec]:
    points, layers = list(line.points), list[Spec]()
    span = span_of(len(points)) if line.noisy else 0
    if span > 1:
        layers.append(_layer(line, points, {"type": "line", "strokeWidth": 1, "opacity": 0.35}))
        points = smooth(points, span)
    layers.append(_layer(line, points, {"type": "line", "strokeWidth": 2.2, "strokeJoin": "round"}))
    layers[-1]["encoding"] = dash
    if line.series == _VALIDATION and len(points) <= _MOST_POINTS:
        layers.append(_layer(line, points, {"type": "point", "filled": True, "size": 30, "opacity": 1}))
    if line.ships is not None:
        ring = {"type": "point", "filled": False, "size": 190, "strokeWidth": 2.4, "opacity": 1}
        layers.append(_layer(line, [line.ships], ring))
    return layers


def _layer(line: _Line, points: Sequence[Point], mark: Spec) -> Spec:
    rows = [
        {"run": line.run, "series": line.series, "step": round(step, 2), "value": value}
        for step, value in average(points, _MOST_POINTS)
    ]
    return {"data": {"values": rows}, "mark": mark}


def _vertical(panel: Panel, lines: Sequence[_Line], metric: str | None) -> Spec:
    values = [value for line in lines for _, value in line.points]
    axis: Spec = {"tickCount": 5, "format": "~g"}
    title = _title(panel, metric).lower()
    known = METRICS.get(metric or "")
    if panel == "task metric" and known is not None and known.unit == "ratio":
        return quantity("value", title, axis=axis | {"format": ".0%"}, scale={"domain": [0, 1]})
    if panel in ("loss", "gradient norm") and min(values) > 0 and max(values) > _OUTLIER * statistics.median(values):
        return quantity("value", f"{title} (log)", axis=axis, scale={"type": "log"})
    return quantity("value", title, axis=axis, scale={"zero": panel != "loss"})


def _channels(lines: Sequence[_Line], several: bool, width: float) -> tuple[Spec, Spec]:
    """Colors of the runs, or of training and validation where there is one run; and the dashes of its lines."""
    series = list(dict.fromkeys(line.series for line in lines))
    runs = list(dict.fromkeys(line.run for line in lines))
    columns = 1 if several and width < WIDTH else 2
    legend = {"orient": "bottom", "columns": columns, "symbolType": "stroke", "symbolOpacity": 1, "title": None}
    dashes = [_DASHES[each] for each in series]
    of_series = legend if len(series) > 1 else None
    if not several:
        dash = discrete("series", series, dashes, legend=of_series)
        return discrete("series", series, PALETTE, legend=of_series), {"strokeDash": dash} if of_series else {}
    ink = legend | {"symbolStrokeColor": "currentColor", "orient": "top"}  # apart from the runs' names, however long
    dash = discrete("series", series, dashes, legend=ink)
    return discrete("run", runs, PALETTE, legend=legend), {"strokeDash": dash} if of_series else {}


def _words(lines: Sequence[_Line], several: bool) -> list[str]:
    """The numbers of the panel, one text for each curve; of several runs one text for each run."""
    by_run: dict[str, list[str]] = {}
    for line in lines:
        pick = min if line.best == "lowest" else max
        best = pick(line.points, key=lambda each: each[1])
        texts = [_at(line.points[0]), f"{line.best} {_at(best)}", f"last {_at(line.points[-1])}"]
        by_run.setdefault(line.run, []).append(f"{line.label} {', '.join(texts[1:] if several else texts)}")
        if line.ships is not None:
            by_run[line.run].append(f"step {line.ships[0]:g} ships")
    if several:
        return [f"{name}: {'; '.join(texts)}" for name, texts in by_run.items()]
    return next(iter(by_run.values()))


def _at(point: Point) -> str:
    return f"{point[1]:.3g} at step {point[0]:g}"
