"""What a child process says: progress, then one result or one error, each a JSON object on a line of its own.

A task of ours writes them to its standard output. Olive's output is a log, so what we run inside Olive appends them to
the file that ``MESSAGES_VARIABLE`` names.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

import olivepress.core.errors as error_tree
from olivepress.core.errors import JobError, OlivepressError, whole_message
from olivepress.core.jsonl import append_json_line

__all__ = [
    "MESSAGES_VARIABLE",
    "ErrorMessage",
    "ProgressMessage",
    "ResultMessage",
    "error_message",
    "error_of",
    "parse_message",
    "report_progress",
    "reports_errors",
]

MESSAGES_VARIABLE = "OLIVEPRESS_MESSAGES"
Parameters = ParamSpec("Parameters")
Returned = TypeVar("Returned")


class ProgressMessage(BaseModel):
    """``done`` of ``total``; of a training step the ``loss`` too, of an evaluation the ``validation_loss`` and the step
    that is the ``best`` so far. ``notes`` are for a person, at once. What else a child adds is for other readers.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    done: int
    total: int
    loss: float | None = None
    validation_loss: float | None = None
    best: int | None = None
    notes: tuple[str, ...] = ()


class ResultMessage(BaseModel):
    """The fields of the task's result record, and the peak resident bytes of the process."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    result: dict[str, Any]
    peak_memory_bytes: int = 0


class ErrorMessage(BaseModel):
    """An error in one line; ``kind`` is its class in ``core.errors``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    error: str
    kind: str = "JobError"
    next_step: str | None = None


_KINDS: Mapping[str, type[ProgressMessage | ResultMessage | ErrorMessage]] = {
    "done": ProgressMessage,
    "result": ResultMessage,
    "error": ErrorMessage,
}


def parse_message(line: str) -> ProgressMessage | ResultMessage | ErrorMessage | None:
    """The message on a line; None for anything else: native libraries print to the same stream."""
    try:
        fields = json.loads(line)
        key = next((key for key in _KINDS if key in fields), None) if isinstance(fields, dict) else None
        return None if key is None else _KINDS[key].model_validate(fields)
    except (ValueError, RecursionError, ValidationError):
        return None


def error_message(error: Exception) -> ErrorMessage:
    """An error as it is sent: one of ours with its class, any other with the name of its class in its text."""
    if isinstance(error, OlivepressError):
        return ErrorMessage(error=whole_message(error.message), kind=type(error).__name__, next_step=error.next_step)
    return ErrorMessage(error=_with_root_cause(error))


def _with_root_cause(error: Exception) -> str:
    text, root = f"{type(error).__name__}: {whole_message(error)}", _root_cause(error)
    return text if whole_message(root) in text else f"{text}, from {type(root).__name__}: {whole_message(root)}"


def _root_cause(error: BaseException) -> BaseException:
    seen = {id(error)}
    while (cause := error.__cause__ or error.__context__) is not None and id(cause) not in seen:
        seen.add(id(cause))
        error = cause
    return error


def error_of(message: ErrorMessage) -> OlivepressError:
    """The error as it was raised in the child; a JobError for a class that is unknown here."""
    kind = getattr(error_tree, message.kind, None)
    if not (isinstance(kind, type) and issubclass(kind, OlivepressError)) or kind is error_tree.LintError:
        kind = JobError
    error: OlivepressError = kind(message.error, next_step=message.next_step)
    return error


def report_progress(done: int, total: int, **facts: Any) -> None:
    """Inside Olive: append a progress message to the file that the parent watches; nothing where no parent does."""
    path = os.environ.get(MESSAGES_VARIABLE)
    if path:
        append_json_line(Path(path), {"done": done, "total": total, **facts}, sync=False)


def reports_errors(function: Callable[Parameters, Returned]) -> Callable[Parameters, Returned]:
    """Inside Olive: tell the parent which of our errors ``function`` raised, so that it need not read Olive's log."""

    @functools.wraps(function)
    def reporting(*arguments: Parameters.args, **options: Parameters.kwargs) -> Returned:
        try:
            return function(*arguments, **options)
        except OlivepressError as error:
            path = os.environ.get(MESSAGES_VARIABLE)
            if path:
                append_json_line(Path(path), error_message(error).model_dump())
            raise

    return reporting
