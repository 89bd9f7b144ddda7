"""Pairs of answers in the formats that TRL documents, and what is no pair."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from olivepress.core.errors import DataError
from olivepress.data.build import prepare_files
from olivepress.data.convert.formats import choose_format
from olivepress.data.convert.preferences import from_preference
from olivepress.data.derive.export import export_dataset
from olivepress.data.policy import Policy
from olivepress.data.store.dataset import Dataset
from olivepress.data.store.examples import parse_example, to_line
from olivepress.data.text.values import RowError

WORDS = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heath")
WORDS += ("islet", "jetty", "knoll", "ledge", "marsh", "notch", "oasis", "plain")


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def standard(word: str) -> dict[str, Any]:
    return {"prompt": f"Describe {word}", "chosen": f"{word} is green", "rejected": f"{word} is loud"}


def conversational(word: str) -> dict[str, Any]:
    row = standard(word)
    return {"prompt": [user(row["prompt"])], **{name: [assistant(row[name])] for name in ("chosen", "rejected")}}


def implicit(word: str) -> dict[str, Any]:
    row = standard(word)
    return {name: [user(row["prompt"]), assistant(row[name])] for name in ("chosen", "rejected")}


def prepared(tmp_path: Path, rows: list[dict[str, Any]], **policy: Any) -> Dataset:
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return prepare_files([str(path)], Policy(languages=False, near_duplicates="ignore", **policy))


@pytest.mark.parametrize("form", [standard, conversational, implicit])
def test_the_formats_of_trl_give_the_same_rows(tmp_path: Path, form: Any) -> None:
    assert choose_format("x", form("amber")) == "preference"
    dataset = prepared(tmp_path, [form(word) for word in WORDS])
    rows = sorted((row for split in dataset.splits.values() for row in split), key=lambda row: row.answer)
    assert [row.answer for row in rows] == [f"{word} is green" for word in WORDS]
    assert rows[0].messages == (user("Describe amber"), assistant("amber is green"))
    assert rows[0].rejected == assistant("amber is loud")
    assert parse_example(to_line(rows[0]), "x") == rows[0] and dataset.format == "preference"


def test_a_system_message_and_earlier_turns() -> None:
    talk = [user("one"), assistant("two"), user("three")]
    pair = {"prompt": talk, "chosen": [assistant("four")], "rejected": [assistant("five")], "system": "be brief"}
    converted = from_preference(pair)
    assert [message["content"] for message in converted.messages] == ["be brief", "one", "two", "three", "four"]
    assert converted.rejected == assistant("five") and converted.key == "one three"


def test_lists_that_a_table_stores_as_json() -> None:
    row = {name: json.dumps(value) for name, value in conversational("amber").items()}
    assert from_preference(row).rejected == assistant("amber is loud")


def test_a_text_prompt_beside_whole_conversations() -> None:
    converted = from_preference({**implicit("amber"), "prompt": "Describe amber"})
    assert len(converted.messages) == 2 and converted.messages[0] == user("Describe amber")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"rejected": None}, "no rejected answer"),
        ({"rejected": ""}, "no rejected answer"),
        ({"chosen": []}, "no chosen answer"),
        ({"prompt": None}, "no prompt, and chosen is no whole conversation"),
        ({"chosen": [user("other"), assistant("a")], "rejected": [user("one"), assistant("b")]}, "differ before"),
        ({"chosen": [{"from": "gpt", "value": "a"}]}, "messages of different formats"),
    ],
)
def test_half_a_pair_is_refused(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(RowError, match=problem):
        from_preference(standard("amber") | changes)


def test_what_is_no_preference_is_dropped_with_its_reason(tmp_path: Path) -> None:
    rows = [standard(word) for word in WORDS]
    rows.append({**standard("quay"), "rejected": " quay is green "})
    rows.append({**standard("reef"), "rejected": "\u2060"})
    rows.append({**standard("sand"), "rejected": " \t"})
    rows.append({"prompt": "Describe sand", "chosen": "sand is fine"})
    dataset = prepared(tmp_path, rows)
    assert sum(map(len, dataset.splits.values())) == 16
    assert dataset.dropped == {
        "chosen and rejected answers are equal": 1, "empty rejected answer": 1, "no rejected answer": 2
    }  # fmt: skip


def test_strict_names_the_line(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [standard(word) for word in WORDS]
    rows[3] = {"prompt": "Describe delta", "chosen": "delta is green", "rejected": None}
    with pytest.raises(DataError, match=r"pairs.jsonl:4: no rejected answer \(row 4\)"):
        prepared(tmp_path, rows, strict=True)


def test_the_same_answer_preferred_to_two_others_is_two_pairs(tmp_path: Path) -> None:
    rows = [standard(word) for word in WORDS]
    rows += [{**rows[0], "rejected": "amber is late"}, dict(rows[1])]
    dataset = prepared(tmp_path, rows)
    assert sum(map(len, dataset.splits.values())) == 17 and sum(dataset.dropped.values()) == 1  # the repeated one
    ids = [row.id for split in dataset.splits.values() for row in split]
    assert len(set(ids)) == 17


def test_rejected_answers_are_cleaned_and_masked(tmp_path: Path) -> None:
    rows = [standard(word) for word in WORDS]
    rows[0]["rejected"] = "write to  jane.doe@example.com\u200b "
    dataset = prepared(tmp_path, rows, personal_data="mask")
    row = next(row for split in dataset.splits.values() for row in split if row.answer == "amber is green")
    assert (
        row.rejected is not None and "jane" not in row.rejected["content"] and "\u200b" not in row.rejected["content"]
    )


def test_pairs_are_written_as_trl_reads_them(tmp_path: Path) -> None:
    dataset = prepared(tmp_path, [standard(word) for word in WORDS])
    exported = export_dataset(dataset, "preference", tmp_path / "out")
    lines = [json.loads(line) for path in exported.paths.values() for line in path.read_text().splitlines()]
    assert sorted(lines, key=str) == sorted(map(conversational, WORDS), key=str)
    assert export_dataset(dataset, "messages", tmp_path / "messages").omitted == {"rejected": 16}
