"""Rows that are too long: counted, put in words, and judged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from olivepress.core.jsonl import read_json_lines
from olivepress.pipeline.plan import load_plan
from olivepress.pipeline.prepare import prepare, row_notes
from olivepress.run.cleanup import _record_text, trained_rows
from olivepress.workflow.lint import row_findings
from olivepress.workflow.olive_plugin.row_counts import RowCounts, count_rows, row_problem, row_summary
from olivepress.workflow.render import render_all

WORDS = ("lamp", "door", "shelf", "river", "cloud", "paper", "green", "quick", "seven", "monday", "copper", "garden")


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
    assert trained_rows(read_json_lines(record)) == counts == RowCounts.model_validate(counts.model_dump())
    assert [json.loads(line)["done"] for line in _record_text(record).splitlines()] == [1]
    assert trained_rows(read_json_lines(tmp_path / "none.jsonl")) is None


@pytest.mark.parametrize(("long_rows", "level"), [(0, None), (20, "note"), (180, "error")])
def test_render_knows_which_rows_are_too_long(project: Path, long_rows: int, level: str | None) -> None:
    pytest.importorskip("transformers", reason="the build extra is not installed")
    lines = []
    for number in range(200):
        count = 200 if number < long_rows else 6
        text = " ".join(WORDS[(number * 7 + place * (place + number)) % len(WORDS)] for place in range(count))
        lines.append(
            json.dumps({"prompt": f"note {number}: {text}", "completion": f"note {number} is of {WORDS[number % 12]}"})
        )
    (project / "notes.jsonl").write_text("\n".join(lines))
    recipe = project / "recipes" / "tiny-phi.yaml"
    text = recipe.read_text()
    start, end = text.index("\ndata:") + 1, text.index("\nfinetune:") + 1
    recipe.write_text(f"{text[:start]}data: {{source: notes.jsonl, max_length: 256}}\n{text[end:]}")
    plan = load_plan("tiny-phi")
    prepare(plan)
    findings = row_findings(render_all(plan))
    assert [finding.level for finding in findings] == ([level] if level else [])
    if level:
        assert "are longer than 256 tokens" in findings[0].message and "data.max_length: " in findings[0].message
        assert row_notes(plan) == [findings[0].message]
