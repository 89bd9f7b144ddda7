"""Every metric of a task's answers; importing this module registers them, in the order that tables show them."""

from __future__ import annotations

from olivepress.report.answers import TASK_METRICS, Answers, Example, TaskMetric, is_correct, task_metric
from olivepress.report.exact_metrics import exact_match, json_schema_match, json_valid
from olivepress.report.label_metrics import (
    f1_macro,
    label_accuracy,
    label_accuracy_constrained,
    precision_macro,
    recall_macro,
)
from olivepress.report.measurement import Measurement, not_measured
from olivepress.report.text_metrics import bleu, f1_token, rouge_l

__all__ = [
    "TASK_METRICS",
    "Answers",
    "Example",
    "TaskMetric",
    "bleu",
    "exact_match",
    "f1_macro",
    "f1_token",
    "is_correct",
    "json_schema_match",
    "json_valid",
    "label_accuracy",
    "label_accuracy_constrained",
    "precision_macro",
    "recall_macro",
    "rouge_l",
    "task_metric",
    "task_metrics",
]


def task_metrics(answers: Answers) -> dict[str, Measurement]:
    """All registered metrics of these answers; null with the reason when there are none.

    DataError when the dataset's JSON Schema is invalid or refers outside itself.
    """
    if not answers.examples:
        return {name: not_measured(name, answers.not_asked) for name in TASK_METRICS}
    return {name: function(answers) for name, function in TASK_METRICS.items()}
