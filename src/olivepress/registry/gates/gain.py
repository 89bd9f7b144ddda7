"""What fine-tuning gained is kept: the budget's share of it, else more than the base and one constant answer give."""

from __future__ import annotations

from olivepress.compare.document import LimitCheck, Row
from olivepress.compare.floor import baselines, constants, usefulness
from olivepress.compare.limits import check_limits
from olivepress.compare.load import Loaded
from olivepress.compare.lookup import lookup_in
from olivepress.compare.rows import rows_of
from olivepress.compare.verdicts import Pair
from olivepress.compare.verdicts import judge as judge_pairs
from olivepress.registry.case import Case
from olivepress.registry.gate import GateResult, failed, inconclusive, passed, worst
from olivepress.report.answers import FEWEST

__all__ = ["KEY", "judge"]

KEY = "min_gain_retained"


def judge(case: Case) -> GateResult:
    if not case.reports:
        return inconclusive("no device report of this artifact", next_step=f"olivepress bench {case.recipe.name}")
    limit = case.limits.get(KEY)
    return worst([_useful(case, item) if limit is None else _retained(item, limit) for item in case.reports])


def _retained(item: Loaded, limit: float) -> GateResult:
    (row,) = rows_of([item])
    (check,) = check_limits(row, {"all": {KEY: limit}})
    text = f"{row.machine}: {check.text}"
    if check.holds:
        return passed(text)
    return _not_retained(check, text)


def _not_retained(check: LimitCheck, text: str) -> GateResult:
    if check.holds is None:
        step = "measure base and fine-tuned model with it, on more test examples"
        return inconclusive(text, next_step=step, n=check.needed)
    return failed(text, next_step="choose a target that loses less, or train again")


def _useful(case: Case, item: Loaded) -> GateResult:
    """By the same rule as the decision of ``compare``: paired with base and few-shot, and with a constant answer."""
    loaded = [*case.baselines, item]
    rows = rows_of(loaded)
    by_name = {row.name: each for row, each in zip(rows, loaded, strict=True)}
    row = rows[-1]
    compared = baselines(row, rows)
    pairs = [_pair(before, row, by_name, case.metric) for before in compared.values()]
    lookup = lookup_in(judge_pairs(pairs))
    constant = constants({row.name: item}).get(row.name)
    useful = usefulness(row, case.metric, compared, lookup, constant)
    texts = [f"{row.machine}: {reason.text}" for reason in useful.reasons]
    if useful.call == "useful":
        return passed(*texts)
    if useful.call == "cannot tell":
        too_few = "too_few_examples" in [reason.code for reason in useful.reasons]
        return inconclusive(*texts, next_step="measure more test examples", n=FEWEST if too_few else None)
    return failed(*texts, next_step="train again: fine-tuning does not help yet")


def _pair(before: Row, row: Row, by_name: dict[str, Loaded], metric: str) -> Pair:
    return Pair(a=by_name[before.name], b=by_name[row.name], name_a=before.name, name_b=row.name, metrics=(metric,))
