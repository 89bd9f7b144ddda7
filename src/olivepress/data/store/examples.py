"""One example, and the JSONL line that holds it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

__all__ = ["SPLITS", "Example", "Message", "from_line", "make_example", "to_jsonl", "to_line"]

SPLITS = ("train", "validation", "test")


class Message(TypedDict):
    """``tool_calls`` and ``tool_call_id`` as OpenAI's chat format has them; ``reasoning_content``: what was thought."""

    role: str
    content: str
    tool_calls: NotRequired[list[Any]]
    tool_call_id: NotRequired[str]
    name: NotRequired[str]
    reasoning_content: NotRequired[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Example:
    """A conversation whose last message is the expected answer; ``label`` only for classification.

    ``tools`` are the functions that the conversation may call, as JSON objects.
    """

    id: str
    messages: tuple[Message, ...]
    label: str | None = None
    tools: tuple[Mapping[str, Any], ...] | None = None

    @property
    def prompt(self) -> str:
        """All that comes before the answer, as one comparable text."""
        return "\n".join(f"{message['role']}: {message['content']}" for message in self.messages[:-1])

    @property
    def answer(self) -> str:
        return self.messages[-1]["content"]


def make_example(prompt: str, answer: str, *, label: str | None = None, example_id: str | None = None) -> Example:
    """An example of one user turn; its id is a hash of its content unless one is given."""
    messages = (Message(role="user", content=prompt), Message(role="assistant", content=answer))
    return Example(id=example_id or content_id(prompt, answer), messages=messages, label=label)


def content_id(prompt: str, answer: str) -> str:
    """The id of an example: 48 bits of the sha256 of its content."""
    return hashlib.sha256(f"{prompt}\0{answer}".encode(errors="surrogatepass")).hexdigest()[:12]


def to_line(example: Example) -> str:
    """The canonical line of an example: one JSON object with sorted keys; ``tools`` only where there are any."""
    row: dict[str, Any] = {"id": example.id, "label": example.label, "messages": example.messages}
    if example.tools is not None:
        row["tools"] = example.tools
    return json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n"


def to_jsonl(examples: Iterable[Example]) -> str:
    """The canonical text of a split."""
    return "".join(map(to_line, examples))


def from_line(line: str) -> Example:
    """The example of a canonical line. ValueError or KeyError for anything else."""
    row = json.loads(line)
    tools = row.get("tools")
    return Example(
        id=row["id"],
        messages=tuple(row["messages"]),
        label=row["label"],
        tools=None if tools is None else tuple(tools),
    )
