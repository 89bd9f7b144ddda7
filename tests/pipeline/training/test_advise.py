"""Advice that was to be measured, on data that leaves nothing to measure by."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from olivepress.pipeline.training import advise
from tests.end_to_end.families import write_recipe

Cli = Callable[..., subprocess.CompletedProcess[str]]


def test_no_test_row_to_measure_by(project: Path, olivepress_here: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Said before the model is fetched; the advice without it is given all the same."""
    folder = project / "rows"
    folder.mkdir()
    rows = [{"prompt": f"Is {number} even?", "completion": str(number % 2 == 0)} for number in range(150)]
    for split, part in (("train", rows[:120]), ("validation", rows[120:])):
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part))
    data = {"source": "rows", "test_fraction": 0.0, "max_length": 256}
    write_recipe(project / "recipes" / "small.yaml", "embedded:tiny-phi", data=data)
    monkeypatch.setattr(advise, "fetch_model", lambda *_: pytest.fail("the model was fetched for nothing"))
    refused = olivepress_here("advise", "rows", "--model", "small", "--measure", "20")
    assert refused.returncode == 4 and "rows: has no test row, expected at least 1" in refused.stderr
    assert "next: leave out --measure" in refused.stderr
    plain = olivepress_here("advise", "rows", "--model", "small")
    assert plain.returncode == 0 and plain.stdout.startswith("fine-tune: 120 training rows")
