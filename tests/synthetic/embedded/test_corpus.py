"""The pre-training corpus: reproducible, and free of what the demo tasks are to teach."""

from __future__ import annotations

import json
from itertools import islice

from olivepress.synthetic.embedded import TASKS, generate
from olivepress.synthetic.embedded.corpus import examples


def test_the_stream_is_reproducible_and_starts_with_copying() -> None:
    first = list(islice(examples(3, warm_up=400), 400))
    assert first == list(islice(examples(3, warm_up=400), 400))
    copied = sum(example.prompt.rstrip('"').endswith(example.answer) for example in first)
    assert copied > 300 * 0.9


def test_the_corpus_knows_neither_prompts_nor_format_of_the_demo() -> None:
    demo = {row.prompt for task in TASKS for rows in generate(task).values() for row in rows}
    seen = list(islice(examples(1), 5_000))
    assert len(seen) == 5_000
    assert not any(example.prompt in demo for example in seen)
    assert not any('{"name":"' in example.answer or '"arguments"' in example.answer for example in seen)


def test_json_answers_parse() -> None:
    answers = [example.answer for example in islice(examples(2), 2000) if example.answer.startswith("{")]
    assert answers
    assert all(json.loads(answer) for answer in answers)
