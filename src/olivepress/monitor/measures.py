"""What is measured of a log of answers, each with its interval and limit."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from olivepress.core.sampling import evenly_spread
from olivepress.core.yaml_document import Record
from olivepress.data.prepare.statistics import distinct
from olivepress.report.answer_log import AnswerLine
from olivepress.report.judgement import Outcome
from olivepress.report.text_metrics import token_f1
from olivepress.stats.intervals import bootstrap_median, cluster_mean, wilson

__all__ = [
    "Baseline",
    "Limits",
    "Measure",
    "Trend",
    "agreement_of",
    "baseline_of",
    "called",
    "format_check",
    "measures_of",
    "trend_of",
]

FEWEST = 30  # answers below which nothing is called
_BLOCKS = 12

Check = Callable[[str], bool]


Share = Annotated[float, Field(ge=0, le=1)]


class Limits(Record):
    """When a measure raises an alert. Shares are of answers; length and distinct pairs are relative to the training
    answers; ``drift`` is the AUC of telling logged prompts from training prompts, 0.5 when they are alike."""

    min_format_valid: Share = 0.95
    max_empty: Share = 0.02
    max_refusals: Share = 0.1
    max_length_ratio: float = Field(2.0, gt=1, le=1000)
    min_distinct_ratio: float = Field(0.5, ge=0, le=10)
    min_agreement: Share = 0.8
    max_drift: float = Field(0.75, ge=0.5, le=1)


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """The training answers and the median of their characters; nothing where they are not known."""

    characters: float | None = None
    answers: tuple[str, ...] = ()
    json_answers: bool = False
    json_schema: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Measure:
    """``alert``: pass (within the limit), fail (the whole interval is beyond it), inconclusive (it reaches over it, or
    too few answers); None for what has no limit. ``value`` is None with a ``reason``."""

    name: str
    title: str
    unit: Literal["share", "characters", "ratio", "auc"]
    value: float | None
    ci_low: float | None = None
    ci_high: float | None = None
    n: int = 0
    limit: float | None = None
    is_minimum: bool = False
    alert: Outcome | None = None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Trend:
    """Medians or shares of a measure in consecutive blocks of the log, oldest first."""

    name: str
    values: tuple[float, ...]


def format_check(baseline: Baseline) -> Check | None:
    """What a valid answer is: one of the dataset's JSON Schema, or JSON where its answers are; None for free text."""
    if baseline.json_schema is not None:
        from jsonschema import Draft202012Validator

        validator = Draft202012Validator(dict(baseline.json_schema))
        return lambda text: (value := _json(text)) is not _NO_JSON and validator.is_valid(value)
    if baseline.json_answers:
        return lambda text: _json(text) is not _NO_JSON
    return None


_NO_JSON = object()


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return _NO_JSON


def baseline_of(answers: Sequence[str], json_schema: Mapping[str, Any] | None) -> Baseline:
    """The baseline of the training answers."""
    given = [answer for answer in answers if answer.strip()]
    if not given:
        return Baseline(json_schema=json_schema)
    return Baseline(
        characters=float(np.median([len(answer) for answer in given])),
        answers=tuple(given),
        json_answers=all(answer.lstrip().startswith("{") for answer in given),
        json_schema=json_schema,
    )


def measures_of(
    lines: Sequence[AnswerLine], baseline: Baseline, limits: Limits, *, is_refusal: Callable[[str], bool]
) -> list[Measure]:
    """All measures that need the log and the baseline alone."""
    answers = [line.answer for line in lines]
    valid = format_check(baseline)
    measures = []
    if valid is not None:
        measures.append(
            _share("format_valid", "Valid format", answers, valid, limits.min_format_valid, is_minimum=True)
        )
    return [
        *measures,
        _share("empty", "Empty answers", answers, lambda text: not text.strip(), limits.max_empty),
        _share("refusals", "Refusals", answers, is_refusal, limits.max_refusals),
        _length(answers, baseline, limits.max_length_ratio),
        _distinct(answers, baseline, limits.min_distinct_ratio),
    ]


