"""Tools and calls in one form, whatever they came as: what chat templates write with ``tojson``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from olivepress.data.store.dataset import Dataset
from olivepress.data.store.examples import SPLITS, Example
from tests.data.planted import clean_rows, write_jsonl
from tests.data.test_readers import prepare

ROWS = clean_rows(30)
TOOL = {
    "name": "find",
    "description": "finds",
    "parameters": {"type": "object", "properties": {"q": {"type": "string"}}},
}
TOOLS = [{"type": "function", "function": TOOL}]
READ = "arguments of a tool call given as JSON text read as an object"
FORM = "tool calls or tools written in OpenAI's form"
NULLS = "nulls that no tool declares left out of arguments or tools"
JSON_TEXT = "JSON given as text read as what it holds"


def every(dataset: Dataset) -> list[Example]:
    return [example for split in SPLITS for example in dataset.splits[split]]


def talk(arguments: Any, row: dict[str, str], **beside: Any) -> dict[str, Any]:
    call = {"type": "function", "function": {"name": "find", "arguments": arguments}}
    turns = [{"role": "user", "content": row["prompt"]}, {"role": "assistant", "content": None, "tool_calls": [call]}]
    return {"messages": turns, "tools": TOOLS, **beside}


@pytest.mark.parametrize(
    ("arguments", "read", "change"),
    [
        ('{"q": "x", "n": [1, 1.50]}', {"q": "x", "n": [1, 1.5]}, READ),
        ({"q": "x"}, {"q": "x"}, None),
        ("", {}, None),
        (None, {}, None),
        ("{}", {}, READ),
        ({"q": None}, {"q": None}, None),
        ({"q": "x", "room": None}, {"q": "x"}, NULLS),
        ('{"q": "x", "room": null}', {"q": "x"}, READ),
    ],
)
def test_arguments_become_objects(tmp_path: Path, arguments: Any, read: Any, change: str | None) -> None:
    dataset = prepare(write_jsonl(tmp_path / "a.jsonl", [talk(arguments, row) for row in ROWS]))
    assert dataset.dropped == {}
    assert (dataset.changed.get(change or "") == 30) if change else dataset.changed == {}
    for example in every(dataset):
        [call] = example.messages[-1]["tool_calls"]
        assert call == {"type": "function", "function": {"name": "find", "arguments": read}}


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ("{q: 1}", "arguments of a tool call are not JSON"),
        ('{"q": NaN}', "arguments of a tool call are not JSON"),
        ('{"q": 1e999}', "arguments of a tool call are not JSON"),
        ("[1]", "arguments of a tool call are not a JSON object"),
        ('"{}"', "arguments of a tool call are not a JSON object"),
        ([1], "arguments of a tool call are not a JSON object"),
        ('{"a":' * 40 + "1" + "}" * 40, "arguments of a tool call are nested too deep"),
        ('{"a":' * 9000 + "1" + "}" * 9000, "arguments of a tool call are not JSON"),
    ],
)
def test_arguments_that_are_none(tmp_path: Path, arguments: Any, reason: str) -> None:
    rows = [*(talk({"q": "x"}, row) for row in ROWS), talk(arguments, ROWS[0])]
    assert prepare(write_jsonl(tmp_path / "a.jsonl", rows)).dropped == {reason: 1}


def test_nulls_that_arrow_fills_in_go_and_are_told(tmp_path: Path) -> None:
    """axolotl-ai-cloud/axolotl#2909: every call gets the arguments of all tools, and every schema all properties."""
    import datasets

    kinds = (("warmth", {"room": "string"}), ("play", {"title": "string", "volume": "integer"}))
    tools = []
    for name, properties in kinds:
        schema = {"type": "object", "properties": {key: {"type": kind} for key, kind in properties.items()}}
        tools.append({"type": "function", "function": {"name": name, "parameters": schema}})
    rows = []
    for number, row in enumerate(ROWS):
        arguments = {"title": row["completion"], "volume": number} if number % 2 else {"room": row["completion"]}
        call = {"type": "function", "function": {"name": "play" if number % 2 else "warmth", "arguments": arguments}}
        turns = [{"role": "user", "content": row["prompt"]}, {"role": "assistant", "content": "", "tool_calls": [call]}]
        rows.append({"messages": turns, "tools": tools})
    plain = prepare(write_jsonl(tmp_path / "a.jsonl", rows))
    datasets.Dataset.from_list(rows).to_parquet(str(tmp_path / "a.parquet"))
    datasets.Dataset.from_list(rows).save_to_disk(str(tmp_path / "saved"))
    datasets.Dataset.from_list(rows).to_json(str(tmp_path / "again.jsonl"))
    for name, told in (("a.parquet", "the table's schema"), ("saved", "the table's schema"), ("again.jsonl", NULLS)):
        dataset = prepare(tmp_path / name)
        assert dataset.hashes.content == plain.hashes.content
        assert {count for change, count in dataset.changed.items() if told in change} == {30}
    assert plain.changed == {}


