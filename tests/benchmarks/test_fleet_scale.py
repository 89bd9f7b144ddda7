"""``benchmarks/fleet_scale.py``: a small run with real processes, and its table."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from fleet_scale import markdown

from tests.conftest import ROOT

ROW = {
    "reports": 10_000, "importers": 4, "import_s": 50.0, "again_s": 1.5, "status_s": 3.0, "rollout_s": 7.0,
    "classes_s": 8.0, "import_cpu_s": 90.0, "again_cpu_s": 1.2, "status_cpu_s": 2.0, "rollout_cpu_s": 6.0,
    "classes_cpu_s": 7.0, "import_peak_memory_bytes": 80e6, "status_peak_memory_bytes": 200e6,
    "rollout_peak_memory_bytes": 300e6, "index_bytes": 30e6, "page_bytes": 12_000,
}  # fmt: skip


RECORD = {
    "machine": {"cpu": "Test CPU", "logical_cores": 2}, "load": 0.5, "report_bytes": 90_000,
    "made_by": "python benchmarks/fleet_scale.py --importers 4",
}  # fmt: skip


def test_the_table_names_every_figure_with_its_unit() -> None:
    text = markdown(RECORD | {"sizes": [ROW]})
    assert "load 0.5 when it began). Made by `python benchmarks/fleet_scale.py --importers 4`" in text
    assert "Simulated reports of 90 kB" in text and "nothing was measured on any device" in text
    assert (
        "| 10,000 | 4 | 50.0 s (90.0 s) | 9.0 ms | 1.5 s (1.2 s) | 3.0 s (2.0 s) | 7.0 s (6.0 s) | 8.0 s (7.0 s) |"
        in text.splitlines()
    )
    assert text.splitlines()[-1] == "| 10,000 | 4 | 80 MB | 200 MB | 300 MB | 30.0 MB | 12 kB |"


def test_the_growth_is_that_of_processor_time() -> None:
    smaller = ROW | {"reports": 1000, "import_cpu_s": 10.0, "again_cpu_s": 1.0, "status_cpu_s": 1.0}
    last = markdown(RECORD | {"sizes": [smaller, ROW]}).splitlines()[-1]
    assert last.startswith("From 1,000 to 10,000 reports, 10 times as many, processor time grows by these factors: ")
    assert "import 9.0, import again 1.2, state 2.0," in last


def test_a_small_run(tmp_path: Path) -> None:
    """Two importers at once on 60 reports, two of them damaged: it stops where one is lost or counted twice."""
    command = [sys.executable, str(ROOT / "benchmarks/fleet_scale.py"), "--reports", "60", "--importers", "2"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [*command, "--out", str(tmp_path)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (row,) = json.loads((tmp_path / "fleet_scale.json").read_text())["sizes"]
    assert (row["reports"], row["importers"]) == (60, 2)
    assert row["import_peak_memory_bytes"] > 1e7
    assert (tmp_path / "fleet_scale.md").read_text() == done.stdout
