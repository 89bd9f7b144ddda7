"""Every format comes in as the same rows."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from olivepress.core.errors import DataError
from olivepress.data.build import prepare_files
from olivepress.data.policy import Policy
from olivepress.data.store.dataset import Dataset
from olivepress.data.store.examples import SPLITS
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


def test_parquet_saved_datasets_and_the_hub_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
    # A folder is read by datasets' own loader in the same way as a name on the Hub, which is not asked here.
    monkeypatch.setattr("olivepress.data.read.tables._ask_once", lambda name, revision: None)
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
    with pytest.raises(DataError, match="cannot be loaded from the Hub"):
        prepare("hub:nobody/no-such-dataset")
    monkeypatch.setattr(datasets, "load_dataset", None)  # a mistyped path does not go to the network
    with pytest.raises(DataError, match="no such file or directory; next: check the path, or hub:nobody/no-such"):
        prepare("nobody/no-such-dataset")


def test_an_unreachable_hub_is_one_line(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    import logging

    import huggingface_hub

    def ask(*_: object, **__: object) -> None:
        logging.getLogger("huggingface_hub").error("Retrying in 1s [Retry 1/5].")
        raise ConnectionError("no route\nto host")

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", ask)
    with pytest.raises(DataError, match=r"^a/b: cannot be loaded from the Hub \(no connection\); next: "):
        prepare("hub:a/b")
    assert caplog.records == []
    logging.getLogger("huggingface_hub").error("told again")
    assert len(caplog.records) == 1


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
    # Templates write arguments with tojson: as text they would be quoted twice.
    read = [{"id": "c1", "type": "function", "function": {"name": "light", "arguments": {"on": True}}}]
    assert found.messages[1] == {"role": "assistant", "content": "", "tool_calls": read}
    assert dataset.changed == {"arguments of a tool call given as JSON text read as an object": 1}
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
        (
            46,
            "roles out of order: tool without a tool call (write the call as tool_calls, or as a function_call turn "
            "before it)",
        ),
        (47, "unknown role 'narrator'"),
        (48, "fewer than two messages"),
    ]
