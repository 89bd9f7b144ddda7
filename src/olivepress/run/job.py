"""One job from its workflow to a verified artifact: Olive in a child process, then what it made, opened and hashed."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Protocol

from olivepress.core.artifact import (
    Check,
    FileHash,
    Manifest,
    Resources,
    TaskVerdict,
    Verified,
    artifact_hash,
    hash_files,
    write_manifest,
)
from olivepress.core.errors import JobError, OlivepressError
from olivepress.core.hub import local_directory
from olivepress.environments.lookup import interpreter
from olivepress.measure.worker.interpreters import machine_of
from olivepress.recipe.methods import four_bit_base
from olivepress.report.machine import package_versions
from olivepress.run.cleanup import base_name, clear, remove, tidy, trained_rows, training_record
from olivepress.run.executor import ChildResult, child_environment, failure_in, run_child, warnings_in
from olivepress.run.failure import check_error, failed_dir
from olivepress.run.interpreters import Place, place_of
from olivepress.run.limits import judged_limits, limit_of, min_top1, task_limits, task_spec
from olivepress.run.package import assemble_package, base_files, keep_foreign_adapters, package_spec
from olivepress.run.preflight.tokenizer_answers import TokenizerCheck
from olivepress.run.verify.export import STRENGTH, WITHOUT_TORCH, ExportSpec
from olivepress.run.verify.long_row import NOT_COMPARED
from olivepress.run.verify.verify import VerifySpec
from olivepress.workflow.olive_plugin.row_counts import row_problem, row_summary
from olivepress.workflow.plan import Job, Plan
from olivepress.workflow.rendered import Workflow

__all__ = [
    "JobOutcome",
    "Reporter",
    "is_verified",
    "make",
    "scratch_dir",
    "verify_again",
]

_MUST_HAVE = {
    "finetune": ("adapter/adapter_config.json", "adapter/adapter_model.safetensors"),
    "merge": ("model/config.json", "model/tokenizer.json"),
}
_EXPORTED = {
    "onnxruntime-genai": ("genai_config.json",),
    "openvino": ("model/openvino_model.xml", "model/openvino_model.bin"),
}


class Reporter(Protocol):
    """What the runner tells whoever watches."""

    def fetching_model(self, what: str, done: int, total: int) -> None: ...
    def reading_model(self, done: int, total: int) -> None: ...
    def checking(self, what: str) -> None: ...  # before the first job
    def checked(self, result: str) -> None: ...
    def job_started(self, job: Job, number: int, total: int) -> None: ...
    def stage(self, job: Job, what: str) -> None: ...
    def note(self, job: Job, text: str) -> None: ...
    def job_progress(self, job: Job, done: int, total: int, loss: float | None) -> None: ...
    def job_ended(self, outcome: JobOutcome) -> None: ...


@dataclass(frozen=True, kw_only=True)
class JobOutcome:
    """``kept`` was finished before, ``verified`` as well, but could be checked better now; ``done`` ran now.

    ``left out`` cannot be built here, ``failed`` was tried: neither has a manifest, both have an ``error``. Of the jobs
    of one choice, ``passed over`` did not hold its checks, so the next was tried; ``not needed`` comes after one that
    holds them. ``checks`` are those of its artifact, or of what was made and does not hold. ``tokenizer`` is what the
    runtime's tokenizer was compared on before the first job, of what runs on a device.
    """

    job: str
    state: Literal["done", "kept", "verified", "left out", "failed", "passed over", "not needed"]
    manifest: Manifest | None = None
    error: OlivepressError | None = None
    tokenizer: TokenizerCheck | None = None
    failed_checks: tuple[Check, ...] = ()

    @property
    def checks(self) -> tuple[Check, ...]:
        return self.manifest.checks if self.manifest else self.failed_checks

    @property
    def verdicts(self) -> dict[str, TaskVerdict]:
        """Check → the verdict by the task's own answers: one of an export, of a package one for each adapter."""
        return {check.name: check.task for check in self.checks if check.task is not None}


def scratch_dir(plan: Plan, job: Job) -> Path:
    return Path("runs", plan.recipe.name, ".work", job.id)


def is_verified(plan: Plan, job: Job, held: Manifest) -> bool:
    """Whether a finished artifact is verified as far as this machine can, and by the limits that hold now."""
    if job.target is None:
        return True
    how, now = place_of(job.target).how, judged_limits(plan, job)
    changed = [
        check
        for check in held.checks
        # A package's checks say first which adapter they are of.
        if check.limit is not None and now.get(check.name.rpartition(": ")[2]) not in (None, check.limit)
    ]
    return not changed and _is_same_task(plan, job, held) and STRENGTH.index(how) <= STRENGTH.index(held.verified)


