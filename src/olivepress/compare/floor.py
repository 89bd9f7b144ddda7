"""The floor of usefulness: what an artifact must be shown to be better than before it is recommended.

- A share of 0 right answers is never useful.
- Better than the base it was tuned from, and not worse than that base prompted with examples, by the paired test on
  the same examples (exact McNemar, or the paired bootstrap for free text, Holm over the whole comparison). Where the
  base's answers are not beside the reports, the interval of the gain retained decides.
- Better than always giving the most frequent expected answer (exact McNemar, Holm over all artifacts): this is the
  majority class of a classification, and never less than 1 / number of classes.
- Fewer than ``FEWEST`` examples show nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from olivepress.compare.document import Reason, Row, Usefulness, Verdict
from olivepress.compare.load import Loaded
from olivepress.compare.render.phrases import difference_text, metric_title
from olivepress.report.answers import FEWEST
from olivepress.report.device_report import Measurement
from olivepress.report.examples import CONSTANT_ANSWER
from olivepress.stats.paired import ALPHA, PairedShares, compare_shares, holm

__all__ = ["CODES", "Constant", "baselines", "constants", "usefulness"]

CODES = {
    "not_measured": "accuracy was not measured",
    "nothing_right": "no answer is right",
    "worse_than_base": "worse than the base",
    "not_better_than_base": "not shown to be better than the base",
    "base_not_comparable": "the base was measured, but not on the same examples",
    "worse_than_few_shot": "worse than the base prompted with examples",
    "not_better_than_constant": "not shown to be better than one constant answer",
    "one_expected_answer": "every example expects the same answer",
    "too_few_examples": f"fewer than {FEWEST} examples",
    "random_weights": "the weights are random",
    "emulated": "the device is emulated",
    "below_minimum": "nothing is shown to meet the budget: the answers are below its minimum",
    "budget": "no artifact is shown to meet the budget",
    "better_than_base": "better than the base",
    "better_than_constant": "better than one constant answer",
    "base_not_there": "no report of the base to compare with",
}  # fmt: skip
Lookup = Callable[[str, str, str], Verdict | None]
Constant = Mapping[str, PairedShares]  # row → its answers against always giving the most frequent one, p by Holm


def baselines(row: Row, rows: Sequence[Row]) -> dict[str, Row]:
    """``base`` and ``few-shot`` of the row's recipe, as far as they were measured: on its machine and data first."""
    chosen: dict[str, Row] = {}
    for role in ("base", "few-shot"):
        there = [r for r in rows if r.role == role and r.report.recipe == row.report.recipe and r is not row]
        there.sort(key=lambda r: (_data(r) != _data(row), r.machine != row.machine))
        if there:
            chosen[role] = there[0]
    return chosen


def _data(row: Row) -> tuple[str, str] | None:
    return (row.report.dataset.version, row.report.dataset.split) if row.report.dataset else None


def constants(loaded: Mapping[str, Loaded]) -> Constant:
    """Every artifact's exact match against one constant answer, where the examples are beside its report."""
    shares_by_row: dict[str, PairedShares] = {}
    for name, item in loaded.items():
        scores = item.scores
        if item.report.runtime == "pytorch" or scores is None or CONSTANT_ANSWER not in scores.values:
            continue
        shares_by_row[name] = compare_shares(scores.values[CONSTANT_ANSWER] > 0.5, scores.values["exact_match"] > 0.5)
    corrected = holm([shares.p_value for shares in shares_by_row.values()])
    fields = [vars(shares) | {"p_value": p} for shares, p in zip(shares_by_row.values(), corrected, strict=True)]
    return {name: PairedShares(**values) for name, values in zip(shares_by_row, fields, strict=True)}


def usefulness(
    row: Row, metric: str, compared: Mapping[str, Row], lookup: Lookup, constant: PairedShares | None
) -> Usefulness:
    """The floor for one artifact. ``compared``: see ``baselines``; ``metric``: see ``answer_metric``."""
    measurement = row.report.metrics.get(metric)
    if measurement is None or measurement.value is None:
        reason = (measurement.reason if measurement else None) or "not in its report"
        return _cannot_tell(Reason(code="not_measured", text=f"{metric_title(metric)} was not measured: {reason}"))
    n = measurement.n
    if not n:
        return _cannot_tell(
            Reason(code="too_few_examples", text="its report does not state how many examples it measured")
        )
    if measurement.value == 0:
        return _not_useful(
            Reason(code="nothing_right", text=f"{metric_title(metric)} is 0: none of {n} answers is right")
        )
    prompted = _against_few_shot(row, metric, compared, lookup)
    if prompted is not None:
        return _not_useful(prompted)
    shown = [_against_base(row, metric, compared, lookup)]
    if metric == "exact_match":
        shown.append(_against_constant(measurement, constant))
    if n < FEWEST:
        few = Reason(code="too_few_examples", text=f"{n} examples are too few; at least {FEWEST} are needed")
        return _cannot_tell(few, *(reason for _, reason in shown))
    against = [reason for call, reason in shown if call == "not useful"]
    if against:
        return _not_useful(*against)
    unclear = [reason for call, reason in shown if call == "cannot tell"]
    return (
        _cannot_tell(*unclear) if unclear else Usefulness(call="useful", reasons=tuple(reason for _, reason in shown))
    )


