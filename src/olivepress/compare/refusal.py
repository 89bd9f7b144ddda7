"""A decision to ship nothing: "do not ship", "cannot recommend", or nothing meets the budget; with what to do next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from olivepress.compare.document import Candidate, Decision, DecisionOutcome, Example, Reason, Row, WrongAnswer
from olivepress.compare.floor import CODES
from olivepress.compare.limits import is_quality

__all__ = ["MOST_WRONG", "refused", "with_wrong_answers"]

MOST_WRONG, EXCERPT = 5, 200
_READ_ANSWERS = "read the wrong answers: is their form (label, JSON, spaces, language) what the data expects?"
_TRAIN = "train longer or on more rows (finetune in the recipe), then run it again"
_MORE = "measure more examples: benchmark.max_examples in the recipe, or a larger test split"
_NEXT: dict[str, tuple[str, ...]] = {
    "nothing_right": (_READ_ANSWERS, _TRAIN),
    "worse_than_base": (_READ_ANSWERS, _TRAIN),
    "not_better_than_base": (_TRAIN, _MORE),
    "not_better_than_constant": (_READ_ANSWERS, _TRAIN),
    "worse_than_few_shot": ("prompt the base with examples instead, or train on more rows",),
    "below_minimum": ("a target with more bits, more training, or a lower minimum in the recipe's budget",),
    "one_expected_answer": ("a test split with more than one expected answer",),
    "too_few_examples": (_MORE,),
    "base_not_comparable": (
        "bench the base and the artifacts on the same split, with the examples beside the reports",
    ),
    "not_measured": ("olivepress bench with the dataset; a bundle without --ids-only measures accuracy on its device",),
    "random_weights": ("build from trained weights",),
    "emulated": ("measure on the device itself: olivepress bundle",),
    "budget": ("another target, or other limits in the recipe's budget; where an interval reaches over one: " + _MORE,),
}


def refused(
    machine: str, recipe: str, candidates: Sequence[Candidate], rows: Mapping[str, Row], speeds: Sequence[str]
) -> Decision:
    """The decision where no candidate was chosen. ``speeds``: how those without accuracy compare in speed."""
    outcome, reason = _reason_against(candidates, rows)
    words: dict[DecisionOutcome, str] = {"do_not_ship": "do not ship: ", "cannot_tell": "cannot recommend: "}
    headline = f"{words.get(outcome, '')}{reason.text}"
    return Decision(
        machine=machine,
        recipe=recipe,
        chosen=(),
        headline=f"{machine}: {headline}",
        reasons=tuple(speeds) if outcome == "cannot_tell" else (),
        candidates=tuple(candidates),
        outcome=outcome,
        reason=reason,
        next_steps=_NEXT[reason.code],
    )


def _reason_against(candidates: Sequence[Candidate], rows: Mapping[str, Row]) -> tuple[DecisionOutcome, Reason]:
    tried = [c for c in candidates if c.outcome != "not measured"]
    if not tried:
        return "cannot_tell", _nothing_measured([rows[c.name] for c in candidates])
    codes = [_not_good_enough(c) for c in tried]
    if all(codes):
        return "do_not_ship", _most_frequent([code for code in codes if code])
    unclear = [c.usefulness.reasons[0] for c in tried if c.outcome == "not shown useful" and c.usefulness]
    if unclear:
        return "cannot_tell", _most_frequent([reason.code for reason in unclear])
    text = "nothing is shown to meet the budget"
    if any(codes):
        text += " and to answer well enough"
    return "over_budget", Reason(code="budget", text=text)


def _nothing_measured(rows: Sequence[Row]) -> Reason:
    text = "nothing was measured that could be shipped"
    if rows and all(row.report.random_weights for row in rows):
        return Reason(code="random_weights", text=f"{text}: {CODES['random_weights']}")
    if rows and all(row.report.emulated for row in rows):
        return Reason(code="emulated", text=f"{text}: {CODES['emulated']}")
    return Reason(code="not_measured", text=text)


def _not_good_enough(candidate: Candidate) -> str:
    """The code of what shows that the candidate's answers are not good enough; "" where nothing does."""
    if candidate.usefulness is not None and candidate.usefulness.call == "not useful":
        return candidate.usefulness.reasons[0].code
    broken = [c for c in candidate.limits if c.holds is False and is_quality(c.key) and c.key.startswith("min_")]
    return "below_minimum" if broken else ""


def _most_frequent(codes: Sequence[str]) -> Reason:
    code = Counter(codes).most_common(1)[0][0]
    return Reason(code=code, text=CODES[code])


def with_wrong_answers(decision: Decision, examples: Sequence[Example], rows: Mapping[str, Row]) -> Decision:
    """The decision with five wrong answers of its best artifact, where it is not to ship any."""
    if decision.outcome != "do_not_ship":
        return decision
    names = {candidate.name for candidate in decision.candidates}
    wrong = [
        WrongAnswer(row=a.row, id=e.id, expected=_short(e.expected), output=_short(a.output))
        for e in examples
        for a in e.answers
        if a.row in names and not a.correct
    ]
    rows_with_wrong = {answer.row for answer in wrong}
    best = max(
        (name for name in names if name in rows_with_wrong), key=lambda name: (_accuracy(rows[name]), name), default=""
    )
    return replace(decision, wrong_answers=tuple(answer for answer in wrong if answer.row == best)[:MOST_WRONG])


def _accuracy(row: Row) -> float:
    return row.report.value("exact_match") or 0.0


def _short(text: str) -> str:
    return text if len(text) <= EXCERPT else f"{text[:EXCERPT]}…"
