"""The comparison of the device reports that are stored here, without a plan: nothing is read but records.

``olivepress report`` decides with the plan which reports are of the present artifacts; here the manifests say it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from olivepress.core.artifact import Manifest, read_manifest
from olivepress.core.errors import OlivepressError, ReportError
from olivepress.core.layout import RUNS, dataset_dir, job_dir, recipe_runs, stored_reports
from olivepress.core.messages import next_command
from olivepress.pipeline.report import budgets, checklists, questions
from olivepress.pipeline.reports import differs_by_tuning
from olivepress.pipeline.training_runs import training_runs
from olivepress.recipe.schema import Recipe, load_recipe, recipe_files
from olivepress.report.device_report import DeviceReport, read_report

if TYPE_CHECKING:
    from olivepress.compare.document import Document

__all__ = ["StoredComparison", "compare_stored", "stored_recipe"]


@dataclass(frozen=True, kw_only=True)
class StoredComparison:
    """``left_out``: file → the reason why its report is not compared. ``limits``: whether the recipe was read, whose
    budget applies."""

    document: Document
    left_out: Mapping[Path, str]
    limits: bool


def compare_stored(recipe: str) -> StoredComparison:
    """Compare the stored reports of a recipe's present artifacts. ReportError when none is left to compare.

    A file that cannot be read as a report is left out, so that a page of the others can still be shown.
    """
    from olivepress.compare import compare, load

    manifests = _manifests(recipe)
    chosen, left_out = _chosen(recipe, manifests)
    if not chosen:
        reason = next(iter(left_out.values()), "nothing was measured yet")
        raise ReportError(
            f"recipe {recipe}: no device report to compare ({reason})", next_step=next_command("bench", recipe)
        )
    known = stored_recipe(recipe)
    asked: dict[str, str] = {}
    for manifest in manifests.values():
        asked |= questions(dataset_dir(manifest.dataset, manifest.dataset_version))
    document = compare(
        load(chosen),
        budgets=budgets(known) if known else {},
        training=training_runs(recipe),
        checklists=checklists(recipe),
        questions=asked,
    )
    return StoredComparison(document=document, left_out=left_out, limits=known is not None)


def stored_recipe(name: str) -> Recipe | None:
    """The recipe of that name, or the one whose adapter has it, if its file is here."""
    for path in recipe_files().values():
        with contextlib.suppress(OlivepressError, OSError):
            recipe = load_recipe(path)
            known = {recipe.name: recipe}
            if name.startswith(f"{recipe.name}."):
                known |= {member.name: member for member in recipe.members().values()}
            if name in known:
                return known[name]
    return None


def _chosen(recipe: str, manifests: Mapping[str, Manifest]) -> tuple[list[Path], dict[Path, str]]:
    data = {manifest.dataset_version for manifest in manifests.values()}
    chosen, left_out = list[Path](), dict[Path, str]()
    for path in stored_reports(recipe):
        try:
            reason = _outdated(recipe, read_report(path), manifests, data)
        except ReportError as error:
            reason = error.message
        if reason:
            left_out[path] = reason
        else:
            chosen.append(path)
    return chosen, left_out


def _manifests(recipe: str) -> dict[str, Manifest]:
    manifests = {}
    for path in sorted(recipe_runs(recipe).glob("*/manifest.json")):
        with contextlib.suppress(ReportError):
            manifests[path.parent.name] = read_manifest(job_dir(recipe, path.parent.name))
    return manifests


def _outdated(recipe: str, report: DeviceReport, manifests: Mapping[str, Manifest], data: set[str]) -> str:
    """Why a report is not of what is in ``runs`` now; "" when it is, or where that is not known: the artifacts may be
    elsewhere, and the base model has no manifest."""
    if report.dataset is not None and data and report.dataset.version not in data:
        return "of another version of the data"
    manifest, artifact = manifests.get(report.job), job_dir(recipe, report.job)
    if manifest is None:
        return ""
    if manifest.sha256 == report.artifact_sha256 or differs_by_tuning(artifact, report):
        return ""
    return f"of an artifact that {RUNS.as_posix()} has in another version now"
