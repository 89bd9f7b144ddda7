"""What is finished already: the key that a job has now, and its artifact when it was finished under this very key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from olivepress.catalog import BUILD, Target
from olivepress.core.artifact import Manifest, changed_files, read_manifest
from olivepress.core.errors import ReportError
from olivepress.environments.lookup import environment, key_of, satisfied_here
from olivepress.measure.quality.long_row import LONG_ROW_FORMAT
from olivepress.measure.quality.reference_file import REFERENCE_FORMAT
from olivepress.models.admission import BaseModel
from olivepress.recipe.methods import METHODS
from olivepress.report.machine import package_versions
from olivepress.run.last_position import FORMAT
from olivepress.run.package import changed_adapters, parts_of
from olivepress.workflow.plan import Job, Plan
from olivepress.workflow.render import render_all
from olivepress.workflow.rendered import Workflow

__all__ = ["changed_since", "current", "job_key"]


def job_key(
    plan: Plan,
    workflow: Workflow,
    parent_sha256: str | None,
    base_sha256: str,
    target: Target | None = None,
    others: Sequence[str] = (),
) -> str:
    """What a job's result depends on: workflow, dataset, parent artifact, base model, package versions, the environment
    that it is built in where that is another one, of a target what is done after Olive, and the artifacts ``others`` of
    a package."""
    parts = [workflow.sha256, plan.dataset.version, parent_sha256 or "", base_sha256, *others]
    # A merge writes the reference, or a fine-tune without an adapter; an export carries it.
    if parent_sha256 is not None or target is not None or not METHODS[plan.recipe.finetune.method].adapter:
        parts.append(f"reference format {REFERENCE_FORMAT}, long row {LONG_ROW_FORMAT}")
    if target is not None:
        fields = target.model_dump(include={"runtime", "device", "execution_provider", "provider_options"})
        if target.last_logits:
            fields["last_logits"] = FORMAT
        parts.append(json.dumps(fields, sort_keys=True))
    needed = plan.model.family.build_environment if target is None else target.build_environment
    if target is not None or needed != BUILD:
        build = environment(needed)
        parts.append("" if satisfied_here(build) or not build.platforms else key_of(build))
    parts += [f"{name}={version}" for name, version in sorted(package_versions().items())]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def current(
    plan: Plan, job: Job, workflows: Mapping[str, Workflow], base: BaseModel
) -> tuple[str | None, Manifest | None]:
    """The key that ``job`` has now, and its artifact when that is finished under this very key.

    The key is None when an ancestor is not finished under its own.
    """
    parent = None
    if job.parent:
        _, parent = current(plan, plan.job(job.parent), workflows, base)
        if parent is None:
            return None, None
    others = []
    for member, part in parts_of(plan, job):
        rendered = {workflow.job_id: workflow for workflow in render_all(member)}
        _, manifest = current(member, part, rendered, base)
        if manifest is None:
            return None, None
        others.append(manifest.sha256)
    # An adapter is trained without generation_config.json, unless answers choose its checkpoint: a changed one changes
    # what carries it on.
    alone = job.kind == "finetune" and job.id != plan.trained and not plan.recipe.finetune.eval_answers
    base_sha256 = base.training if alone else base.whole
    key = job_key(plan, workflows[job.id], parent.sha256 if parent else None, base_sha256, job.target, others)
    artifact = _finished(plan.output_dir(job), key)
    if artifact is not None and job.kind == "package" and changed_adapters(plan.output_dir(job)):
        return key, None
    return key, artifact


def _finished(output: Path, key: str) -> Manifest | None:
    """The manifest of a finished job with the same key whose files are unchanged (hashed again, unless the file system
    shows that they are)."""
    try:
        manifest = read_manifest(output)
    except ReportError:
        return None
    return manifest if manifest.key == key and not changed_files(output, manifest.files) else None


def changed_since(job: Job, output: Path, key: str) -> list[str]:
    """The changed files of a finished job, which would be kept without the change."""
    try:
        manifest = read_manifest(output)
    except ReportError:
        return []
    if manifest.key != key:
        return []
    return changed_files(output, manifest.files) + (changed_adapters(output) if job.kind == "package" else [])
