"""Measures model folders on this machine and writes one DeviceReport each."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from olivepress.errors import JobError, ReportError
from olivepress.measure.assemble import Measured, assemble
from olivepress.measure.dataset import Message, Split, dataset_labels, read_split
from olivepress.measure.examples import read_outcomes, write_examples
from olivepress.measure.fidelity import FIDELITY_METRICS
from olivepress.measure.grid import Subject, measure_rounds
from olivepress.measure.latency import DEFAULT_WORKLOADS, Workload
from olivepress.measure.machine import fingerprint
from olivepress.measure.perplexity import not_measured_text, read_text
from olivepress.measure.report import Ceiling, DeviceReport, Measurement, Placement, not_measured, write_report
from olivepress.measure.report import read_report as read_device_report
from olivepress.measure.session import session_threads
from olivepress.measure.sitting import Sitting
from olivepress.measure.task_metrics import Answers, Example

__all__ = ["BASE", "Settings", "Tell", "bench"]

Tell = Callable[[str, str, int, int], None]  # (job, stage, done, total)
BASE, TUNED = "base", ("finetune", "merge")  # reports that gain_retained is a share of; the first that is there


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to measure: ``limit`` rows spread over the split, ``rounds`` processes per workload, ``repetitions`` in each.

    ``text`` is for perplexity, in windows of ``text_window`` tokens; ``lm_eval`` names tasks of
    lm-evaluation-harness, own ones in the folder ``lm_eval_tasks``. ``timeout_s`` bounds each latency process;
    ``price_per_hour`` is for the cost.
    """

    workloads: tuple[Workload, ...] = DEFAULT_WORKLOADS
    rounds: int = 10
    repetitions: int = 3
    warmups: int = 1
    split: str = "test"
    limit: int | None = None
    text: Path | None = None
    text_window: int | None = None
    lm_eval: tuple[str, ...] = ()
    lm_eval_tasks: Path | None = None
    allow_fallback: bool = False
    timeout_s: float | None = None
    price_per_hour: float | None = None
    currency: str | None = None


def bench(
    subjects: Mapping[Path, Subject],
    *,
    dataset_dir: Path | None,
    settings: Settings,
    ladder: Mapping[str, str] | None = None,
    tell: Tell = lambda *_: None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> list[DeviceReport]:
    """Measure every subject and write its report to the path it is keyed by, its answers beside it.

    Latency runs interleaved over all subjects, so that they can be compared round by round. Killed and repeated with
    the same arguments, it goes on. ``ladder`` (report name → artifact sha256) says which reports of the base and the
    fine-tuned model beside are of the present artifacts; without it they are taken as they are.

    Raises DataError for an unreadable dataset, JobError when a provider fell back to the CPU and that is not allowed,
    or when answers or fidelity cannot be computed: a report must not look complete without them.
    """
    data = read_split(dataset_dir, settings.split, limit=settings.limit) if dataset_dir is not None else None
    sittings = {path: _sitting(path, subject, data) for path, subject in subjects.items()}
    found = {path: Measured(subject=subject, data=data) for path, subject in subjects.items()}
    for path, subject in subjects.items():
        found[path] = replace(found[path], **_surroundings(subject, sittings[path], settings, tell))
    for path, cells in zip(subjects, _latency(subjects, sittings, data, settings, tell), strict=True):
        found[path] = replace(found[path], cells=tuple(cells))
        before = found[path].ceiling
        if before is not None:
            found[path] = replace(
                found[path], ceiling=_higher(before, _ceiling(subjects[path], sittings[path], "after", tell))
            )
    together = hashlib.sha256("\n".join(sorted(s.identity for s in sittings.values())).encode()).hexdigest()[:16]
    reports = []
    for path, subject in subjects.items():
        task = _Task(subject=subject, sitting=sittings[path], dataset_dir=dataset_dir, data=data, settings=settings)
        answers, extra = task.answers(tell)
        complete = replace(
            found[path],
            answers=answers,
            together=together,
            metrics=task.text(tell) | task.fidelity(tell),
            lm_eval=task.lm_eval(tell),
            settings=extra,
            outcomes={
                name: _outcomes(path.with_name(f"{name}.json"), data, (ladder or {}).get(name))
                for name in (BASE, *TUNED)
            },
        )
        reports.append(_write(complete, sittings[path], path, settings, now()))
    return reports


def _write(measured: Measured, sitting: Sitting, path: Path, settings: Settings, now: datetime) -> DeviceReport:
    report = assemble(measured, sitting=sitting, settings=settings, now=now)
    if measured.data is not None:
        name, sha256 = write_examples(measured.answers.examples, path)
        report = report.model_copy(update={"examples_file": name, "examples_sha256": sha256})
    written = write_report(report, path)
    sitting.end()
    return written


def _sitting(path: Path, subject: Subject, data: Split | None) -> Sitting:
    if not subject.model_dir.is_dir():
        raise JobError(f"{subject.model_dir}: no such model folder", next_step="run the job first: olivepress run")
    parts = [subject.artifact_sha256, data.version if data else "", fingerprint().model_dump_json()]
    identity = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return Sitting(folder=path.with_name(f".{path.stem}.sitting"), identity=identity)


def _surroundings(subject: Subject, sitting: Sitting, settings: Settings, tell: Tell) -> dict[str, Any]:
    """The physical ceiling, and where the graph's nodes were placed: both before anything long starts."""
    if subject.runtime == "pytorch":
        return {}
    tell(subject.job, "placement", 0, 1)
    spec = {"model_dir": str(subject.model_dir), "execution_provider": subject.execution_provider}
    placed = Placement.model_validate(_fields(sitting.run("placement", spec), Placement))
    if placed.fallback and not settings.allow_fallback:
        ops = f" ({', '.join(placed.fallback_ops[:6])})" if placed.fallback_ops else ""
        raise JobError(
            f"{subject.job}: asked for {placed.asked}, the runtime placed nodes on the CPU{ops}",
            next_step="install that provider's runtime, or --allow-fallback to measure it as it is",
        )
    return {"placement": placed, "ceiling": _ceiling(subject, sitting, "before", tell)}


def _ceiling(subject: Subject, sitting: Sitting, when: str, tell: Tell) -> Ceiling:
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
    tell: Tell,
) -> list[list[Any]]:
    return measure_rounds(
        [(subject, sittings[path]) for path, subject in subjects.items()],
        settings.workloads,
        rounds=settings.rounds,
        repetitions=settings.repetitions,
        warmups=settings.warmups,
        messages=_median_prompt(data) if data else None,
        allow_fallback=settings.allow_fallback,
        timeout_s=settings.timeout_s,
        tell=lambda stage, done, total: tell("all", stage, done, total),
    )


