"""What columns are is never guessed where a column that looks like content would be thrown away."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from olivepress.core.errors import DataError
from olivepress.data.convert.formats import choose_format
from olivepress.data.store.examples import SPLITS
from tests.data.planted import clean_rows, events, write_jsonl
from tests.data.test_readers import pairs, prepare
from tests.data.written import csv_text

ROWS = clean_rows(40)


def table(path: Path, **columns: Any) -> Path:
    """Columns filled from the rows: ``p`` the prompt, ``a`` the answer, else a constant or a function of the number."""

    def value(kind: Any, number: int) -> Any:
        texts = {"p": ROWS[number]["prompt"], "a": ROWS[number]["completion"]}
        return texts.get(kind, kind) if isinstance(kind, str) else kind(number) if callable(kind) else kind

    rows = [{name: value(kind, number) for name, kind in columns.items()} for number in range(40)]
    if path.suffix == ".csv":
        path.write_text(csv_text(rows))
    else:
        write_jsonl(path, rows)
    return path


def class_of(number: int) -> str:
    return f"class{number % 3}"


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
@pytest.mark.parametrize("label", ["class", "sentiment", "label", "category", "intent"])
def test_a_text_with_a_class(tmp_path: Path, suffix: str, label: str) -> None:
    dataset = prepare(table(tmp_path / f"a{suffix}", text="p", **{label: class_of}))
    assert dataset.format == f"text/{label}"
    assert {e.label for split in SPLITS for e in dataset.splits[split]} == {"class0", "class1", "class2"}


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
@pytest.mark.parametrize(
    ("columns", "step"),
    [
        ({"text": "p", "labels": class_of}, "--format text/labels:label"),
        ({"text": "p", "intents": class_of}, "--format text/intents:label"),
        ({"text": "p", "target": class_of}, "--format text/target:label"),
        ({"text": "p", "whatever": class_of}, "--format text/whatever:label, or --format text for plain text"),
        ({"text": "p", "summary": "a"}, "--format text/summary"),
        ({"id": str, "text": "p", "emotion": class_of}, "--format text/emotion:label"),
        ({"Text": "p", "Class": class_of}, "--format Text/Class:label"),
        ({"utterance": "p", "intent": class_of}, "--format utterance/intent:label"),
        ({"text": "p", "label": int, "label_text": class_of}, "--format text/label_text:label"),
        ({"text": "p", "label": class_of, "topic": "x"}, "--format text/topic:label"),
        ({"prompt": "p", "response": "a", "answer": "yes"}, "--format prompt/response to leave answer out"),
        ({"question": "p", "answer": "a", "context": "a"}, "rename question to instruction, answer to output"),
        ({"prompt": "p", "completion": "a", "label": True}, "--format prompt/completion to leave label out"),
        ({"prompt": "p", "completion": "a", "system": "Be brief."}, "rename prompt to instruction"),
        ({"question": "p", "response": "a", "system_prompt": "Be brief."}, "to leave system_prompt out"),
        ({"prompt": "p", "completion": "a", "final_answer": "x"}, "to leave final_answer out"),
        ({"prompt": "p", "completion": "a", "rationale": "x"}, "--format prompt/completion to leave rationale out"),
        ({"prompt": "p", "completion": "a", "anything": "a"}, "--format prompt/completion to leave anything out"),
        ({"instruction": "p", "output": "a", "response": "a"}, "--format instruction/"),
        ({"instruction": "p", "input": "", "output": "a", "question": "p"}, "--format alpaca to leave question out"),
        ({"instruction": "p", "input": ""}, "--format PROMPT_COLUMN/ANSWER_COLUMN"),
        ({"prompt": "p", "chosen": "a"}, "--format prompt/chosen"),
        ({"prompt": "p", "completion": "a", "split": "test"}, "write a file for each split"),
    ],
)  # fmt: skip
def test_ambiguity_is_an_error_that_names_the_option(
    tmp_path: Path, suffix: str, columns: dict[str, Any], step: str
) -> None:
    with pytest.raises(DataError) as caught:
        prepare(table(tmp_path / f"a{suffix}", **columns))
    assert "columns " in str(caught.value) and step in str(caught.value).partition("; next: ")[2]


@pytest.mark.parametrize(
    ("columns", "format_", "unused"),
    [
        ({"text": "a"}, "text", []),
        ({"id": str, "text": "a", "url": "http://example.org"}, "text", ["id", "url"]),
        ({"instruction": "p", "context": "", "response": "a", "category": "open_qa"}, "alpaca", ["category"]),
        (
            {"prompt": "p", "completion": "a", "source": "a", "prompt_id": str},
            "prompt/completion",
            ["source", "prompt_id"],
        ),
        ({"question": "p", "response": "a"}, "question/response", []),
        ({"prompt": "p", "completion": "a", "score": 0.5}, "prompt/completion", ["score"]),
    ],
)
def test_columns_that_describe_a_row_are_told(
    tmp_path: Path, columns: dict[str, Any], format_: str, unused: list[str]
) -> None:
    dataset = prepare(table(tmp_path / "a.jsonl", **columns))
    assert dataset.format == format_
    assert dataset.facts["unused_columns"] == ({"a.jsonl": unused} if unused else {})


def test_a_column_that_puts_the_others_together_is_no_ambiguity(tmp_path: Path) -> None:
    rows = [{"instruction": r["prompt"], "input": "", "output": r["completion"],
             "text": f"### Instruction: {r['prompt']} ### Response: {r['completion']}"} for r in ROWS]  # fmt: skip
    assert prepare(write_jsonl(tmp_path / "a.jsonl", rows)).facts["unused_columns"] == {"a.jsonl": ["text"]}
    talks = [{"prompt": r["prompt"], "messages": [{"role": "user", "content": r["prompt"]},
                                                  {"role": "assistant", "content": r["completion"]}]}
             for r in ROWS]  # fmt: skip
    assert prepare(write_jsonl(tmp_path / "b.jsonl", talks)).format == "messages"


@pytest.mark.parametrize("format_", ["text", "text/class:label", "text/class"])
def test_the_option_decides(tmp_path: Path, format_: str) -> None:
    path = table(tmp_path / "a.csv", text="a", **{"class": class_of})
    dataset = prepare(path, format=format_)
    assert dataset.format == format_.partition(":")[0]
    assert (dataset.facts["unused_columns"] == {"a.csv": ["class"]}) is (format_ == "text")


def test_a_key_that_the_first_rows_lack_is_not_lost(tmp_path: Path) -> None:
    """huggingface/datasets#5726: the first row has no ``input``."""
    rows = [{"instruction": r["prompt"], "output": r["completion"]} for r in ROWS]
    rows[7]["input"] = "the words on the door"
    dataset = prepare(write_jsonl(tmp_path / "a.jsonl", rows))
    assert dataset.format == "alpaca"
    assert f"{ROWS[7]['prompt']}\nthe words on the door" in {prompt for prompt, _ in pairs(dataset)}


