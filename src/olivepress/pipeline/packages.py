"""Packages with one of their adapters, measured together with that adapter's own merged exports."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from olivepress.adapters import check_adapter, read_package
from olivepress.core import layout
from olivepress.core.artifact import Manifest, read_manifest
from olivepress.core.errors import ReportError
from olivepress.core.messages import next_command
from olivepress.measure.subject import Subject
from olivepress.pipeline.artifacts import unfinished
from olivepress.pipeline.reports import report_paths
from olivepress.pipeline.subjects import base_subject, on_target, spent_of
from olivepress.run.package import parts_of
from olivepress.runtimes.linked_copy import linked_with_adapter
from olivepress.workflow.plan import Job, Plan

__all__ = ["package_report_paths", "package_subjects"]


def package_report_paths(plan: Plan, adapter: str) -> list[Path]:
    """Reports of the adapter's own artifacts and of the packages with it; errors as ``report_paths``."""
    return report_paths(plan.members[adapter], _package_artifacts(plan, adapter))


def package_subjects(plan: Plan, adapter: str, skipped: Collection[str]) -> dict[str, Subject]:
    """Job → each package of ``plan`` that is not ``skipped``, with ``adapter``.

    Each is opened from a folder of links in which the adapter is the active one. Raises ReportError when a file is not
    the one that its manifest names, AdapterError when the adapter is not the one of ``package.json``.
    """
    jobs = [job for job in plan.jobs if job.kind == "package" and job.id not in skipped]
    return {job.id: _package_subject(plan, job, adapter) for job in jobs}


def _package_subject(plan: Plan, job: Job, adapter: str) -> Subject:
    directory, member = plan.output_dir(job), plan.members[adapter]
    manifest = read_manifest(directory, verify=True)
    package = read_package(directory)
    check_adapter(directory, package, adapter)
    entry = package.adapters[adapter]
    assert job.target is not None
    subject = replace(
        base_subject(member),
        job=job.id,
        artifact_sha256=_sha256(manifest, entry.sha256),
        git_commit=manifest.git_commit,
        job_costs=spent_of(manifest, _ancestors(plan, job, adapter)),
    )
    model_dir = linked_with_adapter(directory, directory / entry.file, _view(plan, job, adapter))
    return on_target(subject, member, job.target, model_dir)


def _view(plan: Plan, job: Job, adapter: str) -> Path:
    return layout.adapter_view(plan.recipe.name, job.id, adapter)


def _ancestors(plan: Plan, job: Job, adapter: str) -> dict[str, Manifest]:
    """The manifests of what the package with this adapter was made from."""
    parts = [(plan, plan.job(job.parent))] if job.parent else []
    parts += [(member, part) for member, part in parts_of(plan, job) if member is plan.members[adapter]]
    return {part.id: read_manifest(owner.output_dir(part)) for owner, part in parts if part.kind != "merge"}


def _sha256(manifest: Manifest, adapter_sha256: str) -> str:
    """Of base and adapter together."""
    return hashlib.sha256(f"{manifest.sha256} {adapter_sha256}".encode()).hexdigest()


def _package_artifacts(plan: Plan, adapter: str) -> Mapping[str, str]:
    """Report name → sha256 of the present packages with this adapter, whether or not this machine runs them."""
    missing, artifacts = unfinished(plan), dict[str, str]()
    for job in plan.jobs:
        if job.kind == "package" and job.id not in missing:
            directory = plan.output_dir(job)
            entry = read_package(directory).adapters.get(adapter)
            if entry is None:
                raise ReportError(
                    f"{directory}: has no adapter {adapter!r}", next_step=next_command("run", plan.recipe.name)
                )
            artifacts[job.id] = _sha256(read_manifest(directory), entry.sha256)
    return artifacts
