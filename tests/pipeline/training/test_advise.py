"""Advice that was to be measured, on data that leaves nothing to measure by."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from olivepress.pipeline.plan import load_plan
from olivepress.pipeline.training import advise
from olivepress.workflow.plan import Plan
from tests.end_to_end.families import write_recipe

Cli = Callable[..., subprocess.CompletedProcess[str]]


def test_no_test_row_to_measure_by(project: Path, olivepress_here: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """As prepared data may have: said before the model is fetched; the advice without it is given all the same."""
    write_recipe(project / "recipes" / "small.yaml", "embedded:tiny-phi")

    def untested(*arguments: Any, **options: Any) -> Plan:
        plan = load_plan(*arguments, **options)
        return replace(plan, dataset=replace(plan.dataset, splits={**plan.dataset.splits, "test": []}))

    monkeypatch.setattr(advise, "load_plan", untested)
    monkeypatch.setattr(advise, "fetch_model", lambda *_: pytest.fail("the model was fetched for nothing"))
    Path("rows.csv").write_text("prompt,completion\n" + "".join(f"Is {n} even?,{n % 2 == 0}\n" for n in range(150)))
    refused = olivepress_here("advise", "rows.csv", "--model", "small", "--measure", "20")
    assert refused.returncode == 4 and "rows.csv: has no test row, expected at least 1" in refused.stderr
    assert "next: leave out --measure" in refused.stderr and refused.stderr.count("\n") == 1
    assert olivepress_here("advise", "rows.csv", "--model", "small").returncode == 0
