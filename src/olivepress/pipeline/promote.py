"""Promote the artifact of a recipe and a target: what the gates read is gathered here, from files."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from olivepress.abtest.filled import read_key
from olivepress.compare.load import Loaded, load
from olivepress.core.artifact import MANIFEST, Manifest, changed_files, read_manifest
from olivepress.core.bounded import read_text
from olivepress.core.errors import DataError, ReportError, SetupError, UsageError
from olivepress.core.layout import (
    ABTESTS,
    dataset_dir,
    job_dir,
    model_card,
    promotion_logs,
    recipe_runs,
    stored_reports,
)
from olivepress.core.messages import next_command
from olivepress.core.names import job_for
from olivepress.core.printable import printable
from olivepress.monitor.report import MonitorReport
from olivepress.pipeline.release.abtest import KEY
from olivepress.pipeline.release.card import LARGEST_CARD, safety_results
from olivepress.pipeline.release.monitor import monitor
from olivepress.pipeline.report import budgets
from olivepress.pipeline.reports import differs_by_tuning
from olivepress.recipe.schema import Recipe
from olivepress.registry.audit import Audited, audit, models_here
from olivepress.registry.case import Case, Champion, Signature
from olivepress.registry.gates import judge_all
from olivepress.registry.licence_sources import licences_of
from olivepress.registry.mlflow_registry import MlflowRegistry
from olivepress.registry.moves import current, finish_interrupted
from olivepress.registry.promote import Promotion, champion_of, promote, verdict_of
from olivepress.registry.rollback import Rollback, rollback
from olivepress.registry.signatures import signature_of, signature_path
from olivepress.registry.store import is_empty, model_name, registry_here
from olivepress.report.device_report import DeviceReport, read_report

__all__ = ["audit_all", "gather", "promote_recipe", "rollback_recipe"]

_BASELINES = ("base", "few-shot")
_LONGEST_LINE = 10  # artifacts that are made from each other


def promote_recipe(
    recipe: Recipe,
    target: str,
    *,
    by: str | None = None,
    require_signature: bool = False,
    dry_run: bool = False,
    now: datetime | None = None,
) -> Promotion:
    """Judge the present artifact of a target, and promote it where every gate holds.

    With ``dry_run`` nothing is written. ReportError without an artifact, UsageError for what cannot be promoted,
    SetupError without a registry, JobError while another promotion runs.
    """
    store, name = registry_here(), model_name(recipe.name, target)
    _check_target(recipe, target)
    manifest = read_manifest(_directory(recipe, target))
    registry, champion, done = None, None, ""
    if not (dry_run and is_empty(store)):
        registry = MlflowRegistry(store)
        if not dry_run:
            done = finish_interrupted(registry, name, shared=not store.is_embedded)
        present = current(registry, name)
        champion = champion_of(present)
        if champion is not None and champion.artifact_sha256 == manifest.sha256 and not present.deleted:
            notes = (done,) if done else ()
            return Promotion(model=name, verdict="pass", gates=(), champion=champion.version, already=True, notes=notes)
    case = gather(recipe, target, champion=champion, require_signature=require_signature, now=now or datetime.now(UTC))
    gates = judge_all(case)
    if dry_run or registry is None:
        number = champion.version if champion else None
        return Promotion(model=name, verdict=verdict_of(gates), gates=gates, champion=number)
    promoted = promote(registry, case, name=name, shared=not store.is_embedded, by=by, gates=gates)
    return replace(promoted, notes=(done, *promoted.notes)) if done else promoted


def _check_target(recipe: Recipe, target: str) -> None:
    if recipe.adapter_mode == "multi":
        raise UsageError(
            f"recipe {recipe.name} packages several adapters, and a package cannot be promoted",
            next_step=f"olivepress promote {recipe.name}.{next(iter(recipe.adapters))} --target {target}, one of them",
        )
    if not (_directory(recipe, target) / MANIFEST).is_file():
        built = [
            path.parent.name.removeprefix("export-")
            for path in sorted(recipe_runs(recipe.name).glob(f"export-*/{MANIFEST}"))
        ]
        known = f"; built: {', '.join(built)}" if built else ""
        raise UsageError(
            f"recipe {recipe.name}: no finished artifact for the target {printable(target)}{known}",
            next_step=next_command("run", recipe.name),
        )


def _directory(recipe: Recipe, target: str) -> Path:
    return job_dir(recipe.name, job_for("export", target))


def gather(recipe: Recipe, target: str, *, champion: Champion | None, require_signature: bool, now: datetime) -> Case:
    """Everything that the gates read. ReportError without an artifact."""
    directory = _directory(recipe, target)
    manifest = read_manifest(directory)
    parents = _parents(directory, manifest)
    reports, others = _of_artifact(recipe.name, directory, manifest)
    return Case(
        recipe=recipe,
        target=target,
        directory=directory,
        manifest=manifest,
        now=now,
        parents=parents,
        reports=reports,
        other_reports=others,
        baselines=tuple(_same_data(recipe.name, _BASELINES, manifest)),
        parent_reports=_of_parents(recipe.name, parents, manifest),
        champion=champion,
        budgets=budgets(recipe),
        licences=licences_of(recipe, manifest),
        changed_files=tuple(changed_files(directory, manifest.files)),
        require_signature=require_signature,
        signatures=_signatures(directory, reports, required=require_signature),
        safety=safety_results(manifest),
        sheets=_sheets(manifest, champion),
        card=_card(manifest),
        use=_use(recipe, manifest),
    )


def _sheets(manifest: Manifest, champion: Champion | None) -> dict[Path, tuple[Path, ...]]:
    """Key of a blind comparison of the artifact with the champion → the filled sheets beside it, ``votes*``."""
    keys = dict[Path, tuple[Path, ...]]()
    if champion is None:
        return keys
    wanted = {manifest.sha256, champion.artifact_sha256}
    for path in sorted(ABTESTS.glob(f"*/{KEY}")):
        with contextlib.suppress(DataError):
            key = read_key(path)
            if {key.a.sha256, key.b.sha256} == wanted:
                filled = [each for kind in ("json", "csv") for each in path.parent.glob(f"votes*.{kind}")]
                keys[path] = tuple(sorted(filled))
    return keys


def _card(manifest: Manifest) -> str | None:
    try:
        return read_text(model_card(manifest.recipe, manifest.job), LARGEST_CARD, DataError, errors="replace")
    except OSError:
        return None


def _use(recipe: Recipe, manifest: Manifest) -> MonitorReport | None:
    """Of the logs that the recipe names, compared with the training data where that is here. DataError for a log that
    cannot be read, or has no answer of the artifact."""
    if not recipe.promote.logs:
        return None
    data = dataset_dir(manifest.dataset, manifest.dataset_version)
    return monitor(
        [Path(name) for name in recipe.promote.logs],
        data=str(data) if data.is_dir() else None,
        artifact=manifest.sha256,
    )


def _signatures(directory: Path, reports: Sequence[Loaded], *, required: bool) -> tuple[Signature, ...]:
    """Of the artifact's manifest and of each report."""
    sources = [item.report.source for item in reports]
    files = [directory / MANIFEST, *(source for source in sources if source is not None)]
    if not required and not any(signature_path(file).is_file() for file in files):
        return ()
    return tuple(signature_of(file) for file in files)


