"""Long: QLoRA on the CPU, and a rehearsal that is killed in every step, on a small shape."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from olivepress.artifact import read_manifest
from tests.conftest import ROOT
from tests.end_to_end.families import make_small_model, write_recipe

Cli = Callable[..., subprocess.CompletedProcess[str]]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_qlora_is_merged_into_the_unquantized_base(project: Path, olivepress: Cli) -> None:
    make_small_model("llama3-scaled-tied", project / "models" / "small")
    write_recipe(project / "recipes" / "small.yaml", "models/small", finetune={"method": "qlora"})
    done = olivepress("run", "small")
    assert done.returncode == 0, done.stderr
    names = [check.name for check in read_manifest(project / "runs" / "small" / "merge", verify=True).checks]
    assert "kl_to_base_with_adapter" in names


def test_rehearsal_survives_a_kill_in_every_step(project: Path) -> None:
    make_small_model("qwen2-tied", project / "models" / "small")
    write_recipe(project / "recipes" / "small.yaml", "models/small")
    script = ROOT / "scripts" / "rehearse_with_kills.py"
    done = subprocess.run(
        [sys.executable, str(script), "small", "--quick"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    record = json.loads((project / "benchmarks" / "rehearsals" / "small.json").read_text())
    assert [step["name"] for step in record["steps"]] == ["random model", "finetune", "merge", "export-cpu-int4"]
    assert all(step["unfinished_tries"] >= 1 for step in record["steps"])
    assert record["random_weights"] is True and record["bench"]["decode_tps"]["value"] > 0
