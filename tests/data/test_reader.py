from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from olivepress.core.errors import DataError
from olivepress.data.store.reader import read_split
from tests.data.rows import row

MakeDataset = Callable[..., Path]


def test_a_limit_spreads_over_the_file(make_dataset: MakeDataset) -> None:
    folder = make_dataset([row(i, f"q{i}", "a") for i in range(10)])
    split = read_split(folder, "test", limit=4)
    assert [r.id for r in split.rows] == ["r0", "r2", "r5", "r7"]
    assert split.of == 10 and split.version == "ab" * 32 and split.rows[0].answer == "a"
    assert len(read_split(folder, "test", limit=99).rows) == 10


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "test.jsonl:2: not JSON"),
        ("[]", 'test.jsonl:2: expected an object with a text "id"'),
        (json.dumps(row(0, "again", "a")), "test.jsonl:2: id 'r0' occurs twice"),
        (json.dumps({"id": "x", "messages": [{"role": "user", "content": "q"}]}), "at least two"),
        (json.dumps({"id": "x", "messages": [{"role": "user", "content": "q"}] * 2}), "no expected answer"),
        (json.dumps({"id": "x", "messages": [{"role": "user", "content": None}] * 2}), "test.jsonl:2"),
    ],
)
def test_garbled_rows_are_named(make_dataset: MakeDataset, line: str, says: str) -> None:
    folder = make_dataset([row(0, "q", "a")])
    with (folder / "test.jsonl").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(DataError, match=says):
        read_split(folder, "test")


def test_missing_and_empty(make_dataset: MakeDataset, tmp_path: Path) -> None:
    folder = make_dataset([])
    with pytest.raises(DataError, match="holds no rows"):
        read_split(folder, "test")
    with pytest.raises(DataError, match=r"validation\.jsonl: cannot be read"):
        read_split(folder, "validation")
    with pytest.raises(DataError, match=r"dataset\.json: cannot be read"):
        read_split(tmp_path / "none", "test")
    with pytest.raises(DataError, match="leaves no rows"):
        read_split(make_dataset([row(0, "q", "a")]), "test", limit=0)


def test_an_edited_file_is_not_the_dataset(make_dataset: MakeDataset) -> None:
    folder = make_dataset([row(0, "q", "a")])
    rows = (folder / "test.jsonl").read_text()
    meta = json.loads((folder / "dataset.json").read_text())
    meta["sha256"] = {"test.jsonl": hashlib.sha256(rows.encode()).hexdigest()}
    (folder / "dataset.json").write_text(json.dumps(meta))
    assert len(read_split(folder, "test").rows) == 1
    (folder / "test.jsonl").write_text(rows.replace('"a"', '"b"'))
    with pytest.raises(DataError, match=r"not the file that dataset\.json names"):
        read_split(folder, "test")


def test_nesting_without_end_is_refused(make_dataset: MakeDataset) -> None:
    folder = make_dataset([row(0, "q", "a")])
    (folder / "test.jsonl").write_text("[" * 100_000 + "\n")
    with pytest.raises(DataError, match=r"test\.jsonl:1: nested too deeply"):
        read_split(folder, "test")


def test_reading_a_split_needs_the_base_install_only() -> None:
    heavy = ("numpy", "pyarrow", "datasets", "torch", "regex")
    code = f"import sys, olivepress.data.store.reader; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
