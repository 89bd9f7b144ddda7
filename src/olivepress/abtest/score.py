"""What filled sheets say: wins, ties, intervals, agreement of the raters, position bias.

Several raters of one prompt are not independent observations: everything that is tested or has an interval counts
prompts, each decided by the majority of its votes. Votes are counted for the raters and for the position bias only.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from olivepress.abtest.agreement import Agreement, agreement
from olivepress.abtest.filled import FilledSheet
from olivepress.abtest.records import Key
from olivepress.abtest.strength import Strength, strengths
from olivepress.stats.intervals import paired_score_interval, wilson
from olivepress.stats.paired import mcnemar_exact

__all__ = ["Ballot", "PairScore", "Position", "Prompt", "Rater", "Scores", "ballots_of", "score"]

_ALIKE = 20  # votes from which two sheets with the very same votes are worth a caution
_TELLING = 0.05


Prompt = tuple[str, str, str]
"""The names of the two artifacts, and the row."""


@dataclass(frozen=True, kw_only=True)
class Ballot:
    """One vote: 1 for artifact ``a``, -1 for ``b``, 0 for a tie. ``a_left``: whether ``a`` stood on the left."""

    prompt: Prompt
    rater: str
    a: str
    b: str
    vote: int
    a_left: bool


@dataclass(frozen=True, kw_only=True)
class PairScore:
    """Two artifacts over ``n`` prompts, the ``identical`` ones (ties that nobody was asked about) included.

    ``share`` is that of prompts that ``a`` wins among those that one of them wins, with Wilson's 95 % interval;
    ``p_value`` is of the exact two-sided binomial test of 50 %. ``difference`` = (wins of a - wins of b) / n, with
    Tango's 95 % interval.
    """

    a: str
    b: str
    n: int
    identical: int
    votes_a: int
    votes_b: int
    votes_tie: int
    wins_a: int
    wins_b: int
    ties: int
    share: float | None
    share_low: float | None
    share_high: float | None
    p_value: float
    difference: float
    ci_low: float
    ci_high: float


@dataclass(frozen=True, kw_only=True)
class Rater:
    name: str
    votes: int
    ties: int
    left: int


@dataclass(frozen=True, kw_only=True)
class Position:
    """Votes for the left answer among those for one side, Wilson's interval, p of the exact binomial test of 50 %."""

    left: int
    right: int
    share: float | None
    ci_low: float | None
    ci_high: float | None
    p_value: float


@dataclass(frozen=True, kw_only=True)
class Scores:
    """All that ``olivepress abtest score`` says."""

    pairs: tuple[PairScore, ...]
    strengths: tuple[Strength, ...]
    agreement: Agreement
    position: Position
    raters: tuple[Rater, ...]
    cautions: tuple[str, ...]


def ballots_of(sheets: Iterable[FilledSheet], keys: Mapping[str, Key]) -> list[Ballot]:
    """The votes of checked sheets with the artifacts that they are for.

    A prompt is a row that both artifacts answered: on whichever of their sheets it stands, and whichever of the two was
    named first, it is one.
    """
    ballots = list[Ballot]()
    sheets = list(sheets)
    orders = _orders(keys[sheet.filled.sheet] for sheet in sheets)
    for sheet in sheets:
        key = keys[sheet.filled.sheet]
        a, b = orders[_both(key)]
        for voted in sheet.filled.votes:
            placed = key.items[voted.item]
            a_left = (placed.a == "left") == (key.a.name == a)
            vote = 0
            if voted.vote != "tie":
                vote = 1 if (voted.vote == "left") == a_left else -1
            ballots.append(
                Ballot(prompt=(a, b, placed.row), rater=sheet.filled.rater, a=a, b=b, vote=vote, a_left=a_left)
            )
    return ballots


def _both(key: Key) -> frozenset[str]:
    return frozenset((key.a.name, key.b.name))


def _orders(keys: Iterable[Key]) -> dict[frozenset[str], tuple[str, str]]:
    """The two artifacts of each comparison in the order of its first sheet."""
    orders = dict[frozenset[str], tuple[str, str]]()
    for key in keys:
        orders.setdefault(_both(key), (key.a.name, key.b.name))
    return orders


def score(sheets: Sequence[FilledSheet], keys: Mapping[str, Key]) -> Scores:
    """Score checked sheets; ``keys`` may hold those of other sheets too. ValueError without sheets."""
    if not sheets:
        raise ValueError("there is no sheet to score")
    ballots = ballots_of(sheets, keys)
    used = [keys[sheet] for sheet in dict.fromkeys(sheet.filled.sheet for sheet in sheets)]
    decided = _decided(ballots)
    pairs = _pairs(ballots, decided, used)
    position = _position(ballots)
    judged = {(each.a, each.b): [decided[p] for p in _prompts(ballots, each.a, each.b)] for each in pairs}
    for each in pairs:
        judged[each.a, each.b] += [0] * each.identical
    return Scores(
        pairs=pairs,
        strengths=strengths(judged),
        agreement=agreement([(ballot.rater, ballot.prompt, ballot.vote) for ballot in ballots]),
        position=position,
        raters=_raters(ballots),
        cautions=tuple(_cautions(sheets, keys, position)),
    )


