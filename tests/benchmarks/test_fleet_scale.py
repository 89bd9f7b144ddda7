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
    "reports": 10_000, "importers": 4, "import_s": 50.0, "again_s": 1.5, "status_s": 3.0,
    "import_peak_memory_bytes": 80e6, "status_peak_memory_bytes": 200e6, "index_bytes": 30e6, "page_bytes": 1000,
}  # fmt: skip


def test_the_table_names_every_figure_with_its_unit() -> None:
    record = {"machine": {"cpu": "Test CPU", "logical_cores": 2}, "report_bytes": 90_000, "sizes": [ROW]}
    text = markdown(record)
    assert "Simulated reports of 90 kB" in text and "nothing was measured on any device" in text
    assert text.splitlines()[-1] == "| 10,000 | 4 | 50.0 s | 5.0 ms | 1.5 s | 3.0 s | 80 MB | 200 MB | 30.0 MB |"


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
