"""Packed files, standard input, SQLite, workbooks and folders: rows come in once and whole, or one clear line."""

from __future__ import annotations

import gzip
import io
import json
import lzma
import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import zstandard

from olivepress.core.errors import DataError
from olivepress.data.build import prepare_files
from olivepress.data.policy import Policy
from olivepress.data.read import compressed
from olivepress.data.read.containers import read_rows
from tests.data.planted import clean_rows, write_jsonl
from tests.data.test_readers import pairs, prepare
from tests.data.written import CONTAINERS, csv_text, json_lines, sheet_xml, write_database, write_workbook

ROWS = clean_rows(40)
RAW = json_lines(ROWS).encode()
EXPECTED = {(row["prompt"], row["completion"]) for row in ROWS}
PACK = {
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".zst": lambda raw: zstandard.ZstdCompressor().compress(raw),
}


@pytest.mark.parametrize("packing", PACK)
def test_packed_in_several_parts(tmp_path: Path, packing: str) -> None:
    half = RAW.index(b"\n", len(RAW) // 2) + 1
    path = tmp_path / f"a.jsonl{packing}"
    path.write_bytes(PACK[packing](RAW[:half]) + PACK[packing](RAW[half:]))
    assert pairs(prepare(path)) == EXPECTED


@pytest.mark.parametrize("packing", PACK)
def test_packed_and_cut_off_or_damaged(tmp_path: Path, packing: str) -> None:
    packed = PACK[packing](RAW)
    path = tmp_path / f"a.jsonl{packing}"
    for length in (len(packed) - 1, len(packed) // 2, 12):
        path.write_bytes(packed[:length])
        with pytest.raises(DataError, match=r"is truncated|not readable as"):
            list(read_rows(path))
    path.write_bytes(packed[:40] + bytes(byte ^ 0x55 for byte in packed[40:60]) + packed[60:])
    with pytest.raises(DataError, match=r"is truncated|not readable as"):
        list(read_rows(path))
    path.write_bytes(RAW)
    with pytest.raises(DataError, match="is not packed with"):
        list(read_rows(path))


@pytest.mark.parametrize("packing", PACK)
def test_a_bomb_stops_at_the_limit(tmp_path: Path, packing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compressed, "_RATIO_FROM", 1 << 20)
    path = tmp_path / f"a.csv{packing}"
    path.write_bytes(PACK[packing](b"text,label\n" + b"a" * (256 << 20)))
    with pytest.raises(DataError, match=r"contains more than .* bytes when unpacked .*; next: unpack it yourself"):
        list(read_rows(path))


def test_what_a_packed_file_may_not_be(tmp_path: Path) -> None:
    for name in ("a.gz", "a.parquet.gz", "a.tar.gz", "a.jsonl.gz.gz"):
        (tmp_path / name).write_bytes(gzip.compress(RAW))
        with pytest.raises(DataError, match="is not supported, expected one of"):
            list(read_rows(tmp_path / name))
    (tmp_path / "b.jsonl").write_bytes(gzip.compress(RAW))
    with pytest.raises(DataError, match=r"is a gzip file, expected rows as text; next: rename it to b\.jsonl\.gz"):
        list(read_rows(tmp_path / "b.jsonl"))


def test_a_dataset_is_called_after_what_is_packed(tmp_path: Path) -> None:
    (tmp_path / "tickets.csv.gz").write_bytes(gzip.compress(csv_text(ROWS).encode()))
    assert prepare(tmp_path / "tickets.csv.gz").name == "tickets"


class Piped(io.TextIOWrapper):
    def isatty(self) -> bool:
        return False


@pytest.mark.parametrize(
    ("content", "kind"),
    [(RAW, None), (RAW, "jsonl"), (json.dumps(ROWS).encode(), None), (csv_text(ROWS).encode(), "csv")],
)
def test_standard_input(monkeypatch: pytest.MonkeyPatch, content: bytes, kind: str | None) -> None:
    monkeypatch.setattr(sys, "stdin", Piped(io.BytesIO(content)))
    dataset = prepare_files(["-"], Policy(languages=False, stdin_type=kind))
    assert pairs(dataset) == EXPECTED and dataset.name == "stdin" and dataset.facts["read"] == {"stdin": 40}


def test_standard_input_of_no_known_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Piped(io.BytesIO(csv_text(ROWS).encode())))
    with pytest.raises(DataError, match=r"stdin: is not JSON, its type is needed; next: --type csv"):
        prepare("-")
    monkeypatch.setattr(sys, "stdin", Piped(io.BytesIO(b"")))
    with pytest.raises(DataError, match="stdin: is empty"):
        prepare("-")
    with pytest.raises(DataError, match="-: given twice"):
        prepare("-", "-")


def test_pipes_and_devices_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    for name in (tmp_path / "pipe.csv", Path("/dev/zero")):
        with pytest.raises(DataError, match=r"is a pipe or device, expected a file; next: cat .* data check - --type"):
            prepare(name)
    write_jsonl(tmp_path / "rows.jsonl", ROWS)
    assert pairs(prepare(tmp_path)) == EXPECTED  # beside a pipe
    with pytest.raises(DataError, match="; next: "):
        prepare(tmp_path / ("x" * 300))
    (tmp_path / "loop.csv").symlink_to(tmp_path / "loop.csv")
    with pytest.raises(DataError, match="no such file"):
        prepare(tmp_path / "loop.csv")


def test_the_table_of_a_database(tmp_path: Path) -> None:
    path = write_database(tmp_path / "a.db", ROWS)
    assert prepare(path).name == "a"
    write_database(path, [{"prompt": "x", "completion": "y"}], "other one")
    with pytest.raises(DataError, match=r"several tables; tables: other one, rows, expected FILE::TABLE; next: "):
        prepare(path)
    with pytest.raises(DataError, match="no table 'row' in it; tables: other one, rows"):
        prepare(f"{path}::row")
    dataset = prepare(f"{path}::rows")
    assert pairs(dataset) == EXPECTED and dataset.facts["read"] == {"a.db::rows": 40} and dataset.name == "rows"
    write_database(path, clean_rows(9, seed=5), "test")
    both = prepare(f"{path}::rows", f"{path}::test")
    assert len(both.splits["test"]) == 9 and both.facts["read"] == {"a.db::rows": 40, "a.db::test": 9}


def test_a_database_is_only_read(tmp_path: Path) -> None:
    path = write_database(tmp_path / "a.db", ROWS)
    before = path.read_bytes()
    path.chmod(0o444)
    assert pairs(prepare(path)) == EXPECTED
    assert path.read_bytes() == before and [one.name for one in tmp_path.iterdir()] == ["a.db"]


def test_what_a_database_may_not_be(tmp_path: Path) -> None:
    path = write_database(tmp_path / "a.db", ROWS)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE VIEW endless AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
                           "SELECT i AS prompt, i AS completion FROM n")  # fmt: skip
        connection.execute("CREATE VIRTUAL TABLE words USING fts5(prompt, completion)")
        connection.commit()
    with pytest.raises(DataError, match="'endless' is a view, expected a table"):
        prepare(f"{path}::endless")
    with pytest.raises(DataError, match="'words' is a virtual table, expected a table"):
        prepare(f"{path}::words")
    (tmp_path / "a.db-wal").write_bytes(b"rows that were not written yet")
    with pytest.raises(DataError, match=r"some of its rows are still in a\.db-wal"):
        prepare(f"{path}::rows")
    (tmp_path / "b.sqlite").write_bytes(b"no database at all, but long enough" * 40)
    with pytest.raises(DataError, match="not readable as SQLite"):
        prepare(tmp_path / "b.sqlite")
    (tmp_path / "c.db").write_bytes(path.read_bytes()[:5000])
    with pytest.raises(DataError, match=r"not readable as SQLite|no table in it"):
        prepare(f"{tmp_path / 'c.db'}::rows")


