"""Metrics that are a share of right answers: equal, JSON at all, JSON as the dataset's schema wants it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from olivepress.core.errors import DataError
from olivepress.report.answers import Answers, task_metric
from olivepress.report.measurement import Measurement, measured, not_measured
from olivepress.report.registry import SHARE, Column, Metric
from olivepress.stats.intervals import wilson

__all__ = ["exact_match", "json_schema_match", "json_valid"]


@task_metric(
    Metric(
        name="exact_match",
        unit="ratio",
        direction="higher",
        title="Exact match",
        description="Share of greedy answers equal to the expected one.",
        group="task",
        counted=True,
        judge="share",
        column=Column(place=10),
        views=("terminal", "card", "history"),
        limit=SHARE,
        gated=True,
    )
)
def exact_match(answers: Answers) -> Measurement:
    """Share of correct answers with its Wilson interval."""
    n, hits = len(answers.examples), sum(e.correct for e in answers.examples)
    return measured("exact_match", hits / n, n=n, interval=wilson(hits, n))


@task_metric(
    Metric(
        name="json_valid",
        unit="ratio",
        direction="higher",
        title="JSON valid",
        description="Share of greedy answers that are one JSON value.",
        group="task",
        counted=True,
        limit=SHARE,
    )
)
def json_valid(answers: Answers) -> Measurement:
    """Share of outputs that parse, among the examples whose expected answer is a JSON object or array."""
    asked = [e for e in answers.examples if isinstance(_json(e.expected), dict | list)]
    if not asked:
        return not_measured("json_valid", "no expected answer is a JSON object or array")
    hits = sum(isinstance(_json(e.output), dict | list) for e in asked)
    return measured("json_valid", hits / len(asked), n=len(asked), interval=wilson(hits, len(asked)))


def _json(text: str) -> Any:
    """The value; None for no JSON (NaN and Infinity are none, RFC 8259)."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None


@task_metric(
    Metric(
        name="json_schema_match",
        unit="ratio",
        direction="higher",
        title="Schema match",
        description="Share of greedy answers that are JSON and valid under the dataset's JSON Schema.",
        group="task",
        counted=True,
        column=Column(place=40, always=False),
        limit=SHARE,
    )
)
def json_schema_match(answers: Answers) -> Measurement:
    """(outputs that parse and validate) / outputs, with its Wilson interval; null when the dataset has no schema.

    JSON Schema in the draft that ``$schema`` names, else 2020-12; ``format`` is not checked. NaN and Infinity are no
    JSON (RFC 8259), and an output nested too deeply to be checked does not match. Nothing is fetched: a ``$ref`` out
    of the schema is a DataError when an output gets there; so is an invalid schema.
    """
    if answers.json_schema is None:
        return not_measured("json_schema_match", "the dataset has no JSON Schema")
    matches = _schema_check(answers.json_schema)
    n, hits = len(answers.examples), sum(_matches(e.output, matches) for e in answers.examples)
    return measured("json_schema_match", hits / n, n=n, interval=wilson(hits, n))


def _schema_check(schema: Mapping[str, Any]) -> Callable[[Any], bool]:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError
    from jsonschema.validators import validator_for
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import EMPTY_REGISTRY  # holds nothing and retrieves nothing

    plain = dict(schema)
    kind = validator_for(plain, default=Draft202012Validator)
    again = "correct the dataset's JSON Schema and prepare it again"
    try:
        kind.check_schema(plain)
    except (SchemaError, RecursionError) as error:
        reason = getattr(error, "message", "it is nested too deeply")
        raise DataError(f"the dataset's JSON Schema is invalid ({reason})", next_step=again) from error
    validator = kind(plain, registry=EMPTY_REGISTRY)

    def check(value: Any) -> bool:
        try:
            return bool(validator.is_valid(value))
        except Unresolvable as error:
            raise DataError(
                f"the dataset's JSON Schema refers to {error.ref!r}, which it does not contain", next_step=again
            ) from error

    return check


def _matches(output: str, check: Callable[[Any], bool]) -> bool:
    try:
        return check(json.loads(output, parse_constant=_refuse_constant))
    except (ValueError, ArithmeticError, RecursionError):  # arithmetic: 1e999 is parsed as an infinite float
        return False


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
