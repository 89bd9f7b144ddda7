"""What is called near is near: leaks are decided by pairs, and the audit names the row that was compared."""

from __future__ import annotations

import json
import random
import re
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from olivepress.data.build import prepare_files
from olivepress.data.dedup.neighbors import jaccard
from olivepress.data.derive.derivation import NewRow, without_leaks
from olivepress.data.policy import Policy
from olivepress.data.store.dataset import Dataset
from olivepress.data.store.examples import SPLITS, make_example
from olivepress.data.text.words import comparable
from tests.data.planted import clean_rows, read_jsonl, write_jsonl

THRESHOLD = 0.8


def letters(text: str) -> frozenset[str]:
    key = comparable(text)
    return frozenset(key[at : at + 5] for at in range(max(1, len(key) - 4)))


def similarity(one: str, other: str) -> float:
    return jaccard(letters(one), letters(other))


def chain(steps: int, seed: int = 0) -> list[str]:
    """Each is near to the next; the first and the last are not."""
    rng = random.Random(seed)
    word = ["".join(rng.choices("abcdefghiklmnoprstuvw", k=7)) for _ in range(9 + steps)]
    return [" ".join(word[: 9 + step]) for step in range(steps)]


def prepare(folder: Path, **policy: Any) -> Dataset:
    return prepare_files([str(folder)], Policy(languages=False, overlap_words=0, **policy))


def audit(dataset: Dataset) -> list[dict[str, Any]]:
    assert dataset.files is not None
    return read_jsonl(dataset.files / "audit.jsonl")


def rows_of(texts: list[str]) -> list[dict[str, str]]:
    return [{"prompt": text, "completion": f"answer {text[-3:]}"} for text in texts]


def check_events(dataset: Dataset, prompts: dict[tuple[str, int], str]) -> int:
    """Every event names a row whose similarity is the one that is stated, and at least the threshold."""
    checked = 0
    for event in audit(dataset):
        if "near duplicate" not in event["reason"]:
            continue
        found = re.match(r"of (\S+):\d+ \(row (\d+)\), similarity (\d\.\d+)", event["detail"])
        assert found, event
        exact = similarity(prompts[event["file"], event["row"]], prompts[found[1], int(found[2])])
        assert exact >= THRESHOLD and abs(exact - float(found[3])) < 0.001
        checked += 1
    return checked


def write(folder: Path, splits: dict[str, list[str]]) -> dict[tuple[str, int], str]:
    for split, texts in splits.items():
        write_jsonl(folder / f"{split}.jsonl", rows_of(texts))
    return {
        (f"{folder.name}/{split}.jsonl", number): text
        for split, texts in splits.items()
        for number, text in enumerate(texts, start=1)
    }


def test_a_row_near_only_to_another_training_row_is_no_leak(tmp_path: Path) -> None:
    links = chain(6)
    near = [similarity(links[0], link) >= THRESHOLD for link in links[1:]]
    assert similarity(links[0], links[1]) >= THRESHOLD and not near[-1]
    others = [row["prompt"] for row in clean_rows(30)]
    prompts = write(tmp_path, {"train": [*links[1:], *others], "test": [links[0]]})
    dataset = prepare(tmp_path)
    leaks = {e["row"] for e in audit(dataset) if e["reason"] == "near duplicate of a row in a held-out split"}
    assert leaks == {number for number, is_near in enumerate(near, start=1) if is_near}
    assert check_events(dataset, prompts) >= len(leaks) + 1


def test_every_training_row_near_to_a_held_out_row_goes_whatever_else_is_alike(tmp_path: Path) -> None:
    """Fifteen rows that are all alike around each held-out one: more than a bucket compares pair by pair."""
    base = [row["prompt"].rstrip("?") for row in clean_rows(3)]
    train = [f"{text} number{'abcdefghijklmnopqrstuvwxyz'[n % 26]}" for text in base for n in range(15)]
    test, validation = [f"{base[0]} numberqq", f"{base[1]} numberqr"], [f"{base[1]} numberqs", f"{base[2]} numberqt"]
    prompts = write(tmp_path, {"train": [*train, *(r["prompt"] for r in clean_rows(20, 5))],
                               "validation": validation, "test": test})  # fmt: skip
    dataset = prepare(tmp_path)
    assert dataset.dropped["near duplicate of a row in a held-out split"] == 45 + 1
    assert len(dataset.splits["validation"]) == 1
    assert check_events(dataset, prompts) == 46