def test_the_sheet_of_a_workbook(tmp_path: Path) -> None:
    cells: list[list[Any]] = [["prompt", "completion"], *([row["prompt"], row["completion"]] for row in ROWS)]
    path = write_workbook(tmp_path / "a.xlsx", {"Notes": [["made by"], ["us"]], "Rows": [[None], *cells]})
    with pytest.raises(DataError, match=r"several sheets; sheets: Notes, Rows; next: .*a\.xlsx::Notes"):
        prepare(path)
    with pytest.raises(DataError, match="no sheet 'rows'; sheets: Notes, Rows"):
        prepare(f"{path}::rows")
    assert pairs(prepare(f"{path}::Rows")) == EXPECTED
    assert [row.line for row in read_rows(path, "Rows")] == list(range(3, 43))


def test_cells_of_a_workbook(tmp_path: Path) -> None:
    day = ('s="1"', 45296)
    cells = [["prompt", "completion", None], ["a", 7, None], ["b", day, None], [], ["c", 1.5, None], ["d", True, "x"]]
    path = write_workbook(tmp_path / "a.xlsx", {"Rows": cells})
    found = [(row.line, row.value and row.value["completion"], row.problem) for row in read_rows(path)]
    assert found == [
        (2, 7, None), (3, "2024-01-05", None), (5, 1.5, None), (6, None, "a value in column 3, which has no name"),
    ]  # fmt: skip


