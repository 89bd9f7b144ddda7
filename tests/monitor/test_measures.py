"""Each measure has the value that plain counting gives, and alerts where it is beyond its limit, only there."""

from __future__ import annotations

import random

import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from olivepress.monitor import drift as drift_module
from olivepress.monitor.drift import drift_of, most_unlike
from olivepress.monitor.measures import (
    Baseline,
    Limits,
    Measure,
    agreement_of,
    baseline_of,
    called,
    measures_of,
)
from olivepress.report.answer_log import AnswerLine

TRAINED = [f'{{"name": "lamp {n % 7}", "state": "on"}}' for n in range(100)]


def _lines(answers: list[str]) -> list[AnswerLine]:
    return [AnswerLine(prompt="turn it on", answer=answer) for answer in answers]


def _measured(answers: list[str], baseline: Baseline) -> dict[str, Measure]:
    found = measures_of(_lines(answers), baseline, Limits(), is_refusal=lambda text: text.startswith("I can't"))
    return {measure.name: measure for measure in found}


def test_good_answers_raise_no_alert() -> None:
    found = _measured(TRAINED[:60], baseline_of(TRAINED, None))
    assert set(found) == {"format_valid", "empty", "refusals", "length", "distinct_2"}
    assert {name: measure.alert for name, measure in found.items() if measure.alert != "pass"} == {
        "format_valid": "inconclusive",  # 60 of 60 valid: the interval still reaches below 95 %
        "empty": "inconclusive",
    }
    many = _measured(TRAINED * 5, baseline_of(TRAINED, None))
    assert {measure.alert for measure in many.values()} == {"pass"}


@pytest.mark.parametrize(
    ("answers", "alert"),
    [
        (["not json"] * 30 + TRAINED, "format_valid"),
        ([""] * 20 + TRAINED, "empty"),
        (["I can't help with that."] * 40 + TRAINED, "refusals"),
        ([text * 4 for text in TRAINED], "length"),
        (["{}"] * 60, "length"),
    ],
)
def test_what_is_wrong_raises_its_alert(answers: list[str], alert: str) -> None:
    found = _measured(answers, baseline_of(TRAINED, None))
    assert found[alert].alert == "fail"


def test_repeated_answers_lose_variety() -> None:
    varied = [f"word{n} other{n} third{n}" for n in range(100)]
    found = _measured(["word1 other1 third1"] * 100, baseline_of(varied, None))
    assert found["distinct_2"].alert == "fail" and found["distinct_2"].value == pytest.approx(0.01)
    assert _measured(varied[:40], baseline_of(varied, None))["distinct_2"].value == pytest.approx(1.0)


def test_a_schema_decides_what_is_valid() -> None:
    schema = {"type": "object", "required": ["name"], "additionalProperties": False, "properties": {"name": {}}}
    found = _measured(['{"name": 1}'] * 30 + ['{"name": 1, "x": 2}'] * 10, Baseline(json_schema=schema))
    interval = stats.binomtest(30, 40).proportion_ci(method="wilson")
    valid = found["format_valid"]
    assert valid.value == 0.75 and (valid.ci_low, valid.ci_high) == pytest.approx((interval.low, interval.high))
    assert "format_valid" not in _measured(["free text"] * 40, baseline_of(["free text too"], None))


def test_few_answers_call_nothing() -> None:
    assert called(0.9, 1.0, 0.1, 29, is_minimum=False) == "inconclusive"
    assert called(0.9, 1.0, 0.1, 30, is_minimum=False) == "fail"
    assert called(0.0, 0.05, 0.1, 30, is_minimum=True) == "fail"
    assert called(0.05, 0.2, 0.1, 30, is_minimum=True) == "inconclusive"


def test_agreement_with_the_parent() -> None:
    same = ["the lamp is on"] * 30
    mean, equal = agreement_of(same, same, Limits())
    assert (mean.value, equal.value, mean.alert) == (1.0, 1.0, "pass")
    mean, equal = agreement_of(same, ["lamp was off"] * 30, Limits())
    assert mean.value == pytest.approx(2 * 1 / (3 + 3)) and equal.value == 0 and mean.alert == "fail"


def test_prompts_like_the_training_ones_have_not_drifted() -> None:
    words = ("lamp", "heater", "door", "radio", "garden", "kitchen", "cellar", "window")
    prompts = [f"turn the {words[n % 8]} {words[(n // 8) % 8]} {'on' if n % 3 else 'off'}" for n in range(400)]
    prompts = [f"{prompt} number {n}" for n, prompt in enumerate(prompts)]
    random.Random(3).shuffle(prompts)
    found = drift_of(prompts[:200], prompts[200:])
    assert found is not None and found.ci_low < 0.55 and found.n == found.n_training == 200
    assert found == drift_of(prompts[:200] * 3, prompts[200:])  # a prompt that was asked often is one prompt


def test_other_prompts_have_drifted_and_are_named() -> None:
    old = [f"turn the lamp {n} on please" for n in range(100)]
    new = [f"what does invoice {n} cost" for n in range(60)]
    found = drift_of(new, old)
    assert found is not None and found.auc > 0.99 and {"invoice", "cost"} <= set(found.words)
    assert drift_of(new[:3], old) is None


def test_the_auc_is_that_of_scikit_learn() -> None:
    import numpy as np

    draw = np.random.default_rng(4)
    new, old = draw.integers(0, 9, 60).astype(float), draw.integers(0, 7, 80).astype(float)
    expected = roc_auc_score([1] * 60 + [0] * 80, np.concatenate([new, old]))
    assert drift_module._auc(new, old) == pytest.approx(expected)


def test_the_prompts_that_training_has_least_come_first() -> None:
    training = [f"turn the lamp in room {n} on" for n in range(30)]
    logged = ["turn the lamp on", "pay the invoice", "Pay the invoice!", "", training[3], "turn the invoice on"]
    assert most_unlike(logged, training, 10) == [1, 5, 0]
    assert most_unlike(logged, training, 1) == [1] and most_unlike(training, training, 5) == []
