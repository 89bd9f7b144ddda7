"""Every format comes in as the same rows; every bad input ends in one line or an accounted drop."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from olivepress.data import SPLITS, Dataset, Policy, prepare_files
from olivepress.data.containers import MAX_ROW_BYTES, RECODED, read_rows
from olivepress.errors import DataError
from tests.data.planted import clean_rows, events, write_jsonl

ROWS = clean_rows(40)


def prepare(*names: str | Path, **policy: Any) -> Dataset:
    return prepare_files([str(name) for name in names], Policy(languages=False, **policy))


def pairs(dataset: Dataset) -> set[tuple[str, str]]:
    every = [example for split in SPLITS for example in dataset.splits[split]]
    return {("\n".join(m["content"] for m in e.messages[:-1]), e.answer) for e in every}


def jsonl(make: Any) -> str:
    return "".join(json.dumps(make(row["prompt"], row["completion"])) + "\n" for row in ROWS)


def table(delimiter: str, prompt: str, answer: str) -> str:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerow((prompt, answer))
    writer.writerows((row["prompt"], row["completion"]) for row in ROWS)
    return text.getvalue()


WRITTEN = {
    "prompt/completion": ("a.jsonl", jsonl(lambda q, a: {"prompt": q, "completion": a})),
    "messages": (
        "a.jsonl",
        jsonl(lambda q, a: {"messages": [{"role": "user", "content": q}, {"role": "assistant", "content": a}]}),
    ),
    "sharegpt": (
        "a.jsonl",
        jsonl(lambda q, a: {"conversations": [{"from": "human", "value": q}, {"from": "gpt", "value": a}]}),
    ),
    "instruction/response": ("a.jsonl", jsonl(lambda q, a: {"instruction": q, "response": a})),
    "alpaca": ("a.jsonl", jsonl(lambda q, a: {"instruction": q, "input": "", "output": a})),
    "input/output": (
        "a.json",
        json.dumps([{"input": row["prompt"], "output": row["completion"]} for row in ROWS], indent=1),
    ),
    "question/answer": ("a.csv", table(",", "question", "answer")),
    "text/category": ("a.tsv", table("\t", "text", "category")),
    "prompt/response": ("a.csv", table(";", "prompt", "response")),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_formats_are_found_and_hold_the_same_rows(tmp_path: Path, name: str) -> None:
    file, text = WRITTEN[name]
    (tmp_path / file).write_bytes(text.encode())
    dataset = prepare(tmp_path / file)
    assert dataset.format == name
    assert pairs(dataset) == {(row["prompt"], row["completion"]) for row in ROWS}
    assert dataset.dropped == {} and dataset.changed == {}


def test_parquet_saved_datasets_and_the_hub_form(tmp_path: Path) -> None:
    import datasets
    import pyarrow as pa
    import pyarrow.parquet as pq

    expected = {(row["prompt"], row["completion"]) for row in ROWS}
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "rows.parquet")
    assert pairs(prepare(tmp_path / "rows.parquet")) == expected
    held = datasets.Dataset.from_list(ROWS)
    held.save_to_disk(str(tmp_path / "saved"))
    assert pairs(prepare(tmp_path / "saved")) == expected
    datasets.DatasetDict({"train": held.select(range(30)), "test": held.select(range(30, 40))}).save_to_disk(
        str(tmp_path / "splits")
    )
    given = prepare(tmp_path / "splits")
    assert pairs(given) == expected and len(given.splits["test"]) == 10
    # A folder is read by datasets' own loader in the same way as a name on the Hub.
    (tmp_path / "repository").mkdir()
    held.to_parquet(str(tmp_path / "repository" / "train.parquet"))
    assert pairs(prepare(f"hub:{tmp_path / 'repository'}")) == expected


def test_class_labels_get_their_names(tmp_path: Path) -> None:
    import datasets

    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["no", "yes"])})
    rows = [{"text": row["prompt"], "label": i % 2} for i, row in enumerate(ROWS)]
    held = datasets.Dataset.from_list(rows, features=features)
    held.to_parquet(str(tmp_path / "rows.parquet"))
    held.save_to_disk(str(tmp_path / "saved"))
    for name in ("rows.parquet", "saved"):
        dataset = prepare(tmp_path / name)
        assert {example.label for example in dataset.splits["train"]} == {"no", "yes"}


def test_a_name_that_is_no_file_and_not_on_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(DataError, match="not to be had from the Hub"):
        prepare("hub:nobody/no-such-dataset")
    monkeypatch.setattr(datasets, "load_dataset", None)  # a mistyped path does not go to the network
    with pytest.raises(DataError, match="no such file or directory; next: check the path, or hub:nobody/no-such"):
        prepare("nobody/no-such-dataset")


def test_alpaca_with_everything(tmp_path: Path) -> None:
    row = {
        "instruction": "Go on.",
        "input": "the story",
        "output": "And so it went.",
        "system": "Be brief.",
        "history": [["Begin a story.", "Once upon a time."]],
    }
    rows = [row, *({"instruction": r["prompt"], "input": "", "output": r["completion"]} for r in ROWS)]
    dataset = prepare(write_jsonl(tmp_path / "a.jsonl", rows))
    every = [example for split in SPLITS for example in dataset.splits[split]]
    [found] = [e.messages for e in every if e.answer == "And so it went."]
    assert [(m["role"], m["content"]) for m in found] == [
        ("system", "Be brief."),
        ("user", "Begin a story."),
        ("assistant", "Once upon a time."),
        ("user", "Go on.\nthe story"),
        ("assistant", "And so it went."),
    ]


def test_tool_calls_and_tools_are_kept(tmp_path: Path) -> None:
    call = [{"id": "c1", "type": "function", "function": {"name": "light", "arguments": '{"on":true}'}}]
    tools = [{"type": "function", "function": {"name": "light", "parameters": {"type": "object"}}}]
    row = {
        "messages": [
            {"role": "user", "content": "Light on"},
            {"role": "assistant", "content": None, "tool_calls": call},
            {"role": "tool", "content": "done", "tool_call_id": "c1"},
            {"role": "assistant", "content": "It is on."},
        ],
        "tools": tools,
    }
    rows = [row] + [{"messages": [{"role": "user", "content": r["prompt"]},
                                  {"role": "assistant", "content": r["completion"]}]} for r in ROWS]  # fmt: skip
    dataset = prepare(write_jsonl(tmp_path / "a.jsonl", rows))
    [found] = [e for split in SPLITS for e in dataset.splits[split] if e.tools]
    assert list(found.tools or ()) == tools
    assert found.messages[1] == {"role": "assistant", "content": "", "tool_calls": call}
    assert found.messages[2] == {"role": "tool", "content": "done", "tool_call_id": "c1"}


def test_plain_text_is_learned_whole(tmp_path: Path) -> None:
    dataset = prepare(write_jsonl(tmp_path / "a.jsonl", [{"text": row["completion"]} for row in ROWS]))
    assert dataset.format == "text"
    assert pairs(dataset) == {("", row["completion"]) for row in ROWS}


def test_the_format_can_be_said(tmp_path: Path) -> None:
    rows = [{"prompt": r["prompt"], "completion": "x", "question": "y", "answer": r["completion"]} for r in ROWS]
    path = write_jsonl(tmp_path / "a.jsonl", rows)
    with pytest.raises(DataError, match="ambiguous: prompt/completion or question/answer; next: --format"):
        prepare(path)
    expected = {(row["prompt"], row["completion"]) for row in ROWS}
    dataset = prepare(path, format="prompt/answer")
    assert pairs(dataset) == expected
    assert dataset.facts["unused_columns"] == {"a.jsonl": ["completion", "question"]}
    assert {e.label for e in prepare(path, format="prompt/answer:label").splits["test"]} <= {a for _, a in expected}
    with pytest.raises(DataError, match=r"no column 'queston'.*; next: --format question/answer"):
        prepare(path, format="queston/answer")
    with pytest.raises(DataError, match="unknown format 'chat'"):
        prepare(path, format="chat")


def test_role_errors_are_told(tmp_path: Path) -> None:
    def talk(*roles: str) -> dict[str, Any]:
        return {"messages": [{"role": role, "content": f"{role} {i} says so"} for i, role in enumerate(roles)]}

    bad = [
        talk("user"),
        talk("user", "user", "assistant"),
        talk("assistant", "user", "assistant"),
        talk("user", "system", "assistant"),
        talk("user", "assistant", "user"),
        talk("user", "tool", "assistant"),
        talk("user", "narrator"),
        {"messages": "hello"},
    ]
    good = [{"messages": [{"role": "user", "content": r["prompt"]}, {"role": "assistant", "content": r["completion"]}]}
            for r in ROWS]  # fmt: skip
    dataset = prepare(write_jsonl(tmp_path / "a.jsonl", good + bad))
    assert dataset.files is not None
    assert events(dataset.files / "audit.jsonl", action="dropped") == [
        (41, "fewer than two messages"),
        (42, "roles out of order: user after user"),
        (43, "roles out of order: assistant first"),
        (44, "roles out of order: system after the first message"),
        (45, "the last message is not the assistant's"),
        (46, "roles out of order: tool without a tool call"),
        (47, "unknown role 'narrator'"),
        (48, "fewer than two messages"),
    ]


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
