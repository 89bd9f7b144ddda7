"""Datasets → what hosted fine-tuning services take: OpenAI's ``messages`` and prompt/completion as JSON lines."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from olivepress.data.dataset import Dataset
from olivepress.data.derive import lineage_of
from olivepress.data.examples import SPLITS, Example
from olivepress.data.writing import cannot_write
from olivepress.errors import DataError

__all__ = ["FORMS", "export_dataset"]


def _messages(example: Example) -> dict[str, Any]:
    row: dict[str, Any] = {"messages": list(example.messages)}
    return row if example.tools is None else row | {"tools": list(example.tools)}


def _prompt_completion(example: Example) -> dict[str, Any]:
    roles = [message["role"] for message in example.messages]
    calls = any("tool_calls" in message for message in example.messages)
    if calls or example.tools or roles != ["user", "assistant"]:
        what = "tool calls" if calls else "tools" if example.tools else f"the turns {', '.join(roles)}"
        raise ValueError(f"has {what}, prompt/completion holds one question and its answer")
    return {"prompt": example.messages[0]["content"], "completion": example.answer}


FORMS: dict[str, Callable[[Example], dict[str, Any]]] = {
    "messages": _messages,
    "prompt-completion": _prompt_completion,
}


def export_dataset(dataset: Dataset, form: str, directory: Path) -> dict[str, Path]:
    """Write every split as ``directory``/<split>.jsonl, all or none of them; split → path.

    Raises DataError for a row that the form cannot hold, SetupError when the disk does not take them.
    """
    made: dict[Path, Path] = {}
    new = [one for one in (directory, *directory.parents) if not one.exists()]
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for split in SPLITS:
            path = directory / f"{split}.jsonl"
            partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
            made[path] = partial
            with partial.open("w", encoding="utf-8", newline="\n") as file:
                file.writelines(_lines(dataset, split, form))
        for path, partial in made.items():
            partial.replace(path)
    except OSError as error:
        raise cannot_write(directory, directory, error) from error
    finally:
        for partial in made.values():
            with suppress(OSError):
                partial.unlink()
        for empty in new:
            with suppress(OSError):
                empty.rmdir()
    return {path.stem: path for path in made}


def _lines(dataset: Dataset, split: str, form: str) -> Iterator[str]:
    for example in dataset.splits[split]:
        try:
            row = FORMS[form](example)
        except ValueError as error:
            held = lineage_of(dataset).get(example.id, {"file": f"{split} row", "line": example.id})
            raise DataError(f"{held['file']}:{held['line']}: {error}", next_step="--to messages") from None
        yield json.dumps(row, ensure_ascii=False) + "\n"
