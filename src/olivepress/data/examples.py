"""One example, and the JSONL file that holds a split of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TypedDict

__all__ = ["SPLITS", "Example", "Message", "make_example", "to_jsonl"]

SPLITS = ("train", "validation", "test")


class Message(TypedDict):
    role: str
    content: str


@dataclass(frozen=True, kw_only=True)
class Example:
    """A conversation whose last message is the expected answer; ``label`` only for classification."""

    id: str
    messages: tuple[Message, ...]
    label: str | None = None

    @property
    def prompt(self) -> str:
        """All that comes before the answer, as one comparable text."""
        return "\n".join(f"{message['role']}: {message['content']}" for message in self.messages[:-1])

    @property
    def answer(self) -> str:
        return self.messages[-1]["content"]


def make_example(prompt: str, answer: str, *, label: str | None = None, example_id: str | None = None) -> Example:
    """An example of one user turn; its id is a hash of its content unless one is given."""
    digest = hashlib.sha256(f"{prompt}\0{answer}".encode()).hexdigest()[:12]
    messages = (Message(role="user", content=prompt), Message(role="assistant", content=answer))
    return Example(id=example_id or digest, messages=messages, label=label)


def to_jsonl(examples: Iterable[Example]) -> str:
    """The canonical text of a split: one sorted-key JSON object a line."""
    return "".join(json.dumps(asdict(example), ensure_ascii=False, sort_keys=True) + "\n" for example in examples)
