"""Runs the jobs of a plan, each in its own Olive process, and believes only what it verified."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Protocol

import psutil

from olivepress.artifact import (
    Check,
    Manifest,
    Resources,
    artifact_hash,
    hash_files,
    read_manifest,
    write_manifest,
)
from olivepress.errors import JobError, OlivepressError, ReportError, SetupError
from olivepress.measure.machine import package_versions
from olivepress.plan import Job, Plan, need
from olivepress.run.child import ChildResult, child_environment, failure_in, run_child
from olivepress.run.journal import append, exclusive
from olivepress.run.verify import VerifySpec
from olivepress.workflow import Workflow

__all__ = ["JobOutcome", "Reporter", "job_key", "run_plan"]

# Olive's own notes; they hold absolute paths and nothing that the manifest and the log do not say.
_OLIVE_NOTES = ("footprint.json", "output_footprint.json", "run_history.txt", "model_config.json")
_MUST_HAVE = {
    "finetune": ("adapter/adapter_config.json", "adapter/adapter_model.safetensors"),
    "merge": ("model/config.json", "model/tokenizer.json"),
    "export": ("model.onnx", "genai_config.json"),
}
# What bfloat16 loses when the adapter is added into the weights; float32 loses next to nothing.
_MERGE_LIMIT = {"float32": 1.0e-5, "bfloat16": 2.0e-2}
_LARGE = 1_000_000_000


class Reporter(Protocol):
    """What the runner tells whoever watches."""

    def job_started(self, job: Job, number: int, total: int) -> None: ...
    def stage(self, job: Job, what: str) -> None: ...
    def job_progress(self, job: Job, done: int, total: int, loss: float | None) -> None: ...
    def job_ended(self, outcome: JobOutcome) -> None: ...


@dataclass(frozen=True, kw_only=True)
class JobOutcome:
    """``kept`` was finished before; ``done`` ran now."""

    job: str
    state: Literal["done", "kept"]
    manifest: Manifest


def run_plan(
    plan: Plan,
    workflows: Sequence[Workflow],
    *,
    reporter: Reporter,
    only: str | None = None,
    force: bool = False,
) -> list[JobOutcome]:
    """Run every job that is not finished (or ``only`` one of them), in order, from the project root.

    ``force`` starts a job although the estimate says that memory or disk will not do.
    Raises JobError or SetupError on the first job that fails; what was finished before stays.
    """
    outcomes: list[JobOutcome] = []
    jobs = [job for job in plan.jobs if only is None or job.id == only]
    by_id = {workflow.job_id: workflow for workflow in workflows}
    with exclusive(Path("runs", plan.recipe.name)):
        for number, job in enumerate(jobs, 1):
            reporter.job_started(job, number, len(jobs))
            outcome = _run_job(plan, job, by_id[job.id], reporter, force)
            reporter.job_ended(outcome)
            outcomes.append(outcome)
    return outcomes


def job_key(plan: Plan, workflow: Workflow, parent_sha256: str | None) -> str:
    """What a job's result depends on: workflow, dataset, parent artifact, base model files' sizes, versions."""
    parts = [workflow.sha256, plan.dataset.version, parent_sha256 or "", _model_identity(plan)]
    parts += [f"{name}={version}" for name, version in sorted(package_versions().items())]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _model_identity(plan: Plan) -> str:
    """Of a local model its file names and sizes (hashing 8 GB before every command would cost half a minute)."""
    directory = Path(plan.model.path)
    if not directory.is_dir():
        return f"{plan.model.path}@{plan.recipe.model.revision}"
    files = sorted(path for path in directory.iterdir() if path.is_file())
    small = [path for path in files if path.stat().st_size < 32 * 1024 * 1024]
    hashes = [hashlib.sha256(path.read_bytes()).hexdigest() for path in small]
    sizes = [f"{path.name}:{path.stat().st_size}" for path in files]
    return " ".join(sizes + hashes)


def _run_job(plan: Plan, job: Job, workflow: Workflow, reporter: Reporter, force: bool) -> JobOutcome:
    output = plan.output_dir(job)
    parent = None
    if job.parent:
        parent = read_manifest(plan.output_dir(plan.job(job.parent)))
    key = job_key(plan, workflow, parent.sha256 if parent else None)
    if (held := _finished(output, key)) is not None:
        return JobOutcome(job=job.id, state="kept", manifest=held)
    if not force:
        _check_resources(plan, job)
    journal = Path("runs", plan.recipe.name, "journal.jsonl")
    append(journal, "started", job.id, key)
    try:
        manifest = _make(plan, job, workflow, parent, key, reporter)
    except KeyboardInterrupt:
        append(journal, "interrupted", job.id, key)
        raise
    except OlivepressError as error:
        append(journal, "failed", job.id, key, reason=error.message)
        raise
    append(journal, "finished", job.id, key, sha256=manifest.sha256, seconds=manifest.resources.seconds)
    _clean(workflow)
    return JobOutcome(job=job.id, state="done", manifest=manifest)


def _finished(output: Path, key: str) -> Manifest | None:
    """The manifest of a finished job with the same key whose files still have the sizes it names."""
    try:
        manifest = read_manifest(output)
    except ReportError:
        return None
    if manifest.key != key:
        return None
    for name, held in manifest.files.items():
        path = output / name
        if not path.is_file() or path.stat().st_size != held.bytes:
            return None
    return manifest


def _check_resources(plan: Plan, job: Job) -> None:
    wanted = need(plan, job)
    free = shutil.disk_usage(Path.cwd()).free
    if free < wanted.disk_bytes:
        raise SetupError(
            f"{job.id}: needs about {wanted.disk_bytes / 1e9:.1f} GB of disk, {free / 1e9:.1f} GB are free",
            next_step="free disk space, or --force",
        )
    memory = psutil.virtual_memory().total
    if memory < wanted.memory_bytes:
        raise SetupError(
            f"{job.id}: needs about {wanted.memory_bytes / 1e9:.1f} GB of memory, this machine has {memory / 1e9:.1f}",
            next_step="use a larger machine, or --force",
        )


def _make(plan: Plan, job: Job, workflow: Workflow, parent: Manifest | None, key: str, reporter: Reporter) -> Manifest:
    output = plan.output_dir(job)
    _clear(output, workflow)
    scratch = Path("runs", plan.recipe.name, ".work", job.id)
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    reporter.stage(job, "Olive")
    olive = _run_olive(plan, job, workflow, scratch, reporter)
    for name in _OLIVE_NOTES:
        (output / name).unlink(missing_ok=True)
    if job.kind == "finetune":
        # Olive copies a local base beside every adapter: 7 GB that the merge reads from the original anyway.
        shutil.rmtree(output / "model", ignore_errors=True)
        with contextlib.suppress(FileNotFoundError):
            shutil.copyfile(scratch / "progress.jsonl", output / "training.jsonl")
    _clean_cache(workflow)
    reporter.stage(job, "verify")
    checks, verified = _verify(plan, job, scratch)
    failed = [check for check in checks if not check.passed]
    if failed:
        check = failed[0]
        shutil.rmtree(output, ignore_errors=True)
        found = "" if check.value is None else f" is {check.value:.3g}, limit {check.limit:.3g}" if check.limit else ""
        raise JobError(
            f"{job.id}: check {check.name} failed{found} ({check.detail})",
            next_step=f"read {_log(plan, job)}, or change the recipe",
        )
    reporter.stage(job, "hash")
    manifest = _manifest(plan, job, workflow, parent, key, checks, verified, olive)
    write_manifest(manifest, output)
    shutil.rmtree(scratch, ignore_errors=True)
    return manifest


def _clear(output: Path, workflow: Workflow) -> None:
    """Away with all that an earlier, unfinished try left, but for checkpoints that are whole."""
    shutil.rmtree(output, ignore_errors=True)
    _clean_cache(workflow)
    training = workflow.training_dir
    if training is None or not training.is_dir():
        return
    for checkpoint in training.glob("checkpoint-*"):
        try:
            # transformers writes the trainer's state last: without it the checkpoint was cut by a kill.
            json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            shutil.rmtree(checkpoint, ignore_errors=True)
    if not any(training.glob("checkpoint-*")):
        shutil.rmtree(training, ignore_errors=True)  # Olive refuses a training directory without a checkpoint


def _clean_cache(workflow: Workflow) -> None:
    shutil.rmtree(workflow.cache_dir, ignore_errors=True)


def _clean(workflow: Workflow) -> None:
    _clean_cache(workflow)
    if workflow.training_dir:
        shutil.rmtree(workflow.training_dir, ignore_errors=True)


def _log(plan: Plan, job: Job) -> Path:
    return Path("runs", plan.recipe.name, "logs", f"{job.id}.log")


def _run_olive(plan: Plan, job: Job, workflow: Workflow, scratch: Path, reporter: Reporter) -> ChildResult:
    """``olive run`` as anyone would type it. Its exit code says nothing: the files do."""
    log = _log(plan, job)
    log.unlink(missing_ok=True)
    progress = scratch / "progress.jsonl"
    result = run_child(
        ["-m", "olive", "run", "--config", str(workflow.path), "--disable_telemetry"],
        log=log,
        environment=child_environment(scratch=scratch, progress=progress, offline=plan.model.is_local),
        progress=progress,
        on_progress=lambda done, total, loss: reporter.job_progress(job, done, total, loss),
    )
    output = plan.output_dir(job)
    missing = [name for name in _MUST_HAVE[job.kind] if not (output / name).is_file()]
    if result.exit_code != 0 or missing:
        shutil.rmtree(output, ignore_errors=True)
        _clean_cache(workflow)
        raise failure_in(log, result)
    return result


def _verify(plan: Plan, job: Job, scratch: Path) -> tuple[list[Check], Literal["native", "structure"]]:
    native = job.target is None or job.target.execution_provider == "CPUExecutionProvider"
    spec = VerifySpec(
        kind=job.kind,
        output_dir=plan.output_dir(job).as_posix(),
        parent_dir=plan.output_dir(plan.job(job.parent)).as_posix() if job.parent else None,
        base_model=plan.model.path,
        dataset=plan.dataset.directory.as_posix(),
        precision=job.target.precision if job.target else None,
        native=native,
        limit=_limit(plan, job),
    )
    path = scratch / "verify.json"
    path.write_text(spec.model_dump_json(), encoding="utf-8")
    log = scratch / "verify.log"
    environment = child_environment(scratch=scratch, progress=scratch / "verify.progress", offline=plan.model.is_local)
    result = run_child(["-m", "olivepress.run.verify", str(path)], log=log, environment=environment)
    text = log.read_text(encoding="utf-8", errors="replace")
    with _log(plan, job).open("a", encoding="utf-8") as file:
        file.write(text)
    if result.exit_code != 0:
        shutil.rmtree(plan.output_dir(job), ignore_errors=True)
        raise failure_in(_log(plan, job), result)
    return [Check.model_validate(check) for check in json.loads(text.splitlines()[-1])], (
        "native" if native else "structure"
    )


def _limit(plan: Plan, job: Job) -> float | None:
    """Nats of mean KL that the job's result may be away from its parent."""
    if job.kind == "merge":
        exact = plan.recipe.finetune.torch_dtype == "float32" and plan.model.facts.parameters <= _LARGE
        return _MERGE_LIMIT["float32" if exact else "bfloat16"]
    if job.target is None:
        return None
    own = plan.recipe.limits.max_kl_divergence if job.target.precision != "fp32" else None
    return own or job.target.max_kl_divergence


