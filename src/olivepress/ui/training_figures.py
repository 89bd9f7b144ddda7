"""The panels of a fine-tune for a page that is read again while it runs: drawn again only when they look different."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from olivepress.charts.spec import NoData, Spec
from olivepress.charts.svg import INSTALL, can_draw, render_svg
from olivepress.charts.training import NARROW, PANELS, Panel, training_panel
from olivepress.pipeline.training_runs import earlier_runs
from olivepress.report.training_record import TrainingRun

__all__ = ["Figure", "training_figures"]

_PICTURES = 60  # of a run while it goes on: each takes some tenths of a second from the training


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A panel as <svg>, and that for a narrow screen; or the ``reason`` why there is none."""

    title: str
    svg: Any = ""
    narrow: Any = ""
    words: tuple[str, ...] = ()
    reason: str = ""


def training_figures(recipe: str, job: str, run: TrainingRun, *, running: bool) -> list[Figure]:
    """The four panels of the run with the earlier runs of its job; none of a job that does not train."""
    if len(run.steps) < 2:
        return []
    if not can_draw():
        return [Figure(title="", reason=f"charts need vl-convert-python: {INSTALL}")]
    shown = _settled(run) if running else run
    runs = {"this run" if running else recipe: shown, **earlier_runs(recipe, job)}
    return [_figure(panel, runs) for panel in PANELS]


def _settled(run: TrainingRun) -> TrainingRun:
    """The run up to its last evaluation or its last hundredth: what a reader sees does not change with every step."""
    each = max(1, run.steps[-1].total // _PICTURES)
    last = next((s.step for s in reversed(run.steps) if s.step % each == 0 or s.validation_loss is not None), 0)
    settled = tuple(step for step in run.steps if step.step <= last)
    return replace(run, steps=settled) if len(settled) > 1 else run


def _figure(panel: Panel, runs: Mapping[str, TrainingRun]) -> Figure:
    from markupsafe import Markup

    wide, narrow = training_panel(panel, runs), training_panel(panel, runs, width=NARROW)
    if isinstance(wide, NoData) or isinstance(narrow, NoData):
        return Figure(title=panel, reason=wide.reason if isinstance(wide, NoData) else "")
    drawn = [Markup(_drawn(_text(spec))) for spec in (wide, narrow)]
    words = tuple(wide["usermeta"]["words"])
    return Figure(title=wide["title"], svg=drawn[0], narrow=drawn[1], words=words)


def _text(spec: Spec) -> str:
    return json.dumps(spec, sort_keys=True)


@lru_cache(maxsize=64)
def _drawn(spec: str) -> str:
    return render_svg(json.loads(spec))
