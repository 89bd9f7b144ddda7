"""Reads one split of a prepared dataset: ``datasets/<name>-<hash12>/{train,validation,test}.jsonl`` + dataset.json."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from olivepress.core.bounded import TEXT, parse_json, read_text
from olivepress.core.errors import DataError

__all__ = ["LABELS", "Message", "Row", "Split", "dataset_labels", "read_split"]

Message = dict[str, Any]  # the texts "role" and "content"; tool calls as OpenAI has them
LABELS = "labels"  # in the dataset.json of a bundle: the classes, which its test rows alone might not show


@dataclass(frozen=True, kw_only=True)
class Row:
    """One example. The last message is the assistant's: the expected answer."""

    id: str
    messages: tuple[Message, ...]
    label: str | None
    tools: tuple[Mapping[str, Any], ...] | None = None

    @property
    def expected(self) -> str:
        return str(self.messages[-1]["content"])


@dataclass(frozen=True, kw_only=True)
class Split:
    """The rows to measure, out of ``of`` in the file; ``version`` is the dataset's sha256."""

    name: str
    version: str
    split: str
    of: int
    synthetic: bool
    rows: tuple[Row, ...]
    json_schema: Mapping[str, Any] | None = None


def read_split(dataset_dir: Path, split: str, *, limit: int | None = None) -> Split:
    """Read a split. With ``limit``, rows evenly spread over the file: a sorted file must not give one class only.

    DataError names file and line for whatever is missing, garbled, repeated or empty, and a file that is not the one
    its dataset.json names: what was measured on it must not be compared with what was measured on the right one.
    """
    meta_file, rows_file = dataset_dir / "dataset.json", dataset_dir / f"{split}.jsonl"
    meta = _meta(meta_file)
    rows: list[Row] = []
    seen: set[str] = set()
    text = _text(rows_file)
    _check_sha256(meta, rows_file, text)
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        row = _row(rows_file, number, line)
        if row.id in seen:
            raise _bad(f"{rows_file}:{number}", f"id {row.id!r} occurs twice")
        seen.add(row.id)
        rows.append(row)
    if not rows:
        raise _bad(str(rows_file), "holds no rows")
    if limit is not None and limit < 1:
        raise _bad(str(rows_file), f"a limit of {limit} leaves no rows to measure")
    kept = rows if limit is None or limit >= len(rows) else [rows[i * len(rows) // limit] for i in range(limit)]
    return Split(
        name=str(meta["name"]),
        version=str(meta["version"]),
        split=split,
        of=len(rows),
        synthetic=bool(meta.get("synthetic", False)),
        rows=tuple(kept),
        json_schema=meta.get("json_schema"),
    )


def dataset_labels(dataset_dir: Path) -> tuple[str, ...]:
    """The classes, sorted, when every answer of the training and test rows is the row's class; else ().

    Fewer than two classes are none. On a device the training rows may be missing: then dataset.json says, if it was
    written for a bundle, else the test rows.
    """
    meta = _meta(dataset_dir / "dataset.json")
    if not (dataset_dir / "train.jsonl").is_file() and LABELS in meta:
        return _labels(dataset_dir / "dataset.json", meta[LABELS])
    splits = [name for name in ("train", "test") if (dataset_dir / f"{name}.jsonl").is_file()]
    rows = [row for split in splits for row in read_split(dataset_dir, split).rows]
    if any(row.label is None or row.label != row.expected for row in rows):
        return ()
    found = tuple(sorted({row.expected for row in rows}))
    return found if len(found) > 1 else ()


def _labels(path: Path, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(label, str) for label in value):
        raise _bad(str(path), f'expected texts in "{LABELS}"')
    return tuple(value)


def _meta(path: Path) -> dict[str, Any]:
    try:
        meta = parse_json(_text(path))
    except json.JSONDecodeError as error:
        raise _bad(f"{path}:{error.lineno}", f"not JSON ({error.msg})") from error
    except ValueError as error:
        raise _bad(str(path), "nested too deeply") from error
    if not isinstance(meta, dict) or not all(isinstance(meta.get(key), str) for key in ("name", "version")):
        raise _bad(str(path), 'expected an object with the texts "name" and "version"')
    return meta


def _check_sha256(meta: Mapping[str, Any], path: Path, text: str) -> None:
    hashes = meta.get("sha256")
    expected = hashes.get(path.name) if isinstance(hashes, dict) else None
    if expected is not None and expected != hashlib.sha256(text.encode("utf-8")).hexdigest():
        raise _bad(str(path), "is not the file that dataset.json names: it was changed after it was prepared")


def _row(path: Path, number: int, line: str) -> Row:
    where = f"{path}:{number}"
    try:
        raw = parse_json(line)
    except json.JSONDecodeError as error:
        raise _bad(where, f"not JSON ({error.msg})") from error
    except ValueError as error:
        raise _bad(where, "nested too deeply") from error
    if not isinstance(raw, dict) or not isinstance(raw.get("id"), str):
        raise _bad(where, 'expected an object with a text "id"')
    messages = raw.get("messages")
    if not isinstance(messages, list) or len(messages) < 2 or not all(_is_message(m) for m in messages):
        raise _bad(where, 'expected "messages": at least two objects with the texts "role" and "content"')
    if messages[-1]["role"] != "assistant":
        raise _bad(where, "the last message is not the assistant's: there is no expected answer")
    label, tools = raw.get("label"), raw.get("tools")
    return Row(
        id=raw["id"],
        messages=tuple(messages),
        label=label if isinstance(label, str) else None,
        tools=tuple(tools) if isinstance(tools, list) and tools else None,
    )


def _is_message(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("role"), str) and isinstance(value.get("content"), str)


def _text(path: Path) -> str:
    try:
        return read_text(path, TEXT, DataError)
    except (OSError, UnicodeDecodeError) as error:
        raise _bad(str(path), f"cannot be read ({getattr(error, 'strerror', None) or 'not UTF-8'})") from error


def _bad(where: str, what: str) -> DataError:
    return DataError(f"{where}: {what}", next_step="prepare the dataset again with olivepress prepare")
