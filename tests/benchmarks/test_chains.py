"""The arithmetic of ``benchmarks/chains.py``, on a made-up record."""

from __future__ import annotations

import json
from pathlib import Path

import chains
import pytest
import yaml
from chaining.chart import chart
from chaining.table import cumulated, half_from, markdown, ratio
from chains import chain, job_seconds, measured_once, pass_list, recipe

from olivepress.charts.svg import render_svg

RECORD = {
    "date": "2026-01-01",
    "machine": {"id": "box"},
    "targets": ["a", "b", "c"],
    "recipe_seconds": 58.0,
    "cluster_seconds": 45.0,
    "jobs": {"finetune": 20.0, "merge": 5.0, "export-a": 10.0, "export-b": 12.0, "export-c": 8.0},
    "chains": {"a": 40.0, "b": 45.0, "c": 15.0},
    "examples": [{"examples": 32, "seconds": 1.0}, {"examples": 64, "seconds": 2.0}],
    "sizes": [
        {
            "parameters": 22e6,
            "seconds": 60.0,
            "jobs": {"finetune": 12.0, "merge": 25.0, "export-cpu-int4": 18.0},
            "peak_memory_bytes": {"finetune": 1e9, "merge": None, "export-cpu-int4": 2e9},
        }
    ],
}


def test_the_recipes_first_jobs_are_shared_and_a_chains_are_not():
    rows = cumulated(RECORD)
    ours = [row["seconds"] for row in rows if row["of"] == "one recipe"]
    chains = [row["seconds"] for row in rows if row["of"] == "stand-alone chains"]
    assert ours == [20 + 5 + 3 + 10, 50.0, 58.0]  # 3 s between the jobs
    assert chains == [40.0, 85.0, 100.0]
    assert ratio(RECORD) == pytest.approx(0.58)


def test_the_fine_tune_from_which_the_goal_is_met():
    record = {
        "recipe_seconds": 150.0, "targets": list("abcdef"), "chains": dict.fromkeys("abcdef", 60.0),
        "examples": [{"examples": 1, "seconds": 50.0}],
    }  # fmt: skip
    found = half_from(record)  # recipe F + 100, chains 6 (F + 10)
    assert (found + 100) / (6 * (found + 10)) == pytest.approx(0.5)


def test_the_table_says_whether_the_goal_is_met():
    text = markdown(RECORD)
    assert "Ratio 0.58; goal at most 0.5: missed" in text and "n=1, no interval" in text
    assert "the same recipe took 45 s: 0.45 of the chains" in text
    assert "| one recipe | 25 | 10 | 12 | 8 | 58 |" in text and "| stand-alone chain | – | 40 | 45 | 15 | 100 |" in text
    assert "| 22 M | 12 s | 25 s | 18 s | 2.0 GB |" in text


def test_the_chart_has_three_panels_with_the_records_words():
    svg = render_svg(chart(RECORD) | {"title": "cost"})
    assert all(
        word in svg for word in ("number of targets", "examples of fine-tuning", "export-cpu-int4", "one recipe")
    )


def test_seconds_of_jobs_are_those_between_the_journals_lines(tmp_path: Path):
    (tmp_path / "runs" / "r").mkdir(parents=True)
    lines = [("started", "12:00:00"), ("finished", "12:00:07")]
    text = [{"at": f"2026-01-01T{at}+00:00", "event": event, "job": "merge", "key": "k"} for event, at in lines]
    (tmp_path / "runs" / "r" / "journal.jsonl").write_text("".join(json.dumps(line) + "\n" for line in text))
    assert job_seconds(tmp_path, "r") == {"merge": 7.0}


def test_a_chain_has_the_passes_of_all_three_workflows_and_folders_of_its_own(tmp_path: Path):
    folder = tmp_path / "olive_configs" / "r"
    folder.mkdir(parents=True)
    lora = {"type": "LoRA", "training_args": {"output_dir": "runs/r/training"}}
    parts = {
        "finetune": {"input_model": {"model_path": "base"}, "systems": {}, "passes": {"lora": lora},
                     "data_configs": [{"name": "train"}]},
        "merge": {"input_model": {}, "systems": {}, "passes": {"merge": {"type": "MergeAdapterWeights"}}},
        "export-a": {"input_model": {}, "systems": {"here": 1}, "passes": {"build": {"type": "ModelBuilder"}}},
    }  # fmt: skip
    for name, part in parts.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(part))
    made = chain(tmp_path, "r", "a", tmp_path / "out")
    assert list(made["passes"]) == ["lora", "merge", "build"] and made["input_model"] == {"model_path": "base"}
    assert made["systems"] == {"here": 1} and made["data_configs"] == [{"name": "train"}]
    folders = [made["output_dir"], made["cache_dir"], made["passes"]["lora"]["training_args"]["output_dir"]]
    assert len(set(folders)) == 3 and all(folder.startswith(str(tmp_path / "out")) for folder in folders)


def test_the_recipe_is_the_demos_with_changes(tmp_path: Path):
    recipe(tmp_path, "r", {"targets": ["cpu-int4"]})
    content = json.loads((tmp_path / "recipes" / "r.yaml").read_text())
    assert content["name"] == "r" and content["targets"] == ["cpu-int4"]
    assert content["finetune"]["max_steps"] == 250 and "budget" not in content


def test_a_chain_knows_olives_passes_and_those_that_its_workflows_name(tmp_path: Path):
    folder = tmp_path / "olive_configs" / "r"
    folder.mkdir(parents=True)
    for name, option in (("finetune", ""), ("merge", ""), ("export-a", " --package-config olive_configs/r/a.json")):
        (folder / f"{name}.yaml").write_text(f"# olive run --config {name}.yaml{option}\npasses: {{}}\n")
    (folder / "a.json").write_text(json.dumps({"passes": {"Ours": {"module_path": "ours.Ours"}}}))
    passes = pass_list(tmp_path, "r", "a")["passes"]
    assert passes["Ours"]["module_path"] == "ours.Ours" and passes["LoRA"]["module_path"].startswith("olive.")


def test_a_run_that_was_cut_goes_on_with_what_it_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(chains, "PARTS", tmp_path / "chains.parts.json")
    assert measured_once("recipe", lambda: {"seconds": 5.0}) == {"seconds": 5.0}
    assert measured_once("chain a", lambda: 7.0) == 7.0
    assert measured_once("recipe", lambda: pytest.fail("was measured")) == {"seconds": 5.0}
    monkeypatch.setattr(chains, "STEPS", 1)
    assert measured_once("recipe", lambda: {"seconds": 1.0}) == {"seconds": 1.0}, (
        "what another run measured does not count"
    )
