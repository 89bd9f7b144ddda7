"""Every bad input ends in one line or an accounted drop."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from olivepress.core.errors import DataError
from olivepress.data.read.containers import MAX_ROW_BYTES, RECODED, read_rows
from tests.data.planted import clean_rows, events
from tests.data.test_readers import jsonl, pairs, prepare

ROWS = clean_rows(40)
GOOD = jsonl(lambda q, a: {"prompt": q, "completion": a}).encode()


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"{broken\n", "not valid JSON"),
        (b"[1, 2]\n", "expected an object, found list"),
        (b"[" * 200_000 + b"\n", "not valid JSON"),
        (b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b"\n", "nested too deep"),
        (b'{"prompt": ' + b"9" * 5000 + b', "completion": "x"}\n', "not valid JSON"),
        (b'{"prompt": null, "completion": "x"}\n', "no text in prompt"),
        (b'{"prompt": "x y", "completion": NaN}\n', "NaN or Infinity in completion, expected text"),
        (b'{"prompt": "x y", "completion": {"a": -Infinity}}\n', "NaN or Infinity in completion, expected JSON"),
        (b'{"other": "x"}\n', "no text in prompt"),
        (b'{"prompt": "a", "completion": "b", "prompt": "c"}\n', "the key 'prompt' occurs twice"),
        (b"\x00\n", "not valid JSON"),
    ],
)
def test_a_bad_line_costs_only_itself(tmp_path: Path, bad: bytes, reason: str) -> None:
    (tmp_path / "a.jsonl").write_bytes(GOOD[: GOOD.index(b"\n") + 1] + bad + GOOD[GOOD.index(b"\n") + 1 :])
    dataset = prepare(tmp_path / "a.jsonl")
    assert dataset.files is not None
    [(line, why)] = events(dataset.files / "audit.jsonl", action="dropped")
    assert line == 2 and reason in why
    assert sum(dataset.facts["read"].values()) == 41
    with pytest.raises(DataError, match=r"a\.jsonl:2: "):
        prepare(tmp_path / "a.jsonl", strict=True)


def test_a_line_without_end_is_dropped_in_little_memory(tmp_path: Path) -> None:
    import tracemalloc

    path = tmp_path / "a.jsonl"
    with path.open("wb") as file:
        file.write(GOOD + b'{"prompt": "')
        for _ in range(8):
            file.write(b"x" * MAX_ROW_BYTES)
        file.write(b'"}\n' + b'{"prompt": "the last one", "completion": "is read"}\n')
    tracemalloc.start()
    rows = [(row.line, row.problem) for row in read_rows(path)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows[40:] == [(41, "longer than 16 MB"), (42, None)]
    assert peak < 5 * MAX_ROW_BYTES


def test_a_csv_with_changing_columns(tmp_path: Path) -> None:
    lines = [
        "text,label",
        *(f"{row['prompt'].replace(',', '')},a" for row in ROWS),
        "one,two,three",
        "alone",
        '"open,x',
    ]
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n")
    dataset = prepare(tmp_path / "a.csv")
    assert dataset.files is not None
    assert events(dataset.files / "audit.jsonl", action="dropped") == [
        (42, "2 columns expected, 3 found"),
        (43, "2 columns expected, 1 found"),
        (44, "not valid CSV (unexpected end of data)"),
    ]


def test_lists_with_bad_elements(tmp_path: Path) -> None:
    good = json.dumps(ROWS, indent=1)[1:-1].encode()
    deep = b'{"prompt": ' + b"[" * 300 + b"]" * 300 + b', "completion": "x"}'
    text = (
        b"[\n"
        + good
        + b',\n"text",\n7,\n'
        + deep
        + b',\n{"prompt": "caf\xe9 or not?", "completion": "yes"},\n{"prompt": "cut'
    )
    (tmp_path / "a.json").write_bytes(text)
    dataset = prepare(tmp_path / "a.json")
    assert dataset.files is not None
    first = 2 + good.count(b"\n") + 1
    assert events(dataset.files / "audit.jsonl", action="dropped") == [
        (first, "expected an object, found str"),
        (first + 1, "expected an object, found int"),
        (first + 2, "nested deeper than 64"),
        (first + 4, "not valid JSON (the file ends inside this row)"),
    ]
    assert events(dataset.files / "audit.jsonl", action="changed") == [(first + 3, RECODED)]
    assert ("café or not?", "yes") in pairs(dataset)


def test_mixed_encodings_lose_no_letter(tmp_path: Path) -> None:
    lines = [json.dumps({"prompt": r["prompt"] + " é", "completion": "ok then"}, ensure_ascii=False) for r in ROWS]
    raw = [line.encode("cp1252" if i % 4 == 0 else "utf-8") for i, line in enumerate(lines)]
    raw.append(b'{"prompt": "which song? \xed\xa0\xbc\xed\xbd\x95", "completion": "that one"}')
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(raw) + b"\n")
    dataset = prepare(tmp_path / "a.jsonl")
    assert dataset.changed == {RECODED: 11}
    assert {prompt for prompt, _ in pairs(dataset)} == {r["prompt"] + " é" for r in ROWS} | {"which song? 🍕"}


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.jsonl", b"\x1f\x8b\x08\x00rest", "is a gzip file"),
        ("a.json", b"PK\x03\x04rest", "is a zip file"),
        ("a.csv", b"\x7fELF\x02\x01", "is a program file"),
        ("a.csv", "text,label\nä,b\n".encode("utf-16"), "is UTF-16, expected UTF-8; next: iconv -f UTF-16 "),
        ("a.csv", "text,label\nä,b\n".encode("utf-32"), "is UTF-32, expected UTF-8; next: iconv -f UTF-32 "),
        ("a.csv", "text,label\nä,b\n".encode("utf-16-le"), "is likely UTF-16LE without a mark"),
        ("a.csv", b"text,label\ra,b\rc,d\r", "its lines end with CR alone"),
        ("a.json", b"[]", "has no rows, expected examples"),
        ("a.parquet", b"PAR1 but nothing else", "not readable as Parquet"),
        ("a.csv", b"text,text\na,b\n", "column 'text' occurs twice"),
        ("a.json", b'[{"prompt": "' + b"x" * (MAX_ROW_BYTES + 2_000_000) + b'"}]', "a.json:1: a row longer than 16 MB"),
    ],
)
def test_what_is_no_data_is_one_clear_line(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as caught:
        prepare(tmp_path / name)
    assert says in str(caught.value) and "\n" not in str(caught.value) and "; next: " in str(caught.value)
    assert caught.value.exit_code == 4
