"""Session settings of an exported artifact: searched on this machine, written into it, and taken out again.

Written are ``genai_config.untuned.json`` (the file as shipped, byte for byte), ``tuning.json``, ``genai_config.json``
and the manifest, in this order, each in one step. A kill in between is mended by the next call.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from olivepress.core.artifact import (
    MANIFEST,
    FileHash,
    Manifest,
    artifact_hash,
    hash_file,
    read_manifest,
    write_manifest,
)
from olivepress.core.errors import ReportError, SetupError, UsageError
from olivepress.core.messages import next_command
from olivepress.core.progress import JobProgress
from olivepress.measure.bench_session import code_sha256, open_sessions
from olivepress.measure.cpu_stand_in import provider_is_missing
from olivepress.measure.subject import Subject
from olivepress.measure.trials import trials_of, workload_for
from olivepress.measure.tuning.record import TUNING, UNTUNED, Tuning, read_tuning
from olivepress.measure.tuning.search import Search, SearchResult, search
from olivepress.measure.tuning.trial import TrialSpec
from olivepress.measure.worker.interpreters import machine_of
from olivepress.pipeline.device_reports import artifact_subject, not_measured_here
from olivepress.report.device_report import write_text
from olivepress.report.machine import processors
from olivepress.runtimes.artifact_safety import check_artifact
from olivepress.runtimes.session import session_threads
from olivepress.runtimes.session_space import Hardware, Options, alternatives, with_options
from olivepress.workflow.plan import Plan

__all__ = ["reset", "summary", "tunable", "tune"]

CONFIG = "genai_config.json"


def tune(
    directory: Path,
    *,
    budget_s: float,
    repetitions: int = 3,
    answers: int = 8,
    tell: JobProgress = lambda *_: None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Tuning:
    """Search from the shipped settings, whatever an earlier tuning wrote, and write what won; the record is returned.

    Each trial gives ``answers`` greedy answers and times the workload ``repetitions`` times.
    Killed and repeated, it goes on: finished trials are kept beside the artifact. Raises UsageError for what has no
    settings of ONNX Runtime GenAI to tune, SetupError where its provider does not run, JobError as ``search``,
    ReportError when a file is not the one that the manifest names.
    """
    check_artifact(directory)
    _mend(directory)
    subject = artifact_subject(directory)
    _check(subject)
    config = _shipped_config(directory)
    manifest = _untuned(read_manifest(directory), config)
    machine = machine_of(subject.interpreter)
    identity = hashlib.sha256("\n".join([manifest.sha256, machine.model_dump_json(), code_sha256()]).encode())
    place = directory.resolve()
    with open_sessions({place.with_name(f"{place.name}.tuning"): identity.hexdigest()}) as sessions:
        (session,) = sessions.values()
        session.interpreter = subject.interpreter
        spec = _spec(subject).model_copy(update={"repetitions": repetitions, "answers": answers})
        run, spent = trials_of(session, directory, config, spec)
        threads = _threads(session.folder, config)
        plan = Search(
            axes=alternatives(subject.execution_provider),
            hardware=Hardware(cpus=processors(), physical_cores=machine.physical_cores, threads=threads),
            provider=subject.execution_provider,
            budget_s=budget_s,
            run=run,
            spent=spent,
            on_progress=lambda stage, done, total: tell(subject.job, stage, done, total),
        )
        found = search(plan)
        tuning = Tuning(
            machine=machine,
            created_at=now().astimezone(UTC).isoformat(timespec="seconds"),
            untuned_sha256=manifest.sha256,
            shipped_threads=threads,
            budget_s=budget_s,
            spent_s=round(spent(), 1),
            resumed=session.resumed,
            **_about(subject, manifest, config, spec),
            **_fields(found),
        )
        _write(directory, manifest, config, tuning)
    return tuning


def _about(subject: Subject, manifest: Manifest, config: str, spec: TrialSpec) -> dict[str, Any]:
    """What was tuned, and by which workload."""
    return {
        "recipe": subject.recipe,
        "job": subject.job,
        "execution_provider": subject.execution_provider,
        "untuned_config": manifest.files[CONFIG],
        "shipped": _session_options(config),
        "workload": spec.workload.name,
        "repetitions": spec.repetitions,
    }


def reset(directory: Path) -> Manifest:
    """The settings as shipped; the manifest, which is then what it was before. UsageError when nothing was tuned."""
    if not (directory / TUNING).is_file() and not (directory / UNTUNED).is_file():
        raise UsageError(f"{directory}: nothing was tuned", next_step=f"olivepress tune {directory}")
    _mend(directory)
    config = _shipped_config(directory)
    manifest = _untuned(read_manifest(directory, verify=True), config)
    _restore(directory, manifest, config)
    (directory / TUNING).unlink(missing_ok=True)
    return manifest


def tunable(plan: Plan, only: str | None) -> list[Path]:
    """Directories of a recipe's finished exports that run here. UsageError for another name, ReportError for none."""
    skipped = not_measured_here(plan)
    found = {job.id: plan.output_dir(job) for job in plan.jobs if job.kind == "export" and job.id not in skipped}
    if only is not None and only not in found:
        raise UsageError(f"nothing called {only!r} to tune; there is: {', '.join(found) or 'nothing'}")
    if not found:
        raise ReportError(
            f"recipe {plan.recipe.name}: no export that runs here", next_step=next_command("run", plan.recipe.name)
        )
    return [path for job_id, path in found.items() if only in (None, job_id)]


