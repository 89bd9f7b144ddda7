"""One example of a dataset, and the JSON line that holds it. Needs the base install only."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NotRequired, cast

from typing_extensions import TypedDict

from olivepress.core.bounded import parse_json
from olivepress.core.errors import DataError

__all__ = ["SPLITS", "Example", "Message", "content_id", "make_example", "parse_example", "to_jsonl", "to_line"]

SPLITS = ("train", "validation", "test")
_PREPARE_AGAIN = "prepare the dataset again with olivepress data prepare"


class Message(TypedDict):
    """A turn of a conversation, in OpenAI's chat format; ``reasoning_content`` holds the thoughts before an answer."""

    role: str
    content: str
    tool_calls: NotRequired[list[Any]]
    tool_call_id: NotRequired[str]
    name: NotRequired[str]
    reasoning_content: NotRequired[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Example:
    """A conversation whose last message is the expected answer; ``label`` is set for classification only.

    ``tools`` are the functions that the conversation may call, as JSON objects. ``rejected``: of a preference, the
    answer that the last message is preferred to.
    """

    id: str
    messages: tuple[Message, ...]
    label: str | None = None
    tools: tuple[Mapping[str, Any], ...] | None = None
    rejected: Message | None = None

    @property
    def prompt(self) -> str:
        """Everything before the answer, as one text to compare by."""
        return "\n".join(f"{message['role']}: {message['content']}" for message in self.messages[:-1])

    @property
    def answer(self) -> str:
        """The expected answer."""
        return self.messages[-1]["content"]


def make_example(prompt: str, answer: str, *, label: str | None = None, example_id: str | None = None) -> Example:
    """An example of one user turn; its id is a hash of its content unless one is given."""
    messages = (Message(role="user", content=prompt), Message(role="assistant", content=answer))
    return Example(id=example_id or content_id(prompt, answer), messages=messages, label=label)


def content_id(prompt: str, answer: str) -> str:
    """The id of an example: 48 bits of the sha256 of its content."""
    return hashlib.sha256(f"{prompt}\0{answer}".encode(errors="surrogatepass")).hexdigest()[:12]


def to_line(example: Example) -> str:
    """The canonical line of an example: one JSON object with sorted keys; ``tools`` and ``rejected`` only if it has
    them."""
    row: dict[str, Any] = {"id": example.id, "label": example.label, "messages": example.messages}
    if example.tools is not None:
        row["tools"] = example.tools
    if example.rejected is not None:
        row["rejected"] = example.rejected
    return json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n"


def to_jsonl(examples: Iterable[Example]) -> str:
    """The canonical text of a split."""
    return "".join(map(to_line, examples))


def parse_example(line: str, where: str) -> Example:
    """The example in a line of a prepared split. Raises DataError naming ``where`` (file and line) if it has none."""
    try:
        row = parse_json(line)
    except json.JSONDecodeError as error:
        raise DataError(f"{where}: not JSON ({error.msg})", next_step=_PREPARE_AGAIN) from error
    except ValueError as error:
        raise DataError(f"{where}: nested too deeply", next_step=_PREPARE_AGAIN) from error
    if not isinstance(row, dict) or not isinstance(row.get("id"), str):
        raise DataError(f'{where}: expected an object with a text "id"', next_step=_PREPARE_AGAIN)
    label, tools = row.get("label"), row.get("tools")
    return Example(
        id=row["id"],
        messages=_parse_messages(row.get("messages"), where),
        label=label if isinstance(label, str) else None,
        tools=tuple(tools) if isinstance(tools, list) and tools else None,
        rejected=_parse_rejected(row.get("rejected"), where),
    )


def _parse_rejected(value: Any, where: str) -> Message | None:
    if value is None:
        return None
    if not _is_message(value) or value["role"] != "assistant":
        raise DataError(f'{where}: expected a message of the assistant in "rejected"', next_step=_PREPARE_AGAIN)
    return cast("Message", value)


def _parse_messages(messages: Any, where: str) -> tuple[Message, ...]:
    if not isinstance(messages, list) or len(messages) < 2 or not all(map(_is_message, messages)):
        raise DataError(
            f'{where}: expected "messages": at least two objects with the texts "role" and "content"',
            next_step=_PREPARE_AGAIN,
        )
    if messages[-1]["role"] != "assistant":
        raise DataError(
            f"{where}: the last message is not the assistant's: there is no expected answer", next_step=_PREPARE_AGAIN
        )
    return tuple(cast("list[Message]", messages))


def _is_message(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("role"), str) and isinstance(value.get("content"), str)