def _median_prompt(data: Split) -> tuple[Message, ...]:
    """The conversation of median length (characters) among the rows."""
    by_length = sorted(data.rows, key=lambda row: (sum(len(m["content"]) for m in row.messages), row.id))
    return by_length[len(by_length) // 2].messages


def _outcomes(path: Path, data: Split | None, artifact_sha256: str | None) -> Mapping[str, bool] | None:
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


@dataclass(frozen=True, kw_only=True)
class _Task:
    """What one subject is asked beside latency."""

    subject: Subject
    sitting: Sitting
    dataset_dir: Path | None
    data: Split | None
    settings: Settings

    def answers(self, tell: Tell) -> tuple[Answers, dict[str, int | str | None]]:
        """Greedy answers and, where the dataset has classes, the class by constrained scoring."""
        if self.data is None or self.dataset_dir is None:
            return Answers(examples=()), {}
        spec = self._spec() | {"few_shot": self.subject.few_shot}
        found = self.sitting.run("answers", spec, progress=self._progress(tell, "answers"))
        labels = dataset_labels(self.dataset_dir)
        chosen: list[str | None] = [None] * len(found["examples"])
        if labels:
            spec |= {"labels": list(labels), "few_shot": found["few_shot"]}
            chosen = self.sitting.run("labels", spec, progress=self._progress(tell, "labels"))["labels"]
        examples = tuple(
            Example(**fields, scored_label=label) for fields, label in zip(found["examples"], chosen, strict=True)
        )
        extra: dict[str, int | str | None] = {
            "max_new_tokens": int(found["max_new_tokens"]),
            "few_shot": int(found["few_shot"]),
        }
        return Answers(examples=examples, labels=labels, json_schema=self.data.json_schema), extra

    def text(self, tell: Tell) -> dict[str, Measurement]:
        """Perplexity on the text file, null with the reason when there is none."""
        if self.settings.text is None:
            return not_measured_text("no text file was given (benchmark.text of the recipe, or --text)")
        sha256 = hashlib.sha256(read_text(self.settings.text).encode()).hexdigest()
        spec = self._spec() | {
            "text": str(self.settings.text),
            "text_sha256": sha256,
            "window": self.settings.text_window,
        }
        found = self.sitting.run("text", spec, progress=self._progress(tell, "text"))
        return {name: Measurement.model_validate(value) for name, value in found["metrics"].items()}

    def fidelity(self, tell: Tell) -> dict[str, Measurement]:
        """Divergence from the parent on the reference's tokens."""
        subject = self.subject
        if subject.runtime == "pytorch" or subject.reference_dir is None:
            parent = "the PyTorch parent is what exports are held against"
            why = parent if subject.runtime == "pytorch" else "no reference of the parent was given"
            return {name: not_measured(name, why) for name in FIDELITY_METRICS}
        spec = {"model_dir": str(subject.model_dir), "reference_dir": str(subject.reference_dir)}
        found = self.sitting.run("fidelity", spec, progress=self._progress(tell, "fidelity"))
        return {name: Measurement.model_validate(value) for name, value in found["metrics"].items()}

    def lm_eval(self, tell: Tell) -> dict[str, Measurement]:
        """Tasks of lm-evaluation-harness, through its own onnxruntime-genai model."""
        if not self.settings.lm_eval or self.subject.runtime != "onnxruntime-genai":
            return {}
        spec = self._spec() | {
            "tasks": list(self.settings.lm_eval),
            "include_path": str(self.settings.lm_eval_tasks) if self.settings.lm_eval_tasks else None,
            "execution_provider": self.subject.execution_provider,
        }
        found = self.sitting.run("lm_eval", spec, progress=self._progress(tell, "lm-eval"))
        return {name: Measurement.model_validate(value) for name, value in found["metrics"].items()}

    def _spec(self) -> dict[str, Any]:
        subject = self.subject
        return {
            "model_dir": str(subject.model_dir),
            "runtime": subject.runtime,
            "dataset_dir": str(self.dataset_dir),
            "split": self.settings.split,
            "limit": self.settings.limit,
            "adapter_dir": str(subject.adapter_dir) if subject.adapter_dir else None,
        }

    def _progress(self, tell: Tell, stage: str) -> Callable[[int, int], None]:
        return lambda done, total: tell(self.subject.job, stage, done, total)