def _is_same_task(plan: Plan, job: Job, held: Manifest) -> bool:
    """Whether the task's answers were asked for where they would be now, by the same metric and of as many rows. What
    the machine of then could do is what counts: less can be done here, or more and that is reason enough."""
    asked, verdicts = task_limits(plan, job, held.verified), [check.task for check in held.checks if check.task]
    if asked is None:
        return not verdicts
    return bool(verdicts) and all((v.metric, v.rows_limit) == (asked.metric, asked.rows) for v in verdicts)


def verify_again(plan: Plan, job: Job, held: Manifest, reporter: Reporter) -> Manifest:
    """The manifest after a check that is stronger than the one when it was made, or by other limits.

    Raises JobError when it fails.
    """
    reporter.stage(job, "verify")
    assert job.target is not None
    place, scratch = place_of(job.target), scratch_dir(plan, job)
    if STRENGTH.index(place.how) < STRENGTH.index(held.verified):
        raise JobError(
            f"{job.id}: its limits changed, and what it was verified with ({held.verified}) is not here: {place.why}",
            next_step=place.fix,
        )
    scratch.mkdir(parents=True, exist_ok=True)
    checks, _ = _verify(plan, job, scratch, place)
    _raise_failed(plan, job, checks)
    _note_not_compared(job, checks, reporter)
    manifest = held.model_copy(update={"verified": place.how, "checks": tuple(checks)})
    write_manifest(manifest, plan.output_dir(job))
    remove(scratch)
    return manifest


def _raise_failed(plan: Plan, job: Job, checks: Sequence[Check]) -> None:
    error = check_error(plan, job, checks, _log(plan, job))
    if error is not None:
        raise error


def make(plan: Plan, job: Job, workflow: Workflow, parent: Manifest | None, key: str, reporter: Reporter) -> Manifest:
    started = time.monotonic()
    output, scratch = plan.output_dir(job), scratch_dir(plan, job)
    if job.kind == "package":
        keep_foreign_adapters(plan, job)
    clear(output, workflow)
    remove(scratch)
    scratch.mkdir(parents=True)
    place = place_of(job.target) if job.target else None
    reporter.stage(job, "Olive")
    olive = _run_olive(plan, job, workflow, scratch, reporter)
    rows = _rows(job, workflow, reporter)
    for warning in warnings_in(_log(plan, job)):
        reporter.note(job, warning)
    tidy(plan, job, workflow)
    if job.kind == "package":
        reporter.stage(job, "adapters")
        assemble_package(plan, job)
    reporter.stage(job, "verify")
    checks, verifying = _verify(plan, job, scratch, place)
    checks = [*rows, *checks]
    _raise_failed(plan, job, checks)
    _note_not_compared(job, checks, reporter)
    reporter.stage(job, "hash")
    files = base_files(output) if job.kind == "package" else hash_files(output)
    resources = Resources(
        seconds=round(time.monotonic() - started, 1),
        peak_memory_bytes=max(olive.peak_memory_bytes, verifying.peak_memory_bytes) or None,
        peak_disk_bytes=max(olive.peak_disk_bytes, verifying.peak_disk_bytes),
    )
    verified = place.how if place else "native"
    manifest = _manifest(plan, job, workflow, parent, key, verified, checks, files, resources)
    write_manifest(manifest, output)
    remove(scratch, failed_dir(output))
    return manifest


def _rows(job: Job, workflow: Workflow, reporter: Reporter) -> list[Check]:
    """How much of the data was trained on: of every row, as the training process counted."""
    counts = trained_rows(training_record(workflow)) if job.kind == "finetune" and workflow.training_dir else None
    if counts is None:
        return []
    if summary := row_summary(counts):
        reporter.note(job, summary)
    detail = f"of {counts.rows} rows, {counts.left_out} left out as longer than {counts.max_length} tokens; "
    detail += f"{counts.supervised} tokens supervised"
    return [Check(name="rows_trained", passed=not row_problem(counts), value=float(counts.trained), detail=detail)]


def _note_not_compared(job: Job, checks: Sequence[Check], reporter: Reporter) -> None:
    for reason in dict.fromkeys(check.detail for check in checks if check.name == NOT_COMPARED):
        reporter.note(job, reason)


def _log(plan: Plan, job: Job) -> Path:
    return Path("runs", plan.recipe.name, "logs", f"{job.id}.log")


