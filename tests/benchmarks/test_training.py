"""The pure parts of ``make training-benchmark``: what is counted, and that two that see the same rows count alike."""

from __future__ import annotations

import pytest
from finetuning.counted import summed
from finetuning.table import markdown
from training import LENGTH, LORA, by_row_workflow, summarize


def step(began, ended, real=10, supervised=4, positions=20):
    return {"began": began, "ended": ended, "real": real, "supervised": supervised, "positions": positions}


def run(seconds, **counts):
    found = summed([step(0.0, 1.0), step(1.0, 1.0 + seconds / 2), step(1.0 + seconds / 2, 1.0 + seconds)])
    return found | {"peak_memory_bytes": 1e9} | counts


def test_the_first_step_warms_up_and_is_not_timed():
    found = run(4.0)
    assert (found["steps"], found["seconds"], found["real"], found["all_real"]) == (3, 4.0, 20, 30)
    assert found["positions"] - found["real"] == 20


def test_goals_are_ratios_of_real_tokens_paired_by_round():
    found = {
        "olivepress": [run(1.0), run(2.0), run(1.0)], "plain": [run(1.0), run(2.0), run(1.0)],
        "olive": [run(3.0), run(6.0), run(3.0)], "olive-rows": [run(1.5), run(3.0), run(1.5)],
    }  # fmt: skip
    record = summarize(found)
    assert [goal["verdict"] for goal in record["goals"]] == ["met", "missed", "met"]
    assert record["goals"][0]["ratio"]["value"] == pytest.approx(3.0)
    assert record["subjects"]["plain"]["padding"]["value"] == pytest.approx(0.5)
    machine = {"machine": {"id": "m"}, "date": "d", "rounds": 3, "batch": 2, "steps": 3, "length": LENGTH, "lora": LORA}
    assert "| against a plain Trainer | 1 | 1 (1 to 1) | met |" in markdown(record | machine)


def test_other_rows_than_the_plain_script_are_an_error():
    runs = {name: [run(1.0)] * 3 for name in ("olivepress", "olive", "olive-rows", "plain")}
    runs["plain"] = [run(1.0, all_real=31)] * 3
    with pytest.raises(AssertionError, match="all_real: 30 in our workflow, 31 in the plain script"):
        summarize(runs)


def test_the_workflow_of_rows_apart_differs_from_the_command_line_in_the_strategy_only(tmp_path):
    workflow = by_row_workflow(tmp_path / "model", tmp_path / "rows.jsonl", tmp_path)
    (data,) = workflow["data_configs"]
    assert data["pre_process_data_config"]["strategy"] == "line-by-line"
    assert workflow["passes"]["f"]["type"] == "LoRA"