def _parents(directory: Path, manifest: Manifest) -> tuple[Manifest, ...]:
    """What the artifact was made from, the nearest first; those that were made again since are left out."""
    line = [manifest]
    while line[-1].parent is not None and len(line) < _LONGEST_LINE:
        try:
            parent = read_manifest(directory.parent / line[-1].parent)
        except ReportError:
            break
        if parent.sha256 != line[-1].parent_sha256:
            break
        line.append(parent)
    return tuple(line[1:])


def _of_artifact(recipe: str, directory: Path, manifest: Manifest) -> tuple[tuple[Loaded, ...], Mapping[Path, str]]:
    """Reports of this very artifact, and file → reason of those of the same job that are not."""
    mine, others = list[Loaded](), dict[Path, str]()
    for path in stored_reports(recipe, manifest.job):
        try:
            report = read_report(path)
            reason = _foreign(report, directory, manifest)
            if not reason:
                mine += load([path])
        except ReportError as error:
            reason = error.message.removeprefix(f"{path}: ")
        if reason:
            others[path] = reason
    return tuple(mine), others


def _foreign(report: DeviceReport, directory: Path, manifest: Manifest) -> str:
    """Why a report does not count; "" for one of this artifact."""
    if report.recipe != manifest.recipe or report.job != manifest.job:
        return f"of {report.recipe}/{report.job}"
    if report.artifact_sha256 != manifest.sha256 and not differs_by_tuning(directory, report):
        return f"of another artifact (sha256 {report.artifact_sha256[:12]})"
    if report.dataset is None:
        return "measured without a dataset"
    if report.dataset.version != manifest.dataset_version:
        return f"of another version of the data ({report.dataset.version[:12]})"
    if report.dataset.split != "test":
        return f"measured on the split {printable(report.dataset.split)}, not on test"
    return ""


def _same_data(recipe: str, jobs: Sequence[str], manifest: Manifest) -> Iterator[Loaded]:
    """Reports of these jobs, on the data of the artifact. One that cannot be read is as good as none."""
    for job in jobs:
        for path in stored_reports(recipe, job):
            with contextlib.suppress(ReportError):
                (item,) = load([path])
                data = item.report.dataset
                if (
                    item.report.job == job
                    and data is not None
                    and data.version == manifest.dataset_version
                    and data.split == "test"
                ):
                    yield item


def _of_parents(recipe: str, parents: Sequence[Manifest], manifest: Manifest) -> tuple[Loaded, ...]:
    """Reports of the nearest parent that was measured."""
    for parent in parents:
        found = [
            item for item in _same_data(recipe, [parent.job], manifest) if item.report.artifact_sha256 == parent.sha256
        ]
        if found:
            return tuple(found)
    return ()


def rollback_recipe(recipe: Recipe, target: str, *, by: str | None = None, now: datetime | None = None) -> Rollback:
    """Give the alias champion back; errors as ``rollback``."""
    store = registry_here()
    name = model_name(recipe.name, target)
    if is_empty(store):
        raise UsageError(f"{name}: nothing was promoted yet", next_step=next_command("promote", recipe.name))
    at = now or datetime.now(UTC)
    return rollback(MlflowRegistry(store), name, shared=not store.is_embedded, by=by, now=at)


def audit_all() -> list[Audited]:
    """Every registered model of this project. Nothing is written; SetupError without the registry."""
    store = registry_here()
    if is_empty(store):
        if not any(promotion_logs()):
            return []
        raise SetupError(
            f"{next(promotion_logs())}: its registry {store.name} is not here",
            next_step="name the registry that it belongs to (MLFLOW_TRACKING_URI)",
        )
    registry = MlflowRegistry(store)
    return [audit(registry, model) for model in models_here(registry)]