def _manifest(
    plan: Plan,
    job: Job,
    workflow: Workflow,
    parent: Manifest | None,
    key: str,
    checks: Sequence[Check],
    verified: Literal["native", "structure"],
    olive: ChildResult,
) -> Manifest:
    output = plan.output_dir(job)
    files = hash_files(output)
    return Manifest(
        recipe=plan.recipe.name,
        job=job.id,
        kind=job.kind,
        key=key,
        family=plan.model.family.family,
        base_model=plan.recipe.model.path if not Path(plan.recipe.model.path).is_absolute() else output.parent.name,
        base_model_revision=plan.recipe.model.revision,
        random_weights=plan.model.random_weights,
        target=job.target.target if job.target else None,
        device=job.target.device if job.target else None,
        execution_provider=job.target.execution_provider if job.target else None,
        precision=job.target.precision if job.target else None,
        parent=job.parent,
        parent_sha256=parent.sha256 if parent else None,
        dataset=plan.dataset.name,
        dataset_version=plan.dataset.version,
        synthetic_data=plan.dataset.synthetic,
        workflow_sha256=workflow.sha256,
        versions=package_versions(),
        seed=plan.recipe.finetune.seed,
        git_commit=_git_commit(),
        verified=verified,
        checks=tuple(checks),
        resources=Resources(
            seconds=round(olive.seconds, 1),
            peak_memory_bytes=olive.peak_memory_bytes or None,
            peak_disk_bytes=olive.peak_disk_bytes,
        ),
        created_at=datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="seconds"),
        sha256=artifact_hash(files),
        files=files,
    )


def _git_commit() -> str | None:
    try:
        found = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10, check=False)
    except OSError:
        return None
    return found.stdout.strip() or None
