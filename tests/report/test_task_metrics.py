"""The metrics of answers against calculations by hand and against the packages that define them."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from olivepress.core.errors import DataError
from olivepress.report.device_report import Measurement
from olivepress.report.registry import METRICS
from olivepress.report.task_metrics import TASK_METRICS, Answers, Example, task_metrics
from olivepress.report.text_metrics import longest_common_subsequence, rouge_tokens, token_f1
from olivepress.stats.intervals import bootstrap_of_sums, cluster_mean, wilson

NAMES = (
    "exact_match",
    "json_valid",
    "json_schema_match",
    "f1_macro",
    "precision_macro",
    "recall_macro",
    "label_accuracy",
    "label_accuracy_constrained",
    "f1_token",
    "rouge_l",
    "bleu",
)
HOSTILE = ["", " ", "\x00", "a" * 200_000, "a b " * 50_000, "[" * 100_000, "漢字 ключ 🙂", "\ud800", "{", "9" * 10_000]


def texts(*pairs: tuple[str, str]) -> Answers:
    return Answers(examples=tuple(Example(id=str(i), output=o, expected=e) for i, (o, e) in enumerate(pairs)))


def classified(*pairs: tuple[str, str], scored: tuple[str | None, ...] | None = None) -> Answers:
    """(output, class) pairs of a dataset whose answers are its classes."""
    scores = scored or (None,) * len(pairs)
    examples = tuple(
        Example(id=str(i), output=output, expected=label, label=label, scored_label=score)
        for i, ((output, label), score) in enumerate(zip(pairs, scores, strict=True))
    )
    return Answers(examples=examples, labels=tuple(sorted({label for _, label in pairs})))


def metric(name: str, answers: Answers) -> Measurement:
    return TASK_METRICS[name](answers)


def value(name: str, answers: Answers) -> float:
    found = metric(name, answers).value
    assert found is not None
    return found


def test_every_metric_is_declared_and_null_without_examples() -> None:
    found = task_metrics(Answers(examples=()))
    assert set(NAMES) <= found.keys() and found.keys() <= METRICS.keys()
    assert {m.reason for m in found.values()} == {"no dataset was given"}
    assert METRICS["bleu"].unit == "points" and all(METRICS[n].direction == "higher" for n in NAMES)


def test_token_f1_by_hand() -> None:
    # {cat, sat, down} and {cat, sat, there, cat}: 2 common, P = 2/3, R = 2/4, F = 2·2/7
    assert token_f1("The cat sat down.", "a cat, sat there: cat") == pytest.approx(4 / 7)
    assert token_f1("The", "an") == 1.0 and token_f1("the", "cat") == 0.0 and token_f1("", "") == 1.0
    assert token_f1("dog", "cat") == 0.0 and token_f1("CAT!", "cat") == 1.0
    found = metric("f1_token", texts(("cat", "cat"), ("dog", "cat"), ("cat sat", "cat")))
    assert found.value == pytest.approx((1 + 0 + 2 / 3) / 3) and found.n == 3
    assert found.ci_low == 0.0 and found.ci_high == 1.0


def test_rouge_l_by_hand() -> None:
    # Lin 2004: "police killed the gunman" and "police kill the gunman": LCS 3 of 4 and 4
    assert value("rouge_l", texts(("police kill the gunman", "police killed the gunman"))) == pytest.approx(0.75)
    # LCS "the gunman" 2, P = 2/4, R = 2/4
    assert value("rouge_l", texts(("the gunman kill police", "police killed the gunman"))) == pytest.approx(0.5)
    assert value("rouge_l", texts(("", "a b"))) == 0.0
    assert "a-z" in str(metric("rouge_l", texts(("漢字", "漢字"))).reason)


WORDS = st.lists(st.sampled_from(["the", "cat", "Sat", "on", "mat.", "é", "x1", "-", "İ"]), max_size=12).map(" ".join)


@settings(deadline=None)
@given(output=WORDS | st.text(max_size=40), expected=WORDS | st.text(max_size=40))
def test_rouge_l_is_the_package_s(output: str, expected: str) -> None:
    from rouge_score.rouge_scorer import RougeScorer

    theirs = RougeScorer(["rougeL"]).score(expected, output)["rougeL"].fmeasure
    found = metric("rouge_l", texts((output, expected)))
    assert theirs == 0.0 if found.value is None else found.value == pytest.approx(theirs, abs=1e-12)


@settings(deadline=None)
@given(first=st.lists(st.sampled_from("abcd"), max_size=30), second=st.lists(st.sampled_from("abcd"), max_size=30))
def test_the_subsequence_is_that_of_dynamic_programming(first: list[str], second: list[str]) -> None:
    row = [0] * (len(second) + 1)
    for a in first:
        row = _next_row(row, a, second)
    assert longest_common_subsequence(first, second) == row[-1]


def _next_row(row: list[int], a: str, second: list[str]) -> list[int]:
    found = [0]
    for index, b in enumerate(second):
        found.append(row[index] + 1 if a == b else max(row[index + 1], found[index]))
    return found


def test_bleu_by_hand() -> None:
    # 5 tokens against 6, unigrams 5/5, bigrams 3/4, trigrams 1/3; fourgrams 0/2, smoothed to 1/(2·2)
    answers = texts(("the cat sat the mat", "the cat sat on the mat"))
    precisions = (5 / 5, 3 / 4, 1 / 3, 1 / 4)
    by_hand = 100 * math.exp(1 - 6 / 5) * math.prod(precisions) ** 0.25
    assert value("bleu", answers) == pytest.approx(by_hand)
    assert value("bleu", texts(("a b c d", "a b c d"))) == pytest.approx(100.0)
    assert value("bleu", texts(("", "a b c d"))) == 0.0 and metric("bleu", answers).unit == "points"


@settings(max_examples=50, deadline=None)
@given(pairs=st.lists(st.tuples(WORDS | st.text(max_size=30), WORDS), min_size=1, max_size=8))
def test_bleu_is_the_package_s(pairs: list[tuple[str, str]]) -> None:
    from sacrebleu.metrics.bleu import BLEU

    theirs = BLEU()
    score = theirs.corpus_score([o for o, _ in pairs], [[e for _, e in pairs]]).score
    found = metric("bleu", texts(*pairs))
    assert found.value == pytest.approx(score)
    assert found.ci_low is None or 0 <= found.ci_low <= (found.ci_high or 0) <= 100
    signature = theirs.get_signature().format()
    assert signature.startswith("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp")


MACRO = classified(("a", "a"), (" a\n", "a"), ("b", "a"), ("b", "b"), ("c?", "b"), ("A", "c"))


def test_macro_by_hand() -> None:
    # class: hits, predicted, support.  a: 2, 2, 3.  b: 1, 2, 2.  c: 0, 0, 1.  "c?" and "A" name no class.
    assert value("precision_macro", MACRO) == pytest.approx((2 / 2 + 1 / 2 + 0) / 3)
    assert value("recall_macro", MACRO) == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    assert value("f1_macro", MACRO) == pytest.approx((4 / 5 + 2 / 4 + 0) / 3)
    assert metric("f1_macro", MACRO).n == 6


def test_macro_leaves_out_classes_that_nobody_names() -> None:
    more = Answers(examples=MACRO.examples, labels=("a", "b", "c", "unseen"))
    assert value("f1_macro", more) == value("f1_macro", MACRO)
    named = Answers(examples=(*classified(("unseen", "a")).examples, *MACRO.examples), labels=more.labels)
    # An unseen class that is named counts: a is now 2, 2, 4, and unseen 0, 1, 0.
    assert value("f1_macro", named) == pytest.approx((4 / 6 + 2 / 4 + 0 + 0) / 4)


def test_macro_without_labels_or_with_ambiguous_ones() -> None:
    assert "not class labels" in str(metric("f1_macro", texts(("a", "a"))).reason)
    two = tuple(Example(id=label, output="x", expected="x", label=label) for label in "ab")
    assert "two classes" in str(metric("recall_macro", Answers(examples=two, labels=("a", "b"))).reason)


LABELLED = st.lists(st.tuples(st.sampled_from(["a", "b", "c", "", "d"]), st.sampled_from("abc")), min_size=1)


@settings(max_examples=40, deadline=None)
@given(pairs=LABELLED)
def test_macro_is_bounded_and_right(pairs: list[tuple[str, str]]) -> None:
    answers = classified(*pairs)
    classes = sorted({c for _, c in pairs})  # an answer can only name one of these
    f1 = [
        2 * sum(o == e == c for o, e in pairs) / (sum(o == c for o, _ in pairs) + sum(e == c for _, e in pairs))
        for c in classes
    ]
    assert value("f1_macro", answers) == pytest.approx(sum(f1) / len(f1))
    for name in ("f1_macro", "precision_macro", "recall_macro"):
        found = metric(name, answers)
        assert 0 <= (found.value or 0) <= 1
        assert found.ci_low is None or 0 <= found.ci_low <= (found.ci_high or 0) <= 1


def test_label_accuracies() -> None:
    answers = classified(("a", "a"), ("b ", "b"), ("x", "b"), scored=("a", "a", "b"))
    by_text, constrained = metric("label_accuracy", answers), metric("label_accuracy_constrained", answers)
    assert by_text.value == constrained.value == pytest.approx(2 / 3)
    assert (by_text.ci_low, by_text.ci_high) == wilson(2, 3)
    assert "not scored" in str(metric("label_accuracy_constrained", MACRO).reason)
    for name in ("label_accuracy", "label_accuracy_constrained"):
        assert "not class labels" in str(metric(name, texts(("a", "a"))).reason)


LAMP: dict[str, Any] = {
    "type": "object",
    "properties": {"state": {"enum": ["on", "off"]}, "level": {"type": "number", "multipleOf": 5}},
    "required": ["state"],
    "additionalProperties": False,
}


def with_schema(schema: Any, *outputs: str) -> Answers:
    return Answers(examples=texts(*((output, "{}") for output in outputs)).examples, json_schema=schema)


def test_json_schema_match() -> None:
    outputs = ('{"state": "on"}', '{"state": "dim"}', '{"state": "on", "x": 1}', "[]", "no", ' {"state": "off"}\n')
    found = metric("json_schema_match", with_schema(LAMP, *outputs))
    assert found.value == pytest.approx(2 / 6) and (found.ci_low, found.ci_high) == wilson(2, 6)
    assert "no JSON Schema" in str(metric("json_schema_match", texts(("{}", "{}"))).reason)
    huge = ('{"state": "on", "level": 1e999}', '{"state": "on", "level": NaN}', "[" * 100_000)
    assert value("json_schema_match", with_schema(LAMP, *huge)) == 0.0
    nested = "[" * 900 + "]" * 900
    assert value("json_schema_match", with_schema({"type": "array", "items": {"$ref": "#"}}, "[[]]", nested)) >= 0.5


@pytest.mark.parametrize(
    "schema",
    [{"type": "nothing"}, {"$ref": "http://localhost:9/s.json"}, {"$ref": "other.json"}, {"$ref": "#/$defs/missing"}],
)
def test_a_schema_that_cannot_be_used_is_refused(schema: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: pytest.fail("something was fetched"))
    with pytest.raises(DataError, match="JSON Schema"):
        metric("json_schema_match", with_schema(schema, "{}"))


def test_hostile_outputs_are_measured_in_bounded_time() -> None:
    examples = tuple(
        Example(id=str(i), output=output, expected='{"a": "a b c"}', label="x") for i, output in enumerate(HOSTILE)
    )
    begun = time.process_time()
    found = task_metrics(Answers(examples=examples, labels=("x",), json_schema=LAMP))
    assert all(found[name].value is not None for name in NAMES if name != "label_accuracy_constrained")
    assert time.process_time() - begun < 30
    long = "a b c d " * 100_000
    assert value("rouge_l", texts((long, long))) == 1.0 and len(rouge_tokens(long)) == 10_000
    swapped = Answers(examples=tuple(Example(id=e.id, output="a", expected=e.output) for e in examples))
    assert task_metrics(swapped).keys() >= set(NAMES)


@given(st.lists(st.tuples(st.text(max_size=20), st.text(max_size=20)), min_size=1, max_size=6))
@settings(max_examples=40, deadline=None)
def test_shares_are_shares(pairs: list[tuple[str, str]]) -> None:
    for name in ("exact_match", "f1_token", "rouge_l", "json_valid"):
        found = metric(name, texts(*pairs))
        assert found.value is None or 0 <= found.value <= 1
        assert found.ci_low is None or 0 <= found.ci_low <= (found.ci_high or 0) <= 1


def test_bootstrap_of_sums() -> None:
    values = np.asarray([1.0, 2.0, 3.0, 4.0, 10.0])
    found = bootstrap_of_sums(values[:, None], lambda sums: sums[:, 0] / 5)
    assert found == bootstrap_of_sums(values[:, None], lambda sums: sums[:, 0] / 5)
    assert found == pytest.approx(cluster_mean(values.tolist(), [1] * 5), abs=0.4)
    assert bootstrap_of_sums(values[:2, None], lambda sums: sums[:, 0]) is None
    constant = bootstrap_of_sums(np.ones((10_000, 1)), lambda sums: sums[:, 0] / 10_000, resamples=500)
    assert constant == (1.0, 1.0)
