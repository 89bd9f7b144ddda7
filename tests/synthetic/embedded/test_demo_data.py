"""The demo tasks: reproducible to the byte, without leakage between splits."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import asdict

import pytest

from olivepress.synthetic.embedded import TASKS, DemoRow, generate

TONES = {"thankful", "annoyed", "urgent", "curious", "cheerful"}
PINNED = {
    "phrase-tone": {
        "train": "255b47c93285283b",
        "validation": "4a00ac2fb4cbd37c",
        "test": "03ef2c9ebb250f3e",
    },
    "device-command": {
        "train": "ca6d96884088d5cb",
        "validation": "2614351a5257caa5",
        "test": "f604b8f7aad816a0",
    },
    "short-qa": {
        "train": "231064c5a72b43d0",
        "validation": "919d96501b148aba",
        "test": "24b8ce756c5183ef",
    },
}


def digest(rows: list[DemoRow]) -> str:
    """sha256 over the rows as JSON lines."""
    text = "\n".join(json.dumps(asdict(row), sort_keys=True) for row in rows)
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("task", TASKS)
def test_same_seed_same_bytes_everywhere(task: str) -> None:
    assert {split: digest(rows)[:16] for split, rows in generate(task).items()} == PINNED[task]


@pytest.mark.parametrize("task", TASKS)
def test_other_seed_other_rows(task: str) -> None:
    assert digest(generate(task, seed=1)["test"]) != digest(generate(task)["test"])


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("seed", range(3))
def test_splits_are_full_and_share_neither_prompts_nor_templates(task: str, seed: int) -> None:
    splits = generate(task, seed=seed)
    assert {split: len(rows) for split, rows in splits.items()} == {"train": 2400, "validation": 240, "test": 600}
    prompts = Counter(row.prompt for rows in splits.values() for row in rows)
    assert max(prompts.values()) == 1
    templates = Counter(template for rows in splits.values() for template in {row.template for row in rows})
    assert max(templates.values()) == 1
    ids = Counter(row.id for rows in splits.values() for row in rows)
    assert max(ids.values()) == 1


def test_every_command_is_compact_json_whose_name_is_the_label() -> None:
    rows = [row for split in generate("device-command").values() for row in split]
    assert rows
    for row in rows:
        call = json.loads(row.answer)
        assert list(call) == ["name", "arguments"]
        assert call["name"] == row.label
        assert json.dumps(call, separators=(",", ":")) == row.answer
        assert all(str(value).removesuffix("ed") in row.prompt.lower() for value in call["arguments"].values())


def test_every_tone_is_a_label_and_no_tone_is_rare() -> None:
    for rows in generate("phrase-tone").values():
        counts = Counter(row.answer for row in rows)
        assert set(counts) == TONES
        assert min(counts.values()) > len(rows) / 10


def test_every_answer_to_a_question_stands_in_its_passage() -> None:
    rows = [row for split in generate("short-qa").values() for row in split]
    assert rows
    assert all(row.answer in row.prompt for row in rows)


def test_an_unknown_task_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        generate("no-such-task")
