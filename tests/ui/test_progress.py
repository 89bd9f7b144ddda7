"""How far a job is, from the messages of a process that may be killed at any byte."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from olivepress.core.jsonl import append_json_line
from olivepress.core.layout import job_messages, training_dir
from olivepress.ui.progress import progress_of, seconds_left, trained_run
from tests.ui.project import RECIPE

NOW = datetime.now(UTC)


def record(name: str = "finetune-0123") -> Path:
    folder = training_dir(RECIPE, name)
    folder.parent.mkdir(parents=True, exist_ok=True)
    return folder.with_name(f"{name}.jsonl")


def step(path: Path, done: int, loss: float, seconds: float, total: int = 10) -> None:
    append_json_line(path, {"done": done, "total": total, "loss": loss, "seconds": seconds}, sync=False)


def test_nothing_is_reported_yet() -> None:
    assert progress_of(RECIPE, "finetune", NOW) is None
    append_json_line(record(), {"done": 0, "total": 0, "rows": {"rows": 5}})
    assert progress_of(RECIPE, "finetune", NOW) is None


def test_a_line_that_is_being_written() -> None:
    path = record()
    step(path, 1, 4.5, 2.0)
    step(path, 2, 4.0, 5.0)
    with path.open("a") as file:
        file.write('{"done": 3, "total": 10, "loss": 3.')
    progress = progress_of(RECIPE, "finetune", NOW - timedelta(minutes=1))
    assert progress is not None
    assert (progress.done, progress.total, progress.loss, progress.seconds_left) == (2, 10, 4.0, 24.0)
    with path.open("a") as file:
        file.write('5, "seconds": 8.0}\n')
    after = progress_of(RECIPE, "finetune", NOW - timedelta(minutes=1))
    assert after is not None and (after.done, after.loss, after.seconds_left) == (3, 3.5, 21.0)


def test_the_record_of_an_earlier_try_is_not_this_one() -> None:
    path = record("finetune-old")
    step(path, 9, 1.0, 3.0)
    os.utime(path, (1_700_000_000, 1_700_000_000))
    assert progress_of(RECIPE, "finetune", NOW) is None
    step(record("finetune-new"), 1, 4.0, 3.0)
    progress = progress_of(RECIPE, "finetune", NOW - timedelta(minutes=1))
    assert progress is not None and progress.done == 1


def test_an_export_reports_without_a_loss() -> None:
    append_json_line(job_messages(RECIPE, "export-a"), {"done": 3, "total": 64})
    progress = progress_of(RECIPE, "export-a", NOW - timedelta(minutes=1))
    assert progress is not None and (progress.done, progress.total, progress.loss) == (3, 64, None)
    assert progress_of(RECIPE, "export-b", None) is None


def test_steps_that_were_repeated_after_a_kill_count_once() -> None:
    path = record()
    for done, loss in ((1, 4.0), (2, 3.0), (3, 2.0), (2, 2.9), (3, 1.9)):
        step(path, done, loss, 1.0)
    progress = progress_of(RECIPE, "finetune", None)
    assert progress is not None
    assert [(each.step, each.loss) for each in progress.run.steps] == [(1, 4.0), (2, 2.9), (3, 1.9)]


@pytest.mark.parametrize(
    ("lines", "left"),
    [
        ([], None),
        ([(1, 5.0)], None),
        ([(1, 5.0), (3, 9.0)], 14.0),
        ([(8, 90.0), (9, 100.0), (9, 1.0), (10, 3.0)], 0.0),  # resumed: the clock of the last process
        ([(8, 90.0), (9, 1.0)], None),
        ([(5, 5.0), (5, 6.0)], None),
        ([(n, n * 100.0) for n in range(1, 6)] + [(n, 500.0 + (n - 5) * 2) for n in range(6, 40)], 122.0),
    ],
)
def test_the_time_that_is_left(lines: list[tuple[int, float]], left: float | None) -> None:
    total = 100 if len(lines) > 5 else 10
    assert seconds_left([{"done": done, "seconds": seconds} for done, seconds in lines], total) == left


def test_numbers_that_no_trainer_writes() -> None:
    path = record()
    lines = [
        '{"done": 1, "total": 1' + "0" * 400 + ', "loss": 2.0, "seconds": 1}',
        '{"done": -1, "total": 10, "loss": 1.0}',
        '{"done": 2, "total": 10, "loss": NaN, "seconds": Infinity}',
        '{"done": "3", "total": 10, "loss": 1.0}',
        "[" * 100_000,
        '{"done": 4, "total": 10, "loss": 1.5, "seconds": 1e400}',
    ]
    path.write_text("\n".join(lines) + "\n")
    progress = progress_of(RECIPE, "finetune", None)
    assert progress is not None and (progress.done, progress.total, progress.seconds_left) == (4, 10, None)
    assert [each.step for each in progress.run.steps if each.loss is not None] == [1, 4]


def test_a_record_outside_of_runs_is_not_read(tmp_path: Path) -> None:
    step(tmp_path / "other.jsonl", 1, 1.0, 1.0)
    record().symlink_to(tmp_path / "other.jsonl")
    os.mkfifo(record("finetune-pipe"))
    assert progress_of(RECIPE, "finetune", None) is None


def test_the_curve_of_a_finished_fine_tune() -> None:
    assert trained_run(RECIPE, "finetune").steps == ()
    for name, loss in (("finetune-old", 6.0), ("finetune-new", 5.0)):  # stopped, the second with other settings
        step(record(name), 1, loss, 1.0)
    os.utime(record("finetune-old"), (1_700_000_000, 1_700_000_000))
    assert [each.loss for each in trained_run(RECIPE, "finetune").steps] == [5.0]
    assert trained_run(RECIPE, "merge").steps == ()
    path = Path("runs", RECIPE, "finetune", "training.jsonl")
    for done in (1, 2):
        step(path, done, 4.0 / done, 1.0)
    assert [each.loss for each in trained_run(RECIPE, "finetune").steps] == [4.0, 2.0]
