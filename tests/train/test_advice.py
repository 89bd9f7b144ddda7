"""Fine-tune, few-shot or retrieval: which rule decides, and the numbers on the checklist."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from olivepress.data.store.examples import make_example
from olivepress.train.advice import AdviceFacts, Lengths, Measured, recommend, unseen_share

FACTS = AdviceFacts(
    train_rows=1200,
    labels={"good": 600, "bad": 600},
    lengths=Lengths(prompt=40, answer=10, context=2048, exact=True),
    shots=5,
    unseen=0.02,
)


@pytest.mark.parametrize(
    ("change", "way"),
    [
        ({}, "fine-tune"),
        ({"train_rows": 60}, "few-shot"),
        ({"unseen": 0.6}, "retrieval"),
        ({"train_rows": 60, "unseen": 0.6}, "retrieval"),
        ({"stops": ["all training rows are of the class 'good': there is nothing to learn"]}, "few-shot"),
        ({"measured": Measured(rows=100, shots=5, alone=20, with_shots=95, most_frequent=50)}, "few-shot"),
        ({"measured": Measured(rows=100, shots=5, alone=20, with_shots=60, most_frequent=50)}, "fine-tune"),
        (
            {
                "measured": Measured(rows=100, shots=5, alone=20, with_shots=95, most_frequent=50),
                "lengths": Lengths(prompt=400, answer=10, context=2048, exact=True),
            },
            "fine-tune",  # right, but the examples do not fit
        ),
    ],
)
def test_the_first_rule_that_holds(change: dict[str, Any], way: str) -> None:
    assert recommend(replace(FACTS, **change)).way == way


def test_the_numbers() -> None:
    measured = Measured(rows=100, shots=5, alone=20, with_shots=60, most_frequent=50)
    items = {each.question: each for each in recommend(replace(FACTS, measured=measured)).items}
    cost = items["what do examples in the prompt cost?"]
    assert cost.numbers["few_shot_tokens"] == 6 * 50 and cost.speaks_for == "fine-tune"
    assert "7.2 times the prompt" in cost.answer  # (300 - 10) / 40
    classes = items["do examples of all classes fit a prompt?"]
    assert classes.numbers["tokens_of_one_example_each"] == 100 and classes.speaks_for == ""
    score = items["what can the base model do already?"]
    assert "with 5 examples 60 % [50, 69]" in score.answer  # Wilson's interval
    many = recommend(replace(FACTS, labels={f"class {n}": 10 for n in range(77)})).items
    assert next(each for each in many if "classes" in each.question).speaks_for == "fine-tune"


def test_words_that_no_training_can_teach() -> None:
    train = [make_example("who rules?", "Queen Ada rules"), make_example("when?", "in 1815")]
    held_out = [
        make_example("where is Ada from?", "Queen Ada from London"),  # queen known; from (prompt); london new
        make_example("when?", "in 1815"),
    ]
    assert unseen_share(train, held_out) == pytest.approx(1 / 4)
    assert unseen_share(train, [make_example("?", "a b")]) is None
