"""The error tree.

    OlivepressError            exit code 1
    ├── UsageError             2   the command line or a name on it
    ├── RecipeError            3   a recipe, a catalog file or a workflow cannot be read as one
    ├── DataError              4   data files or a prepared dataset
    ├── LintError              5   a workflow that the installed Olive would not run as written
    ├── JobError               6   a job failed, or its artifact did not pass its checks
    │   └── DivergedError          a fine-tune whose loss or gradient is no finite number
    ├── SetupError             7   packages, disk, memory, providers
    ├── ReportError            8   a device report or manifest is not valid
    └── AdapterError           9   an adapter that does not fit its base, or an incomplete package

Every message is one line: where, what was expected, what to type next.
"""

from __future__ import annotations

from typing import Self

__all__ = [
    "AdapterError",
    "DataError",
    "DivergedError",
    "JobError",
    "LintError",
    "OlivepressError",
    "RecipeError",
    "ReportError",
    "SetupError",
    "UsageError",
    "whole_message",
]

_MOST_LINES, _MOST_CHARACTERS = 6, 600


class OlivepressError(Exception):
    """Base of all errors a user may see; ``exit_code`` is what the process returns.

    ``next_step`` is the command or edit that gets the user on; it is printed after the message.
    """

    exit_code = 1

    def __init__(self, message: str, *, next_step: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step

    def __str__(self) -> str:
        return f"{self.message}; next: {self.next_step}" if self.next_step else self.message

    def with_message(self, message: str) -> Self:
        """The same error in other words: of the same class, with all that the class adds."""
        changed = type(self).__new__(type(self), message)
        changed.__dict__.update(self.__dict__, message=message)
        return changed


class UsageError(OlivepressError):
    exit_code = 2


class RecipeError(OlivepressError):
    exit_code = 3


class DataError(OlivepressError):
    exit_code = 4


class LintError(OlivepressError):
    """All that is wrong with the workflows: ``findings``, each a line of its own."""

    exit_code = 5

    def __init__(self, *findings: str, next_step: str) -> None:
        super().__init__("\n".join(findings), next_step=next_step)
        self.findings = findings


class JobError(OlivepressError):
    exit_code = 6


class DivergedError(JobError):
    """The settings are to blame, not the machine."""


class SetupError(OlivepressError):
    exit_code = 7


class ReportError(OlivepressError):
    exit_code = 8


class AdapterError(OlivepressError):
    exit_code = 9


def whole_message(error: BaseException | str) -> str:
    """The message of an error in one line: many begin with a heading and name the problem below it. At most six lines
    and 600 characters; of an error without a message its class."""
    lines = [" ".join(line.split()) for line in str(error).splitlines()]
    informative = [line for line in lines if any(character.isalnum() for character in line)]
    text = " | ".join(informative[:_MOST_LINES])
    if not text:
        return error if isinstance(error, str) else type(error).__name__
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}…"
