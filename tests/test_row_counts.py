"""Rows that are too long: counted, put in words, and judged."""

from __future__ import annotations

import json
from pathlib import Path

from olivepress.row_counts import RowCounts, count_rows, row_problem, row_summary
from olivepress.run.tidy import _last_of_each_step, trained_rows


def test_counts_and_the_length_that_keeps_95_in_100() -> None:
    counts = count_rows(list(range(1, 101)), [2] * 100, 40)
    assert (counts.rows, counts.left_out, counts.trained, counts.supervised) == (100, 60, 40, 80)
    assert (counts.longest, counts.enough) == (100, 95)
    summary = row_summary(counts)
    assert "60 of 100 rows, 60 %, are longer than 40 tokens" in summary and "data.max_length: 95 keeps 95 %" in summary
    assert row_problem(counts) == summary
    assert count_rows([10, 20, 30], [1, 1, 1], 25).enough == 30


def test_half_is_reported_and_more_is_an_error() -> None:
    half = count_rows([10] * 5 + [100] * 5, [3] * 10, 50)
    assert row_summary(half) and not row_problem(half)
    assert row_summary(count_rows([10, 20], [1, 1], 50)) == "" == row_problem(count_rows([], [], 50))
    sample = half.model_copy(update={"sample_of": 9000})
    assert "(a sample of 9000)" in row_summary(sample)


def test_what_the_training_process_counted_reaches_the_runner(tmp_path: Path) -> None:
    record = tmp_path / "training.jsonl"
    counts = count_rows([10, 99], [4, 4], 50)
    lines = [{"done": 0, "total": 0, "rows": counts.model_dump()}, {"done": 1, "total": 2, "loss": 0.5, "seconds": 1.0}]
    record.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert trained_rows(record) == counts == RowCounts.model_validate(counts.model_dump())
    assert [json.loads(line)["done"] for line in _last_of_each_step(record).splitlines()] == [1]
    assert trained_rows(tmp_path / "none.jsonl") is None
