"""Whatever is in a file: it is read without a traceback, and counts in are counts out and reasons."""

from __future__ import annotations

import io
import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from olivepress.core.errors import OlivepressError
from olivepress.data.build import prepare_files
from olivepress.data.policy import Policy
from olivepress.data.prepare.cleaning import clean_text
from olivepress.data.read.containers import read_rows
from olivepress.data.read.json_elements import elements
from olivepress.data.store.examples import SPLITS
from tests.data.planted import clean_rows, read_jsonl

TEXT = st.text(max_size=40)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
SLOW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@SLOW
@given(st.binary(max_size=400), st.sampled_from((".jsonl", ".json", ".csv", ".tsv", ".parquet")))
def test_any_bytes_are_rows_or_one_clear_line(content: bytes, suffix: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"a{suffix}")
        path.write_bytes(content)
        try:
            rows = list(read_rows(path))
        except OlivepressError as error:
            assert "\n" not in str(error)
            return
        assert all((row.value is None) == (row.problem is not None) for row in rows)
        assert [row.line for row in rows] == sorted(row.line for row in rows)


@SLOW
@given(st.lists(JSON, max_size=8), st.integers(0, 4))
def test_a_list_is_cut_where_json_cuts_it(values: list[Any], indent: int) -> None:
    raw = json.dumps(values, indent=indent or None).encode()
    found = [element.raw for element in elements(io.BytesIO(raw[1:]), line=1, limit=1 << 20)]
    objects = [value for value in values if isinstance(value, dict)]
    assert [json.loads(one) for one in found if one.startswith(b"{")] == objects
    lines = [element.line for element in elements(io.BytesIO(raw[1:]), line=1, limit=1 << 20)]
    for line, one in zip(lines, found, strict=True):
        assert one.split(b"\n")[0] in raw.split(b"\n")[line - 1]


ROW = st.one_of(
    st.fixed_dictionaries({"prompt": TEXT, "completion": TEXT}),
    st.fixed_dictionaries({"prompt": JSON, "completion": JSON}),
    JSON,
)


@SLOW
@given(
    st.lists(ROW, max_size=25),
    st.lists(st.binary(max_size=30).filter(lambda raw: b"\n" not in raw and raw.strip()), max_size=4),
    st.sampled_from(("group", "drop", "ignore")),
    st.sampled_from(("note", "mask", "drop", "ignore")),
)
def test_counts_in_are_counts_out_and_reasons(rows: list[Any], raw: list[bytes], near: Any, personal: Any) -> None:
    """JSON lines: every line is dropped with one reason or stands in the lineage."""
    every: list[Any] = [*clean_rows(30), *rows]
    lines = [*(json.dumps(row, ensure_ascii=True).encode() for row in every), *raw]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.jsonl")
        path.write_bytes(b"\n".join(lines) + b"\n")
        policy = Policy(languages=False, near_duplicates=near, personal_data=personal)
        dataset = prepare_files([str(path)], policy)
        kept = {split: len(dataset.splits[split]) for split in SPLITS}
        assert sum(dataset.facts["read"].values()) == len(lines)
        assert len(lines) == sum(kept.values()) + sum(dataset.dropped.values())
        assert dataset.files is not None
        dropped = [entry["line"] for entry in read_jsonl(dataset.files / "audit.jsonl") if entry["action"] == "dropped"]
        assert len(dropped) == len(set(dropped)) == sum(dataset.dropped.values())
        lineage = [entry["line"] for entry in read_jsonl(dataset.files / "lineage.jsonl")]
        assert sorted([*dropped, *lineage]) == list(range(1, len(lines) + 1))
        ids = [example.id for split in SPLITS for example in dataset.splits[split]]
        assert len(ids) == len(set(ids))


@given(st.text(max_size=80))
@example("\xdc\x1f\x98")
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    once, changes = clean_text(text)
    assert bool(changes) == (once != text)
    assert clean_text(once)[0] == once


@given(st.permutations(clean_rows(40)))
@settings(max_examples=10, deadline=None)
def test_order_changes_the_version_but_not_the_content(rows: list[dict[str, Any]]) -> None:
    def prepared(these: list[dict[str, Any]]) -> Any:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "a.jsonl")
            path.write_text("".join(json.dumps(row) + "\n" for row in these))
            return prepare_files([str(path)], Policy(languages=False))

    straight, other = prepared(clean_rows(40)), prepared(rows)
    assert other.hashes.content == straight.hashes.content
    assert (other.version == straight.version) == (other.hashes.files == straight.hashes.files)


