"""The manifest of a finished job: where its files came from, and what was checked."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from olivepress.core.artifact import Check, FileHash, Manifest, Resources, Verified, artifact_hash
from olivepress.core.hub import local_directory
from olivepress.measure.worker.interpreters import machine_of
from olivepress.report.machine import package_versions
from olivepress.run.cleanup import base_name
from olivepress.run.interpreters import olive_python
from olivepress.workflow.plan import Job, Plan
from olivepress.workflow.rendered import Workflow

__all__ = ["JobFacts", "make_manifest"]

_TARGET_FIELDS = ("target", "device", "execution_provider", "precision", "min_placed", "max_cpu_nodes")


@dataclass(frozen=True, kw_only=True)
class JobFacts:
    """What is known of a job when it is finished. ``parent`` is the manifest of the artifact it was made from."""

    key: str
    parent: Manifest | None
    verified: Verified
    checks: Sequence[Check]
    files: dict[str, FileHash]
    resources: Resources


def make_manifest(plan: Plan, job: Job, workflow: Workflow, facts: JobFacts) -> Manifest:
    """No absolute path, no user or host name."""
    of_target: dict[str, Any] = {name: getattr(job.target, name, None) for name in _TARGET_FIELDS}
    return Manifest(
        recipe=plan.recipe.name,
        job=job.id,
        kind=job.kind,
        key=facts.key,
        family=plan.model.family.family,
        base_model=base_name(plan),
        base_model_revision=_hub_commit(plan),
        base_model_part="text" if plan.model.text_part is not None else None,
        random_weights=plan.model.random_weights,
        parent=job.parent,
        parent_sha256=facts.parent.sha256 if facts.parent else None,
        dataset=plan.dataset.name,
        dataset_version=plan.dataset.version,
        synthetic_data=plan.dataset.synthetic,
        workflow_sha256=workflow.sha256,
        versions=_versions(plan, job),
        seed=plan.recipe.finetune.seed,
        git_commit=_git_commit(),
        verified=facts.verified,
        checks=tuple(facts.checks),
        resources=facts.resources,
        created_at=datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="seconds"),
        sha256=artifact_hash(facts.files),
        files=facts.files,
        **of_target,
    )


def _versions(plan: Plan, job: Job) -> dict[str, str]:
    """The packages of the environment that the job ran in."""
    python = olive_python(plan, job)
    return package_versions() if python is None else machine_of(python).packages


def _hub_commit(plan: Plan) -> str | None:
    """The Hub commit that was used: the name of the snapshot in the cache. None for a local model."""
    if plan.model.is_local:
        return plan.model.commit
    return local_directory(plan.model.path, plan.model.revision).name


def _git_commit() -> str | None:
    command = ["git", "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except OSError:
        return None
    return done.stdout.strip() or None
