"""Cleaning, masking and duplicates look at all of a row: calls, arguments, names, thoughts, tools, labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olivepress.data.build import prepare_files
from olivepress.data.dedup.keys import arguments_of
from olivepress.data.derive.augment import augment
from olivepress.data.policy import Policy
from olivepress.data.prepare.fields import rewrite_json
from olivepress.data.prepare.personal_data import find_personal_data, mask
from olivepress.data.store.dataset import Dataset
from olivepress.data.store.examples import SPLITS
from tests.data.planted import clean_rows, read_jsonl, write_jsonl

MAIL, CARD = "jane.doe@example.com", 4111111111111111


def call(arguments: Any, name: str = "send", call_id: str = "1") -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def conversation(question: str, *calls: dict[str, Any], **more: Any) -> dict[str, Any]:
    answer = {"role": "assistant", "content": None, "tool_calls": list(calls)}
    return {"messages": [{"role": "user", "content": question}, answer], **more}


def said(question: str, answer: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


def prepare(folder: Path, rows: list[dict[str, Any]], **policy: Any) -> Dataset:
    rest = [conversation(row["prompt"], call({"to": row["completion"]})) for row in clean_rows(30)]
    return prepare_files([str(write_jsonl(folder / "a.jsonl", [*rows, *rest]))], Policy(languages=False, **policy))


def lines(dataset: Dataset) -> str:
    assert dataset.files is not None
    return "".join((dataset.files / f"{split}.jsonl").read_text(encoding="utf-8") for split in SPLITS)


def audit(dataset: Dataset) -> list[dict[str, Any]]:
    assert dataset.files is not None
    return read_jsonl(dataset.files / "audit.jsonl")


TOOLS = [{"type": "function", "function": {"name": "send", "description": f"ask {MAIL}", "parameters": {
    "type": "object", "properties": {"to": {"type": "string", "enum": [MAIL, "nobody"]}}}}}]  # fmt: skip
PLACES = [
    (conversation("Send it there please.", call({"to": {"address": [MAIL]}})),
     "messages[1].tool_calls[0].function.arguments.to.address[0]"),
    (conversation("Send it there please.", call(json.dumps({"to": MAIL, "n": 1.50}))),
     "messages[1].tool_calls[0].function.arguments.to"),
    (conversation("Send it there please.", call('{"to": "jane.doe\\u0040example.com"}')),
     "messages[1].tool_calls[0].function.arguments.to"),
    (conversation("Send it there please.", call({"body": json.dumps({"to": MAIL})})),
     "messages[1].tool_calls[0].function.arguments.body.to"),
    (conversation("Send it there please.", call({}), tools=TOOLS), "tools[0].function.description"),
    (conversation("Send it there please.", call({}, name=MAIL)), "messages[1].tool_calls[0].function.name"),
    ({"messages": [{"role": "user", "content": "Who am I then?", "name": MAIL},
                   {"role": "assistant", "content": "You."}]}, "messages[0].name"),
    ({"messages": [{"role": "user", "content": "Where is it now?"},
                   {"role": "assistant", "content": "", "tool_calls": [call({})]},
                   {"role": "tool", "content": json.dumps({"from": MAIL}), "tool_call_id": "1"},
                   {"role": "assistant", "content": "Over there."}]}, "messages[2].content.from"),
    ({"messages": [{"role": "system", "content": f"You are {MAIL}."}, {"role": "user", "content": "Who is it?"},
                   {"role": "assistant", "content": "It is me."}]}, "messages[0].content"),
]  # fmt: skip


@pytest.mark.parametrize(("row", "path"), PLACES)
def test_an_address_is_seen_wherever_it_stands(tmp_path: Path, row: dict[str, Any], path: str) -> None:
    noted = [e for e in audit(prepare(tmp_path, [row])) if e["row"] == 1 and e["action"] == "noted"]
    assert [e["reason"] for e in noted] == ["personal data"]
    assert noted[0]["detail"].startswith("e-mail address in ") and path in noted[0]["detail"]
    masked = prepare(tmp_path, [row], personal_data="mask")
    assert "example.com" not in lines(masked) and "<E-MAIL ADDRESS>" in lines(masked)
    [event] = [e for e in audit(masked) if "personal data" in e["reason"]]
    assert event["reason"] == "personal data masked" and path in event["detail"]
    dropped = prepare(tmp_path, [row], personal_data="drop")
    assert dropped.dropped == {"personal data": 1} and "example.com" not in lines(dropped)
    assert all(json.loads(line) for line in lines(masked).splitlines())


def test_a_number_that_is_masked_leaves_json(tmp_path: Path) -> None:
    rows = [
        conversation("Pay with this one.", call({"card": CARD, "amount": 12})),
        conversation("Pay with that one.", call(f'{{"card":{CARD},"amount":1.50}}')),
        said("Which card is it?", f'{{"card": {CARD}, "cvc": 123}}'),
        said("Which card was it?", f'<tool_call>{{"card": {CARD}}}</tool_call>'),
        said("Which of the cards?", f"It is {CARD}, I think."),
    ]
    dataset = prepare(tmp_path, rows, personal_data="mask")
    answers = {e.messages[0]["content"]: e.messages[-1] for split in SPLITS for e in dataset.splits[split]}
    assert answers["Pay with this one."]["tool_calls"][0]["function"]["arguments"] == {
        "card": "<PAYMENT CARD>", "amount": 12,
    }  # fmt: skip
    written = arguments_of(answers["Pay with that one."]["tool_calls"][0]["function"])
    assert written == {"card": "<PAYMENT CARD>", "amount": 1.5}
    assert answers["Which card is it?"]["content"] == '{"card": "<PAYMENT CARD>", "cvc": 123}'
    assert answers["Which card was it?"]["content"] == '<tool_call>{"card": "<PAYMENT CARD>"}</tool_call>'
    assert answers["Which of the cards?"]["content"] == "It is <PAYMENT CARD>, I think."


def test_names_of_values_are_not_masked_but_told(tmp_path: Path) -> None:
    row = conversation("Send it there please.", call({MAIL: 1}))
    dataset = prepare(tmp_path, [row], personal_data="mask")
    assert MAIL in lines(dataset)
    [event] = audit(dataset)
    assert event["reason"] == "personal data in ids or in the names of JSON values: not masked"
    assert MAIL not in json.dumps(event)
    assert prepare(tmp_path, [row], personal_data="drop").dropped == {"personal data": 1}


def test_arguments_and_tools_are_cleaned_and_their_white_space_stays(tmp_path: Path) -> None:
    tools = [{"type": "function", "function": {"name": "send", "description": "Itâ€™s \x07here"}}]
    indented = "    return x  \n"
    row = conversation("Write it there.", call({"text": "cafÃ©", "code": indented}), tools=tools)
    escaped = conversation("Write it here.", call('{"text": "caf\\u00c3\\u00a9", "code": "  a"}'))
    dataset = prepare(tmp_path, [row, escaped])
    rows = {e.messages[0]["content"]: e for split in SPLITS for e in dataset.splits[split]}
    found = rows["Write it there."]
    assert found.messages[1]["tool_calls"][0]["function"]["arguments"] == {"text": "café", "code": indented}
    assert found.tools is not None and found.tools[0]["function"]["description"] in ("It's here", "It’s here")
    function = rows["Write it here."].messages[1]["tool_calls"][0]["function"]
    assert arguments_of(function) == {"text": "café", "code": "  a"}
    told = {(e["row"], e["reason"]): e.get("detail") for e in audit(dataset)}
    where = "messages[1].tool_calls[0].function.arguments.text"
    assert told[1, "mojibake repaired"] == f"in {where}, tools[0].function.description"
    assert told[1, "control characters removed"] == "in tools[0].function.description"
    assert told[2, "mojibake repaired"] == f"in {where}"


def test_calls_are_compared_by_what_they_do(tmp_path: Path) -> None:
    """Ids and spelling of JSON do not matter; arguments, results and tools do."""
    same = [conversation("Send it.", call({"a": 1, "b": 2}, call_id="x")),
            conversation("Send it.", call('{"b": 2, "a": 1}', call_id="y"))]  # fmt: skip
    assert prepare(tmp_path, same).dropped == {"duplicate: same prompt and answer": 1}
    other = [conversation("Send it.", call({"a": n})) for n in range(3)]
    assert prepare(tmp_path, other).dropped == {}
    tools = [conversation("Send it.", call({}), tools=[{"type": "function", "function": {"name": n}}]) for n in "ab"]
    assert prepare(tmp_path, tools).dropped == {}
    results = [
        {
            "messages": [
                {"role": "user", "content": "What is the weather like in Paris today?"},
                {"role": "assistant", "content": "", "tool_calls": [call({"city": "Paris"})]},
                {"role": "tool", "content": f"It is {degrees} degrees there with {sky}", "tool_call_id": "1"},
                {"role": "assistant", "content": "Fine."},
            ]
        }
        for degrees, sky in ((5, "heavy snow"), (31, "no cloud at all"))
    ]
    dataset = prepare(tmp_path, results, near_duplicates="drop")
    assert dataset.dropped == {}


def test_new_questions_are_treated_as_the_datasets_own(tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "a.jsonl", clean_rows(40))
    for action, rows in (("mask", 32), ("drop", 0), ("note", 32)):
        parent = prepare_files([str(source)], Policy(languages=False, personal_data=action))  # type: ignore[arg-type]
        made = augment(parent, [("mail", lambda row, _: [f"{row.example.messages[0]['content']} {MAIL}"])], name="m")
        again = augment(made, [("more", lambda row, _: [f"Now {row.example.messages[0]['content']} {MAIL}"])], name="n")
        assert len(made.splits["train"]) == 32 + rows
        assert (MAIL in lines(made), MAIL in lines(again)) == (action == "note", action == "note")
        assert (made.dropped == {"personal data": 32}) == (action == "drop")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([MAIL, CARD, str(CARD), f"write to {MAIL}", "a\"b\\", "é\n"]) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)  # fmt: skip


def test_what_does_not_change_stays_as_it_is_written() -> None:
    def masked(text: str, _: str, kind: str) -> str:
        return text if kind == "key" else mask(text, find_personal_data(text))

    text = f'{{"card":{CARD} , "{MAIL}":1.50, "to":"jane.doe\\u0040example.com"}}'
    expected = f'{{"card":"<PAYMENT CARD>" , "{MAIL}":1.50, "to":"<E-MAIL ADDRESS>"}}'
    assert rewrite_json(text, "", masked) == expected


@given(JSON, st.booleans(), st.sampled_from([None, 1]))
def test_a_mask_keeps_json_and_all_that_is_not_masked(value: Any, ascii_only: bool, indent: int | None) -> None:
    text = json.dumps([value], ensure_ascii=ascii_only, indent=indent)
    changed = rewrite_json(
        text, "", lambda part, _, kind: part if kind == "key" else mask(part, find_personal_data(part))
    )

    def masked(part: Any) -> Any:
        if isinstance(part, dict):
            return {name: masked(entry) for name, entry in part.items()}
        if isinstance(part, list):
            return [masked(entry) for entry in part]
        if isinstance(part, str):
            inner = part[:1] in "{["
            return part if inner else mask(part, find_personal_data(part))
        if isinstance(part, (int, float)) and not isinstance(part, bool):
            found = find_personal_data(str(part))
            return mask(str(part), found) if found else part
        return part

    assert json.loads(changed) == masked([value])
    assert (changed == text) or find_personal_data(text.replace("\\u0040", "@"))
