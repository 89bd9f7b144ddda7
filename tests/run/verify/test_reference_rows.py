"""Which tokens of a validation row are judged, and what is kept of a long row."""

from __future__ import annotations

from pathlib import Path

import pytest

from olivepress.data.store.examples import Example
from olivepress.run.verify.reference_rows import answer_part, reference_prompts
from olivepress.workflow.olive_plugin.supervision import IGNORE_INDEX, Supervised
from tests.synthetic import tiny


def example(length: int, *answers: tuple[int, int]) -> Supervised:
    """A row of ``length`` tokens whose tokens from the first to before the second number are trained on."""
    trained = {place for start, end in answers for place in range(start, end)}
    labels = tuple(place if place in trained else IGNORE_INDEX for place in range(length))
    return Supervised(input_ids=tuple(range(length)), labels=labels)


@pytest.mark.parametrize(
    ("length", "answers", "first", "end", "start", "judged"),
    [
        (60, [(50, 60)], 0, 60, 49, 10),
        (128, [(50, 128)], 0, 128, 49, 78),
        (60, [(10, 20), (50, 60)], 0, 60, 49, 20),  # every turn of the assistant was trained on
        (200, [(20, 200)], 0, 128, 19, 109),  # a long answer: its first tokens
        (500, [(480, 500)], 372, 500, 479, 20),  # a long prompt: the last 128 tokens
        (500, [(300, 500)], 236, 364, 299, 65),  # both: 64 positions before the answer, 64 of it
        (500, [(30, 40), (300, 500)], 236, 364, 299, 65),
        (600, [(580, 600)], 0, 128, 579, 0),  # too long to be trained on: its first tokens, no answer
    ],
)
def test_what_is_kept_of_a_row(
    length: int, answers: list[tuple[int, int]], first: int, end: int, start: int, judged: int
) -> None:
    part, cut = answer_part(example(length, *answers), max_length=512)
    assert (part.first, cut, part.start, len(part.supervised)) == (first, end, start, judged)
    assert all(part.first <= position < cut for position in part.supervised)
    assert cut - part.first <= 128


def test_rows_as_they_are_trained_on(tmp_path: Path) -> None:
    """The last answer alone, or every turn: the position before each token that training supervises."""
    from transformers import AutoTokenizer

    model = tiny.make_model(tmp_path / "model")
    messages = [
        {"role": "user", "content": "turn the lamp on"},
        {"role": "assistant", "content": "on"},
        {"role": "user", "content": "and the box"},
        {"role": "assistant", "content": "off"},
    ]
    rows = [Example(id="a", messages=tuple(messages), label=None)]
    tokenizer = AutoTokenizer.from_pretrained(model)
    read = {}
    for train_on in ("answer", "all_turns"):
        ((ids,), (part,)) = reference_prompts(model, rows, train_on=train_on, max_length=512)
        read[train_on] = tokenizer.decode([ids[position + 1] for position in part.supervised])
        assert part.start == reference_prompts(model, rows, train_on="answer", max_length=512)[1][0].start
    assert "off" in read["answer"] and "on" not in read["answer"]
    assert "off" in read["all_turns"] and "on" in read["all_turns"] and "lamp" not in read["all_turns"]
