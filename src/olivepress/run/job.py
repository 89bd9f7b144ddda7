"""One job from its workflow to a verified artifact: Olive in a child process, then its files, opened and hashed."""

from __future__ import annotations

import time
from collections.abc import Sequence

from olivepress.core.artifact import Check, Manifest, Resources, hash_files, write_manifest
from olivepress.core.child.process import Usage
from olivepress.core.errors import JobError
from olivepress.core.files import write_text
from olivepress.core.jsonl import read_json_lines
from olivepress.core.layout import job_log, job_messages, kept_adapters, scratch_dir
from olivepress.report.training_record import (
    CHECKPOINT,
    PREFERENCE_ACCURACY,
    REWARD_MARGIN,
    TrainingStep,
    shipped_step,
    training_steps,
)
from olivepress.run.cleanup import (
    clear_unfinished,
    finish_output,
    other_checkpoints,
    remove_directories,
    trained_rows,
    training_record,
)
from olivepress.run.failure import check_error, failed_dir
from olivepress.run.hub_files import text_for_olive
from olivepress.run.interpreters import olive_python, place_of
from olivepress.run.manifests import JobFacts, make_manifest
from olivepress.run.olive import job_environment, olive_error, run_olive
from olivepress.run.olive_log import warnings_in
from olivepress.run.outcome import Reporter
from olivepress.run.package import assemble_package, base_files, keep_foreign_adapters
from olivepress.run.training_device import training_place
from olivepress.run.verification import run_verification
from olivepress.run.verify.export import STRENGTH
from olivepress.run.verify.long_row import NOT_COMPARED
from olivepress.workflow.olive_plugin.row_counts import row_problem, row_summary
from olivepress.workflow.plan import Job, Plan
from olivepress.workflow.rendered import Workflow

__all__ = ["make", "verify_again"]

_MOST_ALERTS = 3  # listed in a check
_ADAPTER: tuple[str, ...] = ("adapter/adapter_config.json", "adapter/adapter_model.safetensors")
_MODEL: tuple[str, ...] = ("model/config.json", "model/tokenizer.json")
_EXPORTED: dict[str, tuple[str, ...]] = {
    "onnxruntime-genai": ("genai_config.json",),
    "openvino": ("model/openvino_model.xml", "model/openvino_model.bin"),
}


def verify_again(plan: Plan, job: Job, manifest: Manifest, reporter: Reporter) -> Manifest:
    """The manifest after a check that is stronger than the one when the artifact was made, or by other limits.

    Raises JobError when it fails.
    """
    reporter.stage(job, "verify")
    assert job.target is not None
    place, scratch = place_of(job.target), scratch_dir(plan.recipe.name, job.id)
    if STRENGTH.index(place.how) < STRENGTH.index(manifest.verified):
        raise JobError(
            f"{job.id}: its limits changed, and it was verified on more than this machine has ({manifest.verified}): "
            f"{place.reason}",
            next_step=place.next_step,
        )
    scratch.mkdir(parents=True, exist_ok=True)
    checks = run_verification(plan, job, place).result.checks
    _raise_failed(plan, job, checks)
    _note_not_compared(job, checks, reporter)
    verified = manifest.model_copy(update={"verified": place.how, "checks": tuple(checks)})
    write_manifest(verified, plan.output_dir(job))
    remove_directories(scratch)
    return verified


def make(plan: Plan, job: Job, workflow: Workflow, parent: Manifest | None, key: str, reporter: Reporter) -> Manifest:
    """Run Olive, verify what it wrote, and write the manifest last. JobError and AdapterError when something fails."""
    started = time.monotonic()
    output, scratch = plan.output_dir(job), scratch_dir(plan.recipe.name, job.id)
    if job.kind == "package":
        keep_foreign_adapters(plan, job)
    clear_unfinished(output, workflow)
    remove_directories(scratch)
    scratch.mkdir(parents=True)
    place = place_of(job.target) if job.target else None
    if (other := other_checkpoints(workflow)) is not None:
        reporter.note(job, f"{other.parent} is of other settings and not resumed: it trains from the start")
    if job.kind == "finetune":
        method = plan.recipe.finetune.method
        reporter.note(job, f"{method} trains on {training_place(plan)} of this machine")
    olive, rows = _run_olive(plan, job, workflow, reporter)
    if job.kind == "package":
        reporter.stage(job, "adapters")
        assemble_package(plan, job)
    reporter.stage(job, "verify")
    verification = run_verification(plan, job, place)
    checks = [*rows, *verification.result.checks]
    _raise_failed(plan, job, checks)
    _note_not_compared(job, checks, reporter)
    reporter.stage(job, "hash")
    facts = JobFacts(
        key=key,
        parent=parent,
        verified=place.how if place else "native",
        checks=checks,
        files=base_files(output) if job.kind == "package" else hash_files(output),
        resources=_resources(time.monotonic() - started, olive, verification.usage),
    )
    manifest = make_manifest(plan, job, workflow, facts)
    write_manifest(manifest, output)
    remove_directories(scratch, failed_dir(output), kept_adapters(plan.recipe.name, job.id))
    return manifest


