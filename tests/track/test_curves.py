"""The curves of a fine-tune come from the training record, each step once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from olivepress.track.curves import CurveFollower, point_of, steps_of
from olivepress.track.record import Point, Points
from olivepress.track.runs import read_run
from olivepress.track.writer import open_run
from tests.track.conftest import start

SOURCE = Path("training.jsonl")


def write(*steps: int, start_anew: bool = False, **values: float) -> None:
    with SOURCE.open("w" if start_anew else "a") as file:
        for step in steps:
            file.write(json.dumps({"done": step, "total": 9, "seconds": 1.0, **({"loss": step / 10} | values)}) + "\n")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ({"done": 3, "total": 9, "loss": 0.5, "seconds": 2.0}, (3, {"loss": 0.5})),
        (
            {"done": 3, "total": 9, "eval_loss": 1, "learning_rate": 1e-4},
            (3, {"eval_loss": 1.0, "learning_rate": 1e-4}),
        ),
        ({"done": 3, "loss": float("nan"), "grad_norm": 2.0}, (3, {"grad_norm": 2.0})),
        (
            {"done": 3, "validation_loss": 2.0, "metrics": {"f1": 0.5, "x y": 1}},
            (3, {"validation_loss": 2.0, "validation_f1": 0.5}),
        ),
        ({"done": 3, "quality": {"perplexity": 4.0}, "alerts": [{"best": 1.0}]}, (3, {"monitor_perplexity": 4.0})),
        ({"done": 3, "validation_loss": 2.0, "best": 2}, (3, {"validation_loss": 2.0})),  # a step, no curve
        ({"done": 3, "total": 9, "shipped": {"step": 2}, "seconds": 1.0}, None),
        ({"done": 0, "total": 0, "rows": {"rows": 5}}, None),
        ({"done": 3, "total": 9, "seconds": 2.0}, None),
        ({"done": 3, "loss": 10**400, "grad_norm": 2.0}, (3, {"grad_norm": 2.0})),  # of a worker, which is foreign
        ({"done": True, "loss": 1.0}, None),
        ({"done": -1, "loss": 1.0}, None),
        ({"done": 2**60, "loss": 1.0}, None),
        ({"done": 3, "loss": "0.5", "A b": 1.0, "x" * 90: 2.0}, None),
        ({"error": "x"}, None),
        ([1], None),
    ],
)
def test_a_line_of_the_training_record(line: object, expected: object) -> None:
    assert point_of(line) == expected


def test_each_step_once_also_after_a_resume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    writer = start(None)
    follower = CurveFollower(SOURCE, writer)
    follower.read()  # not there yet
    write(1, 2)
    with SOURCE.open("a") as file:
        file.write('{"done": 3, "to')  # half written
    follower.read()
    with SOURCE.open("a") as file:
        file.write('tal": 9, "loss": 0.3}\n')
    follower.read()
    write(3, eval_loss=0.9)  # evaluation has a line of its own
    follower.read()
    opened = open_run(writer.path, print)
    assert opened is not None
    resumed = CurveFollower(SOURCE, opened)
    write(2, 3, 4)  # from the last checkpoint on
    resumed.read()
    write(4, 5, start_anew=True)
    resumed.read()
    run = read_run(writer.path)
    assert run is not None
    assert (run.curves["loss"].points, run.curves["loss"].last_step, run.curves["loss"].last) == (5, 5, 0.5)
    assert run.curves["eval_loss"].points == 1


def test_tokens_per_second_leave_evaluations_and_other_processes_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lines: list[dict[str, float]] = [
        {"done": 1, "loss": 1.0, "tokens": 100, "seconds": 2.0},
        {"done": 2, "loss": 1.0, "tokens": 300, "seconds": 4.0},
        {"done": 2, "validation_loss": 1.0, "seconds": 14.0},  # ten seconds of evaluation
        {"done": 3, "loss": 1.0, "tokens": 500, "seconds": 16.0},
        {"done": 4, "loss": 1.0, "tokens": 700, "seconds": 1.0},  # the process was killed, and another goes on
        {"done": 5, "loss": 1.0, "tokens": 900, "seconds": 2.0, "peak_memory_bytes": 2e9},
    ]
    SOURCE.write_text("".join(json.dumps(line) + "\n" for line in lines))
    writer = start(None)
    CurveFollower(SOURCE, writer).read()
    curve = read_run(writer.path).curves["tokens_per_s"]  # type: ignore[union-attr]
    assert (curve.points, curve.last, curve.lowest) == (3, 200.0, 100.0)
    assert read_run(writer.path).curves["peak_memory_bytes"].last == 2e9  # type: ignore[union-attr]


def test_points_become_the_steps_again() -> None:
    lines = [
        {"done": 1, "total": 2, "loss": 2.0, "learning_rate": 1e-4, "grad_norm": 0.5, "seconds": 3.0},
        {"done": 1, "total": 2, "validation_loss": 1.5, "metrics": {"exact_match": 0.25}},
        {"done": 1, "total": 2, "quality": {"perplexity": 1.5, "exact_match": 0.5}},
        {"done": 2, "total": 2, "loss": 1.0},
    ]
    points = [Point(step=step, at=0, values=values) for line in lines for step, values in [point_of(line)]]
    first, second = steps_of([None, Points(points=tuple(points[:2])), Points(points=tuple(points[2:]))])
    assert (first.loss, first.validation_loss, first.learning_rate, first.grad_norm) == (2.0, 1.5, 1e-4, 0.5)
    assert first.quality == {"perplexity": 1.5, "exact_match": 0.5} and second.quality == {}
    assert first.metrics == {"exact_match": 0.25} and (second.step, second.loss, second.metrics) == (2, 1.0, {})
