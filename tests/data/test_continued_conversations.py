"""A conversation and its continuation share a split; choices follow from what rows say, not from where they stand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from olivepress.data.dedup.keys import keys_of
from olivepress.data.derive.augment import balance
from olivepress.data.derive.derivation import sample_rows, train_rows, without_leaks
from olivepress.data.derive.mixing import mix
from olivepress.data.store.dataset import Dataset
from olivepress.data.store.examples import SPLITS, make_example
from tests.data.planted import clean_rows, write_jsonl
from tests.data.test_readers import prepare

ROWS = clean_rows(120)


def turn(row: dict[str, str]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": row["prompt"]}, {"role": "assistant", "content": row["completion"]}]


def split_of(dataset: Dataset) -> dict[tuple[str, ...], str]:
    return {tuple(m["content"] for m in e.messages): name for name in SPLITS for e in dataset.splits[name]}


def texts(*turns: list[dict[str, Any]]) -> tuple[str, ...]:
    return tuple(message["content"] for each in turns for message in each)


def test_a_conversation_and_its_continuations_share_a_split(tmp_path: Path) -> None:
    """One row for each answer of a dialogue: the longer rows hold the answers of the shorter ones."""
    rows = []
    for at in range(0, 90, 3):
        first, second, third = (turn(row) for row in ROWS[at : at + 3])
        rows += [{"messages": first}, {"messages": [*first, *second]}, {"messages": [*first, *second, *third]}]
    rows += [{"messages": turn(row)} for row in ROWS[90:]]
    forward = split_of(prepare(write_jsonl(tmp_path / "a.jsonl", rows)))
    for at in range(0, 90, 3):
        first, second, third = (turn(row) for row in ROWS[at : at + 3])
        assert len({forward[texts(first)], forward[texts(first, second)], forward[texts(first, second, third)]}) == 1
    assert set(forward.values()) == set(SPLITS)
    assert split_of(prepare(write_jsonl(tmp_path / "b.jsonl", rows[::-1]))) == forward


def test_a_training_row_that_continues_a_test_row_is_a_leak(tmp_path: Path) -> None:
    test = [turn(row) for row in ROWS[:10]]
    train = [turn(row) for row in ROWS[10:]]
    leak, other = [*test[0], *turn(ROWS[100])], [*test[1], *turn(ROWS[101])]
    other[1] = {"role": "assistant", "content": "another answer"}
    (tmp_path / "data").mkdir()
    write_jsonl(tmp_path / "data" / "train.jsonl", [{"messages": m} for m in (*train, leak, other)])
    write_jsonl(tmp_path / "data" / "test.jsonl", [{"messages": m} for m in test])
    dataset = prepare(tmp_path / "data", overlap_words=0)
    assert dataset.dropped == {"continues a conversation of a held-out split": 1}
    assert texts(other) in split_of(dataset) and texts(leak) not in split_of(dataset)


def test_other_tools_make_another_conversation() -> None:
    both = [*turn(ROWS[0]), *turn(ROWS[1])]
    tools = [{"type": "function", "function": {"name": "f"}}]
    question = ROWS[0]["prompt"]
    short = keys_of(turn(ROWS[0]), None, question=question)
    assert keys_of(both, None, question=question).openings == (short.pair,)
    assert short.openings == () and keys_of(both, tools, question=question).openings != (short.pair,)


def test_new_rows_that_continue_held_out_ones(tmp_path: Path) -> None:
    rows = [{"messages": turn(row)} for row in ROWS[:60]]
    rows += [{"messages": [*turn(ROWS[60 + n]), *turn(ROWS[80 + n])]} for n in range(10)]
    dataset = prepare(write_jsonl(tmp_path / "a.jsonl", rows))
    new = [row for row in train_rows(dataset) if len(row.example.messages) == 4]
    assert new
    first = make_example(new[0].example.messages[0]["content"], new[0].example.messages[1]["content"])
    kept, dropped = without_leaks(new, [[first]], among=False)
    assert [reason.text for _, reason in dropped] == ["continues a conversation of a held-out split"]
    assert len(kept) == len(new) - 1


def test_choices_follow_from_what_rows_say(tmp_path: Path) -> None:
    rows = train_rows(prepare(write_jsonl(tmp_path / "a.jsonl", ROWS)))
    taken = {row.example.id for row in sample_rows(rows, 30, "0:mix")}
    assert {row.example.id for row in sample_rows(rows[::-1], 30, "0:mix")} == taken and len(taken) == 30
    less = {row.example.id for row in sample_rows(rows[1:], 30, "0:mix")}
    assert len(taken - less) <= 1
    assert {row.example.id for row in sample_rows(rows, 30, "1:mix")} != taken
    places = [rows.index(row) for row in sample_rows(rows, 30, "0:mix")]
    assert places == sorted(places)


def test_a_balanced_class_loses_the_same_rows_in_any_order(tmp_path: Path) -> None:
    labeled = [{"text": row["prompt"], "label": "ab"[n % 4 == 0]} for n, row in enumerate(ROWS)]
    rows = train_rows(prepare(write_jsonl(tmp_path / "a.jsonl", labeled)))
    lost = [{row.example.id for row in balance(order, "down", 0)[1]} for order in (rows, rows[::-1])]
    assert lost[0] == lost[1] and lost[0]


def test_a_mix_takes_the_same_rows_whatever_their_order(tmp_path: Path) -> None:
    other = prepare(write_jsonl(tmp_path / "other.jsonl", ROWS[:40]))
    mixes = []
    for name, rows in (("one", ROWS[40:]), ("two", ROWS[:39:-1])):
        dataset = prepare(write_jsonl(tmp_path / f"{name}.jsonl", rows))
        mixed = mix([other, dataset], [1.0, 1.0], name="both", rows=40)
        mixes.append({example.id for example in mixed.splits["train"]})
    assert mixes[0] == mixes[1] and len(mixes[0]) == 40
