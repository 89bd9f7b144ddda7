"""What is exported and read again is the same dataset; what a form has no place for is an error, or told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from olivepress.core.errors import DataError
from olivepress.data.derive.export import FORMS, export_dataset
from olivepress.data.store.dataset import Dataset
from tests.data.planted import clean_rows, read_jsonl, write_jsonl
from tests.data.test_readers import prepare
from tests.data.test_tool_calls import CALL, TOOLS

ROWS = clean_rows(40)


def turns(*texts: str, system: str | None = None) -> dict[str, Any]:
    roles = ["user", "assistant"] * (len(texts) // 2)
    messages = [{"role": role, "content": text} for role, text in zip(roles, texts, strict=True)]
    return {"messages": [{"role": "system", "content": system}, *messages] if system else messages}


def plain() -> list[dict[str, Any]]:
    return [turns(row["prompt"], row["completion"]) for row in ROWS]


def long() -> list[dict[str, Any]]:
    system = "Be brief.\nPlease."
    return [
        turns(row["prompt"], "Which?", f"The {row['completion']}", row["completion"], system=system) for row in ROWS
    ]


def calls() -> list[dict[str, Any]]:
    rows = []
    for row in ROWS:
        call = {"type": "function", "function": {**CALL, "arguments": {"q": row["completion"], "n": [1.5, None, True]}}}
        messages = [{"role": "user", "content": row["prompt"]},
                    {"role": "assistant", "content": "", "tool_calls": [call, call]},
                    {"role": "tool", "content": "{}"}, {"role": "tool", "content": ""},
                    {"role": "assistant", "content": row["completion"]}]  # fmt: skip
        rows.append({"messages": messages, "tools": TOOLS})
    return rows


@pytest.mark.parametrize(
    ("form", "rows"),
    [
        ("messages", plain), ("messages", long), ("messages", calls), ("prompt-completion", plain),
        ("alpaca", plain), ("alpaca", long), ("sharegpt", plain), ("sharegpt", long), ("sharegpt", calls),
    ],
)  # fmt: skip
def test_there_and_back(tmp_path: Path, form: str, rows: Any) -> None:
    dataset = prepare(write_jsonl(tmp_path / "a.jsonl", rows()))
    exported = export_dataset(dataset, form, tmp_path / "out")
    assert exported.omitted == {}
    again = prepare(tmp_path / "out")
    assert again.hashes.content == dataset.hashes.content and again.dropped == {}


def test_the_forms_are_what_others_read(tmp_path: Path) -> None:
    dataset = prepare(write_jsonl(tmp_path / "a.jsonl", long()))
    alpaca = read_jsonl(export_dataset(dataset, "alpaca", tmp_path / "alpaca").paths["test"])[0]
    assert list(alpaca) == ["instruction", "input", "output", "history", "system"]
    assert alpaca["history"][0][1] == "Which?" and alpaca["system"] == "Be brief.\nPlease."
    dataset = prepare(write_jsonl(tmp_path / "b.jsonl", calls()))
    row = read_jsonl(export_dataset(dataset, "sharegpt", tmp_path / "sharegpt").paths["test"])[0]
    assert [turn["from"] for turn in row["conversations"]] == [
        "human", "function_call", "observation", "observation", "gpt",
    ]  # fmt: skip
    assert json.loads(row["tools"]) == TOOLS and len(json.loads(row["conversations"][1]["value"])) == 2


def of_tools(**call: Any) -> list[dict[str, Any]]:
    rows = calls()
    for row in rows:
        row["messages"][1] |= {key: call[key] for key in call if key == "content"}
        row["messages"][1]["tool_calls"] = [{"id": f"c{n}", **one} for n, one in
                                            enumerate(row["messages"][1]["tool_calls"])]  # fmt: skip
        row["messages"][2]["tool_call_id"] = "c0"
    return rows


def test_what_is_omitted_is_counted(tmp_path: Path) -> None:
    dataset = prepare(write_jsonl(tmp_path / "a.jsonl", of_tools()))
    assert export_dataset(dataset, "sharegpt", tmp_path / "out").omitted == {"tool_call_id": 40, "tool_calls[].id": 40}
    assert export_dataset(dataset, "messages", tmp_path / "out").omitted == {}
    rows = [{"text": row["prompt"], "label": f"class{n % 3}"} for n, row in enumerate(ROWS)]
    labeled = prepare(write_jsonl(tmp_path / "b.jsonl", rows))
    forms = [form for form in FORMS if form != "preference"]
    assert {form: export_dataset(labeled, form, tmp_path / form).omitted for form in forms} == {
        form: {"label": 40} for form in forms
    }


@pytest.mark.parametrize(
    ("form", "rows", "says"),
    [
        ("alpaca", calls, "has tool calls, Alpaca takes questions and answers"),
        ("prompt-completion", long, "has the turns system, user, assistant, user, assistant"),
        ("sharegpt", lambda: of_tools(content="Let me see."), "has a text and tool calls in one turn"),
        ("alpaca", lambda: [{"text": row["completion"]} for row in ROWS], "has the turns user, assistant"),
        ("sharegpt", lambda: [{"text": row["completion"]} for row in ROWS], "has an empty turn"),
        ("preference", lambda: ROWS, "has no rejected answer"),
    ],
)
def test_what_a_form_cannot_hold_is_an_error(tmp_path: Path, form: str, rows: Any, says: str) -> None:
    dataset: Dataset = prepare(write_jsonl(tmp_path / "a.jsonl", rows()))
    with pytest.raises(DataError) as caught:
        export_dataset(dataset, form, tmp_path / "out")
    assert says in str(caught.value) and str(caught.value).endswith("; next: --to messages")
    assert not (tmp_path / "out").exists()
