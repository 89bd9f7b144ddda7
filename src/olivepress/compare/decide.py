"""What to ship to a machine: hard limits, the floor of usefulness, the Pareto front, then one artifact or none.

The rule, in the words that the page repeats: what is not shown to meet the budget is out, and so is what is not shown
to be useful (``floor``). What another artifact is better than in something, and shown not to be worse in everything
else (``dominance``), is dominated and out. Of the rest the best in the first criterion stays, with all that cannot be
distinguished from it; then the next criterion decides among those. Accuracy comes first, unless the budget itself says
how much accuracy is enough: then speed does. Where those that are left are not shown to be equal in a criterion (too
few examples or rounds exclude no loss that matters), the next one does not decide for them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

from olivepress.compare.document import Candidate, Decision, LimitCheck, Outcome, Row, Usefulness, Verdict
from olivepress.compare.dominance import better_in, dominates, not_worse
from olivepress.compare.floor import Constant, baselines, usefulness
from olivepress.compare.limits import Budgets, check_limits, is_quality, limits_of
from olivepress.compare.lookup import Lookup, lookup_in
from olivepress.compare.refusal import refused
from olivepress.compare.render.phrases import difference_text
from olivepress.report.answers import answer_metric
from olivepress.report.registry import METRICS, weighed

__all__ = ["OBJECTIVES", "Budgets", "candidate_pairs", "check_limits", "contenders", "decide"]
__all__ += ["floor_pairs", "shippable"]

ACCURACY, SPEED, REST = ("exact_match",), ("decode_tps", "ttft_ms"), ("size_on_disk_bytes", "peak_memory_bytes")
OBJECTIVES = (*ACCURACY, *SPEED, *REST)
MANY = 24  # artifacts on one machine above which only those that no other beats by its bare values are compared


def contenders(rows: Sequence[Row], budgets: Budgets) -> list[tuple[Sequence[Row], Sequence[Row]]]:
    """(what could be shipped, those of it that meet the budget and are worth a test), for each machine and recipe."""
    pairs: list[tuple[Sequence[Row], Sequence[Row]]] = []
    for group in shippable(rows).values():
        fits = [row for row in group if _first_outcome(row, check_limits(row, budgets)) == "fits"]
        pairs.append((group, _contenders(fits)))
    return pairs


def candidate_pairs(rows: Sequence[Row], budgets: Budgets) -> list[tuple[str, str]]:
    """Names of the artifacts that have to be compared with one another to decide, machine by machine."""
    return [(a.name, b.name) for _, there in contenders(rows, budgets) for a, b in combinations(there, 2)]


def floor_pairs(rows: Sequence[Row], budgets: Budgets) -> dict[tuple[str, str], str]:
    """(base or few-shot, artifact) → the metric in which the floor compares them."""
    return {
        (before.name, row.name): answer_metric(limits_of(row, budgets))
        for group in shippable(rows).values()
        for row in group
        for before in baselines(row, rows).values()
    }


def _contenders(fits: Sequence[Row]) -> Sequence[Row]:
    """Those that are worth a test: all of them, or of many those that no other beats by its bare values."""
    if len(fits) <= MANY:
        return fits
    return [row for row in fits if not any(_beats(other, row) for other in fits)]


def shippable(rows: Sequence[Row]) -> dict[tuple[str, str], list[Row]]:
    """(machine, recipe) → what could be shipped there: every artifact that is no PyTorch model."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row.report.runtime != "pytorch":
            groups.setdefault((row.machine, row.report.recipe), []).append(row)
    return groups


def _beats(a: Row, b: Row) -> bool:
    """By the bare values: both have the same metrics, ``a`` is nowhere behind and somewhere ahead."""
    ahead = []
    for metric in weighed():
        x, y = a.report.value(metric), b.report.value(metric)
        if (x is None) != (y is None):
            return False
        if x is not None and y is not None:
            ahead.append(x - y if METRICS[metric].higher_is_better else y - x)
    return bool(ahead) and min(ahead) >= 0 and max(ahead) > 0


