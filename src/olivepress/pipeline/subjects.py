"""What a bench of a recipe, or of one artifact, measures."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

from olivepress.catalog import Target
from olivepress.core.artifact import Manifest, read_manifest
from olivepress.core.errors import ReportError
from olivepress.core.hub import local_directory
from olivepress.core.messages import next_command
from olivepress.measure.subject import JobCosts, Subject
from olivepress.pipeline.artifacts import place_for, read_export
from olivepress.recipe.methods import four_bit_base
from olivepress.run.interpreters import model_python, place_of
from olivepress.runtimes.base import runtime_of
from olivepress.runtimes.plugins import is_emulated
from olivepress.workflow.plan import Job, Plan

__all__ = ["artifact_subject", "base_subject", "on_target", "spent_of", "subjects_of"]

PRECISIONS = {"float32": "fp32", "bfloat16": "bf16"}


def subjects_of(plan: Plan, skipped: Collection[str]) -> dict[str, Subject]:
    """Name → what is measured: base, few-shot, and the artifact of every job that is not ``skipped``.

    Raises ReportError when no artifact is left, or when files are not those that a manifest names: a measurement of
    them must not be reported under its hash.
    """
    manifests = {job.id: read_manifest(plan.output_dir(job), verify=True) for job in plan.jobs if job.id not in skipped}
    if not manifests:
        raise ReportError(
            f"recipe {plan.recipe.name}: no artifact to measure", next_step=next_command("run", plan.recipe.name)
        )
    base = base_subject(plan)
    subjects = {"base": base}
    if plan.recipe.benchmark.few_shot:
        subjects["few-shot"] = replace(base, job="few-shot", few_shot=plan.recipe.benchmark.few_shot)
    for job in plan.jobs:
        if job.id in manifests:
            subjects[job.id] = _job_subject(plan, job, manifests, base)
    return subjects


def base_subject(plan: Plan) -> Subject:
    """The base model as it is, in PyTorch."""
    from olivepress.run.base_model import model_identity

    return Subject(
        model_dir=local_directory(plan.model.path, plan.model.revision),
        runtime="pytorch",
        recipe=plan.recipe.name,
        job="base",
        artifact_sha256=model_identity(plan).whole,
        precision=PRECISIONS[plan.recipe.finetune.weights_dtype],
        random_weights=plan.model.random_weights,
        interpreter=model_python(plan),
    )


def _job_subject(plan: Plan, job: Job, manifests: Mapping[str, Manifest], base: Subject) -> Subject:
    manifest, directory = manifests[job.id], plan.output_dir(job)
    tuned = replace(
        base,
        job=job.id,
        artifact_sha256=manifest.sha256,
        git_commit=manifest.git_commit,
        job_costs=spent_of(manifest, manifests),
    )
    if job.kind == "finetune" and job.id != plan.trained:
        settings = plan.recipe.finetune
        four_bit = four_bit_base(settings.method, settings.torch_dtype)
        # Measured as it was trained: what merging into the unquantized base costs is the step from here to the merge.
        precision = four_bit.quant_type if four_bit else base.precision
        return replace(tuned, adapter_dir=directory / "adapter", four_bit=four_bit, precision=precision)
    if job.target is None:
        return replace(tuned, model_dir=directory / "model")
    return on_target(tuned, plan, job.target, directory)


def on_target(subject: Subject, plan: Plan, target: Target, model_dir: Path) -> Subject:
    """``subject`` exported for ``target`` into ``model_dir``, compared with the plan's trained model."""
    place = place_of(target)
    return replace(
        subject,
        model_dir=model_dir,
        runtime=target.runtime,
        execution_provider=target.execution_provider,
        device=target.device,
        precision=target.precision,
        reference_dir=plan.output_dir(plan.job(plan.trained)) / "reference",
        interpreter=place.interpreter,
        min_placed=target.min_placed,
        max_cpu_nodes=target.max_cpu_nodes,
        emulated=place.how == "emulated",
    )


def spent_of(manifest: Manifest, manifests: Mapping[str, Manifest]) -> JobCosts:
    """Seconds and memory of the jobs that led to an artifact, as far as their manifests are among ``manifests``."""
    line = [manifest]
    while (parent := manifests.get(line[-1].parent or "")) and parent.sha256 == line[-1].parent_sha256:
        line.append(parent)
    training = next((each.resources for each in line if each.kind == "finetune"), None)
    build_s = [each.resources.seconds for each in line if each.kind != "finetune"]
    return JobCosts(
        train_s=training.seconds if training else None,
        train_peak_memory_bytes=training.peak_memory_bytes if training else None,
        build_s=sum(build_s) if build_s else None,
    )


def artifact_subject(directory: Path, reference_dir: Path | None = None) -> Subject:
    """An exported artifact where it stands, as a subject; errors as ``read_export``."""
    manifest = read_export(directory)
    ancestors, place = _ancestors(directory, manifest), place_for(manifest)
    return Subject(
        model_dir=directory,
        runtime=runtime_of(directory),
        recipe=manifest.recipe,
        job=manifest.job,
        artifact_sha256=manifest.sha256,
        execution_provider=str(manifest.execution_provider),
        device=_device(manifest),
        precision=manifest.precision or "unknown",
        reference_dir=reference_dir or _reference(directory, ancestors),
        random_weights=manifest.random_weights,
        git_commit=manifest.git_commit,
        job_costs=spent_of(manifest, ancestors),
        min_placed=1.0 if manifest.min_placed is None else manifest.min_placed,
        max_cpu_nodes=manifest.max_cpu_nodes,
        interpreter=place.interpreter if place else None,
        emulated=place.how == "emulated" if place else is_emulated(str(manifest.execution_provider)),
    )


def _device(manifest: Manifest) -> Literal["cpu", "gpu", "npu"]:
    return next((name for name in ("cpu", "gpu", "npu") if name == manifest.device), "cpu")


def _ancestors(directory: Path, manifest: Manifest) -> dict[str, Manifest]:
    """Job → manifest of the neighbouring artifacts that this one was made from; those of another run are left out."""
    ancestors: dict[str, Manifest] = {}
    while (name := manifest.parent) is not None and name not in ancestors:
        try:
            parent = read_manifest(directory.parent / name)
        except ReportError:
            break
        if parent.sha256 != manifest.parent_sha256:
            break
        ancestors[name] = manifest = parent
    return ancestors


def _reference(directory: Path, ancestors: Iterable[str]) -> Path | None:
    """The parent's reference: next to the artifact where it was built (with full logits), inside it elsewhere."""
    for folder in (*(directory.parent / parent / "reference" for parent in ancestors), directory / "reference"):
        if (folder / "reference.npz").is_file():
            return folder
    return None