def test_nulls_within_an_answer_that_is_an_object(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [{"prompt": row["prompt"], "completion": {"a": 1} if n % 2 else {"b": row["completion"]}}
            for n, row in enumerate(ROWS)]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows, schema=pa.schema([("prompt", pa.string()), (
        "completion", pa.struct([("a", pa.int64()), ("b", pa.string())]))])), tmp_path / "a.parquet")  # fmt: skip
    dataset = prepare(tmp_path / "a.parquet")
    assert dataset.hashes.content == prepare(write_jsonl(tmp_path / "a.jsonl", rows)).hashes.content
    assert dataset.changed["nulls within objects left out: they come from the table's schema"] == 30


def sharegpt(row: dict[str, str], *turns: tuple[str, Any], **beside: Any) -> dict[str, Any]:
    every_turn = [("human", row["prompt"]), *turns, ("gpt", row["completion"])]
    return {"conversations": [{"from": who, "value": value} for who, value in every_turn], **beside}


CALL = {"name": "find", "arguments": {"q": "x"}}


@pytest.mark.parametrize(
    ("turns", "tools"),
    [
        ([("function_call", json.dumps(CALL)), ("observation", "{}")], json.dumps([TOOL])),
        ([("function_call", CALL), ("observation", {})], [TOOL]),
        ([("function-call", json.dumps([CALL])), ("function_response", "{}")], json.dumps(TOOLS)),
        ([("tool_call", json.dumps(CALL)), ("tool", "{}")], TOOLS),
        ([("function_call", '{"name": "find", "arguments": "{\\"q\\": \\"x\\"}"}'), ("tool_response", "{}")], TOOLS),
        ([("function_call", '{"name": "find", "parameters": {"q": "x"}}'), ("ipython", "{}")], TOOL),
        ([("gpt", f"<tool_call>\n{json.dumps(CALL)}\n</tool_call>"), ("tool", "{}")], json.dumps(TOOLS)),
        ([("gpt", """<functioncall> {"name": "find", "arguments": '{"q": "x"}'} <|endoftext|>"""), ("tool", "{}")],
         json.dumps(TOOLS)),
    ],
)  # fmt: skip
def test_sharegpt_with_tools(tmp_path: Path, turns: list[tuple[str, Any]], tools: Any) -> None:
    dataset = prepare(write_jsonl(tmp_path / "a.jsonl", [sharegpt(row, *turns, tools=tools) for row in ROWS]))
    assert dataset.dropped == {} and dataset.format == "sharegpt"
    for example in every(dataset):
        assert [message["role"] for message in example.messages] == ["user", "assistant", "tool", "assistant"]
        assert example.messages[1]["tool_calls"] == [{"type": "function", "function": CALL}]
        assert example.messages[2]["content"] in ("{}", "") and list(example.tools or ()) == TOOLS


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (sharegpt(ROWS[0], ("gpt", '[Find API(q="x")]'), ("tool", "{}")),
         "roles out of order: tool without a tool call (write the call as tool_calls, or as a function_call turn"),
        (sharegpt(ROWS[0], ("gpt", "<tool_call>{}</tool_call>"), ("tool", "{}")),
         "a tool call within text and no tools beside: write tools, and the call as a function_call turn"),
        (sharegpt(ROWS[0], ("function_call", "find(q)"), ("tool", "{}"), tools=TOOLS),
         "tool calls that are not objects"),
        (sharegpt(ROWS[0], ("function_call", '{"q": "x"}'), ("tool", "{}"), tools=TOOLS),
         'a tool call without a name: write {"name": …, "arguments": {…}}'),
        (sharegpt(ROWS[0], tools="find(q)"), "tools is not a list of objects: write "),
        (sharegpt(ROWS[0], tools='[{"name": "find", "x": NaN}]'), "tools is not a list of objects: write "),
    ],
)  # fmt: skip
def test_reasons_name_the_form_to_write(tmp_path: Path, row: dict[str, Any], reason: str) -> None:
    dataset = prepare(write_jsonl(tmp_path / "a.jsonl", [*(sharegpt(row, tools=TOOLS) for row in ROWS), row]))
    [(found, count)] = dataset.dropped.items()
    assert found.startswith(reason) and count == 1


