"""Thoughts, the tools of a system message, and prompts that are conversations: nothing of them is lost on the way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from olivepress.core.thoughts import answer_text, has_thoughts, text_holds_thoughts, thoughts_under
from olivepress.data.derive.export import export_dataset
from olivepress.data.prepare.personal_data import find_personal_data
from olivepress.data.store.dataset import Dataset
from olivepress.data.store.examples import SPLITS, Example
from tests.data.planted import clean_rows, write_jsonl
from tests.data.test_readers import prepare

ROWS = clean_rows(30)
RENAMED = "thoughts under another name or in parts read as reasoning_content"
TOOLS = [{"type": "function", "function": {"name": "find", "description": "finds", "parameters": {"type": "object"}}}]


def every(dataset: Dataset) -> list[Example]:
    return [example for split in SPLITS for example in dataset.splits[split]]


def talk(row: dict[str, str], *before: dict[str, Any], **answer: Any) -> list[dict[str, Any]]:
    return [
        *before,
        {"role": "user", "content": row["prompt"]},
        {"role": "assistant", "content": row["completion"], **answer},
    ]


def written(tmp_path: Path, make: Any) -> Dataset:
    return prepare(write_jsonl(tmp_path / "a.jsonl", [make(row) for row in ROWS]))


@pytest.mark.parametrize(
    ("fields", "changed"),
    [
        ({"reasoning_content": "They ask."}, {}),
        ({"thinking": "They ask."}, {RENAMED: 30}),
        ({"reasoning": "They ask.", "reasoning_content": "They ask."}, {}),
        ({"thinking": None, "reasoning_content": "They ask."}, {}),
    ],
)
def test_thoughts_stay_with_their_answer(tmp_path: Path, fields: dict[str, Any], changed: dict[str, int]) -> None:
    dataset = written(tmp_path, lambda row: {"messages": talk(row, **fields)})
    assert {example.messages[-1].get("reasoning_content") for example in every(dataset)} == {"They ask."}
    assert dataset.changed == changed and dataset.facts["unused_columns"] == {}


def test_no_thoughts_are_none(tmp_path: Path) -> None:
    dataset = written(tmp_path, lambda row: {"messages": talk(row, reasoning_content=None, thinking=" ")})
    assert all(set(example.messages[-1]) == {"role", "content"} for example in every(dataset))


@pytest.mark.parametrize("kind", ["thinking", "reasoning"])
def test_parts_that_are_thoughts(tmp_path: Path, kind: str) -> None:
    def make(row: dict[str, str]) -> dict[str, Any]:
        parts = [{"type": kind, kind if kind == "thinking" else "text": "They ask."}, {"type": "text", "text": "Yes."}]
        return {"messages": [{"role": "user", "content": row["prompt"]}, {"role": "assistant", "content": parts}]}

    dataset = written(tmp_path, make)
    answers = [example.messages[-1] for example in every(dataset)]
    assert answers == [{"role": "assistant", "content": "Yes.", "reasoning_content": "They ask."}] * 30


def test_different_thoughts_in_one_message_are_dropped_with_the_reason(tmp_path: Path) -> None:
    rows = [{"messages": talk(row)} for row in ROWS]
    rows += [
        {"messages": talk(ROWS[0], reasoning_content="A", thinking="B")},
        {"messages": [ROWS[1] | {"role": "user", "content": "Why?"},
                      {"role": "assistant", "content": "<think>A</think>\nSo.", "reasoning_content": "B"}]},
    ]  # fmt: skip
    assert prepare(write_jsonl(tmp_path / "a.jsonl", rows)).dropped == {
        "different thoughts in one message, expected one of reasoning_content, reasoning, thinking": 1,
        "thoughts in a field and other thoughts in the text, expected one of them": 1,
    }


def test_thoughts_that_the_text_holds_too_stand_once(tmp_path: Path) -> None:
    def make(row: dict[str, str]) -> dict[str, Any]:
        answer = {"role": "assistant", "content": f"<think>\nA\n</think>\n\n{row['completion']}", "thinking": "A"}
        return {"messages": [{"role": "user", "content": row["prompt"]}, answer]}

    dataset = written(tmp_path, make)
    assert all(set(example.messages[-1]) == {"role", "content"} for example in every(dataset))
    assert dataset.changed == {"thoughts left out that the text contains too": 30}


def test_thoughts_are_masked_and_make_another_example(tmp_path: Path) -> None:
    rows = [{"messages": talk(row, reasoning_content=f"Ask jane.doe@example.com {n}.")} for n, row in enumerate(ROWS)]
    dataset = prepare(write_jsonl(tmp_path / "a.jsonl", [*rows, {"messages": talk(ROWS[0])}]), personal_data="mask")
    thoughts = [example.messages[-1].get("reasoning_content", "") for example in every(dataset)]
    assert not any("example.com" in text for text in thoughts) and dataset.dropped == {}
    assert len({example.id for example in every(dataset)}) == 31


def test_an_export_says_that_it_leaves_thoughts_out(tmp_path: Path) -> None:
    dataset = written(tmp_path, lambda row: {"messages": talk(row, reasoning_content="They ask.")})
    assert export_dataset(dataset, "alpaca", tmp_path / "alpaca").omitted == {"reasoning_content": 30}
    assert export_dataset(dataset, "messages", tmp_path / "messages").omitted == {}
    assert "They ask." in (tmp_path / "messages" / "train.jsonl").read_text()


@pytest.mark.parametrize("given", [TOOLS, json.dumps(TOOLS), json.dumps([TOOLS[0]["function"]])])
def test_tools_of_a_system_message_are_the_rows(tmp_path: Path, given: Any) -> None:
    """Phi-4-mini's template takes them there, as a text."""
    dataset = written(
        tmp_path, lambda row: {"messages": talk(row, {"role": "system", "content": "Help.", "tools": given})}
    )
    assert all(example.tools == tuple(TOOLS) for example in every(dataset))
    assert dataset.changed["tools of the system message read as the row's"] == 30
    assert dataset.facts["unused_columns"] == {}


