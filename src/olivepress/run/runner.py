"""Runs the jobs of a plan, each in its own Olive process, and believes only what it verified."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Protocol

import psutil

from olivepress.artifact import (
    Check,
    FileHash,
    Manifest,
    Resources,
    artifact_hash,
    hash_files,
    read_manifest,
    write_manifest,
)
from olivepress.errors import JobError, ReportError, SetupError
from olivepress.hub import local_directory
from olivepress.measure.fidelity import REFERENCE_FORMAT
from olivepress.measure.machine import package_versions
from olivepress.plan import Job, Plan, need
from olivepress.process import exclusive
from olivepress.run.child import ChildResult, child_environment, failure_in, run_child
from olivepress.run.journal import Event, append
from olivepress.run.verify import VerifySpec
from olivepress.workflow import Workflow

__all__ = ["JobOutcome", "Reporter", "base_name", "job_key", "model_identity", "run_plan"]

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
_SAMPLES, _SAMPLE_BYTES = 64, 64 * 1024


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
    base_sha256 = model_identity(plan)
    with exclusive(Path("runs", plan.recipe.name)):
        for number, job in enumerate(jobs, 1):
            reporter.job_started(job, number, len(jobs))
            outcome = _run_job(plan, job, by_id, base_sha256, reporter, force)
            reporter.job_ended(outcome)
            outcomes.append(outcome)
    return outcomes


def job_key(plan: Plan, workflow: Workflow, parent_sha256: str | None, base_sha256: str) -> str:
    """What a job's result depends on: workflow, dataset, parent artifact, base model, package versions."""
    parts = [workflow.sha256, plan.dataset.version, parent_sha256 or "", base_sha256]
    if parent_sha256 is not None:  # a merge writes the reference, an export carries it
        parts.append(f"reference format {REFERENCE_FORMAT}")
    parts += [f"{name}={version}" for name, version in sorted(package_versions().items())]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def model_identity(plan: Plan) -> str:
    """A hash over the base model's files: small ones whole, large ones by size and blocks spread over them.

    Hashing 8 GB before every command would cost half a minute; retrained weights differ in every block.
    """
    directory = Path(plan.model.path)
    if not directory.is_dir():
        return f"{plan.model.path}@{plan.recipe.model.revision}"
    digest = hashlib.sha256()
    for path in sorted(path for path in directory.iterdir() if path.is_file()):
        size = path.stat().st_size
        digest.update(f"{path.name} {size}\n".encode())
        with path.open("rb") as file:
            for offset in range(0, size, max(size // _SAMPLES, _SAMPLE_BYTES)):
                file.seek(offset)
                digest.update(file.read(_SAMPLE_BYTES))
    return digest.hexdigest()


def _current(
    plan: Plan, job: Job, workflows: Mapping[str, Workflow], base_sha256: str
) -> tuple[str | None, Manifest | None]:
    """The key that ``job`` has now, and its artifact when that is finished under this very key.

    The key is None when an ancestor is not finished under its own.
    """
    parent = None
    if job.parent:
        _, parent = _current(plan, plan.job(job.parent), workflows, base_sha256)
        if parent is None:
            return None, None
    key = job_key(plan, workflows[job.id], parent.sha256 if parent else None, base_sha256)
    return key, _finished(plan.output_dir(job), key)


def _run_job(
    plan: Plan, job: Job, workflows: Mapping[str, Workflow], base_sha256: str, reporter: Reporter, force: bool
) -> JobOutcome:
    workflow = workflows[job.id]
    key, held = _current(plan, job, workflows, base_sha256)
    if key is None:
        raise JobError(
            f"{job.id}: {job.parent} is not finished, or is of an older recipe, dataset or package set",
            next_step="run without --job",
        )
    if held is not None:
        return JobOutcome(job=job.id, state="kept", manifest=held)
    if not force:
        _check_resources(plan, job)
    parent = read_manifest(plan.output_dir(plan.job(job.parent))) if job.parent else None
    journal = Path("runs", plan.recipe.name, "journal.jsonl")
    append(journal, "started", job.id, key)
    try:
        manifest = _make(plan, job, workflow, parent, key, reporter)
    except BaseException as error:
        # Checkpoints stay: a fine-tune goes on from them.
        _remove(plan.output_dir(job), workflow.cache_dir, _scratch(plan, job))
        event: Event = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
        with contextlib.suppress(OSError):  # on a full disk the first error is the one to show
            append(journal, event, job.id, key, reason=str(error).split("\n")[0])
        raise
    append(journal, "finished", job.id, key, sha256=manifest.sha256, seconds=manifest.resources.seconds)
    _clean(workflow)
    return JobOutcome(job=job.id, state="done", manifest=manifest)


def _remove(*directories: Path) -> None:
    for directory in directories:
        shutil.rmtree(directory, ignore_errors=True)


def _scratch(plan: Plan, job: Job) -> Path:
    return Path("runs", plan.recipe.name, ".work", job.id)


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
    started = time.monotonic()
    output, scratch = plan.output_dir(job), _scratch(plan, job)
    _clear(output, workflow)
    _remove(scratch)
    scratch.mkdir(parents=True)
    reporter.stage(job, "Olive")
    olive = _run_olive(plan, job, workflow, scratch, reporter)
    _tidy(plan, job, workflow)
    reporter.stage(job, "verify")
    checks, verifying = _verify(plan, job, scratch)
    failed = [check for check in checks if not check.passed]
    if failed:
        check = failed[0]
        found = "" if check.value is None else f" is {check.value:.3g}, limit {check.limit:.3g}" if check.limit else ""
        raise JobError(
            f"{job.id}: check {check.name} failed{found} ({check.detail})",
            next_step=f"read {_log(plan, job)}, or change the recipe",
        )
    reporter.stage(job, "hash")
    files = hash_files(output)
    resources = Resources(
        seconds=round(time.monotonic() - started, 1),
        peak_memory_bytes=max(olive.peak_memory_bytes, verifying.peak_memory_bytes) or None,
        peak_disk_bytes=max(olive.peak_disk_bytes, verifying.peak_disk_bytes),
    )
    manifest = _manifest(plan, job, workflow, parent, key, checks, files, resources)
    write_manifest(manifest, output)
    _remove(scratch)
    return manifest


def _tidy(plan: Plan, job: Job, workflow: Workflow) -> None:
    """Leave in the artifact what belongs to it, and no path of this machine."""
    output = plan.output_dir(job)
    for name in _OLIVE_NOTES:
        (output / name).unlink(missing_ok=True)
    _remove(workflow.cache_dir)
    if job.kind == "export" and job.parent:
        # What the parent said on fixed prompts travels with the artifact; the full logits stay at the desk.
        (output / "reference").mkdir()
        held = plan.output_dir(plan.job(job.parent)) / "reference" / "reference.npz"
        shutil.copyfile(held, output / "reference" / held.name)
    if job.kind != "finetune":
        return
    # Olive copies a local base beside every adapter: 7 GB that the merge reads from the original anyway.
    _remove(output / "model")
    (output / "adapter" / "README.md").unlink(missing_ok=True)
    config_path = output / "adapter" / "adapter_config.json"
    config = json.loads(config_path.read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = base_name(plan)
    config_path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    record = _training_record(workflow)
    if record.is_file():
        (output / "training.jsonl").write_text(_last_of_each_step(record), encoding="utf-8")


def _training_record(workflow: Workflow) -> Path:
    """Where the trainer writes its steps: beside the checkpoints, so that a resumed run continues the record."""
    assert workflow.training_dir is not None
    return workflow.training_dir.with_name(f"{workflow.training_dir.name}.jsonl")


def _last_of_each_step(record: Path) -> str:
    """Steps after the last checkpoint are run again after a kill: the later line of a step is the one that counts."""
    steps: dict[int, str] = {}
    for line in record.read_text(encoding="utf-8", errors="replace").splitlines():
        with contextlib.suppress(ValueError, KeyError):
            steps[int(json.loads(line)["done"])] = line
    return "".join(f"{steps[step]}\n" for step in sorted(steps))


def base_name(plan: Plan) -> str:
    """The base model as a record may name it: never an absolute path."""
    path = Path(plan.model.path)
    return path.name if path.is_absolute() else plan.model.path


def _clear(output: Path, workflow: Workflow) -> None:
    """Away with all that an earlier, unfinished try left, but for checkpoints that are whole."""
    _remove(output, workflow.cache_dir)
    training = workflow.training_dir
    if training is None:
        return
    for checkpoint in training.glob("checkpoint-*"):
        try:
            # transformers writes the trainer's state last: without it the checkpoint was cut by a kill.
            json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            shutil.rmtree(checkpoint, ignore_errors=True)
    if not any(training.glob("checkpoint-*")):
        _remove(training)  # Olive refuses a training directory without a checkpoint
        _training_record(workflow).unlink(missing_ok=True)


def _clean(workflow: Workflow) -> None:
    _remove(workflow.cache_dir)
    if workflow.training_dir:
        _remove(workflow.training_dir)
        _training_record(workflow).unlink(missing_ok=True)


def _log(plan: Plan, job: Job) -> Path:
    return Path("runs", plan.recipe.name, "logs", f"{job.id}.log")


def _run_olive(plan: Plan, job: Job, workflow: Workflow, scratch: Path, reporter: Reporter) -> ChildResult:
    """``olive run`` as anyone would type it. Its exit code says nothing: the files do."""
    log = _log(plan, job)
    log.unlink(missing_ok=True)
    # Olive is given the text that the key was made from, not a file that may have been rendered again meanwhile.
    config = scratch / "workflow.yaml"
    config.write_text(workflow.text, encoding="utf-8")
    progress = _training_record(workflow) if workflow.training_dir else scratch / "progress.jsonl"
    progress.parent.mkdir(parents=True, exist_ok=True)
    result = run_child(
        ["-m", "olive", "run", "--config", str(config), "--disable_telemetry"],
        log=log,
        environment=child_environment(scratch=scratch, progress=progress, offline=plan.model.is_local),
        progress=progress,
        on_progress=lambda done, total, loss: reporter.job_progress(job, done, total, loss),
    )
    output = plan.output_dir(job)
    missing = [name for name in _MUST_HAVE[job.kind] if not (output / name).is_file()]
    if result.exit_code != 0 or missing:
        raise failure_in(log, result)
    return result


def _is_native(job: Job) -> bool:
    """Whether the build environment has the provider, so that the artifact can be run here."""
    return job.target is None or job.target.execution_provider == "CPUExecutionProvider"


def _verify(plan: Plan, job: Job, scratch: Path) -> tuple[list[Check], ChildResult]:
    spec = VerifySpec(
        kind=job.kind,
        output_dir=plan.output_dir(job).as_posix(),
        parent_dir=plan.output_dir(plan.job(job.parent)).as_posix() if job.parent else None,
        base_model=plan.model.path,
        base_revision=plan.recipe.model.revision,
        dataset=plan.dataset.directory.as_posix(),
        precision=job.target.precision if job.target else None,
        native=_is_native(job),
        limit=_limit(plan, job),
    )
    path = scratch / "verify.json"
    path.write_text(spec.model_dump_json(), encoding="utf-8")
    log = scratch / "verify.log"
    environment = child_environment(scratch=scratch, progress=scratch / "verify.progress", offline=plan.model.is_local)
    code = "import sys; from olivepress.run.verify import main; sys.exit(main(sys.argv[1:]))"
    result = run_child(["-c", code, str(path)], log=log, environment=environment)
    text = log.read_text(encoding="utf-8", errors="replace")
    with _log(plan, job).open("a", encoding="utf-8") as file:
        file.write(text)
    if result.exit_code != 0:
        raise failure_in(_log(plan, job), result)
    return [Check.model_validate(check) for check in json.loads(text.splitlines()[-1])], result


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
    files: dict[str, FileHash],
    resources: Resources,
) -> Manifest:
    return Manifest(
        recipe=plan.recipe.name,
        job=job.id,
        kind=job.kind,
        key=key,
        family=plan.model.family.family,
        base_model=base_name(plan),
        base_model_revision=_commit(plan),
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
        verified="native" if _is_native(job) else "structure",
        checks=tuple(checks),
        resources=resources,
        created_at=datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="seconds"),
        sha256=artifact_hash(files),
        files=files,
    )


def _commit(plan: Plan) -> str | None:
    """The Hub commit that was used: the name of the snapshot in the cache. None for a local model."""
    if plan.model.is_local:
        return None
    return local_directory(plan.model.path, plan.recipe.model.revision).name


def _git_commit() -> str | None:
    try:
        found = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10, check=False)
    except OSError:
        return None
    return found.stdout.strip() or None
