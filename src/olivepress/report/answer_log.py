"""Answers as JSON lines: what an application on a device has logged, or anybody else has collected.

One object in each line: ``prompt`` (a text) or ``messages`` (role and content each, the last one not the answer), and
``answer``; ``id``, ``time`` (ISO 8601 with its zone) and ``artifact`` (the sha256 of its manifest) may be there too.
Other keys are ignored.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from olivepress.core.bounded import open_regular, parse_json
from olivepress.core.errors import DataError
from olivepress.core.timestamps import Timestamp

__all__ = ["LONGEST_LINE", "AnswerLine", "LoggedMessage", "read_answer_log"]

LONGEST_LINE = 4 * 1024 * 1024
_STEP = "docs/monitor.md has the format of the lines"


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class LoggedMessage(_Line):
    role: Annotated[str, Field(min_length=1, max_length=40)]
    content: str


class AnswerLine(_Line):
    """One logged answer."""

    prompt: str | None = None
    messages: Annotated[tuple[LoggedMessage, ...], Field(strict=False)] = ()
    answer: str
    id: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    time: Timestamp | None = None
    artifact: Annotated[str, Field(pattern=r"^[0-9a-f]{8,64}$")] | None = None

    @model_validator(mode="after")
    def _has_a_prompt(self) -> AnswerLine:
        if (self.prompt is None) == (not self.messages):
            raise ValueError("either the key 'prompt' or the key 'messages'")
        if self.messages and self.messages[-1].role == "assistant":
            raise ValueError("messages without the answer, which has a key of its own")
        return self

    @property
    def question(self) -> str:
        """The last message of the user."""
        if self.prompt is not None:
            return self.prompt
        return next((m.content for m in reversed(self.messages) if m.role == "user"), self.messages[-1].content)

    @property
    def length(self) -> int:
        """Characters of everything in it."""
        return len(self.answer) + len(self.prompt or "") + sum(len(m.content) for m in self.messages)

    @property
    def conversation(self) -> list[dict[str, str]]:
        """All that was before the answer, as messages."""
        if self.prompt is not None:
            return [{"role": "user", "content": self.prompt}]
        return [{"role": m.role, "content": m.content} for m in self.messages]


def read_answer_log(path: Path) -> Iterator[AnswerLine]:
    """The lines of a file, in order; blank ones are skipped. DataError names the line that is not valid."""
    try:
        file = open_regular(path, DataError)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})", next_step="check the path") from None
    with file:
        number = 0
        while raw := file.readline(LONGEST_LINE + 1):
            number += 1
            where = f"{path}:{number}"
            if len(raw) > LONGEST_LINE:
                raise DataError(f"{where}: a line longer than {LONGEST_LINE:,} bytes", next_step=_STEP)
            if raw.strip():
                yield _parse(raw, where)


def _parse(raw: bytes, where: str) -> AnswerLine:
    try:
        fields: Any = parse_json(raw)
        return AnswerLine.model_validate(fields)
    except ValidationError as error:
        problem = error.errors()[0]
        name = ".".join(map(str, problem["loc"]))
        text = problem["msg"].removeprefix("Value error, ")
        raise DataError(f"{where}: {name + ': ' if name else 'expected '}{text}", next_step=_STEP) from None
    except ValueError as error:
        raise DataError(f"{where}: not a JSON object ({str(error)[:80]})", next_step=_STEP) from None
