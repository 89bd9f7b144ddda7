"""Each planted truth leads to its decision, and no sentence of a decision speaks against the verdicts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from olivepress.compare.comparison import compare
from olivepress.compare.document import Document
from olivepress.compare.floor import CODES
from olivepress.report.registry import weighed

from .planted import reports_of

CASES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "planted_decisions.yaml").read_text("utf-8"))


def test_there_are_enough_cases() -> None:
    assert len({case["id"] for case in CASES}) == len(CASES) >= 40
    reached = {case["expect"].get("reason") for case in CASES}
    assert {"nothing_right", "worse_than_base", "worse_than_few_shot", "not_better_than_constant"} <= reached


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_the_planted_decision(case: dict[str, Any]) -> None:
    document = compare(reports_of(case), budgets={"all": case.get("budget", {})}, with_examples=False)
    (decision,) = document.decisions
    expected = case["expect"]
    assert decision.outcome == expected["outcome"], (decision.headline, decision.reasons)
    assert decision.chosen == tuple(f"export-{name}" for name in expected.get("chosen", ()))
    assert (decision.reason.code if decision.reason else None) == expected.get("reason")
    refused = expected["outcome"] in ("do_not_ship", "cannot_tell", "over_budget")
    assert bool(decision.next_steps) == refused and ("ship export" in decision.headline) == (decision.outcome == "ship")
    assert not refused or decision.reason is None or decision.reason.code in CODES
    outcomes = {candidate.name: candidate.outcome for candidate in decision.candidates}
    for name, outcome in expected.get("outcomes", {}).items():
        assert outcomes[f"export-{name}"] == outcome
    assert expected.get("says", "") in " ".join(decision.reasons)
    assert_no_sentence_contradicts(document)


def assert_no_sentence_contradicts(document: Document) -> None:
    """Who is dominated is worse in something and better in nothing; a budget is only named where there is one."""
    (decision,) = document.decisions
    for candidate in decision.candidates:
        if candidate.outcome != "dominated":
            continue
        ruler = next(
            c.name for c in decision.candidates if any(w.startswith(f"{c.name} is better") for w in candidate.reasons)
        )
        calls = {
            (v.call if v.b == ruler else {"better": "worse", "worse": "better"}.get(v.call, v.call))
            for v in document.verdicts
            if {v.a, v.b} == {ruler, candidate.name} and v.metric in weighed()
        }
        assert "better" in calls and not calls & {"worse", "not comparable"}
    if not any(candidate.limits for candidate in decision.candidates):
        assert not any("budget and" in text or "meet the budget" in text for text in decision.reasons)
