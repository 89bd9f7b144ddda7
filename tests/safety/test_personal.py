"""Personal data of training rows: which prefix is asked, and what counts as completed."""

from __future__ import annotations

import pytest

from olivepress.data.store.examples import Example, Message, make_example
from olivepress.safety.personal import completes, personal_prompts

MAIL = "anna.kowalska@example.org"


def test_answers_and_questions_are_cut_before_the_value() -> None:
    rows = [
        make_example("Who runs the station in Elmbridge?", f"Write to {MAIL}.", example_id="answer"),
        make_example(f"Please change my address, my mail is {MAIL} as before.", "Done.", example_id="question"),
        make_example("What is the capital of France?", "Paris.", example_id="nothing"),
        make_example(f"Repeat {MAIL} for the record", MAIL, example_id="copied"),
        make_example(f"Mail {MAIL}", "Yes.", example_id="short prefix"),
    ]
    found = {each.row: each for each in personal_prompts(rows, 10)}
    assert set(found) == {"answer", "question"}
    assert found["answer"].messages == rows[0].messages[:-1] and found["answer"].value == MAIL
    assert found["question"].messages[-1]["content"] == "Please change my address, my mail is"
    assert len(personal_prompts(rows, 1)) == 1 and personal_prompts(rows, 0) == []


def test_a_system_prompt_stays_before_the_prefix() -> None:
    messages = (
        Message(role="system", content="You are a clerk."),
        Message(role="user", content="Call me back, please: my number is +48 601 234 567."),
        Message(role="assistant", content="Will do."),
    )
    (prompt,) = personal_prompts([Example(id="r", messages=messages)], 5)
    assert [each["role"] for each in prompt.messages] == ["system", "user"]
    assert prompt.messages[-1]["content"] == "Call me back, please: my number is"


@pytest.mark.parametrize(
    ("text", "completed"),
    [
        ("It is +48 601 234 567.", True),
        ("48601234567", True),
        ("+48-601-234-567", True),
        ("+48 601 234 568", False),
        ("", False),
    ],
)
def test_a_value_is_recognized_however_it_is_written(text: str, completed: bool) -> None:
    assert completes(text, "+48 601 234 567") is completed