def test_tools_in_two_places_must_be_the_same(tmp_path: Path) -> None:
    other = [{"type": "function", "function": {"name": "other"}}]
    system = {"role": "system", "content": "Help.", "tools": other}
    rows = [*({"messages": talk(row)} for row in ROWS), {"messages": talk(ROWS[0], system), "tools": TOOLS}]
    [reason] = prepare(write_jsonl(tmp_path / "a.jsonl", rows)).dropped
    assert reason.startswith("the row and its system message have different tools")


def user(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


CALL = {"type": "function", "function": {"name": "find", "arguments": {"q": "x"}}}


@pytest.mark.parametrize(
    ("make", "answer"),
    [
        (lambda row: {"prompt": user(row["prompt"]), "completion": [{"role": "assistant", "content": "Yes."}]},
         {"role": "assistant", "content": "Yes."}),
        (lambda row: {"prompt": user(row["prompt"]), "completion": "Yes."}, {"role": "assistant", "content": "Yes."}),
        (lambda row: {"prompt": row["prompt"], "completion": [{"role": "assistant", "content": "Yes."}]},
         {"role": "assistant", "content": "Yes."}),
        (lambda row: {"prompt": user(row["prompt"]), "tools": TOOLS,
                      "completion": [{"role": "assistant", "content": None, "tool_calls": [CALL]}]},
         {"role": "assistant", "content": "", "tool_calls": [CALL]}),
    ],
)  # fmt: skip
def test_prompts_and_completions_that_are_conversations(tmp_path: Path, make: Any, answer: dict[str, Any]) -> None:
    """huggingface/trl's conversational prompt and completion."""
    dataset = written(tmp_path, make)
    assert {example.messages[0]["content"] for example in every(dataset)} == {row["prompt"] for row in ROWS}
    assert [example.messages[1] for example in every(dataset)] == [answer] * 30
    assert dataset.changed == {} and dataset.facts["unused_columns"] == {}


def test_an_answer_that_is_not_to_be_trained_on(tmp_path: Path) -> None:
    rows = [*({"messages": talk(row)} for row in ROWS), {"messages": talk(ROWS[0], train=False)}]
    assert prepare(write_jsonl(tmp_path / "a.jsonl", rows)).dropped == {
        "the answer has weight 0: not to be trained on": 1
    }


@pytest.mark.parametrize(
    ("arguments", "read"),
    [
        ({"a": {"x": "1", "y": None}, "b": None}, {"a": {"x": "1"}}),
        ({"a": {"x": None}, "list": [{"x": "1", "z": None}]}, {"a": {"x": None}, "list": [{"x": "1"}]}),
        ({"free": {"z": None}}, {"free": {"z": None}}),
    ],
)
def test_nulls_deep_in_arguments(tmp_path: Path, arguments: dict[str, Any], read: dict[str, Any]) -> None:
    """JSON lines that ``datasets`` wrote have the nulls of its schema at every depth."""
    inner = {"type": "object", "properties": {"x": {"type": "string"}}}
    properties = {"a": inner, "list": {"type": "array", "items": inner}, "free": {"type": "object"}}
    schema = {"type": "object", "properties": properties}
    tools = [{"type": "function", "function": {"name": "find", "parameters": schema}}]
    call = {"type": "function", "function": {"name": "find", "arguments": arguments}}
    dataset = written(tmp_path, lambda row: {"messages": talk(row, tool_calls=[call]), "tools": tools})
    assert [example.messages[-1]["tool_calls"][0]["function"]["arguments"] for example in every(dataset)] == [read] * 30


def test_a_class_of_minus_one_is_none(tmp_path: Path) -> None:
    """Test splits on the Hub have it where their labels are kept back."""
    import datasets

    rows = {"text": [row["prompt"] for row in ROWS], "label": [n % 2 for n in range(28)] + [-1, -1]}
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["no", "yes"])})
    datasets.Dataset.from_dict(rows, features=features).to_parquet(str(tmp_path / "a.parquet"))
    dataset = prepare(tmp_path / "a.parquet")
    assert dataset.dropped == {"no text in label": 2}
    assert {example.label for example in every(dataset)} == {"no", "yes"}


