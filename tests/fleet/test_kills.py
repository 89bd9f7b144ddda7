"""An import that is killed at any moment: nothing is lost and nothing is there twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.fleet.conftest import Desk, new_fleet, rows


def killed(times: int) -> dict[str, int]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")])}
    command = [sys.executable, "-m", "tests.fleet.kills", str(times)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1500, check=False)
    assert result.returncode == 0, result.stderr
    counts: dict[str, int] = json.loads(result.stdout)
    return counts


def fill(desk: Desk) -> None:
    """Thirty reports that count and ten that are refused."""
    new_fleet(rows(10, 10, 20))
    for number in range(40):
        path = desk.send(f"k{number:03d}", decode_tps=20.0 + number)
        if number >= 30:
            path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
def test_a_few_kills(desk: Desk) -> None:
    fill(desk)
    counts = killed(5)
    assert (counts.pop("reports"), counts.pop("refused"), sum(counts.values())) == (30, 10, 5)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
def test_many_kills(desk: Desk) -> None:
    """Sixty imports, one or two at once, killed at seeded random moments; most in the middle."""
    fill(desk)
    counts = killed(60)
    assert (counts.pop("reports"), counts.pop("refused"), sum(counts.values())) == (30, 10, 60)
    assert counts["some"] >= 20
    assert Path("incoming").is_dir()
