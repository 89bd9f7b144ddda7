"""The three tasks: their files, what the recipe says of them, and when an answer is right."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gain import snips
from olivepress.report.answers import is_correct
from olivepress.synthetic.embedded.demo_data import generate

__all__ = ["TASKS", "Task", "canonical", "same_json"]

LEAST_ROWS = 1000
COMMANDS = "device-command"


@dataclass(frozen=True, kw_only=True)
class Task:
    """``write`` puts the files of the task into a folder, given the folder with the published data; ``instruction``
    stands before every text, ``test_rows`` says in words which rows may be measured."""

    name: str
    title: str
    test_rows: str
    instruction: str | None
    write: Callable[[Path, Path], None]
    is_right: Callable[[str, str], bool]


def canonical(text: str) -> str | None:
    """The JSON value with its keys sorted and no white space; None for no JSON (NaN and Infinity are none)."""
    try:
        value = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _refuse(name: str) -> None:
    raise ValueError(name)


def same_json(output: str, expected: str) -> bool:
    """Whether both are the same JSON value: the order of keys and white space do not count."""
    answer = canonical(output)
    return answer is not None and answer == canonical(expected)


def write_rows(folder: Path, rows: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
    """One JSON Lines file for each split."""
    by_split: dict[str, list[str]] = {}
    for split, row in rows:
        by_split.setdefault(split, []).append(json.dumps(row, ensure_ascii=False) + "\n")
    folder.mkdir(parents=True, exist_ok=True)
    for split, lines in by_split.items():
        (folder / f"{split}.jsonl").write_text("".join(lines), encoding="utf-8")


def _write_banking77(folder: Path, data: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("train.csv", "test.csv"):
        (folder / name).write_bytes((data / "banking77" / name).read_bytes())


def _write_snips(folder: Path, data: Path) -> None:
    write_rows(folder, snips.rows(data / "snips"))


def _write_commands(folder: Path, data: Path) -> None:
    """The demo's rows; its test split is drawn on with further seeds, from the templates that only it has."""
    drawn = generate(COMMANDS)
    test, seed = {row.prompt: row for row in drawn["test"]}, 0
    while len(test) < LEAST_ROWS:
        seed += 1
        test |= {row.prompt: row for row in generate(COMMANDS, seed=seed)["test"]}
    splits = {"train": drawn["train"], "validation": drawn["validation"], "test": [*test.values()][:LEAST_ROWS]}
    write_rows(
        folder,
        ((split, {"prompt": row.prompt, "completion": row.answer}) for split, rows in splits.items() for row in rows),
    )


TASKS: tuple[Task, ...] = (
    Task(
        name="banking77", title="Banking77 → label", write=_write_banking77, is_right=is_correct,
        instruction="Name the banking intent of this message.", test_rows="the published test file",
    ),
    Task(
        name="snips", title="SNIPS → JSON", write=_write_snips, is_right=same_json,
        instruction="Answer with the intent and the slots of this request as JSON.",
        test_rows=f"the 700 published test rows and the last {snips.HELD_OUT} training rows of each intent, which were "
        "taken out of training, each text once",
    ),
    Task(
        name="device-command", title="device commands → JSON", write=_write_commands, is_right=same_json,
        instruction=None,
        test_rows="the 600 test rows of the demo data and 400 more from their templates, which training has not",
    ),
)  # fmt: skip