def test_a_key_beyond_the_first_rows_is_a_reason(tmp_path: Path) -> None:
    rows = [{"instruction": r["prompt"], "output": r["completion"]} for r in clean_rows(300)]
    rows[250]["input"] = "the words on the door"
    rows[251]["id"] = "7"
    path = write_jsonl(tmp_path / "a.jsonl", rows)
    dataset = prepare(path)
    assert dataset.files is not None
    reason = "key 'input' is in no earlier row: set --format to use it or leave it out"
    assert events(dataset.files / "audit.jsonl", action="dropped") == [(251, reason)]
    assert dataset.facts["unused_columns"] == {"a.jsonl": ["id"]}
    assert prepare(path, format="instruction/output").dropped == {}


@pytest.mark.parametrize("placeholder", ["<noinput>", "N/A", "None", "nan", "null", "No input", "<no input>", "<NA>"])
@pytest.mark.parametrize("column", ["input", "context"])
def test_placeholders_are_no_input(tmp_path: Path, placeholder: str, column: str) -> None:
    rows = [{"instruction": r["prompt"], column: "", "output": r["completion"]} for r in ROWS]
    rows[3][column] = placeholder
    rows[4][column] = "None of the above, or null?"
    rows[5]["output"] = "None"
    dataset = prepare(write_jsonl(tmp_path / "a.jsonl", rows))
    assert dataset.changed == {"a placeholder such as <noinput> or nan left out of the input": 1}
    assert (ROWS[3]["prompt"], ROWS[3]["completion"]) in pairs(dataset)
    assert {answer for _, answer in pairs(dataset)} >= {"None"}
    assert f"{ROWS[4]['prompt']}\nNone of the above, or null?" in {prompt for prompt, _ in pairs(dataset)}


def test_input_and_context_cannot_both_be_used(tmp_path: Path) -> None:
    rows = [{"instruction": r["prompt"], "input": "", "context": r["prompt"], "output": r["completion"]} for r in ROWS]
    rows[3]["input"] = "another"
    dataset = prepare(write_jsonl(tmp_path / "a.jsonl", rows))
    assert dataset.dropped == {"both input and context contain text, expected one of them": 1}
    assert json.dumps(dataset.facts["unused_columns"]) == "{}"


def test_the_other_half_of_an_intent_is_not_left_out() -> None:
    """Slots or entities beside the intent: a row of language understanding has both, and some rows have none."""
    for name in ("slots", "entities"):
        row = {"text": "play it", "intent": "play", name: [{"song": "it"}]}
        with pytest.raises(DataError, match=f"would leave out '{name}'"):
            choose_format("a.jsonl", row)
        assert choose_format("a.jsonl", {**row, name: []}) == "text/intent"


def test_a_column_of_splits_is_no_class() -> None:
    with pytest.raises(DataError) as error:
        choose_format("a.csv", {"text": "play it", "label": "play", "split": "train"})
    assert error.value.next_step.startswith("write a file for each split, or --format text/label to leave split out")
    assert ":label" not in error.value.next_step
