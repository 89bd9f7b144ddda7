"""The page of a search: its answer, its charts and every trial. One self-contained file without a script."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from olivepress.charts.pages import render_page
from olivepress.charts.spec import NoData, Spec
from olivepress.charts.svg import INSTALL, can_draw, render_svg
from olivepress.core.messages import counted
from olivepress.core.printable import printable
from olivepress.study.charts import history, importance, parallel, shown_value, slices
from olivepress.study.front import front_of, value_text
from olivepress.study.objectives import objective_title
from olivepress.study.results import StudyRecord, TrialRecord

__all__ = ["SearchPage", "search_html", "state_words"]

_HINTS = {
    "Pareto front": "No other trial is at least as good as those on the front in all objectives and better in one. "
    "Lines are 95 % intervals: trials whose intervals overlap may change places.",
    "History": "Each point is a trial, in the order in which they began. The line is the best value so far.",
    "Parallel coordinates": "Each line is a finished trial, the best ones strongest. The last axis is the value.",
    "Importance of the settings": "The share of the variance of the values that each setting explains alone, of the "
    "trials that finished (fANOVA). With few trials it is a hint.",
    "Slices": "The values of the finished trials over each setting.",
}


@dataclass(frozen=True, kw_only=True)
class SearchPage:
    """What the page shows. ``answer`` is the decision in sentences; ``stages``: title → its study, the search first.

    ``settings`` are (name, the default's value, the winner's); ``labels`` what every reader must know first.
    """

    title: str
    answer: Sequence[str]
    stages: Mapping[str, StudyRecord]
    settings: Sequence[tuple[str, Any, Any]] = ()
    labels: Sequence[str] = field(default_factory=tuple)
    charts: Mapping[str, Sequence[Spec] | NoData] = field(default_factory=dict)


def search_html(page: SearchPage) -> str:
    """The page; every text from outside is escaped, and what moves a cursor is replaced."""
    record = next(iter(page.stages.values()))
    charts = [_chart(title, drawn) for title, drawn in {**page.charts, **_charts(record)}.items()]
    return render_page(
        "olivepress.study",
        "search.html",
        title=printable(page.title),
        answer=[printable(text) for text in page.answer],
        settings=[(printable(name), _cell(before), _cell(after)) for name, before, after in page.settings],
        settings_title="Settings of the winner",
        labels=[printable(text) for text in page.labels],
        charts=charts,
        tables=[_table(title, each) for title, each in page.stages.items()],
    )


def _charts(record: StudyRecord) -> dict[str, Sequence[Spec] | NoData]:
    def one(spec: Spec | NoData) -> Sequence[Spec] | NoData:
        return spec if isinstance(spec, NoData) else [spec]

    return {
        "History": one(history(record)),
        "Parallel coordinates": one(parallel(record)),
        "Importance of the settings": one(importance(record)),
        "Slices": slices(record) or NoData("no setting varies among the finished trials"),
    }


def _chart(title: str, drawn: Sequence[Spec] | NoData) -> dict[str, Any]:
    from markupsafe import Markup

    if isinstance(drawn, NoData):
        return {"title": title, "hint": "", "reason": f"Not drawn: {drawn.reason}.", "svgs": []}
    if not can_draw():
        reason = f"Not drawn: vl-convert is not installed ({INSTALL})."
        return {"title": title, "hint": "", "reason": reason, "svgs": []}
    svgs = [Markup(render_svg(spec)) for spec in drawn]
    return {"title": title, "hint": _HINTS.get(title, ""), "reason": "", "svgs": svgs}


def _table(title: str, record: StudyRecord) -> dict[str, Any]:
    names = list(dict.fromkeys(name for trial in record.trials for name in trial.params))
    front = front_of(record) if len(record.objectives) > 1 else []
    facts = list(dict.fromkeys(name for trial in record.trials for name in trial.facts))
    columns = ["trial", "state", *names, *facts, *map(objective_title, record.objectives), "seconds", "note"]
    rows = [_row(trial, names, facts, record.objectives, trial.number in front) for trial in record.trials]
    return {
        "title": printable(title),
        "summary": f"{record.name}: {state_words(record.trials)}{_on_front(front)}.",
        "columns": [printable(name) for name in columns],
        "rows": rows,
        "count": counted(sum(trial.counted for trial in record.trials), "trial"),
        "open": len(rows) <= 12,
    }


def _on_front(front: Sequence[int]) -> str:
    """Which trials are on it, behind the states of all; empty for a single objective."""
    return f"; on the Pareto front: {', '.join(f'trial {number}' for number in front)}" if front else ""


def state_words(trials: Sequence[TrialRecord]) -> str:
    """How many trials ended how."""
    counts = Counter(_state_word(trial) for trial in trials)
    return ", ".join(f"{count} {state}" for state, count in counts.items()) or "no trial"


def _state_word(trial: TrialRecord) -> str:
    if trial.diverged:
        return "diverged"
    if trial.counted:
        return trial.state
    words = {"finished": "known before", "killed": "killed and repeated", "interrupted": "interrupted and repeated"}
    return words.get(trial.state, trial.state)


def _row(
    trial: TrialRecord, names: Sequence[str], facts: Sequence[str], objectives: Sequence[str], is_on_front: bool
) -> list[str]:
    notes = [
        "on the Pareto front" if is_on_front else "",
        trial.origin,
        f"repeats trial {trial.repeats}" if trial.repeats is not None else "",
        trial.reason,
    ]
    values = [value_text(trial, place, name) for place, name in enumerate(objectives) if trial.values]
    return [
        str(trial.number),
        trial.state,
        *(_cell(trial.params[name]) if name in trial.params else "" for name in names),
        *(_cell(trial.facts[name]) if name in trial.facts else "" for name in facts),
        *(values or [""] * len(objectives)),
        "" if trial.seconds is None else f"{trial.seconds:.0f}",
        printable("; ".join(filter(None, notes))),
    ]


def _cell(value: Any) -> str:
    return printable(shown_value(value))