def test_what_a_workbook_may_not_be(tmp_path: Path) -> None:
    path = write_workbook(tmp_path / "far.xlsx", {"Rows": sheet_xml([["a"]]).replace(
        "</sheetData>", '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>')})  # fmt: skip
    with pytest.raises(DataError, match="cannot be read within 4 GB of memory and 300 seconds"):
        prepare(path)
    (tmp_path / "b.xlsx").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(DataError, match="not readable as a workbook"):
        prepare(tmp_path / "b.xlsx")
    twice = write_workbook(tmp_path / "c.xlsx", {"Rows": [["text", "text"], ["a", "b"]]})
    with pytest.raises(DataError, match="column 'text' occurs twice"):
        prepare(twice)


def test_what_a_clone_of_the_hub_brings_along(tmp_path: Path) -> None:
    """huggingface/datasets#4895: folders say the split, ``val`` as well."""
    folder = tmp_path / "data-set"
    for name in ("README.md", "LICENSE", "LICENSE.txt", ".gitattributes", "dataset_infos.json", "dataset_info.json",
                 ".cache/huggingface/rows.json", ".git/config.json", "croissant.json"):  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text('{"default": {"splits": {}}}')
    parts = {"data/train-00000-of-00001.jsonl": ROWS[:24], "val/part0.jsonl": ROWS[24:32], "test/0.jsonl": ROWS[32:]}
    for name, rows in parts.items():
        (folder / name).parent.mkdir(exist_ok=True)
        write_jsonl(folder / name, rows)
    dataset = prepare(folder)
    assert {split: len(rows) for split, rows in dataset.splits.items()} == {"train": 24, "validation": 8, "test": 8}
    assert set(dataset.facts["read"]) == {f"data-set/{name}" for name in parts}


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("test.csv", "test"), ("my_test.csv", "test"), ("val.csv", "validation"), ("dev-v2.csv", "validation"),
        ("validate_PlayMusic.csv", "validation"), ("testimonials.csv", "train"), ("train_test.csv", "train"),
        ("eval.csv", "validation"), ("validation-00000-of-00001.csv", "validation"), ("values.csv", "train"),
        ("latest.csv", "train"), ("test/rows.csv", "test"), ("test/train.csv", "train"), ("testA.csv", "test"),
    ],
)  # fmt: skip
def test_the_split_that_a_name_tells(tmp_path: Path, name: str, split: str) -> None:
    from olivepress.data.read.sources import find_sources

    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(csv_text(ROWS))
    (tmp_path / "other.csv").write_text(csv_text(ROWS))
    splits = {source.name: source.split for source in find_sources([str(tmp_path)])}
    assert splits == {f"{tmp_path.name}/{name}": split, f"{tmp_path.name}/other.csv": "train"}


def test_a_folder_with_rows_that_are_not_read(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "train.jsonl", ROWS)
    (tmp_path / "test.zip").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"test\.zip: may contain rows, but is not supported; next: unpack"):
        prepare(tmp_path)
    (tmp_path / "test.zip").unlink()
    for seed, name in enumerate(("rows.xlsx", "rows.sqlite", "rows.csv.xz"), start=5):
        CONTAINERS[name](tmp_path / f"test_{name}", clean_rows(6, seed=seed))
    dataset = prepare(tmp_path)
    assert len(dataset.splits["test"]) == 18 and sum(dataset.facts["read"].values()) == 58


def test_a_recipe_cannot_read_standard_input() -> None:
    from olivepress.data.build import build_dataset
    from olivepress.recipe.schema import Data

    with pytest.raises(DataError, match="standard input, which a recipe cannot read; next: olivepress data prepare -"):
        build_dataset(Data(demo=None, source="-"))