def _resources(seconds: float, olive: Usage, verification: Usage) -> Resources:
    return Resources(
        seconds=round(seconds, 1),
        peak_memory_bytes=max(olive.peak_memory_bytes, verification.peak_memory_bytes) or None,
        peak_disk_bytes=max(olive.peak_disk_bytes, verification.peak_disk_bytes),
    )


def _raise_failed(plan: Plan, job: Job, checks: Sequence[Check]) -> None:
    error = check_error(plan, job, checks, job_log(plan.recipe.name, job.id))
    if error is not None:
        raise error


def _note_not_compared(job: Job, checks: Sequence[Check], reporter: Reporter) -> None:
    for reason in dict.fromkeys(check.detail for check in checks if check.name == NOT_COMPARED):
        reporter.note(job, reason)


def _run_olive(plan: Plan, job: Job, workflow: Workflow, reporter: Reporter) -> tuple[Usage, list[Check]]:
    """``olive run`` as anyone would type it, its notes reported, its output in order; then the check of the rows."""
    reporter.stage(job, "Olive")
    log, scratch = job_log(plan.recipe.name, job.id), scratch_dir(plan.recipe.name, job.id)
    log.unlink(missing_ok=True)
    # Olive is given the text that the key was made from, not a file that may have been rendered again meanwhile.
    config = scratch / "workflow.yaml"
    write_text(config, text_for_olive(plan, workflow, scratch))
    messages = training_record(workflow) if workflow.training_dir else job_messages(plan.recipe.name, job.id)
    messages.parent.mkdir(parents=True, exist_ok=True)
    run = run_olive(
        olive_python(plan, job),
        ["-P", "-m", "olive", "run", "--config", str(config), "--disable_telemetry", *_package_config(workflow)],
        log=log,
        writes=[plan.output_dir(job), scratch, workflow.cache_dir, *filter(None, [workflow.training_dir])],
        environment=job_environment(scratch=scratch, messages=messages),
        on_progress=lambda step: reporter.job_progress(job, step),
        on_note=lambda text: reporter.note(job, text),
    )
    if run.exit_code != 0 or not _is_complete(plan, job):  # its exit code alone does not say so
        raise olive_error(run, log)
    rows = _training_checks(job, workflow, reporter)
    for warning in warnings_in(log):
        reporter.note(job, warning)
    finish_output(plan, job, workflow)
    return run.usage, rows


def _is_complete(plan: Plan, job: Job) -> bool:
    required = _MODEL if job.id == plan.trained else _ADAPTER
    if job.target is not None:
        required = _EXPORTED[job.target.runtime]
    return all((plan.output_dir(job) / name).is_file() for name in required)


def _package_config(workflow: Workflow) -> list[str]:
    return ["--package-config", str(workflow.package_config)] if workflow.package_config else []


def _training_checks(job: Job, workflow: Workflow, reporter: Reporter) -> list[Check]:
    """How much of the data was trained on, as the training process counted every row; and which checkpoint ships."""
    if job.kind != "finetune" or not workflow.training_dir:
        return []
    checks, lines = list[Check](), read_json_lines(training_record(workflow))
    counts, shipped, steps = trained_rows(lines), shipped_step(lines), training_steps(lines)
    if counts is not None:
        if summary := row_summary(counts):
            reporter.note(job, summary)
        detail = f"of {counts.rows} rows, {counts.left_out} left out as longer than {counts.max_length} tokens; "
        detail += f"{counts.supervised} tokens supervised"
        passed, value = not row_problem(counts), float(counts.trained)
        checks.append(Check(name="rows_trained", passed=passed, value=value, detail=detail))
    if shipped is not None:
        if shipped.step != shipped.total:
            reporter.note(job, shipped.text)
        checks.append(Check(name=CHECKPOINT, passed=True, value=float(shipped.step), detail=shipped.text))
        checks += _preferred(steps, shipped.step)
    return [*checks, *_monitor_checks(steps)]


def _preferred(steps: Sequence[TrainingStep], shipped: int) -> list[Check]:
    """Of a preference tuning: whether held-out pairs are told apart by the weights that ship. Reported, not judged."""
    metrics = next((step.metrics for step in steps if step.step == shipped), {})
    accuracy, margin = metrics.get(PREFERENCE_ACCURACY), metrics.get(REWARD_MARGIN)
    if accuracy is None or margin is None:
        return []
    detail = (
        f"share of validation pairs whose chosen answer gained more than the rejected one; mean margin {margin:.3g}"
    )
    return [Check(name=PREFERENCE_ACCURACY, passed=True, value=accuracy, detail=detail)]


def _monitor_checks(steps: Sequence[TrainingStep]) -> list[Check]:
    """How often the quality monitor gave an alert, where there was one; reported, not judged."""
    looks = sum(bool(step.quality) for step in steps)
    alerts = [(step.step, alert) for step in steps for alert in step.alerts]
    if not looks:
        return []
    listed = "; ".join(f"step {step}: {alert.text}" for step, alert in alerts[:_MOST_ALERTS])
    detail = f"{len(alerts)} alerts in {looks} looks" + (f": {listed}" if listed else "")
    return [Check(name="monitor", passed=True, value=float(len(alerts)), detail=detail)]
