"""Shots: deterministic, spread over the labels, never the question itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from olivepress.core.errors import DataError
from olivepress.data.store.examples import Example
from olivepress.measure.quality.few_shot import add_shots, choose_shots, prompt_text, with_shots
from tests.data.rows import row as raw_row


def make(number: int, label: str | None = None, *, question: str | None = None) -> Example:
    messages = (
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": question or f"question {number}"},
        {"role": "assistant", "content": label or f"answer {number}"},
    )
    return Example(id=f"r{number}", messages=messages, label=label)


ROWS = [make(i, "abc"[i % 3]) for i in range(30)]


def test_shots_are_the_same_whatever_the_order_and_another_seed_gives_others() -> None:
    assert choose_shots(ROWS, 5) == choose_shots(ROWS[::-1], 5)
    assert choose_shots(ROWS, 5) != choose_shots(ROWS, 5, seed=1)
    assert choose_shots(ROWS, 3) == choose_shots(ROWS, 5)[:3]
    assert choose_shots(ROWS, 0) == ()


def test_shots_are_spread_over_the_labels() -> None:
    for k in (3, 6):
        found = [shot.label for shot in choose_shots(ROWS, k)]
        assert sorted(found) == sorted("abc" * (k // 3))
    rare = [make(i, "a") for i in range(20)] + [make(20, "b")]
    assert [shot.label for shot in choose_shots(rare, 4)].count("b") == 1
    plain = choose_shots([make(i) for i in range(9)] + [make(9, "a")], 9)
    assert len({shot.id for shot in plain}) == 9


def test_a_shot_never_asks_the_question() -> None:
    exclude = {prompt_text(row.messages) for row in ROWS[:-2]}
    assert {shot.id for shot in choose_shots(ROWS, 2, exclude=exclude)} == {"r28", "r29"}
    again = [make(1, "a", question="Same  QUESTION"), make(2, "b", question="same question "), make(3, "a")]
    assert len(choose_shots(again, 2)) == 2
    with pytest.raises(DataError, match="2 training rows"):
        choose_shots(again, 3)
    with pytest.raises(DataError):
        choose_shots(again, -1)


def test_shots_stand_between_the_system_message_and_the_question() -> None:
    found = with_shots(make(1).messages, [make(2), make(3)])
    assert [m["role"] for m in found] == ["system", "user", "assistant", "user", "assistant", "user", "assistant"]
    assert [m["content"] for m in found[1:4]] == ["question 2", "answer 2", "question 3"]
    assert found[-1] == make(1).messages[-1]
    bare = with_shots(make(1).messages[1:], [make(2)])
    assert [m["role"] for m in bare] == ["user", "assistant"] * 2


def test_add_shots_reads_the_training_split(make_dataset: Callable[..., Path]) -> None:
    folder = make_dataset([raw_row(i, f"q {i}", f"a {i}") for i in range(4)], split="train")
    asked = (make(9, question="Q  1"),)
    found = add_shots(folder, asked, 3)
    assert len(found[0].messages) == 3 + 6 and found[0].id == "r9" and found[0].answer == "answer 9"
    assert "q 1" not in {m["content"] for m in found[0].messages}
    assert add_shots(folder, asked, 0) == asked
    with pytest.raises(DataError, match="few-shot"):
        add_shots(folder, asked, 4)
    with pytest.raises(DataError):
        add_shots(folder.with_name("missing"), asked, 1)
