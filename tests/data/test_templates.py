"""Words that phrases of a template into many rows: they tie no short rows together and hide no group."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from olivepress.data.build import prepare_files
from olivepress.data.policy import Policy
from olivepress.data.store.dataset import Dataset
from olivepress.data.store.examples import SPLITS
from tests.data.planted import clean_rows, events, sentence, write_jsonl


def prepare(path: Path, **policy: Any) -> Dataset:
    return prepare_files([str(path)], Policy(languages=False, **policy))


def alike(count: int, words: int) -> list[dict[str, Any]]:
    """One sentence of ``words`` words; the last two are others in each row."""
    rng = random.Random(7)
    said = " ".join(sentence(rng) for _ in range(words // 12 + 1)).split()[: words - 2]
    ends = [" ".join(sentence(rng).split()[:2]) for _ in range(count)]
    return [{"prompt": " ".join([*said, end]), "completion": f"It is number {n}."} for n, end in enumerate(ends)]


def where(dataset: Dataset, rows: list[dict[str, Any]]) -> set[str]:
    prompts = {row["prompt"] for row in rows}
    return {split for split in SPLITS for e in dataset.splits[split] if e.messages[0]["content"] in prompts}


@pytest.mark.parametrize(("count", "words"), [(40, 33), (60, 33), (120, 33), (60, 120)])
def test_a_group_of_any_size_stays_in_one_split(tmp_path: Path, count: int, words: int) -> None:
    rows = alike(count, words)
    dataset = prepare(write_jsonl(tmp_path / "a.jsonl", [*rows, *clean_rows(200 - count)]))
    assert where(dataset, rows) == {"train"}
    assert dataset.facts["noted"] == {"near duplicate": count - 1}
    told = [one["text"] for one in dataset.facts["advice"] if "phrases of a template" in one["text"]]
    assert len(told) == (count > 50) and all(text.startswith(f"{count / 2:.0f}% of rows") for text in told)


def test_a_group_leaks_into_no_given_split(tmp_path: Path) -> None:
    rows = alike(80, 33)
    write_jsonl(tmp_path / "train.jsonl", [*rows[1:], *clean_rows(120)])
    write_jsonl(tmp_path / "test.jsonl", [rows[0], *clean_rows(20, seed=3)])
    assert prepare(tmp_path).dropped == {"near duplicate of a row in a held-out split": 79}


def test_words_of_its_own_beside_a_template_are_an_overlap(tmp_path: Path) -> None:
    template = "Read the following words with great care and tell whether they are true"
    train, test = clean_rows(200), clean_rows(30, seed=3)
    for row in train[:80]:
        row["prompt"] = f"{template}: {row['prompt']}"
    shared = " ".join(test[2]["prompt"].split()[:10])
    train[5]["prompt"] = f"{template}: {shared} but not the rest of it"
    test[2]["prompt"] = f"{template}: {test[2]['prompt']}"
    write_jsonl(tmp_path / "train.jsonl", train)
    write_jsonl(tmp_path / "test.jsonl", test)
    dataset = prepare(tmp_path)
    assert dataset.files is not None
    assert events(dataset.files / "audit.jsonl", action="dropped") == [
        (6, "shares 13 words in a row with the test split")
    ]


def test_slots_of_a_short_template_are_questions_of_their_own(tmp_path: Path) -> None:
    rng = random.Random(1)
    words = sorted({word for _ in range(90) for word in sentence(rng).split()})
    rows = [
        {"prompt": f"Please book me the cheapest flight there is from {a} to {b}", "completion": f"{a}-{b}"}
        for a, b in zip(words[:150], reversed(words[150:300]), strict=True)
    ]
    dataset = prepare(write_jsonl(tmp_path / "a.jsonl", rows))
    assert dataset.dropped == {} and dataset.facts["noted"].get("near duplicate", 0) <= len(rows) / 20
    assert min(len(dataset.splits[split]) for split in SPLITS) >= 8


def test_an_instruction_in_every_row_ties_none_together(tmp_path: Path) -> None:
    rng = random.Random(2)
    told = " ".join(sentence(rng) for _ in range(10))
    rows = [{**row, "prompt": f"{told} {row['prompt']}"} for row in clean_rows(200)]
    dataset = prepare(write_jsonl(tmp_path / "a.jsonl", rows))
    assert dataset.dropped == {} and dataset.facts["noted"] == {}