def _check(subject: Subject) -> None:
    if subject.runtime != "onnxruntime-genai":
        raise UsageError(f"{subject.model_dir}: not a model of ONNX Runtime GenAI, nothing to tune")
    if subject.emulated:
        raise UsageError(f"{subject.job}: its device is emulated here, times say nothing", next_step="tune it there")
    if provider_is_missing(subject):
        raise SetupError(f"{subject.job}: {subject.execution_provider} runs no model here", next_step="tune it there")


def _spec(subject: Subject) -> TrialSpec:
    return TrialSpec(
        model_dir=subject.model_dir,
        execution_provider=subject.execution_provider,
        workload=workload_for(subject.model_dir),
        reference_dir=subject.reference_dir,
    )


def _threads(scratch: Path, config: str) -> int:
    """Threads that a session with this configuration computes with."""
    write_text(scratch / CONFIG, config)
    return session_threads(scratch)


def _session_options(config: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(config)["model"]["decoder"].get("session_options", {})
    return found


def _fields(found: SearchResult) -> dict[str, Any]:
    return {
        "winner": found.winner,
        "why": found.reason,
        "alternatives": found.alternatives,
        "confirmed": found.confirmed,
        "not_searched": dict(found.not_searched),
        "answers": found.answers,
        "answer_tokens": found.answer_tokens,
    }


def _shipped_config(directory: Path) -> str:
    """Text of genai_config.json as it was shipped."""
    kept = directory / UNTUNED
    return (kept if kept.is_file() else directory / CONFIG).read_bytes().decode("utf-8")


def _untuned(manifest: Manifest, config: str) -> Manifest:
    """The manifest as it was before anything was tuned."""
    held = _hash(config)
    files = {name: one for name, one in manifest.files.items() if name not in (TUNING, UNTUNED)} | {CONFIG: held}
    return manifest.model_copy(update={"files": files, "sha256": artifact_hash(files)})


def _hash(text: str) -> FileHash:
    data = text.encode()
    return FileHash(sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))


def _write(directory: Path, manifest: Manifest, config: str, tuning: Tuning) -> None:
    """Bring the artifact to what the record says. Without a winner it is the artifact that was shipped: the record lies
    beside, and the manifest does not name it."""
    if tuning.winner is None:
        _restore(directory, manifest, config)
        write_text(directory / TUNING, tuning.text())
        return
    texts = {UNTUNED: config, TUNING: tuning.text(), CONFIG: with_options(config, tuning.winner)}
    for name, text in texts.items():
        write_text(directory / name, text)
    files = manifest.files | {name: hash_file(directory / name) for name in texts}
    write_manifest(manifest.model_copy(update={"files": files, "sha256": artifact_hash(files)}), directory)


def _restore(directory: Path, manifest: Manifest, config: str) -> None:
    write_text(directory / CONFIG, config)
    write_manifest(manifest, directory)
    (directory / UNTUNED).unlink(missing_ok=True)


def _mend(directory: Path) -> None:
    """Finish what a kill cut while it was written: back to the shipped settings. What somebody edited stays, and is
    refused by its hash."""
    if not (directory / UNTUNED).is_file() or not (directory / MANIFEST).is_file():
        return
    manifest, config = read_manifest(directory), _shipped_config(directory)
    named = {name: manifest.files.get(name) for name in (CONFIG, TUNING, UNTUNED)}
    there = {name: hash_file(directory / name) if (directory / name).is_file() else None for name in named}
    if there != named and there[CONFIG] in (named[CONFIG], _hash(config), _tuned_hash(directory, config)):
        _restore(directory, _untuned(manifest, config), config)


def _tuned_hash(directory: Path, config: str) -> FileHash | None:
    try:
        tuning = read_tuning(directory)
    except ReportError:
        return None
    return _hash(with_options(config, tuning.winner or Options())) if tuning else None


def summary(tunings: Mapping[Path, Tuning]) -> list[dict[str, Any]]:
    """The records as JSON, each with the directory that it is of."""
    return [{"path": str(path), **tuning.model_dump(mode="json")} for path, tuning in tunings.items()]
