"""Runs on the command line: tables of at most 80 columns, and the same as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from olivepress.core.pace import duration
from olivepress.core.printable import printable

if TYPE_CHECKING:
    from olivepress.pipeline.reproduce import Reproduction
    from olivepress.track.checklist import Item
    from olivepress.track.difference import Change, Difference, MetricPair
    from olivepress.track.record import Figure
    from olivepress.track.runs import TrackedRun

__all__ = [
    "change_lines",
    "checklist_lines",
    "diff_lines",
    "difference_record",
    "list_lines",
    "reproduction_lines",
    "reproduction_record",
    "run_record",
    "show_lines",
]

_WIDTH = 80
_FIRST_METRICS = ("exact_match", "label_accuracy", "f1_token", "rouge_l", "decode_tps")
_NAME = 34


def _time(ms: int | None) -> str:
    return "-" if ms is None else datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")


def _iso(ms: int | None) -> str | None:
    return None if ms is None else datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds")


def list_lines(runs: Sequence[TrackedRun]) -> Iterator[str]:
    """A head and a line for each run, times in UTC."""
    if not runs:
        yield "no runs are recorded here; next: olivepress run MODEL"
        return
    width = min(_NAME, max(len(run.name) for run in runs))
    yield f"{'run':{width}}  {'started (UTC)':16}  {'status':11}  {'took':>7}  result"
    for run in runs:
        took = "-" if run.seconds is None else duration(run.seconds)
        name = printable(run.name)
        if len(name) > width:
            yield name
            name = ""
        line = f"{name:{width}}  {_time(run.started.at)}  {run.status:11}  {took:>7}  {_result(run)}"
        yield line[:_WIDTH].rstrip()


def _result(run: TrackedRun) -> str:
    """The one number that says most: an answer's metric of the newest report, else the last loss."""
    for report in sorted(run.reports, key=lambda each: each.at, reverse=True):
        for name in _FIRST_METRICS:
            if name in report.metrics:
                return f"{name} {_number(report.metrics[name].value)}"
    if "loss" in run.curves:
        return f"loss {_number(run.curves['loss'].last)}"
    return run.sha256[:12] if run.sha256 else ""


def _number(value: float) -> str:
    if abs(value) >= 1e5 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.4g}"


def _figure(figure: Figure | None) -> str:
    """Value and interval."""
    if figure is None:
        return "-"
    text = _number(figure.value)
    if figure.ci_low is not None and figure.ci_high is not None:
        text += f" ({_number(figure.ci_low)} to {_number(figure.ci_high)})"
    return text


def show_lines(run: TrackedRun) -> Iterator[str]:
    """What went in, then what came out."""
    facts = run.facts
    resumed = f", resumed {run.resumed} times" if run.resumed else ""
    took = "" if run.seconds is None else f", {duration(run.seconds)}"
    yield printable(f"{run.name}: {run.status}{took}{resumed}")
    if run.reason:
        yield from _wrapped("reason", run.reason)
    counts = ", ".join(f"{count:,} {split}" for split, count in facts.rows.items())
    rows = f"({counts})" if counts else ""
    commit = (facts.git_commit or "")[:12]
    if commit and facts.git_dirty:
        commit += " with changes"
    for name, value in (
        ("started", f"{_time(run.started.at)} UTC"),
        ("artifact", f"runs/{run.started.recipe}/{run.started.job}, sha256 {run.sha256[:12]}" if run.sha256 else ""),
        ("base model", " at ".join(filter(None, (facts.base_model, (facts.base_revision or "")[:12])))),
        ("data", f"{facts.dataset} {(facts.dataset_version or '')[:12]} {rows}".rstrip()),
        ("made from", f"{facts.parent} {(facts.parent_sha256 or '')[:12]}" if facts.parent else ""),
        ("seed", str(facts.seed)),
        ("machine", f"{facts.machine}, Python {facts.python}"),
        ("code", commit),
        ("id", run.started.id),
    ):
        if value:
            yield from _wrapped(name, value)
    yield from _wrapped("recipe", ", ".join(f"{name}={value}" for name, value in run.started.params.items()))
    yield from _wrapped("packages", ", ".join(f"{name} {version}" for name, version in run.versions.items()))
    yield from _numbers(run)


def _wrapped(name: str, text: str) -> Iterator[str]:
    lines = wrap(printable(text), _WIDTH - 12, break_on_hyphens=False) or [""]
    yield f"{name:10}  {lines[0]}"
    for line in lines[1:]:
        yield f"{'':12}{line}"


def _numbers(run: TrackedRun) -> Iterator[str]:
    for name, curve in run.curves.items():
        text = f"{_number(curve.first)} → {_number(curve.last)}, lowest {_number(curve.lowest)}, {curve.points} points"
        yield from _wrapped(name, text)
    groups = [("", run.metrics), *((report.machine, report.metrics) for report in run.reports)]
    for machine, metrics in groups:
        if metrics and machine:
            yield f"measured on {printable(machine)}"
        for name, figure in metrics.items():
            yield f"  {printable(name):38}  {_figure(figure)} {figure.unit}"[:_WIDTH].rstrip()