def test_a_text_and_the_call_after_it_are_one_message(tmp_path: Path) -> None:
    turns = (("gpt", "Let me look."), ("function_call", json.dumps(CALL)), ("observation", "{}"))
    dataset = prepare(write_jsonl(tmp_path / "a.jsonl", [sharegpt(row, *turns, tools=TOOLS) for row in ROWS]))
    assert dataset.changed == {"a text and the call after it read as one message": 30, FORM: 30, JSON_TEXT: 30}
    for example in every(dataset):
        call = {"type": "function", "function": CALL}
        assert example.messages[1] == {"role": "assistant", "content": "Let me look.", "tool_calls": [call]}
        assert [message["role"] for message in example.messages] == ["user", "assistant", "tool", "assistant"]


def test_roles_by_other_names(tmp_path: Path) -> None:
    names = [("USER", "ASSISTANT"), ("prompter", "bot"), ("human", "AI"), ("user", "model"), ("human", "chatgpt")]
    rows = [{"conversations": [{"from": asks, "value": row["prompt"]}, {"from": answers, "value": row["completion"]}]}
            for row, (asks, answers) in zip(ROWS, names * 6, strict=True)]  # fmt: skip
    dataset = prepare(write_jsonl(tmp_path / "a.jsonl", rows))
    assert dataset.dropped == {}
    assert {tuple(m["role"] for m in example.messages) for example in every(dataset)} == {("user", "assistant")}


def test_xlam(tmp_path: Path) -> None:
    rows = [{"id": n, "query": row["prompt"], "answers": json.dumps([CALL, CALL]), "tools": json.dumps([TOOL])}
            for n, row in enumerate(ROWS)]  # fmt: skip
    dataset = prepare(write_jsonl(tmp_path / "a.jsonl", rows))
    assert dataset.format == "xlam" and dataset.changed == {FORM: 30, JSON_TEXT: 30}
    for example in every(dataset):
        assert example.messages[-1]["tool_calls"] == [{"type": "function", "function": CALL}] * 2
        assert list(example.tools or ()) == TOOLS


@pytest.mark.parametrize(
    "content",
    [
        lambda text: [{"type": "text", "text": text}],
        lambda text: [{"type": "text", "value": text}],
        lambda text: [{"type": "text", "content": text}],
        lambda text: [{"type": "input_text", "text": text}],
        lambda text: [{"text": text}],
        lambda text: {"type": "text", "text": text},
        lambda text: [{"type": "text", "text": text[:9]}, {"type": "text", "text": text[9:]}],
    ],
)
def test_parts_of_text(tmp_path: Path, content: Any) -> None:
    rows = [{"messages": [{"role": "user", "content": content(row["prompt"])},
                          {"role": "assistant", "content": content(row["completion"])}]} for row in ROWS]  # fmt: skip
    dataset = prepare(write_jsonl(tmp_path / "a.jsonl", rows))
    assert dataset.dropped == {}
    answers = {example.answer.replace("\n", "") for example in every(dataset)}
    assert answers == {row["completion"] for row in ROWS} or len(content("x" * 20)) == 2


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ([{"type": "text"}], "a message with a part that has no text under its key text"),
        ([{"type": "image_url", "image_url": {}}], "a message with a part of type 'image_url', only text is read"),
        (
            [{"type": "text", "text": "a"}, {"type": "x"}],
            "a message with a part of type 'x', only text is read",
        ),
        ([], "a message without role or text"),
        (None, "a message without role or text"),
        ("  ", "a message without role or text"),
    ],
)
def test_parts_that_are_no_text(tmp_path: Path, content: Any, reason: str) -> None:
    rows = [*(talk({"q": "x"}, row) for row in ROWS)]
    bad = {"messages": [{"role": "user", "content": content}, {"role": "assistant", "content": "Yes."}], "tools": TOOLS}
    assert prepare(write_jsonl(tmp_path / "a.jsonl", [*rows, bad])).dropped == {reason: 1}


def test_an_object_as_a_tools_answer_is_its_json(tmp_path: Path) -> None:
    rows = []
    for row in ROWS:
        asked = talk({"q": "x"}, row)
        answer = [{"role": "tool", "content": {"hits": [1, 2]}}, {"role": "assistant", "content": row["completion"]}]
        rows.append({**asked, "messages": [*asked["messages"], *answer]})
    dataset = prepare(write_jsonl(tmp_path / "a.jsonl", rows))
    assert dataset.changed == {"object written as compact JSON": 30}
    assert {example.messages[2]["content"] for example in every(dataset)} == {'{"hits":[1,2]}'}


def test_a_system_text_beside_messages_is_used(tmp_path: Path) -> None:
    rows = [talk({"q": "x"}, row, system="Find things.") for row in ROWS]
    dataset = prepare(write_jsonl(tmp_path / "a.jsonl", rows))
    assert {example.messages[0]["content"] for example in every(dataset)} == {"Find things."}
    assert dataset.facts["unused_columns"] == {}
