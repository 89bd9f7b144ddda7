"""Of a JSON object every list is read, or none: nothing that follows the first list is lost."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olivepress.core.errors import DataError
from olivepress.data.build import prepare_files
from olivepress.data.policy import Policy
from olivepress.data.read.containers import read_rows
from olivepress.data.read.json_layout import lay_out
from olivepress.data.store.examples import SPLITS
from tests.data.planted import clean_rows
from tests.data.test_readers import pairs, prepare

ROWS = clean_rows(40)


def write(path: Path, value: Any, **options: Any) -> Path:
    path.write_text(json.dumps(value, **options))
    return path


@pytest.mark.parametrize(
    "names",
    [
        ("train", "validation", "test"),
        ("training", "dev", "testing"),
        ("Train", "val", "Test_set"),
        ("test", "train", "eval"),
    ],
)
@pytest.mark.parametrize("indent", [None, 1])
def test_lists_named_after_splits_are_these_splits(tmp_path: Path, names: tuple[str, ...], indent: int | None) -> None:
    parts = (ROWS[:24], ROWS[24:32], ROWS[32:])
    dataset = prepare(write(tmp_path / "a.json", dict(zip(names, parts, strict=True)), indent=indent))
    expected = {"t": "train", "T": "train", "d": "validation", "v": "validation", "e": "validation"}
    for name, part in zip(names, parts, strict=True):
        split = "test" if name.lower().startswith("test") else expected[name[0]]
        assert {e.messages[0]["content"] for e in dataset.splits[split]} == {row["prompt"] for row in part}
    assert dataset.facts["read"] == {"a.json": 40} and dataset.dropped == {}


def test_keys_beside_the_only_list_are_told(tmp_path: Path) -> None:
    value = {"version": "1.1", "meta": {"rows": [1, 2], "by": "us"}, "data": ROWS, "count": 40, "errors": []}
    dataset = prepare(write(tmp_path / "a.json", value))
    assert len(pairs(dataset)) == 40
    assert dataset.facts["noted"] == {"skipped, not rows: 'version', 'meta', 'count', 'errors'": 1}
    # No class is made of the name of a list whose rows are not SNIPS's.
    assert {example.label for split in SPLITS for example in dataset.splits[split]} == {None}


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"train": ROWS, "oos_train": ROWS}, "an object of several lists ('train', 'oos_train')"),
        ({"features": [{"name": "a"}], "rows": [{"row_idx": 0, "row": ROWS[0]}]}, "several lists ('features', 'rows')"),
        ({"columns": ["prompt"], "index": [0], "data": [["x"]]}, "several lists ('columns', 'index', 'data')"),
        ({"prompt": ["a", "b"], "completion": ["c", "d"]}, "several lists ('prompt', 'completion')"),
        ({"prompt": {"0": "a"}, "completion": {"0": "b"}}, "without a list of rows ('prompt', 'completion')"),
        ({"0": {"prompt": "a"}, "1": {"prompt": "b"}}, "without a list of rows"),
        ({"data": {"train": ROWS}}, "without a list of rows ('data')"),
        ({"train": ROWS, "test": {"rows": ROWS}}, "'test' is an object, expected a list of rows"),
        ({"prompt": "a", "completion": "b"}, "without a list of rows"),
        ({"version": "1.1", "data": [{"title": "x", "paragraphs": []}]}, "columns title, paragraphs"),
        ({"rows": [["how are you", "greeting"]]}, "expected an object, found list"),
    ],
)
def test_what_cannot_be_placed_is_refused(tmp_path: Path, value: Any, says: str) -> None:
    with pytest.raises(DataError) as caught:
        prepare(write(tmp_path / "a.json", value))
    assert says in str(caught.value) and "; next: " in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"train": [{"prompt": "a", "completion": "b"}], "test": ', "the file ends inside the object"),
        ('{"train": []} {"train": []}', "text after the end of the object"),
        ('{\n "prompt": "a"\n}\n{\n "prompt": "b"\n}', "text after the end of the object"),
        ('{"data": [], "data": []}', "the key 'data' occurs twice"),
        ('{"data": [{}] oops}', "text that is neither a key nor a value"),
        ('{"data": [{}]} oops', "text after the end of the object"),
        ('{"a": "b" "c"}', "a value without a key"),
    ],
)
def test_broken_objects(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(DataError, match=says):
        list(read_rows(tmp_path / "a.json"))


def test_a_list_cut_off_costs_its_last_row(tmp_path: Path) -> None:
    text = json.dumps({"version": 1, "data": ROWS})[:-40]
    (tmp_path / "a.json").write_text(text)
    rows = list(read_rows(tmp_path / "a.json"))
    assert [row.value for row in rows[:-1]] == ROWS[:-1]
    assert rows[-1].problem == "not valid JSON (the file ends inside this row)"


def test_a_comma_within_a_text_makes_no_row(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('["one, two", {"prompt": "x"}, "three, \\"four\\"", 5]')
    assert [row.problem for row in read_rows(tmp_path / "a.json")] == [
        "expected an object, found str", None, "expected an object, found str", "expected an object, found int",
    ]  # fmt: skip


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=6), JSON, max_size=6), st.sampled_from((None, 1)), st.integers(1, 40))
def test_a_layout_is_what_json_says(value: dict[str, Any], indent: int | None, chunk: int) -> None:
    class Slow(io.BytesIO):
        """Gives a few bytes at a time: tokens fall apart at every place."""

        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(chunk)

    raw = json.dumps(value, indent=indent).encode()
    layout = lay_out(Slow(raw))
    kinds = {list: "list", dict: "object"}
    assert layout.problem is None
    assert [json.loads(entry.key) for entry in layout.entries] == list(value)
    for entry, inner in zip(layout.entries, value.values(), strict=True):
        assert entry.kind == ("empty list" if inner == [] else kinds.get(type(inner), "scalar"))
        if isinstance(inner, list):
            assert raw[entry.offset - 1 : entry.offset] == b"[" and entry.line == 1 + raw[: entry.offset].count(b"\n")


def test_a_split_that_the_caller_names_wins(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", {"train": ROWS[:20], "test": ROWS[20:]})
    train = tmp_path / "more.jsonl"
    train.write_text("".join(json.dumps(row) + "\n" for row in clean_rows(40, seed=3)))
    dataset = prepare_files([str(train)], Policy(languages=False, benchmarks=(str(path),)))
    assert dataset.facts["read"] == {"more.jsonl": 40}


def test_a_long_list_of_numbers_is_laid_out_in_little_memory() -> None:
    import tracemalloc

    raw = io.BytesIO(b'{"numbers": [' + b"1, " * 8_000_000 + b'1], "data": [{"prompt": "x"}]}')
    tracemalloc.start()
    layout = lay_out(raw)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [entry.kind for entry in layout.entries] == ["list", "list"] and peak < 8 << 20


def test_a_second_list_behind_the_first_is_refused(tmp_path: Path) -> None:
    """It would be one row that cannot be read, however many it holds."""
    path = tmp_path / "two.json"
    path.write_text(f"{json.dumps(clean_rows(30))}\n{json.dumps(clean_rows(60)[30:])}\n")
    with pytest.raises(DataError, match="text after the end of the list"):
        prepare_files([str(path)], Policy(languages=False))
