"""Faults at known lines: each is found, with its line and reason, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest

from olivepress.data.build import prepare_files
from olivepress.data.policy import Policy
from olivepress.data.store.dataset import Dataset
from olivepress.data.store.examples import SPLITS
from tests.data.planted import clean_rows, events, read_jsonl, write_jsonl


def prepare(*paths: Path, **policy: object) -> Dataset:
    return prepare_files([str(path) for path in paths], Policy(languages=False, **policy))  # type: ignore[arg-type]


def audit(dataset: Dataset, **which: str) -> list[tuple[int, str]]:
    assert dataset.files is not None
    return events(dataset.files / "audit.jsonl", **which)


def in_and_out(dataset: Dataset) -> tuple[int, int]:
    kept = sum(len(dataset.splits[split]) for split in SPLITS)
    return sum(dataset.facts["read"].values()), kept + sum(dataset.dropped.values())


def test_clean_rows_have_an_empty_audit(tmp_path: Path) -> None:
    dataset = prepare(write_jsonl(tmp_path / "rows.jsonl", clean_rows(300)))
    assert audit(dataset) == []
    assert in_and_out(dataset) == (300, 300)


def test_every_planted_fault_is_found_and_nothing_else(tmp_path: Path) -> None:
    rows = clean_rows(300)
    planted: dict[int, tuple[str, str]] = {}

    def plant(line: int, action: str, reason: str, **changes: str) -> None:
        rows[line - 1] = {**rows[line - 1], **changes}
        planted[line] = (action, reason)

    again = rows[0]
    plant(20, "dropped", "duplicate: same prompt and answer", **again)
    plant(21, "dropped", "duplicate: same prompt and answer",
          prompt=again["prompt"].upper() + "  ", completion=again["completion"])  # fmt: skip
    plant(30, "noted", "near duplicate", prompt=rows[1]["prompt"].replace("Who is", "who was"))
    plant(40, "changed", "mojibake repaired", completion="The cafÃ© opens at nine, naÃ¯ve as it is.")
    plant(41, "changed", "mojibake repaired", prompt="Itâ€™s the baker who repairs what?")
    plant(50, "dropped", "answer repeats the prompt", completion=rows[49]["prompt"] + " It is the nurse.")
    plant(60, "dropped", "empty prompt or answer", completion="  \n ")
    plant(61, "dropped", "empty prompt or answer", prompt="")
    plant(70, "dropped", "answer cut off", completion='{"name": "set_light", "arguments": {"room": "kit')
    plant(71, "dropped", "answer cut off", completion="Like this:\n```python\nprint(1)\n")
    plant(72, "dropped", "answer cut off",
          completion="The nurse who lives across the street from the baker and often talks to the")  # fmt: skip
    plant(80, "noted", "personal data", completion="Write to jane.doe@example.org for it.")
    plant(81, "noted", "personal data", prompt="Is 4111 1111 1111 1111 still a card of mine?")
    plant(82, "noted", "personal data", prompt="Can you pay to DE89 3704 0044 0532 0130 00 today?")
    plant(83, "noted", "personal data", prompt="Would you call +48 601 234 567 for me please?")
    plant(84, "noted", "personal data", prompt="Is my number 078-05-1120 or 219-09-9998 or 536-22-8341?")
    plant(90, "changed", "control characters removed", prompt="Who \x07is it that sells \x1b[31mold maps\x1b[0m?")
    plant(91, "changed", "Unicode normalized to NFC", prompt="Where does Zoe\u0308 hide the copper kettle?")
    plant(92, "changed", "white space trimmed", prompt="  What weighs the driver?  ")
    plant(93, "changed", "invisible and odd spaces replaced", prompt="Who\u00a0paints the\u200b piano lid now?")
    plant(94, "changed", "line breaks replaced by newlines", completion="First line.\r\nSecond line.")
    dataset = prepare(write_jsonl(tmp_path / "rows.jsonl", rows))
    assert dataset.files is not None
    found = {e["line"]: (e["action"], e["reason"]) for e in read_jsonl(dataset.files / "audit.jsonl")}
    for line, like in ((30, 2), (21, 1)):  # which of two that are alike is named follows from their content
        if like in found:
            found[line] = found.pop(like)
    assert found == planted
    assert in_and_out(dataset) == (300, 300)


@pytest.mark.parametrize(
    "text",
    [
        "Café, naïve, Zürich, 日本語, Привет, עברית, 😀 — “quoted” …",  # right as it is
        "def f(x):\n    if x:\n        return x  # two  spaces\n\n\nprint(f(1))",  # code keeps its newlines and indents
        "The order 4111 1111 1111 1112 has 12 parts, build 10.0.0.1, 2024-05-06, 555-1234.",  # no check digit holds
        "[INFO] started {not json} yes",
        "Version 1.2.3.4.5 of 123-45-678, π = 3.14159265358979",
        "I would say so, and that is all there is to it",
    ],
)
def test_what_is_right_is_left_alone(tmp_path: Path, text: str) -> None:
    rows = clean_rows(40)
    rows[7] = {"prompt": "What does the page say about it?", "completion": text}
    rows[8] = {"prompt": f"Is this right: {text}", "completion": "It is, as far as can be seen."}
    dataset = prepare(write_jsonl(tmp_path / "rows.jsonl", rows))
    assert audit(dataset) == []
    assert text in {example.answer for split in SPLITS for example in dataset.splits[split]}


def test_leaks_into_given_splits(tmp_path: Path) -> None:
    train, test = clean_rows(200), clean_rows(30, seed=1)
    train[10] = {**test[0], "completion": "Something else altogether."}  # the same prompt
    train[20] = {**test[1]}  # the same row
    train[30] = {**test[2], "prompt": test[2]["prompt"].replace("Who is", "who was")}  # nearly
    words = test[3]["prompt"].split()
    shared = " ".join(words[1:14])  # 13 words in a row, in other company
    train[40] = {"prompt": f"Read: {shared} and then the weather changed for good. True or not?", "completion": "True."}
    write_jsonl(tmp_path / "train.jsonl", train)
    write_jsonl(tmp_path / "test.jsonl", test)
    dataset = prepare(tmp_path)
    assert audit(dataset, action="dropped") == [
        (11, "prompt occurs in a held-out split"),
        (21, "prompt occurs in a held-out split"),
        (31, "near duplicate of a row in a held-out split"),
        (41, "shares 13 words in a row with the test split"),
    ]
    assert len(dataset.splits["test"]) == 30
    assert in_and_out(dataset) == (230, 230)


def test_benchmarks_are_kept_out_of_training(tmp_path: Path) -> None:
    rows, benchmark = clean_rows(100), clean_rows(20, seed=2)
    words = benchmark[1]["prompt"].split()
    rows[3] = {"prompt": benchmark[0]["prompt"] + "!", "completion": "No."}
    rows[4] = {"prompt": "Someone wrote: " + " ".join(words[1:14]) + " but when exactly was it?", "completion": "Once."}
    given = write_jsonl(tmp_path / "bench.jsonl", [{"question": r["prompt"], "answer": "x y"} for r in benchmark])
    dataset = prepare(write_jsonl(tmp_path / "rows.jsonl", rows), benchmarks=(str(given),))
    found = audit(dataset, action="dropped")
    assert [line for line, _ in found] == [4] or [line for line, _ in found] == [4, 5]
    assert found[0] == (4, "near duplicate of a benchmark's row")
    # Line 5 may have been carved into a held-out split, which is nothing to train on.
    held_out = {e.prompt for split in ("validation", "test") for e in dataset.splits[split]}
    assert len(found) == 2 or any("Someone wrote" in prompt for prompt in held_out)


def test_personal_data_can_be_masked_or_dropped(tmp_path: Path) -> None:
    rows = clean_rows(50)
    rows[5]["completion"] = "Write to jane.doe@example.org or +48 601 234 567."
    path = write_jsonl(tmp_path / "rows.jsonl", rows)
    masked = prepare(path, personal_data="mask")
    answers = {example.answer for split in SPLITS for example in masked.splits[split]}
    assert "Write to <E-MAIL ADDRESS> or <TELEPHONE NUMBER>." in answers
    assert audit(masked) == [(6, "personal data masked")]
    assert audit(prepare(path, personal_data="drop")) == [(6, "personal data")]
    assert audit(prepare(path, personal_data="ignore")) == []


def test_near_duplicates_of_long_and_short_rows(tmp_path: Path) -> None:
    rows = clean_rows(60)
    long = " ".join(row["completion"] for row in clean_rows(4, seed=5))
    rows[10] = {"prompt": long, "completion": "One."}
    rows[11] = {"prompt": " ".join(["other", *long.split(" ")[1:]]), "completion": "Two."}
    rows[20] = {"prompt": "please set a timer for 5 minutes", "completion": "a"}
    rows[21] = {"prompt": "Please set a timer for 5 minutes!!", "completion": "b"}
    rows[22] = {"prompt": "please set a timer for 6 minutes", "completion": "c"}  # another order, not another wording
    path = write_jsonl(tmp_path / "rows.jsonl", rows)
    noted = audit(prepare(path))
    dropped = audit(prepare(path, near_duplicates="drop"), action="dropped")
    # Which of two is named follows from their content, not from their order.
    assert noted == dropped and {reason for _, reason in noted} == {"near duplicate"}
    assert [line for line, _ in noted] in ([11, 21], [11, 22], [12, 21], [12, 22])
    assert audit(prepare(path, near_duplicates="ignore", overlap_words=0)) == []


def test_a_template_around_every_row_makes_no_row_a_duplicate(tmp_path: Path) -> None:
    rules = "Read the message below with care and name the one queue of our help desk that it belongs to, in lower case"
    words = [f"{a}{b}" for a in ("rout", "print", "invoic", "key") for b in ("er", "ing", "board")]
    rows = [{"prompt": f"{rules}: {a} {b}", "completion": f"{a} desk"} for a in words for b in words if a != b]
    dataset = prepare(write_jsonl(tmp_path / "rows.jsonl", rows))
    assert len(dataset.splits["train"]) > 90
    assert dataset.dropped == {}
    near = audit(dataset, reason="near duplicate")
    assert len(near) < len(rows) / 10


def test_contradicting_labels(tmp_path: Path) -> None:
    lines = ["text,label"] + [f"{row['prompt'].replace(',', '')},{'ab'[i % 2]}" for i, row in enumerate(clean_rows(60))]
    lines.append(lines[1][:-1] + "b")
    path = tmp_path / "rows.csv"
    path.write_text("\n".join(lines) + "\n")
    contradiction = "same prompt with another label"
    assert audit(prepare(path)) in ([(2, contradiction)], [(62, contradiction)])
    answers = {example.prompt: example.answer for split in SPLITS for example in prepare(path).splits[split]}
    path.write_text("\n".join([lines[0], *reversed(lines[1:])]) + "\n")
    turned = prepare(path)
    assert answers == {example.prompt: example.answer for split in SPLITS for example in turned.splits[split]}
