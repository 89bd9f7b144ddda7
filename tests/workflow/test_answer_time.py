"""The time of the answers by which an export is judged."""

from __future__ import annotations

from pathlib import Path

import pytest

from olivepress.pipeline.plan import load_plan
from olivepress.workflow import answer_time
from olivepress.workflow.answer_time import answer_seconds
from olivepress.workflow.machine_rates import MachineRates

RATES = MachineRates(float32_flops=1e11, bfloat16_flops=1e11)


@pytest.fixture(autouse=True)
def rates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer_time, "machine_rates", lambda: RATES)


def plan_with(project: Path, limits: str):
    recipe = project / "recipes" / "tiny-phi.yaml"
    recipe.write_text(recipe.read_text() + limits)
    return load_plan("tiny-phi")


def test_the_first_export_pays_for_the_parent_too(project: Path) -> None:
    plan = plan_with(project, "limits: {rows: 40}\n")
    first, second, exact = (plan.job(f"export-{name}") for name in ("cpu-int4", "cuda-int4", "cpu-fp32"))
    alone = answer_seconds(plan, second, 10_000_000, 4)
    rows = [plan.dataset.splits["validation"][index] for index in range(40)]
    texts = [[len(message["content"]) for message in row.messages] for row in rows]
    tokens = sum(answer + sum(prompt) / 8 for *prompt, answer in texts) / 4.3 + 40
    assert alone == pytest.approx(2 * 10_000_000 * tokens / (0.6 * 1e11))
    assert answer_seconds(plan, first, 10_000_000, 4) == pytest.approx(2 * alone + 4 * 3.0e-4 * tokens / 16)
    assert answer_seconds(plan, exact, 10_000_000, 4) == 0.0  # judged by its logits
    assert answer_seconds(plan, plan.job("merge"), 10_000_000, 4) == 0.0


def test_no_rows_are_no_time(project: Path) -> None:
    plan = plan_with(project, "limits: {rows: 0}\n")
    assert answer_seconds(plan, plan.job("export-cpu-int4"), 10_000_000, 4) == 0.0


def test_a_large_model_answers_fewer_rows(project: Path) -> None:
    phi = load_plan("phi")
    parameters = phi.model.facts.parameters
    seconds = answer_seconds(phi, phi.job("export-cuda-int4"), parameters, 32)
    assert seconds == pytest.approx(2 * 500 * 40 * 300e6 / (0.6 * 1e11))
