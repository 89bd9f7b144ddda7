"""Session settings of an exported artifact: searched on this machine, written into it, and taken out again.

Written are ``genai_config.untuned.json`` (the file as shipped, byte for byte), ``tuning.json``, ``genai_config.json``
and the manifest, in this order, each in one step. The next call finishes what was interrupted.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from olivepress.catalog.session_axes import Hardware, Options
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
from olivepress.core.files import write_text
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
from olivepress.pipeline.artifacts import is_artifact, not_measured_here
from olivepress.pipeline.plan import load_plan
from olivepress.pipeline.subjects import artifact_subject
from olivepress.report.machine import processors
from olivepress.runtimes.artifact_safety import check_artifact
from olivepress.runtimes.session import session_threads
from olivepress.runtimes.session_space import alternatives, with_options
from olivepress.workflow.plan import Plan

__all__ = ["artifacts_to_tune", "reset", "summary", "tunable", "tune", "tune_all"]

CONFIG = "genai_config.json"


def tune(
    directory: Path,
    *,
    budget_s: float,
    repetitions: int = 3,
    answers: int = 8,
    on_progress: JobProgress = lambda *_: None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Tuning:
    """Search from the shipped settings, whatever an earlier tuning wrote, and write what won; the record is returned.

    Each trial gives ``answers`` greedy answers and times the workload ``repetitions`` times. Safe to interrupt: run
    again to resume, as finished trials are kept beside the artifact. Raises UsageError for what has no settings of ONNX
    Runtime GenAI to tune, SetupError where its provider does not run, JobError as ``search``, ReportError when a file
    is not the one that the manifest names.
    """
    check_artifact(directory)
    _finish_interrupted(directory)
    subject = artifact_subject(directory)
    _check(subject)
    config = _shipped_config(directory)
    shipped = _Shipped(subject=subject, config=config, manifest=_untuned(read_manifest(directory), config))
    spec = _spec(subject).model_copy(update={"repetitions": repetitions, "answers": answers})
    return _search_and_write(directory, shipped, spec, budget_s=budget_s, on_progress=on_progress, now=now)


def tune_all(directories: Iterable[Path], *, budget_s: float, on_progress: JobProgress) -> dict[Path, Tuning]:
    """Tune one artifact after the other."""
    return {directory: tune(directory, budget_s=budget_s, on_progress=on_progress) for directory in directories}


def artifacts_to_tune(target: str, *, data: str | None, job: str | None, trust_targets: bool) -> list[Path]:
    """The artifact ``target``, or the exports of that recipe that run here. Raises UsageError for a bundle."""
    if target.lower().endswith(".zip"):
        raise UsageError(f"{target}: a bundle is sealed", next_step="unzip it, olivepress tune artifact")
    if not is_artifact(Path(target)):
        plan = load_plan(target, data=data, trust_targets=trust_targets)
        return [directory for each in plan.all for directory in tunable(each, job)]
    if job is not None or data is not None or trust_targets:
        raise UsageError(
            f"--job, --data and --trust-targets are for a recipe, and {target} is not a recipe",
            next_step="olivepress tune --help",
        )
    return [Path(target)]


@dataclass(frozen=True, kw_only=True)
class _Shipped:
    """An artifact with the settings that it was shipped with: ``config`` is the text of its genai_config.json."""

    subject: Subject
    config: str
    manifest: Manifest


def _search_and_write(
    directory: Path,
    shipped: _Shipped,
    spec: TrialSpec,
    *,
    budget_s: float,
    on_progress: JobProgress,
    now: Callable[[], datetime],
) -> Tuning:
    """Search in a bench session of the artifact's own, which is kept until the result is written."""
    subject, manifest, config = shipped.subject, shipped.manifest, shipped.config
    machine = machine_of(subject.interpreter)
    identity = hashlib.sha256("\n".join([manifest.sha256, machine.model_dump_json(), code_sha256()]).encode())
    place = directory.resolve()
    with open_sessions({place.with_name(f"{place.name}.tuning"): identity.hexdigest()}) as sessions:
        (session,) = sessions.values()
        session.interpreter = subject.interpreter
        run, spent = trials_of(session, directory, config, spec)
        threads = _threads(session.folder, config)
        result = search(
            Search(
                axes=alternatives(subject.execution_provider),
                hardware=Hardware(cpus=processors(), physical_cores=machine.physical_cores, threads=threads),
                provider=subject.execution_provider,
                budget_s=budget_s,
                run=run,
                spent=spent,
                on_progress=partial(on_progress, subject.job),
            )
        )
        tuning = Tuning(
            machine=machine,
            created_at=now().astimezone(UTC).isoformat(timespec="seconds"),
            shipped_threads=threads,
            budget_s=budget_s,
            spent_s=round(spent(), 1),
            resumed=session.resumed,
            **_about(shipped, spec),
            **_fields(result),
        )
        _write(directory, manifest, config, tuning)
    return tuning