@SLOW
@given(st.lists(ROW, max_size=20))
def test_rows_of_a_list_on_one_line_are_told_apart(rows: list[Any]) -> None:
    """Three of SNIPS's files are one line each: a row is found by its number."""
    every = [*clean_rows(30), *(row for row in rows if isinstance(row, dict))]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.json")
        path.write_text(json.dumps(every), encoding="utf-8")
        dataset = prepare_files([str(path)], Policy(languages=False))
        assert dataset.files is not None
        audit = read_jsonl(dataset.files / "audit.jsonl")
        dropped = [entry["row"] for entry in audit if entry["action"] == "dropped"]
        lineage = [entry["row"] for entry in read_jsonl(dataset.files / "lineage.jsonl")]
        assert sorted([*dropped, *lineage]) == list(range(1, len(every) + 1))
        assert {entry["line"] for entry in audit} <= {1}


def _where(dataset: Any) -> dict[str, str]:
    """Prompt → split."""
    return {e.messages[0]["content"]: split for split in SPLITS for e in dataset.splits[split]}


def _prepared(rows: list[dict[str, Any]], **policy: Any) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.jsonl")
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return prepare_files([str(path)], Policy(languages=False, **policy))


def _difficult(count: int) -> list[dict[str, Any]]:
    """Rows with duplicates in other letters, contradictions, near duplicates of two classes, and four classes."""
    rows = [{"text": row["prompt"], "label": f"class {n % 4}"} for n, row in enumerate(clean_rows(count))]
    for n in range(0, count, 5):
        text = rows[n]["text"]
        rows.append(
            {"text": [text.upper(), text[:-1], f"{text} now", f"so {text}", text][n // 5 % 5], "label": "class 1"}
        )
    return rows


@settings(max_examples=12, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(0, 5), st.sampled_from(("group", "drop", "ignore")))
def test_the_order_of_rows_decides_nothing(random: Any, seed: int, near: Any) -> None:
    rows = _difficult(120)
    limits = (("train", 60), ("test", 9))
    straight = _prepared(rows, seed=seed, near_duplicates=near, max_rows=limits)
    random.shuffle(rows)
    other = _prepared(rows, seed=seed, near_duplicates=near, max_rows=limits)
    assert other.hashes.content == straight.hashes.content
    assert other.dropped == straight.dropped and other.facts["noted"] == straight.facts["noted"]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 299), st.sampled_from(("change", "add", "remove")), st.integers(0, 3))
def test_a_changed_row_moves_no_other(at: int, how: str, seed: int) -> None:
    rows = [{"text": row["prompt"], "label": f"class {n % 3}"} for n, row in enumerate(clean_rows(300))]
    before = _where(_prepared(rows, seed=seed))
    extra = {**rows[at], "text": f"{clean_rows(1, seed=at + 7)[0]['prompt']} indeed"}
    changed = {
        "change": [*rows[:at], extra, *rows[at + 1 :]], "add": [*rows, extra], "remove": [*rows[:at], *rows[at + 1 :]]
    }[how]  # fmt: skip
    after = _where(_prepared(changed, seed=seed))
    assert {text for text in before.keys() & after.keys() if before[text] != after[text]} == set()
    assert len(after) == len(changed)


def test_more_of_a_split_takes_from_the_next_and_leaves_the_rest(tmp_path: Path) -> None:
    """With a larger share of test, no row leaves test, and no training row that stays one goes anywhere."""
    rows = clean_rows(400)
    small, large = (_where(_prepared(rows, test_fraction=share)) for share in (0.1, 0.2))
    assert all(large[text] == "test" for text, split in small.items() if split == "test")
    assert all(small[text] == "train" for text, split in large.items() if split == "train")


def test_a_class_has_a_row_in_each_split_from_ten_rows(tmp_path: Path) -> None:
    rows = [{"text": row["prompt"], "label": f"class {n % 12}"} for n, row in enumerate(clean_rows(120))]
    for seed in range(3):
        dataset = _prepared(rows, seed=seed)
        for split, count in zip(SPLITS, (8, 1, 1), strict=True):
            labels = [example.label for example in dataset.splits[split]]
            assert all(labels.count(f"class {n}") == count for n in range(12))


def test_rows_beyond_a_limit_are_chosen_by_their_content() -> None:
    rows = clean_rows(300)
    before = _where(_prepared(rows, max_rows=(("train", 100),)))
    after = _where(_prepared([*clean_rows(1, seed=9), *reversed(rows)], max_rows=(("train", 100),)))
    assert len(before.keys() - after.keys()) <= 1