def diff_lines(difference: Difference) -> Iterator[str]:
    """First what changed, one line each; then the numbers."""
    yield printable(f"A {difference.a}")
    yield printable(f"B {difference.b}")
    if not difference.changes:
        yield "Nothing that went in differs: recipe, data, packages, code and machine are the same."
    for change in difference.changes:
        yield from change_lines(change)
    if difference.same_artifact is not None:
        yield "The artifacts are identical." if difference.same_artifact else "The artifacts differ."
    shown = [pair for pair in difference.metrics if pair.a != pair.b]
    if not shown:
        return
    yield f"{'':30}  {'A':>22}  {'B':>22}"
    for pair in shown:
        yield from _pair_lines(pair)
    if any(pair.apart for pair in shown):
        yield "* the 95 % intervals do not touch"


def change_lines(change: Change) -> Iterator[str]:
    """``recipe: finetune.learning_rate 0.0002 → 0.001``."""
    a, b = (each if each is not None else "not there" for each in (change.a, change.b))
    text = f"{change.kind}: {change.name} {a} → {b}"
    if change.detail:
        text += f"; {change.detail}"
    lines = wrap(printable(text), _WIDTH, subsequent_indent="  ", break_on_hyphens=False)
    yield from lines


def _pair_lines(pair: MetricPair) -> Iterator[str]:
    name, (a, b) = printable(pair.name), (_figure(each) for each in (pair.a, pair.b))
    mark = " *" if pair.apart else ""
    if len(name) > 30 or max(len(a), len(b)) > 22:
        yield name[:_WIDTH]
        name = ""
    if max(len(a), len(b)) <= 22:
        yield f"{name:30}  {a:>22}  {b:>22}{mark}".rstrip()
        return
    yield f"  A {a}"
    yield f"  B {b}{mark}"


def checklist_lines(name: str, items: Sequence[Item]) -> Iterator[str]:
    """A line for each item, and how many are recorded."""
    recorded = sum(not item.missing for item in items)
    yield printable(f"{name}: {recorded} of {len(items)} recorded")
    for item in items:
        mark, text = ("missing ", item.missing) if item.missing else ("recorded", item.recorded)
        lines = wrap(printable(text), _WIDTH - 39, break_on_hyphens=False)
        yield f"  {mark}  {item.name:27}{lines[0]}"
        for line in lines[1:]:
            yield f"{'':39}{line}"


def reproduction_lines(result: Reproduction) -> Iterator[str]:
    """The verdict, what differs, and what may be the reason."""
    count = "1 file" if result.same == 1 else f"{result.same} files"
    yield printable(f"{result.run}: {result.verdict}; {count} with the same hash, {len(result.different)} without")
    for name in result.different[:8]:
        yield f"  differs: {printable(name)}"[:_WIDTH]
    if result.noise is not None:
        noise = result.noise
        interval = f"{_number(noise.lowest)} to {_number(noise.highest)}"
        yield f"  last loss {_number(noise.again)}; of {noise.seeds} seeds: {interval}"
    if result.suspects:
        yield "What went in and differs, the likeliest reason first:"
        for change in result.suspects:
            yield from change_lines(change)
    elif result.different:
        yield "Nothing that is recorded of what went in differs."
    if result.since:
        yield "The recipe of that name has changed since; it was not used:"
        for change in result.since:
            yield from change_lines(change)


def reproduction_record(result: Reproduction) -> dict[str, Any]:
    """A reproduction as JSON."""
    return asdict(result) | {"folder": result.folder.as_posix()}


def run_record(run: TrackedRun) -> dict[str, Any]:
    """A run as JSON."""
    return {
        "run": run.name,
        "id": run.started.id,
        "recipe": run.started.recipe,
        "job": run.started.job,
        "kind": run.started.kind,
        "status": run.status,
        "reason": run.reason,
        "started": _iso(run.started.at),
        "ended": _iso(run.ended_at),
        "resumed": run.resumed,
        "artifact_sha256": run.sha256,
        "params": dict(run.started.params),
        "facts": run.facts.model_dump(mode="json") | {"versions": dict(run.versions)},
        "curves": {name: asdict(curve) for name, curve in run.curves.items()},
        "metrics": {name: figure.model_dump(mode="json") for name, figure in run.metrics.items()},
        "reports": [report.model_dump(mode="json") for report in run.reports],
    }


def difference_record(difference: Difference) -> dict[str, Any]:
    """A difference as JSON."""
    return {
        "a": difference.a,
        "b": difference.b,
        "same_artifact": difference.same_artifact,
        "changes": [asdict(change) for change in difference.changes],
        "metrics": [
            {
                "name": pair.name,
                "a": pair.a.model_dump(mode="json") if pair.a else None,
                "b": pair.b.model_dump(mode="json") if pair.b else None,
                "apart": pair.apart,
            }
            for pair in difference.metrics
        ],
    }
