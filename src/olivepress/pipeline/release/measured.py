"""The device reports that the gates of a promotion read, and why others do not count."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from olivepress.compare.comparison import compare
from olivepress.compare.load import Loaded, load
from olivepress.core.artifact import MANIFEST, Manifest, read_manifest
from olivepress.core.errors import JobError, RecipeError, ReportError, SetupError
from olivepress.core.layout import recipe_runs, stored_reports
from olivepress.core.printable import printable
from olivepress.pipeline.report import budgets
from olivepress.pipeline.reports import differs_by_tuning
from olivepress.recipe.schema import Recipe
from olivepress.registry.gates.reports import is_required, staleness
from olivepress.report.device_report import DeviceReport, read_report

__all__ = ["Measured", "base_identity", "reports_of_artifact", "reports_of_base", "reports_of_parents", "shipped_jobs"]

_BASELINES = ("base", "few-shot")
_SHA256 = 64  # characters


@dataclass(frozen=True, kw_only=True)
class Measured:
    """``reports`` count; ``others`` do not: file → reason."""

    reports: tuple[Loaded, ...]
    others: Mapping[Path, str]


def reports_of_artifact(recipe: Recipe, directory: Path, manifest: Manifest, now: datetime) -> Measured:
    """Those of this very artifact. A stale one counts (and fails) only where the recipe requires its machine."""
    mine, others = list[Loaded](), dict[Path, str]()
    for path in stored_reports(recipe.name, manifest.job):
        try:
            report = read_report(path)
            reason = _foreign(report, directory, manifest)
            if not reason and not is_required(report, recipe):
                reason = staleness(report, manifest, now, recipe.promote.max_report_days)
            if not reason:
                mine += load([path])
        except ReportError as error:
            reason = error.message.removeprefix(f"{path}: ")
        if reason:
            others[path] = reason
    return Measured(reports=tuple(mine), others=others)


def _foreign(report: DeviceReport, directory: Path, manifest: Manifest) -> str:
    """Why a report does not count; "" for one of this artifact."""
    if report.recipe != manifest.recipe or report.job != manifest.job:
        return f"of {report.recipe}/{report.job}"
    if report.artifact_sha256 != manifest.sha256 and not differs_by_tuning(directory, report):
        return f"of another artifact (sha256 {report.artifact_sha256[:12]})"
    return _other_data(report, manifest)


def _other_data(report: DeviceReport, manifest: Manifest) -> str:
    if report.dataset is None:
        return "measured without a dataset"
    if report.dataset.version != manifest.dataset_version:
        return f"of another version of the data ({report.dataset.version[:12]})"
    if report.dataset.split != "test":
        return f"measured on the split {printable(report.dataset.split)}, not on test"
    return ""


def base_identity(recipe: Recipe) -> str | None:
    """The hash of the recipe's base model as it is here; None where its files are not."""
    from olivepress.run.base_model import identity_of
    from olivepress.workflow.model import resolve_model

    try:
        identity = identity_of(resolve_model(recipe)).whole
    except (JobError, RecipeError, SetupError):
        return None
    return identity if len(identity) == _SHA256 else None


def reports_of_base(recipe: Recipe, manifest: Manifest, base: str | None) -> Measured:
    """Of the base model as it is and prompted with examples, on the data of the artifact. ``base``: its hash; reports
    of another one do not count. None: any."""
    mine, others = list[Loaded](), dict[Path, str]()
    for path, item, reason in _of_jobs(recipe.name, _BASELINES, manifest):
        if item is not None and base is not None and item.report.artifact_sha256 != base:
            others[path] = f"of another base model ({item.report.artifact_sha256[:12]}); the present one is {base[:12]}"
        elif item is not None:
            mine.append(item)
        else:
            others[path] = reason
    return Measured(reports=tuple(mine), others=others)


def reports_of_parents(recipe: str, parents: Sequence[Manifest], manifest: Manifest) -> tuple[Loaded, ...]:
    """Those of the nearest parent that was measured."""
    for parent in parents:
        items = [item for _, item, _ in _of_jobs(recipe, [parent.job], manifest)]
        same = [item for item in items if item is not None and item.report.artifact_sha256 == parent.sha256]
        if same:
            return tuple(same)
    return ()


def shipped_jobs(
    recipe: Recipe, manifest: Manifest, baselines: Sequence[Loaded], now: datetime
) -> dict[str, tuple[str, ...]]:
    """Id of a machine → the jobs whose artifacts ``compare`` ships there, of the recipe's present artifacts on the data
    of this one. Empty without a report of them, and where ``compare`` refuses the reports."""
    items = list(baselines)
    for path in sorted(recipe_runs(recipe.name).glob(f"*/{MANIFEST}")):
        with contextlib.suppress(ReportError):
            other = read_manifest(path.parent)
            if other.dataset_version == manifest.dataset_version:
                items += reports_of_artifact(recipe, path.parent, other, now).reports
    shipped = dict[str, tuple[str, ...]]()
    with contextlib.suppress(ReportError):
        document = compare(items, budgets=budgets(recipe), with_examples=False)
        reports = {row.name: row.report for row in document.rows}
        for decision in document.decisions:
            machine = reports[decision.candidates[0].name].machine.id
            shipped[machine] = tuple(reports[name].job for name in decision.chosen)
    return shipped


def _of_jobs(recipe: str, jobs: Sequence[str], manifest: Manifest) -> Iterator[tuple[Path, Loaded | None, str]]:
    """File, report and "", or None and why it does not count."""
    for job in jobs:
        for path in stored_reports(recipe, job):
            try:
                (item,) = load([path])
            except ReportError as error:
                yield path, None, error.message.removeprefix(f"{path}: ")
                continue
            reason = f"of {printable(item.report.job)}" if item.report.job != job else ""
            reason = reason or _other_data(item.report, manifest)
            yield path, None if reason else item, reason
