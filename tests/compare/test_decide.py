"""Decisions against calculations that are written out here."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from olivepress.compare.comparison import compare
from olivepress.compare.decide import OBJECTIVES, check_limits
from olivepress.compare.document import Decision, Document
from olivepress.compare.load import Loaded
from olivepress.core.errors import RecipeError
from olivepress.recipe.budget import Budget
from olivepress.report.device_report import Measurement, measured
from olivepress.report.registry import METRICS
from tests.report.factory import MACHINE

from .test_verdicts import loaded

BOX, LAPTOP = MACHINE, MACHINE.model_copy(update={"id": "arm64-laptop-8c"})


def artifact(job: str, *, right: int, rate: float, size: float, machine: Any = BOX, **changes: Any) -> Loaded:
    metrics = {
        "exact_match": measured("exact_match", right / 400, n=400),
        "decode_tps": measured("decode_tps", rate, n=30),
        "ttft_ms": measured("ttft_ms", 1e3 / rate, n=30),
        "noise_floor": measured("noise_floor", 0.01, n=10),
        "peak_memory_bytes": measured("peak_memory_bytes", 2 * size, n=1),
        "size_on_disk_bytes": measured("size_on_disk_bytes", size, n=1),
    }
    fields = {"job": f"export-{job}", "metrics": metrics, "machine": machine, "bench_session": machine.id}
    return loaded(right, rate=rate, **(fields | changes))


FP32 = artifact("cpu-fp32", right=396, rate=100, size=1e9, precision="fp32")
INT8 = artifact("cpu-int8", right=395, rate=150, size=3e8, precision="int8")
INT4 = artifact("cpu-int4", right=360, rate=200, size=2e8)


def decided(*items: Loaded, budgets: Any = None) -> tuple[Document, Decision]:
    document = compare(items, budgets=budgets, with_examples=False)
    return document, document.decisions[0]


def outcomes(decision: Decision) -> dict[str, str]:
    return {candidate.name: candidate.outcome for candidate in decision.candidates}


def test_without_a_budget_accuracy_comes_first() -> None:
    # fp32 99.0 %, int8 98.75 %, int4 90.0 % of 400. int4 loses 36 examples to fp32: 2 * 0.5 ** 36 is far below 0.05,
    # so it is out. fp32 has one more right than int8: p = 1, not distinguishable. int8 is 50 % faster than fp32 and
    # smaller, and in accuracy they cannot be distinguished: int8 dominates fp32.
    _, decision = decided(FP32, INT8, INT4)
    assert decision.chosen == ("export-cpu-int8",) and decision.headline == f"{BOX.id}: ship export-cpu-int8"
    assert outcomes(decision) == {
        "export-cpu-fp32": "dominated",
        "export-cpu-int8": "recommended",
        "export-cpu-int4": "fits",
    }
    said = [reason for reason in decision.reasons if reason.startswith("Exact match")]
    assert said[0].startswith("Exact match: export-cpu-int4 is worse than export-cpu-int8, -8.8 points")


def test_where_the_budget_says_how_much_accuracy_is_enough_speed_decides() -> None:
    # At least 85 % right: all three hold it, and int4 decodes 33 % faster than int8.
    _, decision = decided(FP32, INT8, INT4, budgets={"all": {"min_exact_match": 0.85}})
    assert decision.chosen == ("export-cpu-int4",)
    # At least 95 %: int4 is out, whatever its speed.
    _, decision = decided(FP32, INT8, INT4, budgets={"all": {"min_exact_match": 0.95}})
    assert decision.chosen == ("export-cpu-int8",) and outcomes(decision)["export-cpu-int4"] == "over budget"
    (check,) = decision.candidates[-1].limits
    assert (check.holds, check.value) == (False, 0.9)
    assert decision.candidates[-1].reasons == ("Exact match: at least 95.0 %, measured 90.0 %",)
    assert decision.candidates[-1].besides == ()  # a limit says it already


def test_a_limit_of_one_target_goes_before_that_of_all() -> None:
    budgets = {"all": {"min_decode_tps": 500.0}, "cpu-int4": {"min_decode_tps": 150.0}}
    _, decision = decided(FP32, INT4, budgets=budgets)
    assert decision.chosen == ("export-cpu-int4",)
    assert outcomes(decision)["export-cpu-fp32"] == "over budget"


def test_what_was_not_measured_does_not_hold_its_limit() -> None:
    unknown = artifact("cpu-int4", right=360, rate=200, size=2e8)
    metrics = dict(unknown.report.metrics) | {"gain_retained": Measurement(unit="ratio", reason="no base beside it")}
    unknown = Loaded(
        report=unknown.report.model_copy(update={"metrics": metrics}), by_round=unknown.by_round, scores=unknown.scores
    )
    _, decision = decided(unknown, budgets={"all": {"min_gain_retained": 0.9}})
    assert decision.chosen == () and outcomes(decision) == {"export-cpu-int4": "not shown to fit"}
    assert "no base beside it" in decision.candidates[0].reasons[0]
    assert decision.headline == f"{BOX.id}: nothing is shown to meet the budget"


def test_a_gain_without_an_interval_holds_no_limit() -> None:
    item = artifact("cpu-int4", right=360, rate=200, size=2e8)
    gain = {"gain_retained": measured("gain_retained", 0.99, n=400)}
    item = replace(item, report=item.report.model_copy(update={"metrics": dict(item.report.metrics) | gain}))
    _, decision = decided(item, budgets={"all": {"min_gain_retained": 0.95}})
    assert outcomes(decision) == {"export-cpu-int4": "not shown to fit"}
    assert decision.candidates[0].limits[0].text.endswith("measured 99.0 % without an interval: too few examples")


def test_a_share_of_an_unknown_number_of_examples_tells_nothing() -> None:
    item = artifact("cpu-int4", right=360, rate=200, size=2e8)
    share = {"exact_match": measured("exact_match", 0.9, n=0)}  # as another tool's result may say
    item = replace(
        item, scores=None, report=item.report.model_copy(update={"metrics": dict(item.report.metrics) | share})
    )
    _, decision = decided(item)
    assert decision.outcome == "cannot_tell" and outcomes(decision) == {"export-cpu-int4": "not shown useful"}
    assert decision.candidates[0].reasons == ("its report does not state how many examples it measured",)


def test_equal_artifacts_are_not_distinguishable() -> None:
    twin = artifact("cpu-int4-again", right=360, rate=200, size=2e8)
    _, decision = decided(INT4, twin)
    assert set(decision.chosen) == {"export-cpu-int4", "export-cpu-int4-again"}
    assert "not distinguishable" in decision.headline and set(outcomes(decision).values()) == {"fits"}
    # The same, but a tenth smaller on disk: that can be told.
    smaller = artifact("cpu-int4-again", right=360, rate=200, size=1.8e8)
    assert decided(INT4, smaller)[1].chosen == ("export-cpu-int4-again",)


def test_one_decision_for_each_machine() -> None:
    slow = [artifact("cpu-int4", right=360, rate=20, size=2e8, machine=LAPTOP)]
    slow += [artifact("cpu-fp32", right=396, rate=10, size=1e9, machine=LAPTOP, precision="fp32")]
    document = compare([FP32, INT4, *slow], budgets={"all": {"min_decode_tps": 15.0}}, with_examples=False)
    found = {decision.machine: decision for decision in document.decisions}
    assert found[BOX.id].chosen == (f"export-cpu-fp32 @ {BOX.id}",)  # accuracy first
    assert found[LAPTOP.id].chosen == (f"export-cpu-int4 @ {LAPTOP.id}",)  # the other is too slow there
    across = [v for v in document.verdicts if BOX.id in v.a and LAPTOP.id in v.b and v.metric == "decode_tps"]
    assert all(v.call == "not comparable" for v in across)


def test_what_has_no_times_cannot_be_recommended() -> None:
    emulated = artifact("qnn-int4", right=396, rate=100, size=1e8, emulated=True)
    metrics = {k: v for k, v in emulated.report.metrics.items() if k not in ("decode_tps", "ttft_ms")}
    emulated = Loaded(report=emulated.report.model_copy(update={"metrics": metrics}), scores=emulated.scores)
    _, decision = decided(emulated)
    assert decision.chosen == () and outcomes(decision) == {"export-qnn-int4": "not measured"}
    assert "nothing was measured that could be shipped" in decision.headline


def test_every_limit_of_a_recipe_is_a_metric_in_its_direction() -> None:
    assert len(Budget.model_fields) > 20
    for key in Budget.model_fields:
        kind, _, name = key.partition("_")
        assert kind == ("min" if METRICS[name].direction == "higher" else "max"), key
    assert all(name in METRICS for name in OBJECTIVES)
    (row,) = compare([FP32], with_examples=False).rows
    for bad in ("max_exact_match", "min_nothing", "exact_match"):
        with pytest.raises(RecipeError, match=f"budget: {bad} is not a limit"):
            check_limits(row, {"all": {bad: 1.0}})


def test_of_many_artifacts_only_the_best_are_tested() -> None:
    # Thirty that are worse in every number than INT4, each a little more than the one before: none is left beside it.
    many = [artifact(f"cpu-x{n:02d}", right=359 - n, rate=199 - n, size=2.1e8 + n * 1e7) for n in range(30)]
    document, decision = decided(INT4, *many)
    assert decision.chosen == ("export-cpu-int4",)
    assert list(outcomes(decision).values()).count("dominated") == 30
    assert len([v for v in document.verdicts if v.metric == "decode_tps"]) <= 31  # the ladder's, not all pairs'
