"""What watches a run, such as tracking, never costs its result nor hides its error."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from olivepress.core.artifact import Manifest, Resources
from olivepress.core.errors import JobError
from olivepress.models.admission import BaseModel
from olivepress.pipeline.plan import load_plan
from olivepress.run import runner
from olivepress.run.journal import events
from olivepress.workflow.render import render_all

BASE = BaseModel(training="base", whole="base")


class Observer:
    """Fails at each call with what it is given."""

    def __init__(self, begins: BaseException | None = None, ends: BaseException | None = None) -> None:
        self._begins, self._ends = begins, ends
        self.ended: list[str] = []
        self.reasons: list[str] = []

    def job_begins(self, *_: object) -> None:
        if self._begins is not None:
            raise self._begins

    def job_ends(self, status: str, *, reason: str = "", **_: object) -> None:
        self.ended.append(status)
        self.reasons.append(reason)
        if self._ends is not None:
            raise self._ends


class Notes:
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, job: object, text: str) -> None:
        self.notes.append(text)

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_, **__: None


@pytest.fixture
def fine_tune(project: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Path, list[str]]]:
    """Runs the fine-tune of the demo, which only writes a file, or raises ``error``; its folder and the notes."""
    plan = load_plan("tiny-phi")
    output = plan.output_dir(plan.job("finetune"))
    monkeypatch.setattr(runner, "current", lambda *_: ("k", None))
    monkeypatch.setattr(runner, "check_here", lambda *_, **__: None)

    def run(observer: Observer, error: BaseException | None = None) -> tuple[Path, list[str]]:
        def make(*_: object) -> Manifest:
            output.mkdir(parents=True)
            (output / "adapter").write_text("x")
            if error is not None:
                raise error
            resources = Resources.model_construct(seconds=1.0)
            return Manifest.model_construct(sha256="0" * 64, resources=resources)

        monkeypatch.setattr(runner, "make", make)
        reporter: Any = Notes()
        watcher: Any = observer
        workflows = render_all(plan)
        runner.run_plan(plan, workflows, reporter=reporter, only="finetune", base=BASE, observer=watcher)
        return output, reporter.notes

    return run


def test_its_errors_are_notes(fine_tune: Callable[..., tuple[Path, list[str]]]) -> None:
    observer = Observer(begins=ValueError("no record"), ends=OSError("disk full"))
    output, notes = fine_tune(observer)
    assert (output / "adapter").is_file() and observer.ended == ["finished"]
    assert [text.rpartition(": ")[2] for text in notes] == ["no record", "disk full"]


def test_an_interruption_while_it_records_removes_nothing(fine_tune: Callable[..., tuple[Path, list[str]]]) -> None:
    with pytest.raises(KeyboardInterrupt):
        fine_tune(Observer(ends=KeyboardInterrupt()))
    assert Path("runs/tiny-phi/finetune/adapter").is_file()
    assert [event["event"] for event in events(Path("runs/tiny-phi/journal.jsonl"))] == ["started", "finished"]


def test_its_error_does_not_replace_that_of_the_job(fine_tune: Callable[..., tuple[Path, list[str]]]) -> None:
    observer = Observer(ends=OSError("disk full"))
    with pytest.raises(JobError, match="the loss is nan"):
        fine_tune(observer, JobError("the loss is nan"))
    with pytest.raises(RuntimeError, match="out of memory"):
        fine_tune(observer, RuntimeError("out of memory"))
    assert observer.ended == ["failed", "failed"]
    assert observer.reasons == ["the loss is nan", "RuntimeError: out of memory"]
