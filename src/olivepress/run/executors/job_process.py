"""What runs in a job's own process on a worker, in a copy of the parts of the project that the job reads."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from olivepress.core.artifact import Check, read_manifest
from olivepress.core.child.messages import ProgressMessage
from olivepress.core.errors import OlivepressError, SetupError
from olivepress.core.files import write_text
from olivepress.core.jsonl import append_json_line, read_json_lines
from olivepress.core.layout import job_log, parent_answers
from olivepress.core.progress import Progress

__all__ = ["MESSAGES", "Ended", "Messages", "ProcessSpec", "echo_task", "job_task"]

MESSAGES = "messages.jsonl"


class ProcessSpec(BaseModel):
    """``folder`` is the copy of the project; ``fields`` are those of the task."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: str
    key: str
    job: str
    fields: dict[str, Any]


class Ended(BaseModel):
    """How it ended: ``outputs`` are files and folders to be sent back, ``fields`` what else is to be known."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    state: Literal["done", "failed", "elsewhere"]
    fields: dict[str, Any] = {}
    outputs: tuple[str, ...] = ()
    error: str = ""
    next_step: str | None = None


class Messages:
    """A reporter of ``run`` that writes what it is told to a file, from which the worker passes it on.

    ``record`` is where the trainer of a fine-tune writes its steps.
    """

    def __init__(self) -> None:
        self._path = Path(MESSAGES)
        self.record: Path | None = None
        self._seen = 0  # lines of the record

    def _add(self, **facts: Any) -> None:
        append_json_line(self._path, facts, sync=False)

    def step(self, stage: str, done: int, total: int) -> None:
        """How far a stage is, of work that has no jobs of a plan."""
        self._add(stage=stage, done=done, total=total)

    def fetching_model(self, what: str, done: int, total: int) -> None:
        self._add(stage=what, done=done, total=total)

    def reading_model(self, done: int, total: int) -> None:
        self._add(stage="base model", done=done, total=total)

    def checking(self, what: str) -> None:
        self._add(stage=what)

    def checked(self, result: str) -> None:
        self._add(stage=result)

    def run_started(self, expected: Any) -> None: ...

    def job_started(self, job: Any, number: int, total: int) -> None: ...

    def stage(self, job: Any, what: str) -> None:
        self._add(stage=what)

    def note(self, job: Any, text: str) -> None:
        self._add(note=text)

    def job_progress(self, job: Any, step: ProgressMessage) -> None:
        self._add(done=step.done, total=step.total, loss=step.loss)
        if step.loss is None and self.record is not None:
            self._add_evaluations(self.record)

    def _add_evaluations(self, record: Path) -> None:
        """As the trainer wrote them: whoever follows the run may judge it by them."""
        lines = read_json_lines(record)
        new, self._seen = lines[self._seen :], len(lines)
        for line in new:
            if isinstance(line, dict) and ("validation_loss" in line or "metrics" in line):
                self._add(evaluation=line)

    def job_ended(self, outcome: Any) -> None: ...


def echo_task(spec: ProcessSpec, progress: Progress) -> Ended:
    """Write ``text`` to ``file`` after some ``seconds``: a job that costs nothing, for measurements and tests."""
    os.chdir(spec.folder)
    end = time.monotonic() + float(spec.fields.get("seconds", 0.0))
    Messages().checking("echo")
    while time.monotonic() < end:
        time.sleep(0.02)
    if spec.fields.get("fails"):
        return Ended(state="failed", error=str(spec.fields["fails"]))
    name = str(spec.fields["file"])
    write_text(Path(name), str(spec.fields["text"]))
    gpus = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return Ended(state="done", outputs=(name,), fields={"gpus": gpus, "process": os.getpid()})


def job_task(spec: ProcessSpec, progress: Progress) -> Ended:
    """One job of a plan: made from the same recipe, data and workflow as on the submitting side, then verified."""
    from olivepress.run.cleanup import training_record
    from olivepress.run.executors.rebuild import rebuild
    from olivepress.run.failure import ChecksFailed, DiskFull, OutOfMemory
    from olivepress.run.here import check_here
    from olivepress.run.job import make

    os.chdir(spec.folder)
    reporter, checks = Messages(), list[Check]()
    try:
        rebuilt = rebuild(spec.fields, reporter)
        plan, job = rebuilt.plan, rebuilt.job
        reporter.record = training_record(rebuilt.workflow) if rebuilt.workflow.training_dir else None
        check_here(plan, job, force=rebuilt.force)
    except OlivepressError as error:
        # What the submitting side could prepare and this machine cannot is a matter of this machine.
        return Ended(state="elsewhere", error=error.message, next_step=error.next_step)
    log = job_log(plan.recipe.name, job.id).as_posix()
    answers = [parent_answers(plan.recipe.name, job.parent).as_posix()] if job.parent else []
    try:
        parent = read_manifest(plan.output_dir(plan.job(job.parent))) if job.parent else None
        manifest = make(plan, job, rebuilt.workflow, parent, spec.key, reporter)
    except OlivepressError as error:
        elsewhere = isinstance(error, SetupError | OutOfMemory | DiskFull)
        checks = list(error.checks) if isinstance(error, ChecksFailed) else []
        return Ended(
            state="elsewhere" if elsewhere else "failed",
            error=error.message,
            next_step=error.next_step,
            fields={"checks": [check.model_dump(mode="json") for check in checks], "kind": type(error).__name__},
            outputs=(log,),
        )
    outputs = (plan.output_dir(job).as_posix(), log, *answers)
    return Ended(state="done", fields={"sha256": manifest.sha256}, outputs=outputs)