def _not_useful(*reasons: Reason) -> Usefulness:
    return Usefulness(call="not useful", reasons=reasons)


def _cannot_tell(*reasons: Reason) -> Usefulness:
    return Usefulness(call="cannot tell", reasons=reasons)


def _against_few_shot(row: Row, metric: str, compared: Mapping[str, Row], lookup: Lookup) -> Reason | None:
    """A reason against the artifact where prompting the base with examples answers better."""
    few_shot = compared.get("few-shot")
    verdict = lookup(few_shot.name, row.name, metric) if few_shot else None
    if few_shot is None or verdict is None or verdict.call != "worse":
        return None
    text = f"the base prompted with examples ({few_shot.name}) answers better: {_numbers(verdict)}"
    return Reason(code="worse_than_few_shot", text=text, against=few_shot.name)


def _against_base(row: Row, metric: str, compared: Mapping[str, Row], lookup: Lookup) -> tuple[str, Reason]:
    base = compared.get("base")
    if base is None:
        return _by_gain(row, metric) or (
            "useful",
            Reason(code="base_not_there", text="no report of the base is here: whether tuning helped is not shown"),
        )
    verdict = lookup(base.name, row.name, metric)
    if verdict is None or verdict.call == "not comparable":
        reason = "; ".join(verdict.notes) if verdict else "not compared"
        text = f"cannot be compared with the base ({base.name}): {reason}"
        return _by_gain(row, metric) or (
            "cannot tell",
            Reason(code="base_not_comparable", text=text, against=base.name),
        )
    if verdict.call == "better":
        text = f"better than the base ({base.name}): {_numbers(verdict)}"
        return "useful", Reason(code="better_than_base", text=text, against=base.name)
    code = "worse_than_base" if verdict.call == "worse" else "not_better_than_base"
    return "not useful", Reason(code=code, text=f"{CODES[code]} ({base.name}): {_numbers(verdict)}", against=base.name)


def _numbers(verdict: Verdict) -> str:
    return f"{metric_title(verdict.metric)} {difference_text(verdict)}, n={verdict.n}"


def _by_gain(row: Row, metric: str) -> tuple[str, Reason] | None:
    """The gain retained, where the base's answers are not beside the reports: above 0 it is better than the base."""
    gain = row.report.metrics.get("gain_retained")
    if metric != "exact_match" or gain is None or gain.value is None or gain.ci_low is None:
        return None
    interval = f"{100 * gain.value:.1f} % (from {100 * gain.ci_low:.1f} %), n={gain.n}"
    if gain.ci_low > 0:
        return "useful", Reason(code="better_than_base", text=f"better than the base: gain retained {interval}")
    text = f"not shown to be better than the base: gain retained {interval}"
    return "not useful", Reason(code="not_better_than_base", text=text)


def _against_constant(measurement: Measurement, constant: PairedShares | None) -> tuple[str, Reason]:
    """Against always giving the most frequent answer; without the answers, against 1 right of n by the binomial."""
    if constant is None:
        n = measurement.n
        hits = min(round((measurement.value or 0.0) * n), n)
        better = n > 1 and _tail(hits, n, 1 / n) < ALPHA / 2
        finding = "more than chance" if better else "not shown to be more than chance"
        text = f"{finding}: {hits} of {n} answers are right"
    elif constant.share_a == 1.0:
        text = "every example expects the same answer: such data cannot show that it is useful"
        return "cannot tell", Reason(code="one_expected_answer", text=text)
    else:
        better = constant.p_value < ALPHA and constant.share_b > constant.share_a
        finding = CODES["better_than_constant" if better else "not_better_than_constant"]
        always, artifact = (f"{100 * share:.1f} %" for share in (constant.share_a, constant.share_b))
        text = f"{finding}: that is right in {always}, this artifact in {artifact}"
    code = "better_than_constant" if better else "not_better_than_constant"
    return "useful" if better else "not useful", Reason(code=code, text=text)


def _tail(hits: int, n: int, share: float) -> float:
    """P(X >= hits) of the binomial with ``n`` and ``share``, as 1 - P(X < hits)."""
    below = (
        math.exp(
            math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
            + k * math.log(share) + (n - k) * math.log1p(-share)
        )
        for k in range(min(hits, 60))
    )  # fmt: skip
    return max(0.0, 1.0 - sum(below))
