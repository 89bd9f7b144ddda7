"""Whether people find the challenger not worse than the champion: the requirement of a release."""

from __future__ import annotations

import math

from olivepress.abtest.score import PairScore, Scores
from olivepress.report.judgement import Judgement
from olivepress.stats.intervals import Z95, restricted_variance

__all__ = ["MARGIN", "judge_people"]

MARGIN = 0.1
_POWER = 0.8416212335729143  # the 80 % quantile of the standard normal


def judge_people(scores: Scores, *, challenger: str, champion: str, margin: float = MARGIN) -> Judgement:
    """Pass when the 95 % interval of (wins - losses) / prompts is above -margin, fail when it is below; else
    inconclusive with the prompts that would decide at a power of 80 % if there is no difference.

    Inconclusive too where the two were not compared with each other, whatever others say about them.
    """
    pair = _pair(scores, challenger, champion)
    if pair is None:
        return Judgement(outcome="inconclusive", evidence=f"people have not compared {challenger} with {champion}")
    wins, losses, low, high = pair.wins_a, pair.wins_b, pair.ci_low, pair.ci_high
    if pair.a != challenger:
        wins, losses, low, high = losses, wins, -high, -low
    evidence = (
        f"{challenger} wins {wins} and loses {losses} of {pair.n} prompts, a difference of "
        f"{100 * (wins - losses) / pair.n:+.1f} points ({100 * low:+.1f} to {100 * high:+.1f}), margin {100 * margin:g}"
    )
    if low > -margin:
        return Judgement(outcome="pass", evidence=evidence, n=pair.n)
    if high < -margin:
        return Judgement(outcome="fail", evidence=evidence, n=pair.n)
    return Judgement(outcome="inconclusive", evidence=evidence, n=pair.n, needed=_needed(pair, margin))


def _pair(scores: Scores, first: str, second: str) -> PairScore | None:
    return next((pair for pair in scores.pairs if {pair.a, pair.b} == {first, second}), None)


def _needed(pair: PairScore, margin: float) -> int | None:
    """n = (z₀.₉₇₅·√v + z₀.₈·√ψ)²/margin² (J. Nam, Biometrics 53 (1997)); None when that is not more than there are."""
    share = (pair.wins_a + pair.wins_b + 1.0) / (pair.n + 2.0)
    variance = restricted_variance(share / 2, share / 2, -margin)
    needed = math.ceil(((Z95 * math.sqrt(variance) + _POWER * math.sqrt(share)) / margin) ** 2)
    return needed if needed > pair.n else None