def decide(
    rows: Sequence[Row], verdicts: Sequence[Verdict], budgets: Budgets, constant: Constant | None = None
) -> tuple[Decision, ...]:
    """One decision per machine and recipe, from verdicts that hold ``candidate_pairs`` and ``floor_pairs``."""
    lookup = lookup_in(verdicts)

    def floor(row: Row) -> Usefulness:
        metric = answer_metric(limits_of(row, budgets))
        return usefulness(row, metric, baselines(row, rows), lookup, (constant or {}).get(row.name))

    return tuple(
        _decide(machine, recipe, group, budgets, lookup, {row.name: floor(row) for row in group})
        for (machine, recipe), group in shippable(rows).items()
    )


def _decide(
    machine: str,
    recipe: str,
    group: Sequence[Row],
    budgets: Budgets,
    lookup: Lookup,
    floors: Mapping[str, Usefulness],
) -> Decision:
    checks = {row.name: check_limits(row, budgets) for row in group}
    outcome, besides = _outcomes(group, checks, floors, lookup)
    front = [row for row in group if outcome[row.name] == "fits"]
    limited = any(is_quality(check.key) for row in front for check in checks[row.name])
    chosen, reasons = _choose(front, lookup, limited=limited)
    rule = _rule(front, group, outcome, limited=limited)
    if len(chosen) == 1:
        outcome[chosen[0].name] = "recommended"
    candidates = tuple(
        Candidate(
            name=row.name,
            outcome=outcome[row.name],
            limits=checks[row.name],
            on_front=row in front,
            reasons=(*(c.text for c in checks[row.name] if not c.holds), *besides[row.name]),
            usefulness=floors[row.name],
        )
        for row in group
    )
    if not chosen:
        unclear = [row for row in group if outcome[row.name] == "not shown useful"]
        _, speeds = _choose(unclear, lookup, limited=True)
        return refused(machine, recipe, candidates, {row.name: row for row in group}, speeds)
    is_one = len(chosen) == 1
    return Decision(
        machine=machine,
        recipe=recipe,
        chosen=tuple(row.name for row in chosen),
        headline=f"{machine}: {'ship' if is_one else 'not distinguishable:'} {_names(chosen)}",
        reasons=(*rule, *_shown(chosen, floors), *reasons),
        candidates=candidates,
        outcome="ship" if is_one else "not_distinguishable",
    )


def _shown(chosen: Sequence[Row], floors: Mapping[str, Usefulness]) -> list[str]:
    """Why the chosen are worth shipping at all, and what makes one doubt it."""
    texts = []
    for row in chosen:
        head = f"{row.name}: " if len(chosen) > 1 else ""
        texts += [f"{head}{reason.text}" for reason in floors[row.name].reasons]
    if any(row.report.synthetic_data for row in chosen):
        texts.append("measured on synthetic data: how it answers real questions is not shown")
    return texts


def _outcomes(
    group: Sequence[Row],
    checks: Mapping[str, Sequence[LimitCheck]],
    floors: Mapping[str, Usefulness],
    lookup: Lookup,
) -> tuple[dict[str, Outcome], dict[str, list[str]]]:
    """Every artifact's outcome before one is chosen, and what speaks against it besides its limits."""
    outcome: dict[str, Outcome] = {row.name: _first_outcome(row, checks[row.name]) for row in group}
    besides: dict[str, list[str]] = {row.name: _not_measured(row) for row in group}
    fits = [row for row in group if outcome[row.name] == "fits"]
    for row in group:
        floor = floors[row.name]
        if floor.call == "useful":
            continue
        if outcome[row.name] != "not measured":
            besides[row.name] += [reason.text for reason in floor.reasons]
        if row in fits:
            outcome[row.name] = "not useful" if floor.call == "not useful" else "not shown useful"
    contenders = _contenders(fits)
    useful = [row for row in contenders if outcome[row.name] == "fits"]
    for row in fits:
        if outcome[row.name] == "fits" and (reason := _dominated(row, row in contenders, useful, lookup)):
            outcome[row.name] = "dominated"
            besides[row.name].append(reason)
    return outcome, besides


