"""How a bench measures, and the checks of its inputs that run before anything that takes long."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from olivepress.core.errors import UsageError
from olivepress.data.store.reader import Split
from olivepress.measure.latency.latency import DEFAULT_WORKLOADS, Workload
from olivepress.measure.quality.few_shot import add_shots
from olivepress.measure.quality.lm_eval_tasks import OWN_TASK
from olivepress.measure.quality.perplexity import read_text, window_and_stride
from olivepress.measure.quality.reference_file import read_reference
from olivepress.measure.quality.task_files import code_in_tasks
from olivepress.measure.subject import Subject

__all__ = ["Settings", "check_inputs", "files_sha256"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to measure.

    Latency: ``rounds`` processes per workload, each with ``warmups`` and then ``repetitions``; ``timeout_s`` limits one
    process, whose failure costs its workload and not the bench; ``allow_fallback`` accepts nodes placed on the CPU.
    Quality: ``limit`` rows spread over ``split``; ``text`` for perplexity in windows of ``text_window`` tokens;
    ``lm_eval`` names tasks of lm-evaluation-harness, ``lm_eval_tasks`` is a folder of your own task files, which may
    run code only with ``trust_tasks``. Report: ``price_per_hour`` in ``currency``; ``no_data`` is the reason stated
    where there is no dataset; ``bundle_sha256`` identifies the bundle that the artifact came in, ``signing_key`` the
    key that the report will be signed with; ``machine_name`` is what reports call this machine.
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
    trust_tasks: bool = False
    allow_fallback: bool = False
    timeout_s: float | None = 7200.0
    price_per_hour: float | None = None
    currency: str | None = None
    no_data: str = "no dataset was given"
    bundle_sha256: str | None = None
    signing_key: str | None = None
    machine_name: str | None = None


def check_inputs(
    subjects: Mapping[Path, Subject], settings: Settings, data: Split | None, dataset_dir: Path | None
) -> None:
    """Read what the later stages need, so that a wrong path is reported before hours of latency measurements.

    UsageError for settings that contradict each other; DataError and JobError as the readers raise them.
    """
    names = [workload.name for workload in settings.workloads]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise UsageError(f"workload {twice} is given twice", next_step="name every workload once")
    for path in subjects:
        if path.is_dir():
            raise UsageError(f"{path}: a directory, expected the report's file", next_step="--out report.json")
    if settings.text is not None:
        read_text(settings.text)
    _check_lm_eval(subjects, settings, data)
    for subject in subjects.values():
        if settings.text is not None:
            window_and_stride(subject.model_dir, settings.text_window, None)
        if subject.reference_dir is not None:
            read_reference(subject.reference_dir)
        if subject.few_shot and data is not None and dataset_dir is not None:
            add_shots(dataset_dir, data.rows, subject.few_shot)


def _check_lm_eval(subjects: Mapping[Path, Subject], settings: Settings, data: Split | None) -> None:
    if settings.lm_eval_tasks is not None and not settings.lm_eval:
        raise UsageError("--lm-eval-tasks without --lm-eval", next_step="name the task of that folder: --lm-eval TASK")
    if settings.lm_eval_tasks is not None and not settings.lm_eval_tasks.is_dir():
        raise UsageError(f"{settings.lm_eval_tasks}: no such folder", next_step="name the folder of your task files")
    _check_task_files(settings)
    if OWN_TASK in settings.lm_eval and data is None:
        raise UsageError(f"--lm-eval {OWN_TASK}: no dataset was given", next_step="--data datasets/...")
    if settings.lm_eval and not any(subject.runtime == "onnxruntime-genai" for subject in subjects.values()):
        raise UsageError("--lm-eval: no exported artifact is measured", next_step="name an export with --job")


def _check_task_files(settings: Settings) -> None:
    """Task files are data unless the user trusts them. UsageError names the first that would run code."""
    if settings.lm_eval_tasks is None:
        if settings.trust_tasks:
            raise UsageError("--trust-tasks without --lm-eval-tasks", next_step="leave it out")
        return
    if settings.trust_tasks:
        return
    problem = next(code_in_tasks(settings.lm_eval_tasks), None)
    if problem is not None:
        raise UsageError(
            f"{problem}: refused, task files that run code or cannot be checked are not trusted",
            next_step="read that file; --trust-tasks accepts it as it is",
        )


def files_sha256(files: Iterable[Path]) -> str:
    """sha256 over names and contents of the files, in the order of their names."""
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(f"{file.name} {hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()
