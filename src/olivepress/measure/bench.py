"""Measures model folders on this machine and writes one DeviceReport each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from olivepress.core.errors import JobError, ReportError
from olivepress.core.progress import JobProgress
from olivepress.data.store.examples import Message
from olivepress.data.store.reader import Split, dataset_labels, read_split
from olivepress.measure.assemble import Measured, assemble
from olivepress.measure.bench_session import Sitting, code_sha256, open_sitting
from olivepress.measure.cpu_stand_in import emulated, on_cpu, provider_is_missing
from olivepress.measure.latency.grid import Subject, measure_rounds
from olivepress.measure.settings import Settings, check_inputs
from olivepress.measure.stages import Stages
from olivepress.measure.worker.interpreters import machine_of
from olivepress.report.device_report import Ceiling, DeviceReport, Placement, write_report
from olivepress.report.device_report import read_report as read_device_report
from olivepress.report.examples import forget_old_examples, read_outcomes, write_examples
from olivepress.runtimes.session import session_threads

__all__ = ["BASE", "TUNED", "Outcomes", "Settings", "bench", "outcomes_of"]

Outcomes = Mapping[str, Mapping[str, bool]]  # report name → example id → whether it was right

BASE, TUNED = "base", ("finetune", "merge")  # reports that gain_retained is a share of; the first that is there


def bench(
    subjects: Mapping[Path, Subject],
    *,
    dataset_dir: Path | None,
    settings: Settings,
    ladder: Mapping[str, str] | None = None,
    outcomes: Outcomes | None = None,
    tell: JobProgress = lambda *_: None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> list[DeviceReport]:
    """Measure every subject and write its report to the path it is keyed by, its answers beside it.

    Latency runs interleaved over all subjects, so that they can be compared round by round. Killed and repeated with
    the same arguments, it goes on. ``ladder`` (report name → artifact sha256) says which reports of the base and the
    fine-tuned model beside are of the present artifacts; without it they are taken as they are. ``outcomes`` are those
    of the base and the fine-tuned model, where their reports cannot be beside.

    Raises DataError for an unreadable dataset, text or reference before anything is measured, JobError when a provider
    fell back to the CPU and that is not allowed, or when answers or fidelity cannot be computed: a report must not
    look complete without them.
    """
    data = read_split(dataset_dir, settings.split, limit=settings.limit) if dataset_dir is not None else None
    labels = dataset_labels(dataset_dir) if dataset_dir is not None else ()
    check_inputs(subjects, settings, data, dataset_dir)
    with open_sitting({path: _identity(subject, data) for path, subject in subjects.items()}) as sittings:
        for path, subject in subjects.items():
            sittings[path].interpreter = subject.interpreter
        subjects = {path: emulated(subject, sittings[path].folder / "emulated") for path, subject in subjects.items()}
        if settings.allow_fallback:
            subjects = {
                path: on_cpu(subject, sittings[path].folder / "on-cpu") if provider_is_missing(subject) else subject
                for path, subject in subjects.items()
            }
        stages = {
            path: Stages(
                subject=subject,
                sitting=sittings[path],
                dataset_dir=dataset_dir,
                data=data,
                labels=labels,
                settings=settings,
                tell=tell,
            )
            for path, subject in subjects.items()
        }
        for stage in stages.values():
            stage.check_lm_eval()
        found = _latency(subjects, sittings, data, settings, tell)
        return [
            _write(
                _ask(found[path], stages[path], outcomes or _ladder(path, data, ladder or {})),
                sittings[path],
                path,
                settings,
                now(),
            )
            for path in subjects
        ]


def _ladder(path: Path, data: Split | None, ladder: Mapping[str, str]) -> dict[str, Mapping[str, bool]]:
    """Outcomes of the base and the fine-tuned model in the reports beside ``path``, as far as they are there."""
    found = {name: outcomes_of(path.with_name(f"{name}.json"), data, ladder.get(name)) for name in (BASE, *TUNED)}
    return {name: outcomes for name, outcomes in found.items() if outcomes is not None}


def _ask(measured: Measured, stages: Stages, outcomes: Outcomes) -> Measured:
    """What latency found of a subject, and everything else that it is asked."""
    answers, answered = stages.answers()
    text, read = stages.text()
    divergence, parent = stages.fidelity()
    return replace(
        measured,
        answers=answers,
        metrics=text | divergence,
        lm_eval=stages.lm_eval(),
        settings=answered | read | parent | _schema(stages.data),
        outcomes=outcomes,
    )


def _write(measured: Measured, sitting: Sitting, path: Path, settings: Settings, now: datetime) -> DeviceReport:
    report = assemble(measured, sitting=sitting, settings=settings, now=now)
    if measured.data is not None:
        name, sha256 = write_examples(measured.answers.examples, path)
        report = report.model_copy(update={"examples_file": name, "examples_sha256": sha256})
    written = write_report(report, path)
    forget_old_examples(written)
    return written


def _identity(subject: Subject, data: Split | None) -> str:
    """What every result of this subject depends on, beside the spec of the child that finds it."""
    if not subject.model_dir.is_dir():
        raise JobError(f"{subject.model_dir}: no such model folder", next_step="run the job first: olivepress run")
    version = f"{data.version} {json.dumps(_schema(data))}" if data else ""
    parts = [subject.artifact_sha256, version, machine_of(subject.interpreter).model_dump_json(), code_sha256()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _schema(data: Split | None) -> dict[str, int | float | str | None]:
    if data is None or data.json_schema is None:
        return {}
    text = json.dumps(data.json_schema, sort_keys=True)
    return {"json_schema_sha256": hashlib.sha256(text.encode()).hexdigest()}


def _surroundings(subject: Subject, sitting: Sitting, settings: Settings, tell: JobProgress) -> dict[str, Any]:
    """The physical ceiling, and where the graph's nodes were placed: both before anything long starts."""
    if subject.runtime == "pytorch":
        return {}
    tell(subject.job, "placement", 0, 1)
    spec = {"model_dir": str(subject.model_dir), "execution_provider": subject.execution_provider}
    placed = Placement.model_validate(_fields(sitting.run("placement", spec), Placement))
    if not placed.holds(subject.min_placed, subject.max_cpu_nodes) and not settings.allow_fallback:
        ops = f" ({', '.join(placed.fallback_ops[:6])})" if placed.fallback_ops else ""
        raise JobError(
            f"{subject.job}: asked for {placed.asked}, the runtime placed nodes on the CPU{ops}",
            next_step="install that provider's runtime, or --allow-fallback to measure it as it is",
        )
    return {"placement": placed, "ceiling": _ceiling(subject, sitting, "before", tell)}


