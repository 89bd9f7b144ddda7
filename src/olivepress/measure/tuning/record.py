"""``tuning.json``: the session settings tried on one machine, their speed, and the setting that was written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import AliasChoices, Field, ValidationError

from olivepress.catalog.session_axes import Options
from olivepress.core.artifact import FileHash
from olivepress.core.bounded import CONFIG, read_text
from olivepress.core.errors import ReportError
from olivepress.core.timestamps import Timestamp
from olivepress.core.yaml_document import Record
from olivepress.report.device_report import Measurement
from olivepress.report.machine import Machine
from olivepress.stats.intervals import bootstrap_median

__all__ = [
    "SCORE",
    "TUNED_FOR",
    "TUNING",
    "UNTUNED",
    "Alternative",
    "Tuning",
    "median_of",
    "read_tuning",
    "threads_warning",
]

TUNING, UNTUNED = "tuning.json", "genai_config.untuned.json"
TUNED_FOR = "tuned for "  # how the warning about another machine's settings begins
SCORE = "geometric mean of the ratios of decode_tps and prefill_tps (prompt tokens over TTFT)"


class Alternative(Record):
    """One alternative, measured in the same rounds as ``against``, the best settings until then.

    ``score`` is defined by ``SCORE``; the three ratios are medians over paired rounds with a 95 % interval. ``threads``
    were started when the model was opened, ``pinned`` of them bound to processors; ``cores_busy`` is CPU time over wall
    time.
    """

    axis: str
    options: Options
    against: Options
    verdict: Literal["better", "not better", "refused", "not measured"]
    reason: str | None = None
    score: Measurement
    decode_ratio: Measurement
    prefill_ratio: Measurement
    decode_tps: Measurement
    prefill_tps: Measurement
    threads: int | None = None
    pinned: int | None = None
    cores_busy: float | None = None


class Tuning(Record):
    """``winner`` is set in addition to the shipped settings, None when they stay, with the reason in ``why``.

    ``confirmed`` compares the winner with the shipped settings in fresh rounds. Valid for ``machine`` only.
    """

    schema_version: Literal[1] = 1
    recipe: str
    job: str
    machine: Machine
    created_at: Timestamp
    execution_provider: str
    untuned_sha256: str
    """sha256 of the artifact with its shipped settings."""
    untuned_config: FileHash
    shipped: dict[str, Any]
    """``session_options`` of the decoder as shipped."""
    shipped_threads: int
    score: str = SCORE
    workload: str
    repetitions: int
    budget_s: float
    spent_s: float
    resumed: bool
    answers: int
    """Number of greedy answers that every trial had to reproduce exactly."""
    answer_tokens: int
    winner: Options | None
    reason: str = Field(validation_alias=AliasChoices("reason", "why"))  # its former name
    confirmed: Alternative | None
    alternatives: tuple[Alternative, ...]
    not_searched: dict[str, str] = Field(default_factory=dict)

    def text(self) -> str:
        """The record as JSON text."""
        return json.dumps(self.model_dump(mode="json"), indent=2, sort_keys=True) + "\n"


def median_of(values: Sequence[float], unit: str, reason: str) -> Measurement:
    """The median with its bootstrap interval (from 3 values on), or null with ``reason`` when there are none."""
    if not values:
        return Measurement(unit=unit, reason=reason)
    low, high = bootstrap_median(values) or (None, None)
    return Measurement(value=float(np.median(values)), unit=unit, n=len(values), ci_low=low, ci_high=high)


def read_tuning(directory: Path) -> Tuning | None:
    """The record in an artifact's directory; None when there is none. ReportError when it is damaged."""
    path = directory / TUNING
    try:
        return Tuning.model_validate_json(read_text(path, CONFIG, ReportError))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else "not readable"
        raise ReportError(f"{path}: not a valid record ({reason})", next_step="olivepress tune rewrites it") from None


def untuned_sha256(directory: Path) -> str | None:
    """sha256 of the artifact before its settings were tuned; None when they were not or the record is damaged."""
    try:
        tuning = read_tuning(directory)
    except ReportError:
        return None
    return tuning.untuned_sha256 if tuning and tuning.winner else None


def threads_warning(directory: Path, threads: int | None, cores: int) -> str | None:
    """One line when settings tuned elsewhere start more threads than this machine has processors, else None."""
    try:
        tuning = read_tuning(directory)
    except ReportError as error:
        return error.message
    if tuning is None or tuning.winner is None or threads is None or threads <= cores:
        return None
    mismatch = f"{tuning.machine.id} with {threads} threads, this machine has {cores} processors"
    return f"{TUNED_FOR}{mismatch}; next: olivepress tune on its directory"
