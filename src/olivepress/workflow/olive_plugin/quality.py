"""The quality monitor: every few steps the model answers the same few validation rows, and a fall is an alert."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from olivepress.core.errors import DataError
from olivepress.core.sampling import evenly_spread
from olivepress.core.yaml_document import Record
from olivepress.data.prepare.statistics import distinct
from olivepress.data.store.reader import dataset_labels, read_facts, read_split
from olivepress.report.task_metrics import Answers, Example, json_schema_match, json_valid
from olivepress.report.training_record import QUALITY, Alert
from olivepress.workflow.olive_plugin.answers import Given, Questions, given_answers, make_questions
from olivepress.workflow.olive_plugin.ranks import agreed
from olivepress.workflow.olive_plugin.supervision import IGNORE_INDEX, Supervised, TrainOn, short_rows, supervise

__all__ = ["Quality", "Watched", "alerts_of", "measure_quality", "take_quality", "watch"]

_FALL = 0.1  # below its best, of the best
_LEAST_ROWS = 2  # a fall of a share by a single row is none
_HISTORY = "quality"  # key of the trainer's log, which every checkpoint holds
_WORDS = 2


class Quality(Record):
    """As the rendered workflow has it: see ``recipe.finetune.Monitor``."""

    every: int
    rows: int
    on_alert: Literal["warn", "fail"] = "warn"


@dataclass(frozen=True, kw_only=True)
class Watched:
    """The fixed rows: as they are asked, and as their loss is computed."""

    settings: Quality
    questions: Questions
    examples: tuple[Supervised, ...]

    def is_due(self, step: int, last: int) -> bool:
        """Every ``every`` steps, and at the last one."""
        return step % self.settings.every == 0 or step == last

    def look(self, model: Any, state: Any) -> tuple[dict[str, float], tuple[Alert, ...]]:
        """What the model is worth now, and what has fallen since the last look; both are kept in the trainer's log."""
        values = agreed(measure_quality(model, self))
        earlier = [each for each in state.log_history if _HISTORY in each and each["step"] < state.global_step]
        alerts = alerts_of([(each["step"], each[_HISTORY]) for each in earlier], values, len(self.examples))
        fallen = sorted(alert.metric for alert in alerts)
        state.log_history.append({"step": state.global_step, _HISTORY: values, "fallen": fallen})
        known = set(earlier[-1]["fallen"]) if earlier else set()
        return values, tuple(alert for alert in alerts if alert.metric not in known)


# Olive loads the data before it makes its trainer, which takes callbacks by name and without arguments.
_current: list[Watched] = []


def take_quality() -> Watched | None:
    """That of the workflow whose trainer is being made; None for one without a monitor."""
    return _current.pop() if _current else None


def watch(
    directory: Path,
    model_path: str,
    settings: Mapping[str, Any],
    *,
    max_length: int,
    revision: str | None = None,
    train_on: TrainOn = "answer",
) -> None:
    """Choose the rows: at equal distances in the validation split, those that are short enough.

    DataError when fewer than two are.
    """
    quality, rows = Quality.model_validate(settings), read_split(directory, "validation").rows
    wanted = min(quality.rows, len(rows))
    chosen = short_rows(evenly_spread(rows, wanted), model_path, max_length=max_length, most=wanted, revision=revision)
    if len(chosen) < _LEAST_ROWS:
        raise DataError(
            f"finetune.monitor: {len(chosen)} of {len(rows)} validation rows have at most {max_length} tokens, "
            f"expected at least {_LEAST_ROWS}",
            next_step="raise data.max_length or finetune.monitor.rows, or remove finetune.monitor",
        )
    labels, schema = dataset_labels(directory), read_facts(directory).get("json_schema")
    named: dict[str, Any] = {"metric": None, "revision": revision, "labels": labels, "json_schema": schema}
    examples = supervise(chosen, model_path, max_length=max_length, revision=revision, train_on=train_on)
    questions = make_questions(chosen, model_path, **named)
    _current[:] = [Watched(settings=quality, questions=questions, examples=tuple(examples))]
    print(f"olivepress: quality is monitored on {len(chosen)} of {len(rows)} validation rows, every {quality.every}")


def measure_quality(model: Any, watched: Watched) -> dict[str, float]:
    """``QUALITY``: what the rows' answers are worth. The model is left as it was."""
    questions = watched.questions
    given = given_answers(model, questions)
    expected = questions.expected
    exact = sum(each.text.strip() == text.strip() for each, text in zip(given, expected, strict=True))
    values = {
        "perplexity": math.exp(min(_mean_loss(model, watched.examples), 700.0)),
        "exact_match": exact / len(given),
        "format_valid": sum(_valid(given, questions)) / len(given),
    }
    variety = _variety([each.text for each in given], expected)
    return values if variety is None else {**values, "distinct": variety}


def _mean_loss(model: Any, examples: Sequence[Supervised]) -> float:
    """Mean over rows of the mean loss of a row's answer, in nats; a row at a time, without padding."""
    was_training, losses = model.training, list[float]()
    model.eval()
    try:
        with torch.no_grad():
            for each in examples:
                ids = torch.tensor([each.input_ids], device=model.device)
                labels = torch.tensor(each.labels, device=model.device)
                logits = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0, :-1].float()
                loss = torch.nn.functional.cross_entropy(logits, labels[1:], ignore_index=IGNORE_INDEX)
                losses.append(float(loss))
    finally:
        model.train(was_training)
    return sum(losses) / len(losses)


def _valid(given: Sequence[Given], questions: Questions) -> Iterable[bool]:
    """Whether each answer ends by itself and has the form of the expected ones: JSON, the schema, one of the labels."""
    is_json = all(text.lstrip()[:1] in ("{", "[") for text in questions.expected)
    for each, expected in zip(given, questions.expected, strict=True):
        valid = each.ended
        if questions.labels:
            valid = valid and each.text.strip() in questions.labels
        if is_json or questions.json_schema is not None:
            one = Answers(
                examples=(Example(id="1", output=each.text, expected=expected),), json_schema=questions.json_schema
            )
            metric = json_valid if questions.json_schema is None else json_schema_match
            valid = valid and metric(one).value == 1.0
        yield valid


def _variety(texts: Sequence[str], expected: Sequence[str]) -> float | None:
    """distinct-2 of the answers over that of the expected ones, at most 1; distinct-1 where these have one word each.

    Relative, as the right answers of a task may be few: answers that become one and the same fall.
    """
    for count in range(_WORDS, 0, -1):
        right = distinct(expected, count)
        if right:
            return min(1.0, (distinct(texts, count) or 0.0) / right)
    return None


def alerts_of(
    earlier: Sequence[tuple[int, Mapping[str, float]]], values: Mapping[str, float], rows: int
) -> tuple[Alert, ...]:
    """What is more than 10 % worse than its best in the ``earlier`` looks (step, values); a share by two rows at least.

    Perplexity is better when it is lower.
    """
    alerts = list[Alert]()
    for name, value in values.items():
        known = [(step, each[name]) for step, each in earlier if name in each]
        if not known:
            continue
        lower = QUALITY[name] == "lower"
        step, best = (min if lower else max)(known, key=lambda each: each[1])
        fallen = value > best * (1 + _FALL) if lower else value < best * (1 - _FALL)
        by_rows = lower or name == "distinct" or (best - value) * rows > _LEAST_ROWS - 0.5
        if fallen and by_rows:
            alerts.append(Alert(metric=name, value=value, best=best, best_step=step))
    return tuple(alerts)