def _ceiling(subject: Subject, sitting: Sitting, when: str, tell: JobProgress) -> Ceiling:
    """Measured before the rounds and again after them: on a shared memory bus it moves, and a ceiling is a maximum."""
    tell(subject.job, "ceiling", 0, 1)
    found = sitting.run("ceiling", {"threads": session_threads(subject.model_dir), "when": when})
    return Ceiling.model_validate(_fields(found, Ceiling))


def _higher(a: Ceiling, b: Ceiling) -> Ceiling:
    return a.model_copy(
        update={
            "read_bytes_per_s": max(a.read_bytes_per_s, b.read_bytes_per_s),
            "matrix_flops": max(a.matrix_flops, b.matrix_flops),
            "method": f"{a.method}; the higher of before and after the rounds",
        }
    )


def _fields(found: Mapping[str, Any], record: type[Ceiling] | type[Placement]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name in record.model_fields}


def _latency(
    subjects: Mapping[Path, Subject],
    sittings: Mapping[Path, Sitting],
    data: Split | None,
    settings: Settings,
    tell: JobProgress,
) -> dict[Path, Measured]:
    """Placement and ceiling, the interleaved rounds, and the ceiling again."""
    around = {path: _surroundings(subject, sittings[path], settings, tell) for path, subject in subjects.items()}
    cells = measure_rounds(
        [(subject, sittings[path]) for path, subject in subjects.items()],
        settings.workloads,
        rounds=settings.rounds,
        repetitions=settings.repetitions,
        warmups=settings.warmups,
        messages=_median_prompt(data) if data else None,
        no_messages=settings.no_data,
        allow_fallback=settings.allow_fallback,
        timeout_s=settings.timeout_s,
        tell=lambda stage, done, total: tell("all", stage, done, total),
    )
    found = {}
    for (path, subject), timed in zip(subjects.items(), cells, strict=True):
        before = around[path].pop("ceiling", None)
        ceiling = _higher(before, _ceiling(subject, sittings[path], "after", tell)) if before else None
        found[path] = Measured(subject=subject, data=data, cells=tuple(timed), ceiling=ceiling, **around[path])
    return found


def _median_prompt(data: Split) -> tuple[Message, ...]:
    """The conversation of median length (characters) among the rows."""
    by_length = sorted(data.rows, key=lambda row: (sum(len(m["content"]) for m in row.messages), row.id))
    return by_length[len(by_length) // 2].messages


def outcomes_of(path: Path, data: Split | None, artifact_sha256: str | None) -> Mapping[str, bool] | None:
    """Outcomes of a report beside, when it is of the same dataset and split, and of that artifact."""
    try:
        report = read_device_report(path)
    except ReportError:
        return None
    if artifact_sha256 not in (None, report.artifact_sha256):
        return None
    used = report.dataset
    same = data is not None and used is not None and (used.version, used.split) == (data.version, data.split)
    return read_outcomes(report) if same else None
