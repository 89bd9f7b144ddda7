"""Scores are those of scipy, statsmodels and a likelihood of our own; wins go to the right artifact."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import numpy as np
import pytest
from scipy import optimize, stats

from olivepress.abtest.agreement import agreement
from olivepress.abtest.records import Key
from olivepress.abtest.score import score
from olivepress.abtest.strength import strengths
from olivepress.abtest.verdict import judge_people
from tests.abtest.sheets import fill, for_a, loaded, planted


@pytest.mark.parametrize(("wins", "losses", "same"), [(14, 4, ()), (3, 11, (1, 2)), (0, 5, ()), (9, 9, (0,))])
def test_wins_and_their_interval_are_scipys(wins: int, losses: int, same: tuple[int, ...]) -> None:
    sheet, key = planted(24, same=same)
    scores = score(loaded(fill(sheet, for_a(key, wins, losses))), {sheet.id: key})
    (pair,) = scores.pairs
    assert (pair.a, pair.b, pair.wins_a, pair.wins_b, pair.n) == ("tuned", "base", wins, losses, 24)
    assert pair.ties == 24 - wins - losses and pair.identical == len(same)
    test = stats.binomtest(wins, wins + losses)
    interval = test.proportion_ci(method="wilson")
    assert pair.p_value == pytest.approx(test.pvalue, rel=1e-12)
    assert (pair.share_low, pair.share_high) == pytest.approx((interval.low, interval.high), rel=1e-9)


def test_position_bias_is_seen_whichever_artifact_gains() -> None:
    sheet, key = planted(40)
    scores = score(loaded(fill(sheet, lambda *_: "left")), {sheet.id: key})
    position, (pair,) = scores.position, scores.pairs
    assert (position.left, position.right) == (40, 0)
    assert position.p_value == pytest.approx(stats.binomtest(40, 40).pvalue)
    assert (pair.wins_a, pair.wins_b) == (20, 20)
    assert any("left answer is preferred" in caution for caution in scores.cautions)


def test_several_votes_on_a_prompt_are_one_observation() -> None:
    """Three raters who agree do not make the interval narrower than one of them."""
    sheet, key = planted(20)
    rule = for_a(key, 13, 5)
    alone = score(loaded(fill(sheet, rule)), {sheet.id: key})
    three = score(loaded(*(fill(sheet, rule, rater=name) for name in "ABC")), {sheet.id: key})
    assert three.pairs[0].votes_a == 3 * alone.pairs[0].votes_a == 39
    assert three.pairs[0].ci_low == alone.pairs[0].ci_low and three.pairs[0].p_value == alone.pairs[0].p_value
    assert three.agreement.alpha == pytest.approx(1.0)
    mixed = score(
        loaded(fill(sheet, for_a(key, 20, 0), rater="A"), *(fill(sheet, for_a(key, 0, 20), rater=n) for n in "BC")),
        {sheet.id: key},
    )
    assert (mixed.pairs[0].wins_a, mixed.pairs[0].wins_b) == (0, 20)


@pytest.mark.parametrize("names", [("tuned", "base"), ("base", "tuned")])
def test_a_prompt_on_two_sheets_is_one_observation(names: tuple[str, str]) -> None:
    """Made again with another seed, or with the two artifacts in the other order."""
    first, key = planted(20, same=(0, 1))
    second, other = planted(20, seed=7, same=(0, 1), names=names)
    assert first.id != second.id
    by_row = {placed.row: number for number, placed in enumerate(key.items.values())}

    def rule(of: Key) -> Callable[[str, int], str]:
        """13 rows for tuned, 3 for base and 2 ties, the same on both sheets."""

        def choose(item: str, _: int) -> str:
            placed = of.items[item]
            tuned_left = (placed.a == "left") == (of.a.name == "tuned")
            number = by_row[placed.row]
            if number >= 16:
                return "tie"
            return "left" if (number < 13) == tuned_left else "right"

        return choose

    keys = {first.id: key, second.id: other}
    alone = score(loaded(fill(first, rule(key))), keys)
    for rater in ("Ada", "Bob"):
        both = score(loaded(fill(first, rule(key)), fill(second, rule(other), rater=rater, session="ab" * 16)), keys)
        (pair,) = both.pairs
        assert (pair.a, pair.n, pair.wins_a, pair.wins_b, pair.ties) == ("tuned", 20, 13, 3, 4)
        assert (pair.ci_low, pair.ci_high, pair.identical) == (alone.pairs[0].ci_low, alone.pairs[0].ci_high, 2)
        assert (pair.votes_a, pair.votes_b) == (26, 6)
        judged = judge_people(both, challenger="base", champion="tuned")
        assert judged.outcome == "fail" and "wins 3 and loses 13 of 20" in judged.evidence
    assert both.agreement.alpha == pytest.approx(1.0) and both.agreement.prompts == 18


def test_strengths_of_two_are_the_log_odds() -> None:
    outcomes = [1] * 14 + [-1] * 4 + [0] * 2
    tuned, base = strengths({("tuned", "base"): outcomes})
    assert (tuned.artifact, base.artifact, base.log_strength) == ("tuned", "base", 0.0)
    assert tuned.log_strength == pytest.approx(math.log((14 + 1 + 0.5) / (4 + 1 + 0.5)), abs=1e-6)
    assert 0 < tuned.ci_low < tuned.log_strength < tuned.ci_high
    always, _ = strengths({("tuned", "base"): [1] * 10})
    assert math.isfinite(always.ci_high)


def test_strengths_of_several_maximize_the_likelihood() -> None:
    """Against scipy's optimizer on the Bradley-Terry likelihood, written here a second time."""
    chooser = random.Random(5)
    judged = {pair: [chooser.choice((1, 1, 0, -1)) for _ in range(30)] for pair in (("a", "b"), ("b", "c"), ("a", "c"))}
    names = ["a", "b", "c"]

    def loss(free: np.ndarray) -> float:
        level = dict(zip(names, (free[0], 0.0, free[1]), strict=True))
        total = 0.0
        for (one, other), outcomes in judged.items():
            wins = outcomes.count(1) + outcomes.count(0) / 2 + 0.5
            losses = outcomes.count(-1) + outcomes.count(0) / 2 + 0.5
            difference = level[one] - level[other]
            total += wins * math.log1p(math.exp(-difference)) + losses * math.log1p(math.exp(difference))
        return total

    best = optimize.minimize(loss, np.zeros(2), tol=1e-12).x
    values = {each.artifact: each.log_strength for each in strengths(judged)}
    assert values["b"] == 0.0
    assert (values["a"], values["c"]) == pytest.approx(tuple(best), abs=1e-4)