def _about(shipped: _Shipped, spec: TrialSpec) -> dict[str, Any]:
    """What was tuned, and by which workload."""
    return {
        "recipe": shipped.subject.recipe,
        "job": shipped.subject.job,
        "execution_provider": shipped.subject.execution_provider,
        "untuned_sha256": shipped.manifest.sha256,
        "untuned_config": shipped.manifest.files[CONFIG],
        "shipped": _session_options(shipped.config),
        "workload": spec.workload.name,
        "repetitions": spec.repetitions,
    }


def reset(directory: Path) -> Manifest:
    """The settings as shipped; the manifest, which is then what it was before. UsageError when nothing was tuned."""
    if not (directory / TUNING).is_file() and not (directory / UNTUNED).is_file():
        raise UsageError(f"{directory}: nothing was tuned", next_step=f"olivepress tune {directory}")
    _finish_interrupted(directory)
    config = _shipped_config(directory)
    manifest = _untuned(read_manifest(directory, verify=True), config)
    _restore(directory, manifest, config)
    (directory / TUNING).unlink(missing_ok=True)
    return manifest


def tunable(plan: Plan, only: str | None) -> list[Path]:
    """Directories of a recipe's finished exports that run here. UsageError for another name, ReportError for none."""
    skipped = not_measured_here(plan)
    exports = {job.id: plan.output_dir(job) for job in plan.jobs if job.kind == "export" and job.id not in skipped}
    if only is not None and only not in exports:
        raise UsageError(f"nothing called {only!r} to tune; known: {', '.join(exports) or 'nothing'}")
    if not exports:
        raise ReportError(
            f"recipe {plan.recipe.name}: no export that runs here", next_step=next_command("run", plan.recipe.name)
        )
    return [path for job_id, path in exports.items() if only in (None, job_id)]


def _check(subject: Subject) -> None:
    if subject.runtime != "onnxruntime-genai":
        raise UsageError(f"{subject.model_dir}: not a model of ONNX Runtime GenAI, nothing to tune")
    if subject.emulated:
        raise UsageError(f"{subject.job}: its device is emulated here, times mean nothing", next_step="tune it there")
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
    options: dict[str, Any] = json.loads(config)["model"]["decoder"].get("session_options", {})
    return options


def _fields(result: SearchResult) -> dict[str, Any]:
    return {
        "winner": result.winner,
        "reason": result.reason,
        "alternatives": result.alternatives,
        "confirmed": result.confirmed,
        "not_searched": dict(result.not_searched),
        "answers": result.answers,
        "answer_tokens": result.answer_tokens,
    }


def _shipped_config(directory: Path) -> str:
    """Text of genai_config.json as it was shipped."""
    path = directory / UNTUNED
    if not path.is_file():
        path = directory / CONFIG
    return path.read_bytes().decode("utf-8")


def _untuned(manifest: Manifest, config: str) -> Manifest:
    """The manifest as it was before anything was tuned."""
    shipped = {name: file for name, file in manifest.files.items() if name not in (TUNING, UNTUNED)}
    files = shipped | {CONFIG: _hash(config)}
    return manifest.model_copy(update={"files": files, "sha256": artifact_hash(files)})


def _hash(text: str) -> FileHash:
    data = text.encode()
    return FileHash(sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))


def _write(directory: Path, manifest: Manifest, config: str, tuning: Tuning) -> None:
    """Write the settings of the record's winner. Without one the artifact is as shipped: the record lies beside it, and
    the manifest does not name it."""
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


def _finish_interrupted(directory: Path) -> None:
    """Go back to the shipped settings where a write was interrupted. What somebody edited stays, and is refused by its
    hash."""
    if not (directory / UNTUNED).is_file() or not (directory / MANIFEST).is_file():
        return
    manifest, config = read_manifest(directory), _shipped_config(directory)
    named = {name: manifest.files.get(name) for name in (CONFIG, TUNING, UNTUNED)}
    present = {name: hash_file(directory / name) if (directory / name).is_file() else None for name in named}
    if present != named and present[CONFIG] in (named[CONFIG], _hash(config), _tuned_hash(directory, config)):
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
