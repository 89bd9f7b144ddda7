"""Export as JSON lines for other tools: OpenAI's ``messages``, prompt/completion, Alpaca and ShareGPT."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from olivepress.core.errors import DataError
from olivepress.core.files import new_file
from olivepress.core.thoughts import THOUGHTS
from olivepress.data.derive.derivation import lineage_of
from olivepress.data.store.dataset import Dataset
from olivepress.data.store.examples import SPLITS, Example, Message

__all__ = ["FORMS", "Exported", "export_dataset"]

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Exported:
    """``paths``: split → file; ``omitted``: fields that the form cannot represent → rows that had them."""

    paths: dict[str, Path]
    omitted: dict[str, int]


def _messages(example: Example) -> Row:
    row: Row = {"messages": list(example.messages)}
    return row if example.tools is None else row | {"tools": list(example.tools)}


def _unsupported(example: Example) -> str:
    """The part of a conversation that a question and its answer cannot represent."""
    if any("tool_calls" in message for message in example.messages):
        return "tool calls"
    if example.tools:
        return "tools"
    return f"the turns {', '.join(message['role'] for message in example.messages)}"


def _prompt_completion(example: Example) -> Row:
    roles = [message["role"] for message in example.messages]
    calls = any("tool_calls" in message for message in example.messages)
    if calls or example.tools or roles != ["user", "assistant"]:
        raise ValueError(f"has {_unsupported(example)}, prompt/completion takes one question and its answer")
    return {"prompt": example.messages[0]["content"], "completion": example.answer}


def _alpaca(example: Example) -> Row:
    """The question as the instruction, earlier turns as ``history``; an input that was joined to it stays joined."""
    system, turns = _without_system(example)
    roles = [message["role"] for message in turns]
    calls = any("tool_calls" in message for message in turns)
    if calls or example.tools or roles != ["user", "assistant"] * (len(turns) // 2) or not turns[-2]["content"]:
        raise ValueError(f"has {_unsupported(example)}, Alpaca takes questions and answers in turn")
    row: Row = {"instruction": turns[-2]["content"], "input": "", "output": example.answer}
    if len(turns) > 2:
        row["history"] = [[turns[n]["content"], turns[n + 1]["content"]] for n in range(0, len(turns) - 2, 2)]
    return row if system is None else row | {"system": system}


def _without_system(example: Example) -> tuple[str | None, list[Message]]:
    first, *rest = example.messages
    if first["role"] == "system":
        return first["content"], rest
    return None, list(example.messages)


_FROM = {"user": "human", "assistant": "gpt", "tool": "observation"}


def _sharegpt(example: Example) -> Row:
    """Calls of tools as ``function_call`` turns and tools as JSON text, as LLaMA-Factory reads them."""
    system, turns = _without_system(example)
    row: Row = {"conversations": [_turn(message) for message in turns]}
    if system is not None:
        row["system"] = system
    if example.tools is not None:
        row["tools"] = json.dumps(list(example.tools), ensure_ascii=False)
    return row


def _turn(message: Message) -> dict[str, str]:
    calls = message.get("tool_calls")
    if calls and message["content"]:
        raise ValueError("has a text and tool calls in one turn, ShareGPT allows only one of them")
    if calls:
        functions = [{"name": call["function"]["name"], "arguments": call["function"]["arguments"]} for call in calls]
        value = functions[0] if len(functions) == 1 else functions
        return {"from": "function_call", "value": json.dumps(value, ensure_ascii=False)}
    if not message["content"] and message["role"] != "tool":
        raise ValueError("has an empty turn, which readers of ShareGPT refuse")
    return {"from": _FROM[message["role"]], "value": message["content"]}


def _preference(example: Example) -> Row:
    """TRL's conversational pairs: the prompt's messages, and a list with one message for each of the two answers."""
    if example.rejected is None:
        raise ValueError("has no rejected answer, a preference is a pair of them")
    *before, chosen = example.messages
    row: Row = {"prompt": before, "chosen": [chosen], "rejected": [example.rejected]}
    return row if example.tools is None else row | {"tools": list(example.tools)}


FORMS: dict[str, Callable[[Example], Row]] = {
    "messages": _messages,
    "prompt-completion": _prompt_completion,
    "alpaca": _alpaca,
    "sharegpt": _sharegpt,
    "preference": _preference,
}


def _omitted(example: Example, form: str) -> set[str]:
    """The fields of the example that the form cannot represent."""
    names = set() if example.label is None else {"label"}
    if form == "preference":
        return names
    if example.rejected is not None:
        names.add("rejected")
    if form == "messages":
        return names
    for message in example.messages:
        names |= {key for key in ("name", "tool_call_id", THOUGHTS) if key in message}
        for call in message.get("tool_calls", ()):
            names |= {f"tool_calls[].{key}" for key in call if key not in ("type", "function")}
    return names


def export_dataset(dataset: Dataset, form: str, directory: Path) -> Exported:
    """Write every split as ``directory``/<split>.jsonl, all or none of them.

    Raises DataError for a row that the form cannot represent, SetupError when files cannot be written.
    """
    paths = {split: directory / f"{split}.jsonl" for split in SPLITS}
    omitted: Counter[str] = Counter()
    new_directories = [path for path in (directory, *directory.parents) if not path.exists()]
    try:
        with ExitStack() as files:  # each takes its place when all are written
            for split, path in paths.items():
                partial = files.enter_context(new_file(path))
                with partial.open("w", encoding="utf-8", newline="\n") as file:
                    file.writelines(_lines(dataset, split, form, omitted))
    finally:
        for empty in new_directories:
            with suppress(OSError):
                empty.rmdir()
    return Exported(paths=paths, omitted=dict(sorted(omitted.items())))


def _lines(dataset: Dataset, split: str, form: str, omitted: Counter[str]) -> Iterator[str]:
    """The lines of a split; ``omitted`` counts the fields that are left out."""
    for example in dataset.splits[split]:
        try:
            row = FORMS[form](example)
        except ValueError as error:
            lineage = lineage_of(dataset).get(example.id, {"file": f"{split} row", "line": example.id})
            raise DataError(f"{lineage['file']}:{lineage['line']}: {error}", next_step="--to messages") from None
        omitted.update(_omitted(example, form))
        yield json.dumps(row, ensure_ascii=False) + "\n"
