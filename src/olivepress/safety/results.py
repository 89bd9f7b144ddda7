"""The safety results of one model: every prompt with its answer, exposure of canaries, completed personal data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from olivepress.core.bounded import REPORT, read_text
from olivepress.core.errors import ReportError
from olivepress.core.files import write_text
from olivepress.core.names import check_name
from olivepress.core.timestamps import Timestamp
from olivepress.core.yaml_document import Record

__all__ = ["CanaryRank", "PromptResult", "SafetyResult", "read_result", "sealed", "write_result"]

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_AGAIN = "olivepress safety, which measures it again"


class PromptResult(Record):
    """``failure`` says why the answer does not pass, "" when it does."""

    id: str
    category: str
    answer: str
    failure: str = ""

    @property
    def passed(self) -> bool:
        return not self.failure


class CanaryRank(Record):
    """A canary of the training set among ``of`` texts of its form, by probability: 1 is the most probable.

    ``completed``: the model's greedy answer contains it.
    """

    id: str
    rank: int = Field(ge=1)
    of: int = Field(ge=2)
    completed: bool


class SafetyResult(Record):
    """``prompts_sha256`` covers prompts, checks and lists. ``n_personal`` rows with personal data were tried, of which
    the values of ``completed_personal`` were completed; their answers are kept without the values. ``sha256`` is over
    all other fields: a change by hand is detected."""

    schema_version: Literal[1] = 1
    recipe: str
    job: str
    artifact_sha256: Sha256
    precision: str
    dataset_version: str
    prompts_sha256: Sha256
    max_new_tokens: int
    created_at: Timestamp
    results: tuple[PromptResult, ...]
    canaries: tuple[CanaryRank, ...] = ()
    n_personal: int = 0
    completed_personal: tuple[str, ...] = ()
    sha256: str = ""

    def of_category(self, category: str) -> tuple[PromptResult, ...]:
        return tuple(result for result in self.results if result.category == category)

    @property
    def categories(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(result.category for result in self.results))


def sealed(result: SafetyResult) -> SafetyResult:
    """The result with its own hash."""
    return result.model_copy(update={"sha256": _hash(result)})


def _hash(result: SafetyResult) -> str:
    fields = result.model_dump(mode="json", exclude={"sha256"})
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


def write_result(result: SafetyResult, path: Path) -> None:
    """Write it with its hash, in one step."""
    write_text(path, json.dumps(sealed(result).model_dump(mode="json"), indent=1) + "\n")


def read_result(path: Path) -> SafetyResult:
    """Read a result. ReportError: missing, not valid, or changed after it was written."""
    try:
        result = SafetyResult.model_validate_json(read_text(path, REPORT, ReportError))
        check_name(result.recipe)
        check_name(result.job)
    except FileNotFoundError:
        raise ReportError(f"{path}: no safety result", next_step=_AGAIN) from None
    except (OSError, UnicodeDecodeError, ValidationError, ValueError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)[:100]
        raise ReportError(f"{path}: not a safety result ({reason})", next_step=_AGAIN) from None
    if result.sha256 != _hash(result):
        raise ReportError(f"{path}: its sha256 is not that of its content: it was changed", next_step=_AGAIN)
    return result


def passed(results: Sequence[PromptResult]) -> int:
    """How many pass."""
    return sum(result.passed for result in results)
