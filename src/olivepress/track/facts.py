"""What is recorded when a job starts: the recipe's keys, the data, the code, the machine. No host, no user, no path."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

from olivepress.core.artifact import Manifest, read_manifest
from olivepress.core.errors import ReportError
from olivepress.core.privacy import child_environment
from olivepress.report.machine import Machine, fingerprint, package_versions
from olivepress.run.cleanup import base_name
from olivepress.track.record import Facts, Figure
from olivepress.workflow.own_loss import loss_sha256

if TYPE_CHECKING:
    from olivepress.workflow.plan import Job, Plan
    from olivepress.workflow.rendered import Workflow

__all__ = ["flat_keys", "git_state", "job_facts", "job_params", "manifest_metrics"]

# They change how sums are ordered, or which kernels run.
_VARIABLES = (
    "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "PYTHONHASHSEED", "CUBLAS_WORKSPACE_CONFIG",
    "CUDA_VISIBLE_DEVICES", "NVIDIA_TF32_OVERRIDE",
)  # fmt: skip
_LONGEST = 500  # of a value: MLflow's older servers refuse longer ones
_NOT_PARAMS = {"schema_version", "description", "promote", "search", "tracking"}
_TARGET_KEYS = ("target", "device", "execution_provider", "precision")


def flat_keys(value: Any, prefix: str = "") -> dict[str, str]:
    """``{"finetune": {"r": 16}}`` → ``{"finetune.r": "16"}``; what is null or empty is left out.

    Of an absolute path only the name stays: a record may be shown to others.
    """
    if isinstance(value, Mapping):
        flat = dict[str, str]()
        for key, each in value.items():
            flat |= flat_keys(each, f"{prefix}.{key}" if prefix else str(key))
        return flat
    if value is None or value in ([], ()):
        return {}
    if isinstance(value, list | tuple):
        return {prefix: ", ".join(_text(each) for each in value)[:_LONGEST]}
    return {prefix: _text(value)[:_LONGEST]}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str):
        return str(value)
    for kind in (PurePosixPath, PureWindowsPath):
        if kind(value).is_absolute():
            return kind(value).name
    return value


def job_params(plan: Plan, job: Job) -> dict[str, str]:
    """Every key of the recipe that has a value, defaults included (they may change), and the job's target."""
    recipe = plan.recipe.model_dump(mode="json", exclude=_NOT_PARAMS)
    params = flat_keys(recipe)
    if job.target is not None:
        params |= flat_keys({"job": {name: getattr(job.target, name, None) for name in _TARGET_KEYS}})
    return params


def job_facts(plan: Plan, job: Job, workflow: Workflow) -> Facts:
    """Where the job's result will come from."""
    commit, dirty = git_state()
    machine, parent = fingerprint(), _parent(plan, job)
    return Facts(
        dataset=plan.dataset.name,
        dataset_version=plan.dataset.version,
        rows={split: len(rows) for split, rows in plan.dataset.splits.items()},
        synthetic_data=plan.dataset.synthetic,
        base_model=base_name(plan),
        base_revision=plan.model.commit,
        random_weights=plan.model.random_weights,
        parent=job.parent,
        parent_sha256=parent.sha256 if parent else None,
        workflow_sha256=workflow.sha256,
        loss_sha256=_loss_sha256(plan),
        seed=plan.recipe.finetune.seed,
        git_commit=commit,
        git_dirty=dirty,
        machine=machine.id,
        hardware=_hardware(machine),
        python=machine.python,
        versions=package_versions(),
        environment={name: os.environ[name] for name in _VARIABLES if name in os.environ},
    )


def _loss_sha256(plan: Plan) -> str | None:
    """Of the file of a loss of the user's own, which the rendered workflow of the fine-tune names."""
    loss = plan.recipe.finetune.loss
    return None if loss is None else loss_sha256(loss)


def _parent(plan: Plan, job: Job) -> Manifest | None:
    if job.parent is None:
        return None
    try:
        return read_manifest(plan.output_dir(plan.job(job.parent)))
    except ReportError:
        return None


def _hardware(machine: Machine) -> dict[str, str]:
    facts: dict[str, Any] = {
        "cpu": machine.cpu,
        "cores": machine.logical_cores,
        "memory_gb": round(machine.memory_bytes / 1e9, 1) if machine.memory_bytes else None,
        "os": machine.os,
        **{f"driver.{name}": version for name, version in machine.drivers.items()},
    }
    return {name: str(value) for name, value in facts.items() if value is not None}


def git_state() -> tuple[str | None, bool | None]:
    """The commit of the project's folder, and whether files that git knows are changed; None where it is no clone."""
    commit = _git("rev-parse", "HEAD")
    if not commit:
        return None, None
    changed = _git("status", "--porcelain", "--untracked-files=no")
    return commit, None if changed is None else bool(changed)


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "--no-optional-locks", *arguments],
            env=child_environment(),
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def manifest_metrics(manifest: Manifest) -> dict[str, Figure]:
    """What a job took, the size of its artifact, and its checks that have a number."""
    took = manifest.resources
    metrics = {
        "seconds": Figure(value=took.seconds, unit="s"),
        "size_bytes": Figure(value=sum(file.bytes for file in manifest.files.values()), unit="bytes"),
    }
    if took.peak_memory_bytes:
        metrics["peak_memory_bytes"] = Figure(value=took.peak_memory_bytes, unit="bytes")
    for check in manifest.checks:
        if check.value is not None:
            metrics[f"check.{check.name}"] = Figure(
                value=check.value, ci_low=check.ci_low, ci_high=check.ci_high, n=check.n
            )
        verdict = check.task
        if verdict is not None and verdict.value is not None:
            metrics[f"task.{verdict.metric}"] = Figure(value=verdict.value, n=verdict.rows)
            if verdict.difference is not None:
                metrics[f"task.{verdict.metric}.difference"] = Figure(
                    value=verdict.difference, ci_low=verdict.ci_low, ci_high=verdict.ci_high, n=verdict.rows
                )
    return metrics