def test_artifacts_that_nothing_connects_are_not_ranked() -> None:
    found = strengths({("a", "b"): [1, -1, 1], ("c", "d"): [1, 1, 0]})
    groups = {each.artifact: (each.group, each.reference) for each in found}
    assert groups == {"a": (0, "b"), "b": (0, "b"), "c": (1, "d"), "d": (1, "d")}


def test_agreement_is_that_of_the_definition() -> None:
    """Krippendorff's ordinal alpha by the sum over all pairs of values, without the package."""
    chooser = random.Random(2)
    table = {(rater, prompt): chooser.choice((-1, 0, 1)) for rater in "XYZ" for prompt in range(12)}
    del table["X", 3], table["Y", 3], table["Z", 5]
    votes = [(rater, prompt, value) for (rater, prompt), value in table.items()]
    units = [[table[r, p] for r in "XYZ" if (r, p) in table] for p in range(12)]
    units = [unit for unit in units if len(unit) > 1]
    pool = [value for unit in units for value in unit]
    sizes = {value: pool.count(value) for value in (-1, 0, 1)}

    def distance(one: int, other: int) -> float:
        low, high = sorted((one, other))
        between = sum(sizes[value] for value in range(low, high + 1))
        return (between - (sizes[low] + sizes[high]) / 2) ** 2 if low != high else 0.0

    def apart(values: list[int]) -> float:
        return sum(distance(a, b) for i, a in enumerate(values) for j, b in enumerate(values) if i != j)

    observed = sum(apart(unit) / (len(unit) - 1) for unit in units) / len(pool)
    expected = apart(pool) / (len(pool) * (len(pool) - 1))
    found = agreement(votes)
    assert found.prompts == 11 and found.alpha == pytest.approx(1 - observed / expected, abs=1e-9)
    assert found.ci_low is not None and found.ci_high is not None and found.ci_low < found.alpha < found.ci_high


def test_agreement_that_is_not_known_has_a_reason() -> None:
    assert "two raters" in agreement([("X", 1, 1), ("Y", 2, 1)]).reason
    assert "all votes are the same" in agreement([("X", 1, 1), ("Y", 1, 1)]).reason


@pytest.mark.parametrize(
    ("wins", "losses", "outcome"), [(60, 20, "pass"), (20, 60, "fail"), (30, 34, "inconclusive"), (5, 5, "pass")]
)
def test_the_judgement_of_people(wins: int, losses: int, outcome: str) -> None:
    sheet, key = planted(100)
    scores = score(loaded(fill(sheet, for_a(key, wins, losses))), {sheet.id: key})
    judged = judge_people(scores, challenger="tuned", champion="base", margin=0.1)
    turned = judge_people(scores, challenger="base", champion="tuned", margin=0.1)
    assert judged.outcome == outcome and judged.n == 100 and "margin 10" in judged.evidence
    assert f"wins {losses} and loses {wins}" in turned.evidence
    assert (judged.needed is None) == (outcome != "inconclusive")
    assert judge_people(scores, challenger="tuned", champion="other").outcome == "inconclusive"


def test_the_needed_number_of_prompts_decides() -> None:
    """Twice as many prompts as asked for, without a difference, pass."""
    sheet, key = planted(60)
    scores = score(loaded(fill(sheet, for_a(key, 12, 12))), {sheet.id: key})
    judged = judge_people(scores, challenger="tuned", champion="base", margin=0.1)
    assert judged.outcome == "inconclusive" and judged.needed is not None and judged.needed > 60
    n = judged.needed * 2
    sheet, key = planted(n)
    share = round(n * 12 / 60)
    more = score(loaded(fill(sheet, for_a(key, share, share))), {sheet.id: key})
    assert judge_people(more, challenger="tuned", champion="base", margin=0.1).outcome == "pass"


def test_what_raters_should_know_is_said() -> None:
    sheet, key = planted(30)
    rule = for_a(key, 15, 5)
    filled = [fill(sheet, rule, rater="A"), fill(sheet, rule, rater="B")]
    short = fill(sheet, rule, rater="C")
    short = short.model_copy(update={"votes": short.votes[:10], "check": ""})
    cautions = score(loaded(*filled, short), {sheet.id: key}).cautions
    assert any("B.json and A.json have the same votes" in text for text in cautions)
    assert any("20 prompts have no vote" in text for text in cautions)
    assert any("1 of 3 sheets are CSV" in text for text in cautions)
