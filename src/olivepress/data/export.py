"""Datasets → what hosted fine-tuning services take: OpenAI's ``messages`` and prompt/completion as JSON lines."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from olivepress.data.dataset import Dataset
from olivepress.data.examples import SPLITS, Example
from olivepress.errors import DataError, SetupError

__all__ = ["FORMS", "export_dataset"]


def _messages(example: Example) -> dict[str, Any]:
    row: dict[str, Any] = {"messages": list(example.messages)}
    return row if example.tools is None else row | {"tools": list(example.tools)}


def _prompt_completion(example: Example) -> dict[str, Any]:
    roles = [message["role"] for message in example.messages]
    if roles != ["user", "assistant"] or example.tools or "tool_calls" in example.messages[-1]:
        raise DataError(
            f"row {example.id}: has the turns {', '.join(roles)}; prompt/completion holds one question and its answer",
            next_step="--to messages",
        )
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
        raise SetupError(f"{directory}: cannot be written ({error.strerror})", next_step="free disk space") from error
    finally:
        for partial in made.values():
            partial.unlink(missing_ok=True)
    return {path.stem: path for path in made}


def _lines(dataset: Dataset, split: str, form: str) -> Iterator[str]:
    for example in dataset.splits[split]:
        yield json.dumps(FORMS[form](example), ensure_ascii=False) + "\n"