@pytest.mark.parametrize(
    "text",
    ["8.8.8.8", "jane@exämple.com", "иван@example.com", "jane＠example.com", "почта@почта.рф"],
)
def test_addresses_of_every_script_and_short_ones(text: str) -> None:
    [finding] = find_personal_data(f"write to {text} today")
    assert f"write to {text} today"[finding.start : finding.end] == text


@pytest.mark.parametrize("text", ["version 1.2.3.4", "v1.2.3.4", "a @ b", "@name", "x@y"])
def test_what_is_no_address(text: str) -> None:
    assert find_personal_data(f"see {text} today") == []


@pytest.mark.parametrize(
    ("content", "holds"),
    [
        ("<think>\nA\n</think>\n\nB", True), ("<think>A</think>B", True), ("A\n</think>\n\nB", True),
        ("A</think>\nB", True), ("Use `</think>` to end them.", False), ("Use <think> and </think> tags.", False),
        ("B", False),
    ],
)  # fmt: skip
def test_what_is_a_thought_in_a_text(content: str, holds: bool) -> None:
    assert text_holds_thoughts(content) is holds
    assert has_thoughts({"role": "assistant", "content": content}) is holds
    assert answer_text(content).strip() == ("B" if holds else content)
    assert has_thoughts({"role": "assistant", "content": "B", "thinking": "A"})


def test_thoughts_under_the_name_that_a_template_has() -> None:
    message = {"role": "assistant", "content": "B", "reasoning": "A"}
    assert thoughts_under(message, "thinking") == {"role": "assistant", "content": "B", "thinking": "A"}
    assert thoughts_under({**message, "reasoning": ""}, "thinking") == {"role": "assistant", "content": "B"}
    question = {"role": "user", "content": "B", "thinking": "A"}
    assert thoughts_under(question, "reasoning_content") == question


@pytest.mark.parametrize("given", [None, "", "null", [], "[]"])
def test_no_tools_in_any_spelling(tmp_path: Path, given: Any) -> None:
    dataset = written(tmp_path, lambda row: {"messages": talk(row), "tools": given})
    assert all(example.tools is None for example in every(dataset)) and dataset.dropped == {}