def _share(
    name: str, title: str, answers: Sequence[str], holds: Check, limit: float, *, is_minimum: bool = False
) -> Measure:
    hits, n = sum(map(holds, answers)), len(answers)
    low, high = wilson(hits, n)
    return Measure(
        name=name, title=title, unit="share", value=hits / n, ci_low=low, ci_high=high, n=n, limit=limit,
        is_minimum=is_minimum, alert=called(low, high, limit, n, is_minimum=is_minimum),
    )  # fmt: skip


def called(low: float, high: float, limit: float, n: int, *, is_minimum: bool) -> Outcome:
    """Against a maximum: fail when all of the interval is above it, pass when all is at most it."""
    if n < FEWEST:
        return "inconclusive"
    if is_minimum:
        low, high, limit = -high, -low, -limit
    if low > limit:
        return "fail"
    return "pass" if high <= limit else "inconclusive"


def _length(answers: Sequence[str], baseline: Baseline, limit: float) -> Measure:
    lengths = [float(len(answer)) for answer in answers]
    median, interval = float(np.median(lengths)), bootstrap_median(lengths)
    low, high = interval if interval else (median, median)
    title = "Length, median against the training answers"
    if not baseline.characters:
        return Measure(
            name="length", title="Length, median", unit="characters", value=median, ci_low=low, ci_high=high,
            n=len(answers),
        )  # fmt: skip
    scale = baseline.characters
    return Measure(
        name="length", title=title, unit="ratio", value=median / scale, ci_low=low / scale, ci_high=high / scale,
        n=len(answers), limit=limit, alert=_within(low / scale, high / scale, limit, len(answers)),
    )  # fmt: skip


def _within(low: float, high: float, limit: float, n: int) -> Outcome:
    """Between 1 / limit and limit."""
    outcomes = (
        called(low, high, limit, n, is_minimum=False),
        called(low, high, 1 / limit, n, is_minimum=True),
    )
    return next((each for each in ("fail", "inconclusive") if each in outcomes), "pass")


def _distinct(answers: Sequence[str], baseline: Baseline, limit: float) -> Measure:
    """Of equally many answers: the more there are, the fewer of their pairs are new."""
    count = len(answers)
    if baseline.answers:
        count = min(count, len(baseline.answers))
    value = distinct(evenly_spread(answers, count), 2)
    of_training = distinct(evenly_spread(baseline.answers, count), 2)
    if value is None or not of_training:
        return Measure(
            name="distinct_2", title="Distinct pairs of words", unit="share", value=value, n=count,
            reason="" if value is not None else "no answer has two words",
        )  # fmt: skip
    ratio = value / of_training
    return Measure(
        name="distinct_2", title="Distinct pairs of words against the training answers", unit="ratio", value=ratio,
        n=count, limit=limit, is_minimum=True, alert=called(ratio, ratio, limit, count, is_minimum=True),
    )  # fmt: skip


def trend_of(name: str, values: Sequence[float]) -> Trend:
    """The means of at most ``_BLOCKS`` consecutive blocks."""
    blocks = np.array_split(np.asarray(values, dtype=np.float64), min(_BLOCKS, len(values)))
    return Trend(name=name, values=tuple(float(block.mean()) for block in blocks if len(block)))


def agreement_of(answers: Sequence[str], parents: Sequence[str], limits: Limits) -> list[Measure]:
    """How far answers are the parent's to the same prompts: mean F1 of their words, and the share of equal ones."""
    pairs = list(zip(answers, parents, strict=True))
    scores = np.array([token_f1(a, b) for a, b in pairs])
    value, n = float(scores.mean()), len(scores)
    low, high = cluster_mean(scores.tolist(), [1] * n) or (value, value)
    equal = sum(a.split() == b.split() for a, b in pairs)
    equal_low, equal_high = wilson(equal, n)
    return [
        Measure(
            name="agreement", title="Agreement with the parent, mean F1 of words", unit="share", value=value,
            ci_low=low, ci_high=high, n=n, limit=limits.min_agreement, is_minimum=True,
            alert=called(low, high, limits.min_agreement, n, is_minimum=True),
        ),
        Measure(
            name="equal", title="Answers equal to the parent's", unit="share", value=equal / n,
            ci_low=equal_low, ci_high=equal_high, n=n,
        ),
    ]  # fmt: skip