def _decided(ballots: Iterable[Ballot]) -> dict[Prompt, int]:
    """Prompt → its winner by the majority of its votes: 1, 0 or -1."""
    sums: dict[Prompt, int] = defaultdict(int)
    for ballot in ballots:
        sums[ballot.prompt] += ballot.vote
    return {prompt: (total > 0) - (total < 0) for prompt, total in sums.items()}


def _prompts(ballots: Iterable[Ballot], a: str, b: str) -> list[Prompt]:
    return list(dict.fromkeys(ballot.prompt for ballot in ballots if (ballot.a, ballot.b) == (a, b)))


def _pairs(ballots: Sequence[Ballot], decided: Mapping[Prompt, int], keys: Sequence[Key]) -> tuple[PairScore, ...]:
    identical: dict[tuple[str, str], set[str]] = defaultdict(set)
    orders = _orders(keys)
    for key in keys:
        identical[orders[_both(key)]].update(key.identical)
    names = dict.fromkeys((ballot.a, ballot.b) for ballot in ballots)
    return tuple(_pair(a, b, ballots, decided, len(identical[a, b])) for a, b in names)


def _pair(a: str, b: str, ballots: Sequence[Ballot], decided: Mapping[Prompt, int], identical: int) -> PairScore:
    votes = Counter(ballot.vote for ballot in ballots if (ballot.a, ballot.b) == (a, b))
    results = Counter(decided[prompt] for prompt in _prompts(ballots, a, b))
    wins_a, wins_b, ties = results[1], results[-1], results[0] + identical
    n, one_sided = wins_a + wins_b + ties, wins_a + wins_b
    share_low, share_high = wilson(wins_a, one_sided) if one_sided else (None, None)
    ci_low, ci_high = paired_score_interval(wins_b, wins_a, n)
    return PairScore(
        a=a,
        b=b,
        n=n,
        identical=identical,
        votes_a=votes[1],
        votes_b=votes[-1],
        votes_tie=votes[0],
        wins_a=wins_a,
        wins_b=wins_b,
        ties=ties,
        share=wins_a / one_sided if one_sided else None,
        share_low=share_low,
        share_high=share_high,
        p_value=mcnemar_exact(wins_a, wins_b),
        difference=(wins_a - wins_b) / n,
        ci_low=ci_low,
        ci_high=ci_high,
    )


def _raters(ballots: Iterable[Ballot]) -> tuple[Rater, ...]:
    by_rater: dict[str, list[Ballot]] = defaultdict(list)
    for ballot in ballots:
        by_rater[ballot.rater].append(ballot)
    return tuple(
        Rater(
            name=name,
            votes=len(own),
            ties=sum(ballot.vote == 0 for ballot in own),
            left=sum(_is_left(ballot) for ballot in own),
        )
        for name, own in by_rater.items()
    )


def _is_left(ballot: Ballot) -> bool:
    return ballot.vote != 0 and (ballot.vote > 0) == ballot.a_left


def _position(ballots: Sequence[Ballot]) -> Position:
    left = sum(_is_left(ballot) for ballot in ballots)
    right = sum(ballot.vote != 0 for ballot in ballots) - left
    low, high = wilson(left, left + right) if left + right else (None, None)
    return Position(
        left=left,
        right=right,
        share=left / (left + right) if left + right else None,
        ci_low=low,
        ci_high=high,
        p_value=mcnemar_exact(left, right),
    )


def _cautions(sheets: Sequence[FilledSheet], keys: Mapping[str, Key], position: Position) -> Iterable[str]:
    if position.p_value < _TELLING:
        side = "left" if position.left > position.right else "right"
        yield f"the {side} answer is preferred whichever artifact it is from (p = {position.p_value:.2g})"
    without_check = [sheet.path.name for sheet in sheets if not sheet.filled.check]
    if without_check:
        yield f"{len(without_check)} of {len(sheets)} sheets are CSV files, in which a change cannot be seen"
    for sheet in sheets:
        missing = len(keys[sheet.filled.sheet].items) - len(sheet.filled.votes)
        if missing:
            yield f"{sheet.path.name}: {missing} prompts have no vote"
    known: dict[tuple[object, ...], str] = {}
    for sheet in sheets:
        votes = tuple(sorted((voted.item, voted.vote) for voted in sheet.filled.votes))
        if len(votes) < _ALIKE:
            continue
        other = known.setdefault((sheet.filled.sheet, votes), sheet.path.name)
        if other != sheet.path.name:
            yield f"{sheet.path.name} and {other} have the same votes under different names"
