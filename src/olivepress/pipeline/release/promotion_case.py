"""What the gates of a promotion read, gathered from files."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from olivepress.abtest.filled import read_key
from olivepress.compare.load import Loaded
from olivepress.core.artifact import MANIFEST, Manifest, changed_files, read_manifest
from olivepress.core.bounded import read_text
from olivepress.core.errors import DataError, ReportError
from olivepress.core.layout import ABTESTS, dataset_dir, job_dir, model_card
from olivepress.core.names import job_for
from olivepress.monitor.report import MonitorReport
from olivepress.pipeline.release.abtest import KEY
from olivepress.pipeline.release.card import LARGEST_CARD, safety_results
from olivepress.pipeline.release.measured import (
    base_identity,
    reports_of_artifact,
    reports_of_base,
    reports_of_parents,
    shipped_jobs,
)
from olivepress.pipeline.release.monitor import NoAnswersError, monitor
from olivepress.pipeline.report import budgets
from olivepress.recipe.schema import Recipe
from olivepress.registry.case import Case, Champion, Signature
from olivepress.registry.licence_sources import licences_of
from olivepress.registry.signatures import signature_of, signature_path

__all__ = ["artifact_dir", "gather"]

_LONGEST_LINE = 10  # artifacts that are made from each other


def artifact_dir(recipe: Recipe, target: str) -> Path:
    """Where the artifact of a recipe for a target lies."""
    return job_dir(recipe.name, job_for("export", target))


def gather(
    recipe: Recipe,
    target: str,
    *,
    champion: Champion | None,
    require_signature: bool,
    now: datetime,
    earlier: Sequence[Champion] = (),
) -> Case:
    """Everything that the gates read. ReportError without an artifact."""
    directory = artifact_dir(recipe, target)
    manifest = read_manifest(directory)
    parents, base = _parents(directory, manifest), base_identity(recipe)
    measured = reports_of_artifact(recipe, directory, manifest, now)
    baselines = reports_of_base(recipe, manifest, base)
    use, use_error = _use(recipe, manifest)
    return Case(
        recipe=recipe,
        target=target,
        directory=directory,
        manifest=manifest,
        now=now,
        parents=parents,
        reports=measured.reports,
        other_reports=measured.others,
        base_sha256=base,
        baselines=baselines.reports,
        other_baselines=baselines.others,
        parent_reports=reports_of_parents(recipe.name, parents, manifest),
        champion=champion,
        earlier=tuple(earlier),
        shipped=shipped_jobs(recipe, manifest, baselines.reports, now),
        budgets=budgets(recipe),
        licences=licences_of(recipe, manifest),
        changed_files=tuple(changed_files(directory, manifest.files)),
        require_signature=require_signature,
        signatures=_signatures(directory, measured.reports, required=require_signature),
        safety=safety_results(manifest),
        sheets=_sheets(manifest, champion),
        card=_card(manifest),
        use=use,
        use_error=use_error,
    )


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


def _use(recipe: Recipe, manifest: Manifest) -> tuple[MonitorReport | None, DataError | None]:
    """Of the logs that the recipe names, compared with the training data where that is here; or what is wrong with a
    log. Neither without a log, or without an answer of the artifact."""
    if not recipe.promote.logs:
        return None, None
    data = dataset_dir(manifest.dataset, manifest.dataset_version)
    try:
        report = monitor(
            [Path(name) for name in recipe.promote.logs],
            data=str(data) if data.is_dir() else None,
            artifact=manifest.sha256,
        )
    except NoAnswersError:
        return None, None
    except DataError as error:
        return None, error
    return report, None


def _signatures(directory: Path, reports: Sequence[Loaded], *, required: bool) -> tuple[Signature, ...]:
    """Of the artifact's manifest and of each report."""
    sources = [item.report.source for item in reports]
    files = [directory / MANIFEST, *(source for source in sources if source is not None)]
    if not required and not any(signature_path(file).is_file() for file in files):
        return ()
    return tuple(signature_of(file) for file in files)
