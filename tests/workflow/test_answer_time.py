"""The time of the answers by which an export is judged."""

from __future__ import annotations

from pathlib import Path

import pytest

from olivepress.pipeline.plan import load_plan
from olivepress.synthetic.embedded import TINY_PHI
from olivepress.workflow import answer_time
from olivepress.workflow.answer_time import answer_seconds
from olivepress.workflow.machine_rates import MachineRates
from olivepress.workflow.row_lengths import asked_lengths

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
    prompt, answer = asked_lengths(plan)
    decoded, work = answer / (0.6 * 1e11), 2 * 10_000_000
    alone = answer_seconds(plan, second, 10_000_000, 4, prompt_flops=5e10)
    assert alone == pytest.approx(work * 40 * (prompt / 5e10 + decoded))
    evaluated = answer_seconds(plan, exact, 10_000_000, 4, prompt_flops=5e10)
    assert evaluated == pytest.approx(work * 32 * (prompt / 5e10 + decoded))  # judged by its logits
    parent = work * 40 * (prompt / 1e11 + decoded) + 4 * 3.0e-4 * 40 * answer / 16
    assert answer_seconds(plan, first, 10_000_000, 4, prompt_flops=5e10) == pytest.approx(alone + evaluated + parent)
    assert answer_seconds(plan, plan.job("merge"), 10_000_000, 4, prompt_flops=5e10) == 0.0


def test_lengths_are_those_of_the_chat_template(project: Path) -> None:
    """By transformers, on every row that is looked at."""
    from transformers import AutoTokenizer

    plan = load_plan("tiny-phi")
    tokenizer = AutoTokenizer.from_pretrained(TINY_PHI)
    rows = plan.dataset.splits["validation"]
    chosen = [[dict(message) for message in rows[index * len(rows) // 24].messages] for index in range(24)]
    prompts = [
        len(tokenizer.apply_chat_template(row[:-1], add_generation_prompt=True, return_dict=True)["input_ids"])
        for row in chosen
    ]
    whole = [len(tokenizer.apply_chat_template(row, return_dict=True)["input_ids"]) for row in chosen]
    prompt, answer = asked_lengths(plan)
    assert prompt == pytest.approx(sum(prompts) / 24) and prompt + answer == pytest.approx(sum(whole) / 24, abs=1.0)


def test_no_rows_are_olives_own_alone(project: Path) -> None:
    plan = plan_with(project, "limits: {rows: 0}\n")
    assert answer_seconds(plan, plan.job("export-cuda-int4"), 10_000_000, 4, prompt_flops=1e11) == 0.0


def test_a_large_model_answers_fewer_rows(project: Path) -> None:
    phi = load_plan("phi")
    prompt, answer = asked_lengths(phi)
    rows = 500 * 40 * 300e6 / phi.model.facts.parameters / (answer + prompt / 8)
    seconds = answer_seconds(phi, phi.job("export-cuda-int4"), 1_000_000, 32, prompt_flops=1e11)
    assert rows < 100 and seconds == pytest.approx(2e6 * rows * (prompt / 1e11 + answer / (0.6 * 1e11)))
