"""Measures model folders on this machine and writes one device report for each."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from olivepress.core.errors import JobError, ReportError
from olivepress.core.progress import JobProgress
from olivepress.data.store.examples import Message
from olivepress.data.store.reader import Split, dataset_labels, read_split
from olivepress.measure.assemble import SubjectResults, assemble
from olivepress.measure.bench_session import BenchSession, code_sha256, open_sessions
from olivepress.measure.cpu_stand_in import emulated, on_cpu, provider_is_missing
from olivepress.measure.rounds import measure_rounds
from olivepress.measure.settings import Settings, check_inputs
from olivepress.measure.stages import ReportSettings, Stages
from olivepress.measure.subject import Subject
from olivepress.measure.worker.interpreters import machine_of
from olivepress.measure.worker.records import PYTORCH
from olivepress.report.device_report import Ceiling, DeviceReport, Placement, write_report
from olivepress.report.device_report import read_report as read_device_report
from olivepress.report.examples import forget_old_examples, read_outcomes, write_examples
from olivepress.runtimes.session import session_threads

__all__ = ["BASE", "TUNED", "Outcomes", "Settings", "bench", "outcomes_of"]

Outcomes = Mapping[str, Mapping[str, bool]]  # report name → example id → whether the answer was right

BASE, TUNED = "base", ("finetune", "merge")  # reports that gain_retained compares with; of TUNED the first available


@dataclass(frozen=True, kw_only=True)
class _Bench:
    """What all steps of one bench share. ``subjects`` and ``sessions`` are keyed by the path of the report."""

    subjects: Mapping[Path, Subject]
    sessions: Mapping[Path, BenchSession]
    data: Split | None
    settings: Settings
    on_progress: JobProgress


def bench(
    subjects: Mapping[Path, Subject],
    *,
    dataset_dir: Path | None,
    settings: Settings,
    ladder: Mapping[str, str] | None = None,
    outcomes: Outcomes | None = None,
    on_progress: JobProgress = lambda *_: None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> list[DeviceReport]:
    """Measure every subject and write its report to the path it is keyed by, its answers next to it.

    Latency runs interleaved over all subjects, so that they can be compared round by round. Safe to interrupt: run
    again with the same arguments to resume. ``ladder`` (report name → artifact sha256) names the artifacts that the
    neighbouring reports of the base and the fine-tuned model must belong to; without it any are accepted.
    ``outcomes`` replaces those reports where they cannot be in the same folder.

    Raises DataError for an unreadable dataset, text or reference before anything is measured, JobError when a provider
    fell back to the CPU without permission, or when answers or fidelity cannot be computed: a report must not look
    complete without them.
    """
    data, labels = None, tuple[str, ...]()
    if dataset_dir is not None:
        data, labels = read_split(dataset_dir, settings.split, limit=settings.limit), dataset_labels(dataset_dir)
    check_inputs(subjects, settings, data, dataset_dir)
    with open_sessions({path: _identity(subject, data) for path, subject in subjects.items()}) as sessions:
        for path, subject in subjects.items():
            sessions[path].interpreter = subject.interpreter
        run = _Bench(
            subjects={path: _runnable(subject, sessions[path], settings) for path, subject in subjects.items()},
            sessions=sessions,
            data=data,
            settings=settings,
            on_progress=on_progress,
        )
        stages = {path: _stages(run, path, dataset_dir, labels) for path in subjects}
        for stage in stages.values():
            stage.check_lm_eval()
        latency = _latency(run)
        reports = []
        for path in subjects:
            others = outcomes or _ladder(path, data, ladder or {})
            results = _run_stages(latency[path], stages[path], others)
            reports.append(_write(results, sessions[path], path, settings, now()))
        return reports


def _runnable(subject: Subject, session: BenchSession, settings: Settings) -> Subject:
    """The subject as this machine opens it: emulated, or on the CPU where that is allowed and its provider missing."""
    subject = emulated(subject, session.folder / "emulated")
    if settings.allow_fallback and provider_is_missing(subject):
        return on_cpu(subject, session.folder / "on-cpu")
    return subject


def _stages(run: _Bench, path: Path, dataset_dir: Path | None, labels: tuple[str, ...]) -> Stages:
    return Stages(
        subject=run.subjects[path],
        session=run.sessions[path],
        dataset_dir=dataset_dir,
        data=run.data,
        labels=labels,
        settings=run.settings,
        on_progress=run.on_progress,
    )


def _ladder(path: Path, data: Split | None, ladder: Mapping[str, str]) -> dict[str, Mapping[str, bool]]:
    """Outcomes of the base and the fine-tuned model from the reports next to ``path``, where they exist."""
    outcomes = {name: outcomes_of(path.with_name(f"{name}.json"), data, ladder.get(name)) for name in (BASE, *TUNED)}
    return {name: known for name, known in outcomes.items() if known is not None}


def _run_stages(latency: SubjectResults, stages: Stages, outcomes: Outcomes) -> SubjectResults:
    """The latency results completed by all other measurements of the subject."""
    # PyTorch takes seconds to start and a large model minutes to load: once for all stages.
    loaded_once = stages.subject.runtime == PYTORCH
    with stages.session.one_process() if loaded_once else contextlib.nullcontext():
        answers, answer_settings = stages.answers()
        text, text_settings = stages.text()
    divergence, parent_settings = stages.fidelity()
    return replace(
        latency,
        answers=answers,
        metrics=text | divergence,
        lm_eval=stages.lm_eval(),
        settings=answer_settings | text_settings | parent_settings | _schema(stages.data),
        outcomes=outcomes,
    )


def _write(
    results: SubjectResults, session: BenchSession, path: Path, settings: Settings, now: datetime
) -> DeviceReport:
    report = assemble(results, session=session, settings=settings, now=now)
    if results.data is not None:
        name, sha256 = write_examples(results.answers.examples, path)
        report = report.model_copy(update={"examples_file": name, "examples_sha256": sha256})
    written = write_report(report, path)
    forget_old_examples(written)
    return written


def _identity(subject: Subject, data: Split | None) -> str:
    """Hash of what every result of this subject depends on, in addition to the spec of its child process."""
    if not subject.model_dir.is_dir():
        raise JobError(f"{subject.model_dir}: no such model folder", next_step="run the job first: olivepress run")
    version = f"{data.version} {json.dumps(_schema(data))}" if data else ""
    parts = [subject.artifact_sha256, version, machine_of(subject.interpreter).model_dump_json(), code_sha256()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _schema(data: Split | None) -> ReportSettings:
    if data is None or data.json_schema is None:
        return {}
    text = json.dumps(data.json_schema, sort_keys=True)
    return {"json_schema_sha256": hashlib.sha256(text.encode()).hexdigest()}


def _latency(run: _Bench) -> dict[Path, SubjectResults]:
    """Placement and ceiling of every subject, the interleaved rounds, and the ceiling again."""
    placements = {path: _placement(run, path) for path in run.subjects}
    exported = [path for path, placement in placements.items() if placement is not None]
    before = _ceilings(run, exported, "before")
    cells = measure_rounds(
        [(subject, run.sessions[path]) for path, subject in run.subjects.items()],
        run.settings,
        messages=_median_prompt(run.data) if run.data else None,
        on_progress=lambda stage, done, total: run.on_progress("all", stage, done, total),
    )
    after = _ceilings(run, exported, "after")
    results = {}
    for (path, subject), measured_cells in zip(run.subjects.items(), cells, strict=True):
        ceiling = _higher(before[path], after[path]) if path in before else None
        results[path] = SubjectResults(
            subject=subject,
            data=run.data,
            cells=tuple(measured_cells),
            ceiling=ceiling,
            placement=placements[path],
        )
    return results


def _placement(run: _Bench, path: Path) -> Placement | None:
    """Where the runtime placed the graph's nodes, None for the PyTorch parent.

    JobError when nodes fell back to the CPU beyond the target's limits and that is not allowed.
    """
    subject = run.subjects[path]
    if subject.runtime == PYTORCH:
        return None
    run.on_progress(subject.job, "placement", 0, 1)
    spec = {"model_dir": str(subject.model_dir), "execution_provider": subject.execution_provider}
    placement = Placement.model_validate(_fields(run.sessions[path].run("placement", spec), Placement))
    if not placement.holds(subject.min_placed, subject.max_cpu_nodes) and not run.settings.allow_fallback:
        ops = f" ({', '.join(placement.fallback_ops[:6])})" if placement.fallback_ops else ""
        raise JobError(
            f"{subject.job}: requested {placement.asked}, the runtime placed nodes on the CPU{ops}",
            next_step="install that provider's runtime, or --allow-fallback to measure it as it is",
        )
    return placement


def _ceilings(run: _Bench, paths: Sequence[Path], when: str) -> dict[Path, Ceiling]:
    """Memory bandwidth and arithmetic of this machine, measured once for all models with the same number of threads.

    Measured before and after the rounds: it varies on a shared memory bus, and a ceiling is a maximum.
    """
    measured: dict[tuple[Path | None, int], Ceiling] = {}
    ceilings = {}
    for path in paths:
        subject, session = run.subjects[path], run.sessions[path]
        kind = (session.interpreter, session_threads(subject.model_dir))
        if kind not in measured:
            run.on_progress(subject.job, "ceiling", 0, 1)
            fields = session.run("ceiling", {"threads": kind[1], "when": when})
            measured[kind] = Ceiling.model_validate(_fields(fields, Ceiling))
        ceilings[path] = measured[kind]
    return ceilings


def _higher(a: Ceiling, b: Ceiling) -> Ceiling:
    return a.model_copy(
        update={
            "read_bytes_per_s": max(a.read_bytes_per_s, b.read_bytes_per_s),
            "matrix_flops": max(a.matrix_flops, b.matrix_flops),
            "method": f"{a.method}; the higher of before and after the rounds",
        }
    )


def _fields(result: Mapping[str, Any], record: type[Ceiling] | type[Placement]) -> dict[str, Any]:
    return {name: value for name, value in result.items() if name in record.model_fields}


def _median_prompt(data: Split) -> tuple[Message, ...]:
    """The conversation of median length (characters) among the rows."""
    by_length = sorted(data.rows, key=lambda row: (sum(len(m["content"]) for m in row.messages), row.id))
    return by_length[len(by_length) // 2].messages


def outcomes_of(path: Path, data: Split | None, artifact_sha256: str | None) -> Mapping[str, bool] | None:
    """Outcomes in another device report; None unless it is of the same dataset, split and artifact."""
    try:
        report = read_device_report(path)
    except ReportError:
        return None
    if artifact_sha256 not in (None, report.artifact_sha256):
        return None
    used = report.dataset
    same = data is not None and used is not None and (used.version, used.split) == (data.version, data.split)
    return read_outcomes(report) if same else None
