"""Long: a rehearsal that is killed in every step, on a small shape."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.end_to_end.families import make_small_model, write_recipe

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


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
