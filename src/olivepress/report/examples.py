"""The answers beside a report, one JSON line per example, so that reports can be paired later."""

from __future__ import annotations

import hashlib
import json
import math
import re
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from olivepress.core.bounded import ANSWERS, parse_json, read_bytes
from olivepress.core.errors import ReportError
from olivepress.core.files import write_text
from olivepress.report.answers import Example
from olivepress.report.device_report import DeviceReport
from olivepress.report.registry import METRICS

__all__ = [
    "CONSTANT_ANSWER",
    "Scores",
    "forget_old_examples",
    "parse_examples",
    "read_examples",
    "read_outcomes",
    "read_scores",
    "scores_of",
    "write_examples",
]

CONSTANT_ANSWER = "constant_answer"  # whether always giving the most frequent expected answer would be right
AGAIN = "measure again with olivepress bench"


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Per metric one number per example (right or wrong: 1 or 0), in the order of ``ids``; NaN where there is none."""

    ids: tuple[str, ...]
    values: Mapping[str, np.ndarray]


def write_examples(examples: Sequence[Example], report: Path) -> tuple[str, str]:
    """Write ``<stem>.<start of its sha256>.examples.jsonl`` beside ``report``; returns its name and sha256.

    Named by its content: until the new report is there, the old one keeps its own examples.
    """
    text = "".join(json.dumps(_fields(example)) + "\n" for example in examples)
    sha256 = hashlib.sha256(text.encode("utf-8")).hexdigest()
    path = report.with_name(f"{report.stem}.{sha256[:12]}.examples.jsonl")
    write_text(path, text)
    return path.name, sha256


def _fields(example: Example) -> dict[str, Any]:
    return {
        "id": example.id,
        "output": example.output,
        "expected": example.expected,
        "correct": example.correct,
        "label": example.label,
        "scored_label": example.scored_label,
        "scores": {name: round(score(example.output, example.expected), 6) for name, score in _scored_metrics()},
    }


def _scored_metrics() -> list[tuple[str, Callable[[str, str], float]]]:
    """Metrics of one number per example: kept with the answers, so that two reports can be paired by id."""
    return [(metric.name, metric.score) for metric in METRICS.values() if metric.score is not None]


def forget_old_examples(report: DeviceReport) -> None:
    """Remove examples beside a written report that were those of the report it replaced."""
    if report.source is None:
        return
    own = re.compile(rf"{re.escape(report.source.stem)}\.[0-9a-f]{{12}}\.examples\.jsonl")
    for file in report.source.parent.iterdir():
        if own.fullmatch(file.name) and file.name != report.examples_file:
            file.unlink(missing_ok=True)


def read_examples(report: DeviceReport) -> list[dict[str, Any]] | None:
    """The examples beside the report as they were written; None when they did not travel along.

    ReportError when the file is not the one that the report was written with, or names an example twice.
    """
    if report.source is None or report.examples_file is None:
        return None
    path = report.source.with_name(report.examples_file)
    if not path.exists():
        return None
    return parse_examples(read_bytes(path, ANSWERS, ReportError), report, path)


def parse_examples(data: bytes, report: DeviceReport, path: Path | str) -> list[dict[str, Any]]:
    """The examples of a report from the bytes of their file; ``path`` names it in errors. ReportError as above."""
    if hashlib.sha256(data).hexdigest() != report.examples_sha256:
        raise ReportError(f"{path}: does not match its report: changed after it was measured", next_step=AGAIN)
    try:
        examples = [parse_json(line) for line in data.decode("utf-8").split("\n") if line.strip()]
        ids = {str(example["id"]) for example in examples}
        if not all(isinstance(example["correct"], bool) for example in examples):
            raise ValueError("correct is neither true nor false")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ReportError(f"{path}: not a file of examples ({error})", next_step=AGAIN) from error
    if len(ids) < len(examples):
        raise ReportError(f"{path}: an example's id occurs twice", next_step=AGAIN)
    return examples


def read_outcomes(report: DeviceReport) -> Mapping[str, bool] | None:
    """id → correct from the examples beside the report; None and errors as ``read_examples``."""
    examples = read_examples(report)
    return None if examples is None else {str(example["id"]): example["correct"] for example in examples}


def read_scores(report: DeviceReport) -> Scores | None:
    """What can be paired example by example, sorted by id; None and errors as ``read_examples``."""
    examples = read_examples(report)
    return None if examples is None else scores_of(examples)


def scores_of(examples: Sequence[Mapping[str, Any]]) -> Scores:
    """What can be paired of examples as ``read_examples`` gives them, sorted by id."""
    examples = sorted(examples, key=lambda example: str(example["id"]))
    columns: dict[str, list[float]] = {
        "exact_match": [float(example["correct"]) for example in examples],
        "label_accuracy_constrained": [_scored(example) for example in examples],
        **{name: [_score(example, name) for example in examples] for name, _ in _scored_metrics()},
        CONSTANT_ANSWER: _constant(examples),
    }
    values = {name: np.asarray(column, dtype=np.float32) for name, column in columns.items()}
    return Scores(
        ids=tuple(sys.intern(str(example["id"])) for example in examples),
        values={name: column for name, column in values.items() if not np.isnan(column).all()},
    )


def _constant(examples: Sequence[Mapping[str, Any]]) -> list[float]:
    """Where the most frequent expected answer would be right; NaN where the file has no expected answers."""
    expected = [example.get("expected") for example in examples]
    texts = [text.strip() for text in expected if isinstance(text, str)]
    if not texts or len(texts) < len(expected):
        return [math.nan] * len(expected)
    ((answer, _),) = Counter(texts).most_common(1)
    return [float(text == answer) for text in texts]


def _scored(example: Mapping[str, Any]) -> float:
    label, chosen = example.get("label"), example.get("scored_label")
    return float("nan") if label is None or chosen is None else float(label == chosen)


def _score(example: Mapping[str, Any], name: str) -> float:
    scores = example.get("scores")
    value = scores.get(name) if isinstance(scores, dict) else None
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else float("nan")
