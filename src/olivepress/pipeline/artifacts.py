"""The artifacts of a plan: which are finished and of its present recipe and dataset, and which this machine can run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from olivepress.catalog import families, targets
from olivepress.core.artifact import Manifest, read_manifest
from olivepress.core.errors import ReportError, UsageError
from olivepress.core.layout import dataset_dir
from olivepress.environments.lookup import built_in, for_models_of
from olivepress.run.interpreters import Place, place_of
from olivepress.runtimes.artifact_safety import check_artifact
from olivepress.workflow.plan import Plan
from olivepress.workflow.render import render_all

__all__ = [
    "Artifacts",
    "artifacts_of",
    "is_artifact",
    "not_measured_here",
    "place_for",
    "prepared_dataset",
    "read_export",
    "unfinished",
]


@dataclass(frozen=True, kw_only=True)
class Artifacts:
    """``current``: job → manifest of what was made by the present workflow from the present dataset, whatever its
    parent. ``unfinished``: job → the reason that it has no artifact to use, another parent included."""

    current: Mapping[str, Manifest]
    unfinished: Mapping[str, str]


def artifacts_of(plan: Plan) -> Artifacts:
    """What the jobs of a plan have made so far."""
    current, reasons, parents = dict[str, Manifest](), dict[str, str](), dict[str, str]()
    for job, workflow in zip(plan.jobs, render_all(plan), strict=True):
        try:
            manifest = read_manifest(plan.output_dir(job))
        except ReportError:
            reasons[job.id] = "no finished artifact"
            continue
        parents[job.id] = manifest.sha256
        if (manifest.workflow_sha256, manifest.dataset_version) != (workflow.sha256, plan.dataset.version):
            reasons[job.id] = "its artifact is of an older recipe or dataset; run again"
            continue
        current[job.id] = manifest
        if job.parent and parents.get(job.parent) != manifest.parent_sha256:
            reasons[job.id] = f"its artifact was made from another {job.parent}; run again"
    return Artifacts(current=current, unfinished=reasons)


def unfinished(plan: Plan) -> Mapping[str, str]:
    """Jobs without an artifact of this very recipe and dataset, with the reason."""
    return artifacts_of(plan).unfinished


def not_measured_here(plan: Plan) -> dict[str, str]:
    """Jobs that this machine cannot measure now, with the reason."""
    places = {job.id: place_of(job.target) for job in plan.jobs if job.target}
    missing = {job_id: place.reason for job_id, place in places.items() if not place.runs_here}
    return {**unfinished(plan), **missing}


def is_artifact(directory: Path) -> bool:
    """Whether a folder is one artifact: it has a manifest, or is a GenAI folder whose manifest is lost."""
    return (directory / "manifest.json").is_file() or (directory / "genai_config.json").is_file()


def place_for(manifest: Manifest) -> Place | None:
    """The environment of its target, where one here runs it; None measures it with this Python."""
    target = targets().get(manifest.target or "")
    if target is None:
        return None
    family = families().get(manifest.family)
    place = place_of(for_models_of(target, built_in(family, manifest.versions)) if family else target)
    return place if place.runs_here else None


def read_export(directory: Path) -> Manifest:
    """The manifest of an exported artifact, every file hashed and checked before anything opens it.

    ReportError as ``read_manifest`` and ``check_artifact``, UsageError for what is not an export.
    """
    manifest = read_manifest(directory, verify=True)
    if manifest.kind != "export" or manifest.execution_provider is None:
        raise UsageError(
            f"{directory}: a {manifest.kind}, not an export", next_step=f"olivepress bench RECIPE --job {manifest.job}"
        )
    check_artifact(directory, provider=manifest.execution_provider)
    return manifest


def prepared_dataset(directory: Path) -> Path | None:
    """The dataset of an artifact's manifest where ``olivepress prepare`` writes it, if it is there."""
    manifest = read_manifest(directory)
    dataset = dataset_dir(manifest.dataset, manifest.dataset_version)
    return dataset if (dataset / "dataset.json").is_file() else None