def _run_olive(plan: Plan, job: Job, workflow: Workflow, scratch: Path, reporter: Reporter) -> ChildResult:
    """``olive run`` as anyone would type it. Its exit code says nothing: the files do."""
    log = _log(plan, job)
    log.unlink(missing_ok=True)
    # Olive is given the text that the key was made from, not a file that may have been rendered again meanwhile.
    config = scratch / "workflow.yaml"
    config.write_text(workflow.text, encoding="utf-8")
    progress = training_record(workflow) if workflow.training_dir else scratch / "progress.jsonl"
    progress.parent.mkdir(parents=True, exist_ok=True)
    result = run_child(
        interpreter(job.target.build_environment) if job.target else None,
        ["-P", "-m", "olive", "run", "--config", str(config), "--disable_telemetry", *_package_config(workflow)],
        log=log,
        environment=child_environment(scratch=scratch, progress=progress, offline=plan.model.is_local),
        progress=progress,
        on_progress=lambda done, total, loss: reporter.job_progress(job, done, total, loss),
    )
    output = plan.output_dir(job)
    wanted = _EXPORTED[job.target.runtime] if job.target else _MUST_HAVE[job.kind]
    missing = [name for name in wanted if not (output / name).is_file()]
    if result.exit_code != 0 or missing:
        raise failure_in(log, result)
    return result


def _package_config(workflow: Workflow) -> list[str]:
    return ["--package-config", str(workflow.package_config)] if workflow.package_config else []


def _verify(plan: Plan, job: Job, scratch: Path, place: Place | None) -> tuple[list[Check], ChildResult]:
    settings = plan.recipe.finetune
    spec = VerifySpec(
        kind=job.kind,
        method=settings.method,
        four_bit=four_bit_base(settings.method, settings.torch_dtype),
        output_dir=plan.output_dir(job).as_posix(),
        parent_dir=plan.output_dir(plan.job(job.parent)).as_posix() if job.parent else None,
        base_model=plan.model.path,
        base_revision=plan.recipe.model.revision,
        dataset=plan.dataset.directory.as_posix(),
        train_on=settings.train_on,
        max_length=plan.max_length,
        limit=limit_of(plan, job),
        export=_export_spec(plan, job, scratch, place) if place and job.kind == "export" else None,
        package=package_spec(plan, job, scratch, place) if place and job.kind == "package" else None,
    )
    path = scratch / "verify.json"
    path.write_text(spec.model_dump_json(), encoding="utf-8")
    log = scratch / "verify.log"
    environment = child_environment(scratch=scratch, progress=scratch / "verify.progress", offline=plan.model.is_local)
    if job.kind == "export" and job.parent:
        environment |= WITHOUT_TORCH  # its parent was computed with the merge
    code = "import sys; from olivepress.run.verify.verify import main; sys.exit(main(sys.argv[1:]))"
    result = run_child(None, ["-c", code, str(path)], log=log, environment=environment)
    text = log.read_text(encoding="utf-8", errors="replace")
    with _log(plan, job).open("a", encoding="utf-8") as file:
        file.write(text)
    if result.exit_code != 0:
        raise failure_in(_log(plan, job), result)
    return [Check.model_validate(check) for check in json.loads(text.splitlines()[-1])], result


def _export_spec(plan: Plan, job: Job, scratch: Path, place: Place) -> ExportSpec:
    target, limit = job.target, limit_of(plan, job)
    assert target is not None and limit is not None
    parent = plan.output_dir(plan.job(job.parent)) if job.parent else None
    model = parent / "model" if parent else local_directory(plan.model.path, plan.recipe.model.revision)
    return ExportSpec(
        output_dir=plan.output_dir(job).as_posix(),
        parent_model=model.as_posix(),
        reference_dir=((parent or scratch) / "reference").as_posix(),
        dataset=plan.dataset.directory.as_posix(),
        scratch=scratch.as_posix(),
        how=place.how,
        interpreter=str(place.interpreter) if place.interpreter else None,
        execution_provider=target.execution_provider,
        precision=target.precision,
        limit=limit,
        min_top1=min_top1(plan, job),
        min_placed=target.min_placed,
        max_cpu_nodes=target.max_cpu_nodes,
        random_weights=plan.model.random_weights,
        has_adapter=parent is not None,
        task=task_spec(plan, job, place),
    )


def _manifest(
    plan: Plan,
    job: Job,
    workflow: Workflow,
    parent: Manifest | None,
    key: str,
    verified: Verified,
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
        min_placed=job.target.min_placed if job.target else None,
        max_cpu_nodes=job.target.max_cpu_nodes if job.target else None,
        parent=job.parent,
        parent_sha256=parent.sha256 if parent else None,
        dataset=plan.dataset.name,
        dataset_version=plan.dataset.version,
        synthetic_data=plan.dataset.synthetic,
        workflow_sha256=workflow.sha256,
        versions=_versions(job),
        seed=plan.recipe.finetune.seed,
        git_commit=_git_commit(),
        verified=verified,
        checks=tuple(checks),
        resources=resources,
        created_at=datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="seconds"),
        sha256=artifact_hash(files),
        files=files,
    )


def _versions(job: Job) -> dict[str, str]:
    """Packages that it was made with: those of the environment that it was built in."""
    if job.target is None:
        return package_versions()
    python = interpreter(job.target.build_environment)
    return package_versions() if python == Path(sys.executable) else machine_of(python).packages


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