def _dominated(row: Row, is_contender: bool, useful: Sequence[Row], lookup: Lookup) -> str:
    """What dominates the artifact, in words; empty where nothing does."""
    if not is_contender:
        return f"more than {MANY} artifacts: another has better or the same numbers in everything"
    ruler = next((other for other in useful if dominates(other, row, lookup)), None)
    if ruler is None:
        return ""
    where = better_in(ruler, row, lookup)
    return f"{ruler.name} is better in {where}, and shown to lose nothing that matters elsewhere"


def _not_measured(row: Row) -> list[str]:
    if row.report.random_weights:
        return ["its weights are random: its answers mean nothing"]
    if row.report.emulated:
        return ["the device is emulated: its times say nothing about the real one"]
    return []


def _first_outcome(row: Row, checks: Sequence[LimitCheck]) -> Outcome:
    timed = any(row.report.value(metric) is not None for metric in SPEED)
    if not timed or row.report.random_weights or row.report.emulated:
        return "not measured"
    if any(check.holds is False for check in checks):
        return "over budget"
    return "not shown to fit" if any(check.holds is None for check in checks) else "fits"


def _choose(front: Sequence[Row], lookup: Lookup, *, limited: bool) -> tuple[list[Row], list[str]]:
    """What is left of the front after each criterion in turn, and what each of them decided."""
    left, reasons = list(front), []
    for metric in (*SPEED, *ACCURACY, *REST) if limited else OBJECTIVES:
        measured = [row for row in left if row.report.value(metric) is not None]
        if len(left) < 2 or not measured:
            continue
        title, sign = METRICS[metric].title, 1 if METRICS[metric].higher_is_better else -1
        best = max(measured, key=lambda row: sign * (row.report.value(metric) or 0.0))
        others = {row.name: lookup(best.name, row.name, metric) for row in left if row is not best}
        behind = {name: v for name, v in others.items() if v is not None and v.call == "worse"}
        reasons += [f"{title}: {name} is worse than {best.name}, {difference_text(v)}" for name, v in behind.items()]
        left = [row for row in left if row.name not in behind]
        unclear = [row for row in left if row is not best and not _equal(others[row.name], best, row)]
        if unclear:
            numbers = _unclear(others[unclear[0].name])
            names = _names([best, *unclear])
            reasons.append(f"{title}: {names} are not shown to be equal ({numbers}), so no criterion decides")
            break
        if not behind and len(left) > 1:
            reasons.append(f"{title}: {_names(left)} cannot be distinguished")
    return left, reasons


def _equal(verdict: Verdict | None, best: Row, row: Row) -> bool:
    """Whether ``row`` is shown to be as good as ``best``: too few examples or rounds show nothing."""
    return verdict is not None and not_worse(verdict, best, row)


def _unclear(verdict: Verdict | None) -> str:
    if verdict is None:
        return "not compared"
    if verdict.difference is None:
        return "; ".join(verdict.notes[:1])
    return f"{difference_text(verdict)}, n={verdict.n}"


def _rule(
    front: Sequence[Row], group: Sequence[Row], outcome: Mapping[str, Outcome], *, limited: bool
) -> tuple[str, ...]:
    """Why the choice was made among the front, and by which criterion."""
    if not front:
        return ()
    if len(group) == 1:
        return ("it is the only artifact that was measured here",)
    if len(front) == 1:
        others = {outcome[row.name] for row in group if row is not front[0]}
        excluded = [text for text, which in _LEFT_OUT.items() if others & which]
        return (f"it is the only one left: the others {' or '.join(excluded)}",)
    if limited:
        return ("the budget says how much accuracy is enough, so speed decides among the artifacts that meet it",)
    return ("the budget sets no limit to what accuracy may be lost, so accuracy decides before speed",)


_LEFT_OUT: dict[str, frozenset[Outcome]] = {
    "are not shown to meet the budget": frozenset({"over budget", "not shown to fit"}),
    "are not shown to be useful": frozenset({"not useful", "not shown useful"}),
    "are dominated": frozenset({"dominated"}),
    "were not measured": frozenset({"not measured"}),
}


def _names(rows: Sequence[Row]) -> str:
    names = [row.name for row in rows]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
