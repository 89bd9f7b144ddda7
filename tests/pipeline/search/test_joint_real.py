"""A joint search with real fine-tunes, exports and measurements of the tiny model."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from olivepress.core.layout import CONFIGS, RUNS
from tests.pipeline.search.stand_in import write_recipe

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

Cli = Callable[..., subprocess.CompletedProcess[str]]
JOINT = {"targets": ["cpu-fp32", "cpu-int8"], "choose": "smallest", "margin": 0.5}
SEARCH = {
    "learning_rate": {"choices": [1.0e-3]},
    "r": {"choices": [4]},
    "sampler": "grid",
    "length": 0.5,
    "finalists": 1,
    "seeds": 2,
    "joint": JOINT,
}


def test_every_trial_is_exported_and_measured(project: Path, olivepress: Cli) -> None:
    path = write_recipe(project, SEARCH, max_steps=10, learning_rate=1.0e-3)
    recipe = yaml.safe_load(path.read_text())
    benchmark = {"workloads": [[16, 8]]}
    path.write_text(yaml.safe_dump(recipe | {"targets": JOINT["targets"], "benchmark": benchmark}))
    done = olivepress("search", "finetune", "t", "--joint", "--json")
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    trials = {trial["params"]["target"]: trial for trial in record["stages"]["trials"]["trials"]}
    assert set(trials) == {"cpu-fp32", "cpu-int8"}
    for trial in trials.values():
        assert trial["state"] == "finished", trial["reason"]
        quality, speed, size = trial["values"]
        low, high = trial["intervals"]["exact_match"]
        assert low <= quality <= high and speed > 0 and size > 1000
    assert trials["cpu-int8"]["values"][2] < trials["cpu-fp32"]["values"][2]
    assert trials["cpu-int8"]["number"] in record["stages"]["trials"]["front"]
    assert record["winner"]["target"] == "cpu-int8" and record["verdict"]["rows"] == 24
    assert record["measured"]["winner"][2] < record["measured"]["default"][2]
    assert not list(RUNS.rglob("*.onnx*")) and not list(RUNS.rglob("*.safetensors"))
    best = yaml.safe_load(Path("recipes/t-joint.yaml").read_text())
    assert best["targets"] == ["cpu-int8"] and (CONFIGS / "t-joint" / "export-cpu-int8.yaml").is_file()
    assert "Pareto front" in Path("runs/t/search/joint.html").read_text()
