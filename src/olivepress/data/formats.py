"""Readers: a data file in one of the common shapes becomes examples."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from olivepress.data.examples import Example, Message, make_example
from olivepress.errors import DataError

__all__ = ["FORMATS", "ReadResult", "read_file"]

SUFFIXES = (".csv", ".tsv", ".jsonl", ".json")
# (prompt column, answer column, the answer is a class label)
_COLUMNS = (
    ("prompt", "completion", False),
    ("instruction", "response", False),
    ("instruction", "output", False),
    ("input", "output", False),
    ("question", "answer", False),
    ("text", "category", True),
    ("text", "label", True),
)
FORMATS = ("messages", "snips", *(f"{prompt}/{answer}" for prompt, answer, _ in _COLUMNS))


@dataclass(frozen=True, kw_only=True)
class ReadResult:
    """Examples of one file, and the rows that were not taken, by reason."""

    examples: tuple[Example, ...]
    format: str
    dropped: dict[str, int]


def read_file(path: Path, *, instruction: str | None = None) -> ReadResult:
    """Read one data file; its format is found from its suffix and keys.

    Raises DataError: no such file, empty, not text, not of a known shape, or no usable row.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise DataError(f"{path}: suffix {path.suffix!r} is not read, expected one of {', '.join(SUFFIXES)}")
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}", next_step="check the path") from None
    if not raw.strip():
        raise DataError(f"{path}: is empty, expected examples")
    if b"\0" in raw[:65536]:
        raise DataError(f"{path}: holds NUL bytes, expected UTF-8 text")
    # One bad byte (SNIPS has some) must not cost a file; the row is counted as changed.
    text = raw.decode("utf-8-sig", errors="replace")
    rows = list(_rows(path, text))
    name, examples, dropped = _convert(path, rows, instruction)
    if changed := text.count("\ufffd") - raw.count("\ufffd".encode()):
        dropped["bytes that are not UTF-8, replaced"] = changed
    if not examples:
        reasons = ", ".join(f"{count} x {reason}" for reason, count in dropped.items())
        raise DataError(f"{path}: no usable row among {len(rows)} ({reasons})")
    return ReadResult(examples=tuple(examples), format=name, dropped=dropped)


def _rows(path: Path, text: str) -> Iterator[dict[str, Any]]:
    """All rows as mappings."""
    suffix = path.suffix.lower()
    if suffix in (".csv", ".tsv"):
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter="\t" if suffix == ".tsv" else ",", strict=True)
        try:
            for row in reader:
                if None in row or None in row.values():
                    message = f"{path}:{reader.line_num}: {len(reader.fieldnames or ())} columns expected, not so here"
                    raise DataError(message)
                yield row
        except csv.Error as error:
            raise DataError(f"{path}:{reader.line_num}: not valid CSV ({error})") from None
        return
    if suffix == ".jsonl":
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip():
                yield _mapping(_parse(path, line, number), f"{path}:{number}")
        return
    content = _parse(path, text, 1)
    if isinstance(content, dict) and len(content) == 1 and isinstance(next(iter(content.values())), list):
        intent, queries = next(iter(content.items()))
        yield from ({"intent": intent, **_mapping(query, str(path))} for query in queries)
    elif isinstance(content, list):
        yield from (_mapping(row, f"{path} row {number}") for number, row in enumerate(content, 1))
    else:
        raise DataError(f"{path}: expected a JSON list of objects")


def _parse(path: Path, text: str, line: int) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        here = line + getattr(error, "lineno", 1) - 1
        raise DataError(f"{path}:{here}: not valid JSON ({getattr(error, 'msg', 'nested too deep')})") from None


def _mapping(row: Any, where: str) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise DataError(f"{where}: expected an object, found {type(row).__name__}")
    return row


def _convert(
    path: Path, rows: list[dict[str, Any]], instruction: str | None
) -> tuple[str, list[Example], dict[str, int]]:
    if not rows:
        raise DataError(f"{path}: has a header and no rows")
    name, prompt_key, answer_key, is_label = _detect(path, rows[0])
    examples: list[Example] = []
    dropped: dict[str, int] = {}
    for row in rows:
        example = _example(row, name, prompt_key, answer_key, is_label, instruction)
        if isinstance(example, str):
            dropped[example] = dropped.get(example, 0) + 1
        else:
            examples.append(example)
    return name, examples, dropped


def _detect(path: Path, row: dict[str, Any]) -> tuple[str, str, str, bool]:
    if "messages" in row:
        return "messages", "", "", False
    if "data" in row and "intent" in row:
        return "snips", "", "", False
    matches = [columns for columns in _COLUMNS if columns[0] in row and columns[1] in row]
    if len(matches) != 1:
        found = ", ".join(list(map(str, row))[:8]) or "none"
        several = " or ".join(f"{p}/{a}" for p, a, _ in matches)
        expected = f"ambiguous: {several}" if matches else f"expected one of {', '.join(FORMATS)}"
        raise DataError(f"{path}: columns {found}; {expected}")
    prompt_key, answer_key, is_label = matches[0]
    return f"{prompt_key}/{answer_key}", prompt_key, answer_key, is_label


def _example(
    row: dict[str, Any], name: str, prompt_key: str, answer_key: str, is_label: bool, instruction: str | None
) -> Example | str:
    """The row's example, or the reason it is dropped."""
    if name == "messages":
        return _from_messages(row["messages"])
    prompt, answer = _from_snips(row) if name == "snips" else (row.get(prompt_key), row.get(answer_key))
    if not isinstance(prompt, str) or not isinstance(answer, str):
        return "prompt or answer is not text"
    prompt, answer = prompt.strip(), answer.strip()
    if not prompt or not answer:
        return "empty prompt or answer"
    if instruction:
        prompt = f"{instruction.strip()}\n{prompt}"
    return make_example(prompt, answer, label=answer if is_label else None)


def _from_messages(messages: Any) -> Example | str:
    if not isinstance(messages, list) or len(messages) < 2:
        return "fewer than two messages"
    kept = []
    for message in messages:
        role, content = (message.get("role"), message.get("content")) if isinstance(message, dict) else (None, None)
        if role not in ("system", "user", "assistant") or not isinstance(content, str) or not content.strip():
            return "a message without role or text"
        kept.append(Message(role=role, content=content))
    if kept[-1]["role"] != "assistant":
        return "the last message is not the assistant's"
    example = make_example("\0".join(f"{m['role']}:{m['content']}" for m in kept[:-1]), kept[-1]["content"])
    return Example(id=example.id, messages=tuple(kept))


def _from_snips(row: dict[str, Any]) -> tuple[str, str]:
    """SNIPS: text chunks, some tagged with a slot → the sentence, and intent and slots as compact JSON."""
    chunks = [chunk for chunk in row["data"] if isinstance(chunk, dict)] if isinstance(row["data"], list) else []
    slots: dict[str, Any] = {}
    for chunk in chunks:
        if "entity" in chunk:
            name, value = str(chunk["entity"]), str(chunk.get("text", "")).strip()
            held = slots.get(name)
            slots[name] = value if held is None else [*(held if isinstance(held, list) else [held]), value]
    answer = json.dumps({"intent": row["intent"], "slots": slots}, ensure_ascii=False, separators=(",", ":"))
    return "".join(str(chunk.get("text", "")) for chunk in chunks), answer
