"""Whatever is in a file: it is read without a traceback, and counts in are counts out and reasons."""

from __future__ import annotations

import io
import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from olivepress.data import SPLITS, Policy, prepare_files
from olivepress.data.cleaning import clean_text
from olivepress.data.containers import read_rows
from olivepress.data.json_elements import elements
from olivepress.errors import OlivepressError
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
