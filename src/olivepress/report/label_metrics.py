"""Metrics of classification: over classes, by the generated text and by constrained scoring."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from olivepress.report.answers import Answers, Example, task_metric
from olivepress.report.measurement import Measurement, measured, not_measured
from olivepress.report.registry import SHARE, Column, Metric
from olivepress.stats.intervals import bootstrap_of_sums, wilson

__all__ = ["f1_macro", "label_accuracy", "label_accuracy_constrained", "precision_macro", "recall_macro"]

NO_LABELS = "the answers of this dataset are not class labels"


@task_metric(
    Metric(
        name="f1_macro",
        unit="ratio",
        direction="higher",
        title="F1 macro",
        description="Mean over the classes of the F1 of the generated class.",
        group="task",
        column=Column(place=30, always=False),
        limit=SHARE,
    )
)
def f1_macro(answers: Answers) -> Measurement:
    """Mean over classes of F1 = 2·hits / (predicted + support); see ``_macro`` for classes and interval.

    The mean of the classes' F1, not the F1 of the mean precision and recall (Opitz, Burst, 2019, arXiv:1911.03347).
    """
    return _macro("f1_macro", answers)


@task_metric(
    Metric(
        name="precision_macro",
        unit="ratio",
        direction="higher",
        title="Precision macro",
        description="Mean over the classes of hits over answers naming it.",
        group="task",
    )
)
def precision_macro(answers: Answers) -> Measurement:
    """Mean over classes of hits / predicted, 0 for a class never predicted; see ``_macro``."""
    return _macro("precision_macro", answers)


@task_metric(
    Metric(
        name="recall_macro",
        unit="ratio",
        direction="higher",
        title="Recall macro",
        description="Mean over the classes of hits over its examples.",
        group="task",
    )
)
def recall_macro(answers: Answers) -> Measurement:
    """Mean over classes of hits / support, 0 for a class without examples; see ``_macro``."""
    return _macro("recall_macro", answers)


@task_metric(
    Metric(
        name="label_accuracy",
        unit="ratio",
        direction="higher",
        title="Label accuracy",
        description="Share of labelled examples whose answer is their class.",
        group="task",
        counted=True,
    )
)
def label_accuracy(answers: Answers) -> Measurement:
    """Outputs equal to the expected answer of the row's class / rows with a class, with its Wilson interval."""
    labelled = [e for e in answers.examples if e.label is not None]
    if not labelled or not answers.labels:
        return not_measured("label_accuracy", NO_LABELS)
    hits = sum(e.correct for e in labelled)
    return measured("label_accuracy", hits / len(labelled), n=len(labelled), interval=wilson(hits, len(labelled)))


@task_metric(
    Metric(
        name="label_accuracy_constrained",
        unit="ratio",
        direction="higher",
        title="Label accuracy, constrained",
        description="Share of scored examples whose most probable class is theirs, all other texts excluded.",
        group="task",
        counted=True,
        judge="share",
        column=Column(place=20, always=False),
        views=("terminal",),
        limit=SHARE,
        gated=True,
    )
)
def label_accuracy_constrained(answers: Answers) -> Measurement:
    """Rows whose highest-scoring class is theirs / rows scored, with its Wilson interval (see ``label_scoring``)."""
    name, labelled = "label_accuracy_constrained", [e for e in answers.examples if e.label is not None]
    if not labelled or not answers.labels:
        return not_measured(name, NO_LABELS)
    scored = [e for e in labelled if e.scored_label is not None]
    if not scored:
        return not_measured(name, answers.not_scored or "the classes were not scored")
    hits = sum(e.scored_label == e.label for e in scored)
    return measured(name, hits / len(scored), n=len(scored), interval=wilson(hits, len(scored)))


def _macro(name: str, answers: Answers) -> Measurement:
    """Mean over the classes that an example has or an answer names; 0/0 inside a class counts 0, as in scikit-learn.

    An answer names the class whose expected answer it equals, white space around it aside; an answer that names no
    class lowers the recall of the true class and no class's precision. Interval: bootstrap over examples, in which a
    class that a resample misses altogether is left out of its mean.
    """
    labelled = [e for e in answers.examples if e.label is not None]
    if not labelled or not answers.labels:
        return not_measured(name, NO_LABELS)
    classes = tuple(sorted({*answers.labels, *(e.label for e in labelled if e.label is not None)}))
    texts = _class_of_text(labelled, classes)
    if texts is None:
        return not_measured(name, "two classes have the same expected answer")
    counts = _hits_predicted_support(labelled, classes, texts)
    total = counts.sum(axis=0, keepdims=True)
    interval = bootstrap_of_sums(counts, lambda sums: _mean_over_classes(name, sums))
    return measured(name, float(_mean_over_classes(name, total)[0]), n=len(labelled), interval=interval)


def _class_of_text(labelled: list[Example], classes: tuple[str, ...]) -> Mapping[str, str] | None:
    """Answer text → class; a class without examples is named by itself. None when a text means two classes."""
    class_of: dict[str, str] = {}
    for example in labelled:
        if example.label is not None and class_of.setdefault(example.expected.strip(), example.label) != example.label:
            return None
    seen = set(class_of.values())
    return {label.strip(): label for label in classes if label not in seen} | class_of


def _hits_predicted_support(labelled: list[Example], classes: tuple[str, ...], texts: Mapping[str, str]) -> np.ndarray:
    """Per example a row [hit per class, predicted per class, support per class] of zeros and ones."""
    column = {label: index for index, label in enumerate(classes)}
    counts = np.zeros((len(labelled), 3, len(classes)))
    for row, example in enumerate(labelled):
        predicted = texts.get(example.output.strip())
        if predicted is not None:
            counts[row, 1, column[predicted]] = 1
            counts[row, 0, column[predicted]] = predicted == example.label
        if example.label is not None:
            counts[row, 2, column[example.label]] = 1
    return counts.reshape(len(labelled), -1)


def _mean_over_classes(name: str, sums: np.ndarray) -> np.ndarray:
    hits, predicted, support = np.moveaxis(sums.reshape(len(sums), 3, -1), 1, 0)
    above, below = {
        "f1_macro": (2 * hits, predicted + support),
        "precision_macro": (hits, predicted),
        "recall_macro": (hits, support),
    }[name]
    per_class = above / np.maximum(below, 1)  # counts: below is 0 or at least 1, and above is 0 where below is
    return np.asarray(per_class.sum(axis=1) / (predicted + support > 0).sum(axis=1))
