"""What changed between two runs: first what went in, then what came out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from olivepress.core.errors import DataError
from olivepress.core.layout import dataset_dir
from olivepress.track.figures import curve_unit
from olivepress.track.record import Figure
from olivepress.track.rows import row_changes, rows_text
from olivepress.track.runs import TrackedRun

__all__ = ["Change", "Difference", "MetricPair", "compare_runs", "input_changes"]

Kind = Literal["job", "recipe", "seed", "data", "base model", "package", "code", "machine", "environment", "parent"]

_LOSS = "finetune.loss.module"


@dataclass(frozen=True, kw_only=True)
class Change:
    """Something that went in; None where one run does not have it. ``detail`` is what more is known."""

    kind: Kind
    name: str
    a: str | None
    b: str | None
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class MetricPair:
    """A number of both runs. ``apart``: their 95 % intervals do not touch; None where one has no interval."""

    name: str
    a: Figure | None
    b: Figure | None
    apart: bool | None


@dataclass(frozen=True, kw_only=True)
class Difference:
    a: str
    b: str
    changes: tuple[Change, ...]
    metrics: tuple[MetricPair, ...]
    same_artifact: bool | None
    """None where one of them has no artifact."""


def compare_runs(a: TrackedRun, b: TrackedRun) -> Difference:
    """Everything that differs in what went in, and every number of either run."""
    one, other = _numbers(a), _numbers(b)
    names = [*one, *(name for name in other if name not in one)]
    return Difference(
        a=a.name,
        b=b.name,
        changes=tuple(input_changes(a, b)),
        metrics=tuple(_pair(name, one.get(name), other.get(name)) for name in names),
        same_artifact=a.sha256 == b.sha256 if a.sha256 and b.sha256 else None,
    )


def _numbers(run: TrackedRun) -> dict[str, Figure]:
    """The ends of its curves, its own numbers, and the newest report of each machine."""
    numbers = {
        f"{name} at the end": Figure(value=curve.last, unit=curve_unit(name)) for name, curve in run.curves.items()
    }
    numbers |= run.metrics
    for report in sorted(run.reports, key=lambda each: each.at):
        numbers |= {f"{report.machine}/{name}": figure for name, figure in report.metrics.items() if "/" not in name}
    return numbers


def _pair(name: str, a: Figure | None, b: Figure | None) -> MetricPair:
    apart = None
    if a is not None and b is not None and a.ci_low is not None and b.ci_low is not None:
        assert a.ci_high is not None and b.ci_high is not None
        apart = a.ci_high < b.ci_low or b.ci_high < a.ci_low
    return MetricPair(name=name, a=a, b=b, apart=apart)


def input_changes(a: TrackedRun, b: TrackedRun) -> Iterator[Change]:
    """What went in and differs: job, the recipe's keys and seeds, data, base model, packages, code, machine."""
    if a.started.job != b.started.job:
        yield Change(kind="job", name="job", a=a.started.job, b=b.started.job)
    yield from _recipe_changes(a.started.params, b.started.params)
    one, other = a.facts, b.facts
    if one.dataset_version != other.dataset_version or one.dataset != other.dataset:
        yield Change(kind="data", name="dataset", a=_dataset(a), b=_dataset(b), detail=_row_text(a, b))
    if one.base_model != other.base_model:
        yield Change(kind="base model", name="base_model", a=one.base_model, b=other.base_model)
    if one.base_revision != other.base_revision:
        yield Change(kind="base model", name="revision", a=one.base_revision, b=other.base_revision)
    yield from _changes("package", a.versions, b.versions)
    yield from _changes("package", {"python": one.python or ""}, {"python": other.python or ""})
    if one.git_commit != other.git_commit or one.git_dirty != other.git_dirty:
        yield Change(kind="code", name="git commit", a=_commit(a), b=_commit(b))
    if one.loss_sha256 != other.loss_sha256 and a.started.params.get(_LOSS) == b.started.params.get(_LOSS):
        left, right = (each and each[:12] for each in (one.loss_sha256, other.loss_sha256))
        yield Change(kind="code", name=_LOSS, a=left, b=right, detail="the content of its file")
    yield from _changes("machine", {"machine": one.machine or ""}, {"machine": other.machine or ""})
    yield from _changes("environment", one.environment, other.environment)
    if a.started.job == b.started.job and one.parent_sha256 != other.parent_sha256:
        left, right = (each and each[:12] for each in (one.parent_sha256, other.parent_sha256))
        yield Change(
            kind="parent", name=one.parent or "parent", a=left, b=right, detail="the artifact it was made from"
        )


def _recipe_changes(a: Mapping[str, str], b: Mapping[str, str]) -> Iterator[Change]:
    for name in sorted({*a, *b}):
        if a.get(name) != b.get(name):
            kind: Kind = "seed" if name.endswith("seed") else "recipe"
            yield Change(kind=kind, name=name, a=a.get(name), b=b.get(name))


def _changes(kind: Kind, a: Mapping[str, str], b: Mapping[str, str]) -> Iterator[Change]:
    for name in sorted({*a, *b}):
        if a.get(name) != b.get(name):
            yield Change(kind=kind, name=name, a=a.get(name), b=b.get(name))


def _dataset(run: TrackedRun) -> str | None:
    facts = run.facts
    if facts.dataset is None:
        return None
    return f"{facts.dataset} {(facts.dataset_version or '')[:12]}".strip()


def _commit(run: TrackedRun) -> str | None:
    commit = run.facts.git_commit
    if commit is None:
        return None
    return f"{commit[:12]} with changes" if run.facts.git_dirty else commit[:12]


def _row_text(a: TrackedRun, b: TrackedRun) -> str:
    """Which rows differ, in words; why that cannot be known where a dataset is no longer here."""
    folders = []
    for facts in (a.facts, b.facts):
        if not facts.dataset or not facts.dataset_version:
            return ""
        folders.append(dataset_dir(facts.dataset, facts.dataset_version))
    for folder in folders:
        if not folder.is_dir():
            return f"{folder} is no longer here, so its rows cannot be compared"
    try:
        return rows_text(list(row_changes(*folders)))
    except DataError as error:
        return error.message
