"""Runs on the command line: tables of at most 80 columns, and the same as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from olivepress.core.messages import counted
from olivepress.core.pace import duration
from olivepress.core.printable import printable
from olivepress.core.timestamps import time_text
from olivepress.track.figures import curve_unit, figure_text, number_text, value_text

if TYPE_CHECKING:
    from olivepress.compare.document import ChecklistItem
    from olivepress.pipeline.reproduce import Reproduction
    from olivepress.track.difference import Change, Difference, MetricPair
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


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")


def list_lines(runs: Sequence[TrackedRun]) -> Iterator[str]:
    """A head and a line for each run, times in UTC."""
    if not runs:
        yield "no runs are recorded here; next: olivepress run MODEL"
        return
    rows = [("run", "started (UTC)", "status", "took", "result"), *map(_list_row, runs)]
    names, starts, states, times = (max(len(row[column]) for row in rows) for column in range(4))
    names = min(_NAME, names)
    for name, start, state, time, result in rows:
        if len(name) > names:
            yield name
            name = ""
        yield f"{name:{names}}  {start:{starts}}  {state:{states}}  {time:>{times}}  {result}".rstrip()


def _list_row(run: TrackedRun) -> tuple[str, str, str, str, str]:
    took = "-" if run.seconds is None else duration(run.seconds)
    return printable(run.name), _time(run.started.at), run.status, took, _result(run)


def _result(run: TrackedRun) -> str:
    """The one number that says most: an answer's metric of the newest report, else the validation loss, else the loss
    of the last rows that it was trained on."""
    for report in sorted(run.reports, key=lambda each: each.at, reverse=True):
        for name in _FIRST_METRICS:
            if name in report.metrics:
                return f"{value_text(report.metrics[name])} {name}"
    if "validation_loss" in run.curves:
        return f"{number_text(run.curves['validation_loss'].lowest)} validation"
    if "loss" in run.curves:
        return f"{number_text(run.curves['loss'].last)} loss"
    return run.sha256[:12] if run.sha256 else ""


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
        unit = curve_unit(name)
        first, last, lowest = (number_text(value, unit) for value in (curve.first, curve.last, curve.lowest))
        text = f"{first} → {last}, lowest {lowest}, {curve.points} points"
        yield from _wrapped(name, text)
    groups = [("", run.metrics), *((report.machine, report.metrics) for report in run.reports)]
    for machine, metrics in groups:
        if metrics and machine:
            yield f"measured on {printable(machine)}"
        for name, figure in metrics.items():
            yield f"  {printable(name):38}  {figure_text(figure)}"[:_WIDTH]


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
    differing = [pair for pair in difference.metrics if pair.a != pair.b]
    shown = sorted(differing, key=lambda pair: pair.name.rpartition("/")[0])  # its own numbers, then machine by machine
    if not shown:
        return
    yield from _pair_lines(shown)
    if any(pair.apart for pair in shown):
        yield "* the 95 % intervals do not touch"


def change_lines(change: Change) -> Iterator[str]:
    """``recipe: finetune.learning_rate 0.0002 → 0.001``."""
    a, b = (each if each is not None else "not there" for each in (change.a, change.b))
    name = "" if change.name == change.kind else f"{change.name} "
    text = f"{change.kind}: {name}{a} → {b}"
    if change.detail:
        text += f"; {change.detail}"
    lines = wrap(printable(text), _WIDTH, subsequent_indent="  ", break_on_hyphens=False)
    yield from lines


def _pair_lines(pairs: Sequence[MetricPair]) -> Iterator[str]:
    """A table of both runs' numbers; those of a machine stand below its name."""
    cells = [(figure_text(pair.a), figure_text(pair.b) + (" *" if pair.apart else "  ")) for pair in pairs]
    first, second = (max(len(row[column]) for row in cells) for column in (0, 1))
    width = _WIDTH - 4 - first - second
    yield f"{'':{width}}  {'A':>{first}}  {'B':>{second - 2}}"
    heading = ""
    for pair, (a, b) in zip(pairs, cells, strict=True):
        machine, _, name = pair.name.rpartition("/")
        if machine != heading:
            yield printable(f"measured on {machine}")[:_WIDTH]
            heading = machine
        name = printable(f"  {name}" if machine else name)
        if len(name) > width:
            yield name[:_WIDTH]
            name = ""
        yield f"{name:{width}}  {a:>{first}}  {b:>{second}}".rstrip()


def checklist_lines(name: str, items: Sequence[ChecklistItem]) -> Iterator[str]:
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
    count = counted(result.same, "file")
    yield printable(f"{result.run}: {result.verdict}; {count} with the same hash, {len(result.different)} without")
    for name in result.different[:8]:
        yield f"  differs: {printable(name)}"[:_WIDTH]
    if result.noise is not None:
        noise = result.noise
        interval = f"{number_text(noise.lowest)} to {number_text(noise.highest)}"
        yield f"  last loss {number_text(noise.again)}; of {noise.seeds} seeds: {interval}"
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
        "started": time_text(run.started.at),
        "ended": None if run.ended_at is None else time_text(run.ended_at),
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
