"""What stands in a file becomes text by one rule, and what is not used of it is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from olivepress.data.build import prepare_files
from olivepress.data.policy import Policy
from olivepress.data.prepare.cleaning import clean_text
from olivepress.data.store.dataset import Dataset
from olivepress.data.store.examples import SPLITS
from tests.data.planted import clean_rows, events, read_jsonl, write_jsonl

ROWS = clean_rows(40)
TALKS: list[dict[str, Any]] = [
    {"messages": [{"role": "user", "content": r["prompt"]}, {"role": "assistant", "content": r["completion"]}]}
    for r in ROWS
]


def prepare(path: Path) -> Dataset:
    return prepare_files([str(path)], Policy(languages=False))


def audit(dataset: Dataset, **which: str) -> list[tuple[int, str]]:
    assert dataset.files is not None
    return events(dataset.files / "audit.jsonl", **which)


@pytest.mark.parametrize(
    ("value", "text", "change"),
    [
        ("true", "true", "true or false written as text"),
        ("1.50", "1.50", "number written as text"),
        ("1e5", "1e5", "number written as text"),
        ("7", "7", "number written as text"),
        ('{"a": [1]}', '{"a":[1]}', "object written as compact JSON"),
    ],
)
@pytest.mark.parametrize("columns", ["prompt/completion", "text/label", "instruction/input/output", "text"])
def test_values_are_spelled_as_json_spells_them(
    tmp_path: Path, value: str, text: str, change: str, columns: str
) -> None:
    names = columns.split("/")
    lines = [json.dumps({name: f"{name} {row['prompt']}" for name in names}) for row in ROWS]
    for place, name in enumerate(names):
        row = {one: f"some words of {one} beside it" for one in names} | {name: None}
        lines.append(json.dumps(row).replace("null", value).replace("some", f"some {place}"))
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(lines) + "\n")
    dataset = prepare(path)
    assert audit(dataset) == [(41 + place, change) for place in range(len(names))]
    every = [m["content"] for split in SPLITS for e in dataset.splits[split] for m in e.messages]
    assert sum(text in content.split("\n") for content in every) == len(names)


def test_blank_lines_of_code_stay(tmp_path: Path) -> None:
    code = "```python\na = 1\n\n\n\n\n\nb = 2\n```"
    assert clean_text(code) == (code, [])


def test_a_row_with_two_addresses_is_noted_once(tmp_path: Path) -> None:
    rows = clean_rows(40)
    rows[3] = {"prompt": "Who is jane.doe@example.org to you?", "completion": "Ask john.doe@example.org or 10.0.0.1."}
    dataset = prepare(write_jsonl(tmp_path / "a.jsonl", rows))
    assert dataset.facts["noted"] == {"personal data": 1}
    assert audit(dataset) == [(4, "personal data")]


def test_fields_of_messages_that_are_not_used_are_told(tmp_path: Path) -> None:
    talks = json.loads(json.dumps(TALKS))
    talks[4]["messages"][0] |= {"weight": 0, "name": "Ann"}
    talks[5]["messages"][1]["weight"] = 0
    talks[6]["messages"][1]["refusal"] = None
    dataset = prepare(write_jsonl(tmp_path / "a.jsonl", talks))
    assert dataset.facts["unused_columns"] == {"a.jsonl": ["messages[].weight"]}
    assert audit(dataset) == [(6, "the answer has weight 0: not to be trained on")]
    assert {m.get("name") for split in SPLITS for e in dataset.splits[split] for m in e.messages} == {"Ann", None}


def test_why_a_message_cannot_be_read(tmp_path: Path) -> None:
    def answer(**message: Any) -> dict[str, Any]:
        asked = {"role": "user", "content": "Is it on?"}
        return {"messages": [asked, {"role": "assistant", "content": "It is.", **message}]}

    call = {"type": "function", "function": {"name": "light", "arguments": "{on: true"}}
    image = [{"type": "text", "text": "See"}, {"type": "image_url", "image_url": {"url": "x"}}]
    bad = [answer(content=image), answer(function_call={"name": "light"}), answer(tool_calls=[call])]
    dataset = prepare(write_jsonl(tmp_path / "a.jsonl", [*TALKS, *bad]))
    assert audit(dataset) == [
        (41, "a message with a part of type 'image_url', only text is read"),
        (42, "function_call is the old form, expected tool_calls"),
        (43, "arguments of a tool call are not JSON"),
    ]


def test_the_intent_of_snips_is_its_class(tmp_path: Path) -> None:
    """Two readings of one sentence are no contradiction: the class is the same."""
    for intent in ("PlayMusic", "GetWeather"):
        rows = [{"data": [{"text": f"{intent} {row['prompt']}"}]} for row in clean_rows(40, seed=len(intent))]
        again = {"data": [{**rows[0]["data"][0], "entity": "artist"}]}
        (tmp_path / f"train_{intent}.json").write_text(json.dumps({intent: [*rows, again]}))
    dataset = prepare(tmp_path)
    assert dataset.dropped == {}
    for split in SPLITS:
        labels = [example.label for example in dataset.splits[split]]
        assert abs(labels.count("PlayMusic") - labels.count("GetWeather")) <= 8
        assert set(labels) == {"PlayMusic", "GetWeather"}
        assert all(json.loads(e.answer)["intent"] == e.label for e in dataset.splits[split])
    alone = prepare(tmp_path / "train_GetWeather.json")  # one intent has many slots to learn
    assert not any("class" in advice["text"] for advice in alone.facts["advice"])


def test_paragraphs_of_plain_text(tmp_path: Path) -> None:
    texts = [f"{row['prompt']}\n{row['completion']}" for row in ROWS]
    (tmp_path / "a.txt").write_text("\n\n" + "\n \n\n".join(texts))
    dataset = prepare(tmp_path / "a.txt")
    assert dataset.format == "text"
    assert {e.answer for split in SPLITS for e in dataset.splits[split]} == set(texts)
    assert dataset.files is not None
    lines = sorted(entry["line"] for entry in read_jsonl(dataset.files / "lineage.jsonl"))
    assert lines == [3 + 4 * number for number in range(40)]
    # Beside other data it is a readme.
    write_jsonl(tmp_path / "rows.jsonl", ROWS)
    assert dataset.facts["read"] == {"a.txt": 40} and list(prepare(tmp_path).facts["read"]) == [
        f"{tmp_path.name}/rows.jsonl"
    ]


def test_a_stray_quote_in_a_table_is_told(tmp_path: Path) -> None:
    lines = ["text,label", *(f"{row['prompt'].replace(',', '')},a{n % 2}" for n, row in enumerate(ROWS))]
    lines[5] = '"' + lines[5]
    lines[9] = lines[9].replace(",", '",')
    lines[20] = '"One line, and\nanother, of prose",a1'
    path = tmp_path / "a.csv"
    path.write_text("\n".join(lines) + "\n")
    dataset = prepare(path)
    assert audit(dataset) == [(6, "row spans lines 6 to 10: a stray quote?")]
    assert dataset.facts["noted"] == {"row spans lines 6 to 10: a stray quote?": 1}
    assert dataset.facts["read"] == {"a.csv": 36} and dataset.dropped == {}
