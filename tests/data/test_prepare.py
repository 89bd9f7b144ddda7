"""Files become splits without leaks, named by their content; nothing is lost without being counted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from olivepress.core.errors import DataError, SetupError
from olivepress.data.build import build_dataset
from olivepress.data.convert.conversations import Converted
from olivepress.data.convert.formats import choose_format, make_converter
from olivepress.data.read.containers import RECODED, read_rows
from olivepress.data.store.dataset import write_dataset
from olivepress.data.store.examples import SPLITS
from olivepress.recipe.schema import Data


def write_rows(path: Path, count: int = 40) -> Path:
    rows = [{"prompt": f"question {n}", "completion": f"answer {n % 3}"} for n in range(count)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_split_is_whole_seeded_and_without_leaks(tmp_path: Path) -> None:
    source = str(write_rows(tmp_path / "rows.jsonl"))
    first, second = build_dataset(Data(source=source)), build_dataset(Data(source=source))
    assert first.version == second.version
    prompts = {split: {example.prompt for example in first.splits[split]} for split in SPLITS}
    assert sum(map(len, prompts.values())) == 40
    assert not prompts["train"] & prompts["test"] and not prompts["train"] & prompts["validation"]
    assert build_dataset(Data(source=source, seed=1)).version != first.version


def test_one_byte_changes_the_version_and_the_file_name_does_not(tmp_path: Path) -> None:
    one, other = write_rows(tmp_path / "a.jsonl"), write_rows(tmp_path / "b.jsonl")
    assert build_dataset(Data(source=str(one))).version == build_dataset(Data(source=str(other))).version
    other.write_text(other.read_text().replace("question 7", "question 7!"))
    assert build_dataset(Data(source=str(one))).version != build_dataset(Data(source=str(other))).version


def test_held_out_prompts_are_taken_out_of_training(tmp_path: Path) -> None:
    write_rows(tmp_path / "train.jsonl")
    write_rows(tmp_path / "test.jsonl", 5)
    dataset = build_dataset(Data(source=str(tmp_path)))
    assert len(dataset.splits["test"]) == 5
    assert dataset.dropped["prompt occurs in a held-out split"] == 5
    kept = sum(len(examples) for examples in dataset.splits.values())
    assert kept + sum(dataset.dropped.values()) == 45


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b"text,category\n", "has a header and no rows"),
        ("a.csv", b"text,category\nhello\n", "2 columns expected"),
        ("a.csv", b"foo,bar\n1,2\n", "columns foo, bar; expected one of"),
        ("a.csv", b'text,category\n"open,x\n', "not valid CSV"),
        ("a.jsonl", b'{"prompt": "a", "completion": "b"}\n{broken\n', "1 row for the train split"),
        ("a.jsonl", b"[1]\n", "expected an object"),
        ("a.json", b'{"a": 1}', "expected a JSON list"),
        ("a.json", b"[" * 100_000, "not valid JSON"),
        ("a.jsonl", b"\x00\x01\x02", "is binary, expected UTF-8 text"),
        ("a.csv", bytes(range(1, 256)) * 40, "is binary, expected UTF-8 text"),
        ("a.jsonl", b'{"prompt": "", "completion": "b"}\n', "no usable row among 1"),
        ("a.docx", b"hello", "suffix '.docx' is not supported"),
        (
            "a.jsonl",
            b'{"input": "a", "output": "b", "prompt": "c", "completion": "d"}\n',
            "prompt/completion or input/",
        ),
    ],
)
def test_bad_files_are_one_clear_line(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        build_dataset(Data(source=str(path)))
    assert says in str(caught.value) and "; next: " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_strict_fails_on_the_first_row_that_cannot_be_read(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "rows.jsonl")
    path.write_text(path.read_text() + "{broken\n")
    assert build_dataset(Data(source=str(path))).dropped == {
        "not valid JSON (Expecting property name enclosed in double quotes)": 1
    }
    with pytest.raises(DataError, match=r"rows\.jsonl:41: not valid JSON"):
        build_dataset(Data(source=str(path), strict=True))


def test_too_few_rows_and_missing_source(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="rows for the train split, at least 8 needed"):
        build_dataset(Data(source=str(write_rows(tmp_path / "few.jsonl", 6))))
    with pytest.raises(DataError, match="no such file or directory"):
        build_dataset(Data(source=str(tmp_path / "nothing.csv")))


def test_snips_slots_and_bad_bytes(tmp_path: Path) -> None:
    row = {"data": [{"text": "play "}, {"text": "Abba", "entity": "artist"}, {"text": " caf\u00e9"}]}
    text = json.dumps({"PlayMusic": [row]}, ensure_ascii=False).encode("latin-1")
    (tmp_path / "train_PlayMusic.json").write_bytes(text)
    [found] = read_rows(tmp_path / "train_PlayMusic.json")
    assert found.changed == RECODED
    assert found.value is not None
    converted = make_converter("here", choose_format("here", found.value), found.value).convert(found.value)
    assert isinstance(converted, Converted)
    assert converted.messages[0]["content"] == "play Abba caf\u00e9"
    assert converted.messages[1]["content"] == '{"intent":"PlayMusic","slots":{"artist":"Abba"}}'
    assert converted.label == "PlayMusic"


def test_labels_are_stratified(tmp_path: Path) -> None:
    lines = ["text,category"] + [f"message {n},{'rare' if n % 10 == 0 else 'common'}" for n in range(200)]
    (tmp_path / "all.csv").write_text("\n".join(lines) + "\n")
    test = build_dataset(Data(source=str(tmp_path / "all.csv"))).splits["test"]
    assert [example.label for example in test].count("rare") == 2
    assert 11 <= len(test) <= 29  # 2 of the rare class, and 9 to 27 of the common one


def test_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = build_dataset(Data(source=str(write_rows(tmp_path / "rows.jsonl"))))
    original = Path.replace
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(SetupError, match=r"cannot be written \(No space left on device\); next: free disk space"):
        write_dataset(dataset, tmp_path)
    assert not list((tmp_path / "datasets").iterdir())
    monkeypatch.setattr(Path, "replace", original)
    directory = write_dataset(dataset, tmp_path)
    assert json.loads((directory / "dataset.json").read_text())["version"] == dataset.version