def test_dropping_near_duplicates_drops_each_for_a_row_that_stays(tmp_path: Path) -> None:
    links = chain(12)
    path = write_jsonl(tmp_path / "a.jsonl", rows_of([*links, *(row["prompt"] for row in clean_rows(30))]))
    dataset = prepare(path, near_duplicates="drop")
    kept = {e.messages[0]["content"] for split in SPLITS for e in dataset.splits[split]} & set(links)
    assert 2 <= len(kept) < len(links)
    assert all(similarity(a, b) < THRESHOLD for a in kept for b in kept if a != b)
    assert all(any(similarity(link, stays) >= THRESHOLD for stays in kept) for link in links)
    prompts = {("a.jsonl", number): text for number, text in enumerate(links, start=1)}
    assert check_events(dataset, prompts) == len(links) - len(kept)


def test_groups_stay_together_and_say_by_way_of_others(tmp_path: Path) -> None:
    links = chain(12)
    path = write_jsonl(tmp_path / "a.jsonl", rows_of([*links, *(row["prompt"] for row in clean_rows(60))]))
    dataset = prepare(path)
    where = {split for split in SPLITS for e in dataset.splits[split] if e.messages[0]["content"] in links}
    assert len(where) == 1
    noted = audit(dataset)
    assert len(noted) == len(links) - 1 == check_events(dataset, {("a.jsonl", n + 1): t for n, t in enumerate(links)})
    assert 0 < sum("by way of others" in event["detail"] for event in noted) < len(noted)


def test_a_benchmark_is_held_against_pairs_too(tmp_path: Path) -> None:
    links = chain(6)
    (tmp_path / "rows").mkdir()
    write(tmp_path / "rows", {"train": [*links[1:], "Ok!", *(row["prompt"] for row in clean_rows(30))],
                              "test": [row["prompt"] for row in clean_rows(4, 3)]})  # fmt: skip
    benchmark = write_jsonl(tmp_path / "b.jsonl", rows_of([links[0], "OK"]))
    dataset = prepare(tmp_path / "rows", benchmarks=(str(benchmark),))
    dropped = {e["row"] for e in audit(dataset) if e["reason"] == "near duplicate of a benchmark's row"}
    near = {number for number, link in enumerate(links[1:], start=1) if similarity(link, links[0]) >= THRESHOLD}
    assert dropped == near | {6} and len(near) < 5


def test_new_rows_are_judged_by_pairs() -> None:
    links = chain(6)
    rows = [NewRow(example=make_example(text, "x"), lineage={}) for text in links[1:]]
    kept, leaks = without_leaks(rows, [[make_example(links[0], "y")]], among=False)
    near = {text for text in links[1:] if similarity(text, links[0]) >= THRESHOLD}
    assert {row.example.messages[0]["content"] for row, _ in leaks} == near
    assert len(kept) == 5 - len(near) > 0


WORD = st.sampled_from(["alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india", "juliet"])


@pytest.mark.parametrize("given_test", [True, False])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.lists(WORD, min_size=4, max_size=9), min_size=1, max_size=30), st.integers(0, 3))
def test_no_near_pair_spans_splits(given_test: bool, texts: list[list[str]], seed: int) -> None:
    rows = [*map(" ".join, texts), *(row["prompt"] for row in clean_rows(30))]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "d")
        folder.mkdir()
        half = len(texts) // 2 if given_test else 0
        write(folder, {"train": rows[half:], **({"test": rows[:half]} if half else {})})
        dataset = prepare(folder, seed=seed)
        kept = sum(len(dataset.splits[split]) for split in SPLITS)
        assert kept + sum(dataset.dropped.values()) == len(rows)
        by_split = {s: [e.messages[0]["content"] for e in dataset.splits[s]] for s in SPLITS}
        json.dumps(by_split)
    for one, other in (("train", "validation"), ("train", "test"), ("validation", "test")):
        for a in by_split[one]:
            # MinHash misses a pair at the very threshold now and then; none at 0.9.
            assert all(similarity(a, b) < 0.9 for b in by_split[other])
