"""What to ship to a machine: hard limits, then the Pareto front, then one artifact or "not distinguishable".

The rule, in the words that the page repeats: what does not hold the budget is out. What another artifact is not worse
than in anything, and better than in something, is dominated and out. Of the rest the best in the first criterion
stays, with all that cannot be told apart from it; then the next criterion decides among those. Accuracy comes first,
unless the budget itself says how much accuracy is enough: then speed does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations

from olivepress.compare.document import Candidate, Decision, LimitCheck, Outcome, Row, Verdict
from olivepress.compare.phrases import difference_text
from olivepress.compare.table import format_value
from olivepress.errors import RecipeError
from olivepress.measure.registry import METRICS

__all__ = ["OBJECTIVES", "Budgets", "candidate_pairs", "check_limits", "decide", "target_of"]

Budgets = Mapping[str, Mapping[str, float]]  # target (or "all") → limit (min_… or max_… and a metric) → value
ACCURACY, SPEED, REST = ("exact_match",), ("decode_tps", "ttft_ms"), ("size_on_disk_bytes", "peak_memory_bytes")
OBJECTIVES = (*ACCURACY, *SPEED, *REST)
QUALITY = ("exact_match", "gain_retained", "f1_", "label_accuracy", "json_", "kl_", "perplexity", "top1_agreement")
MANY = 24  # artifacts on one machine above which only those that no other beats by its bare values are compared
Lookup = Callable[[str, str, str], Verdict | None]


def target_of(row: Row) -> str:
    """The target that an export is for, as recipes name it."""
    return row.report.job.removeprefix("export-").removeprefix("package-")


def check_limits(row: Row, budgets: Budgets) -> tuple[LimitCheck, ...]:
    """Every limit of the row's target; its own stand before those for all. RecipeError for a limit of no metric."""
    wanted = {**budgets.get("all", {}), **budgets.get(target_of(row), {})}
    return tuple(_check(row, key, limit) for key, limit in sorted(wanted.items()))


def _check(row: Row, key: str, limit: float) -> LimitCheck:
    kind, _, name = key.partition("_")
    metric = METRICS.get(name)
    if metric is None or kind != ("min" if metric.direction == "higher" else "max"):
        raise RecipeError(f"budget: {key} is no limit", next_step="min_ or max_ and a metric, as max_ttft_ms")
    measurement = row.report.metrics.get(name)
    value = measurement.value if measurement else None
    bound = f"{'at least' if kind == 'min' else 'at most'} {format_value(metric.unit, limit)}"
    if value is None:
        why = (measurement.reason if measurement else None) or "not in its report"
        return LimitCheck(key=key, limit=limit, value=None, holds=None, text=f"{metric.title}: {bound}; {why}")
    holds = value >= limit if kind == "min" else value <= limit
    text = f"{metric.title}: {bound}, measured {format_value(metric.unit, value)}"
    return LimitCheck(key=key, limit=limit, value=value, holds=holds, text=text)


def candidate_pairs(rows: Sequence[Row], budgets: Budgets) -> list[tuple[str, str]]:
    """Names of the artifacts that have to be compared with one another to decide, machine by machine."""
    found = []
    for group in _groups(rows).values():
        fits = [row for row in group if _first_outcome(row, check_limits(row, budgets)) == "fits"]
        found += [(a.name, b.name) for a, b in combinations(_contenders(fits), 2)]
    return found


def _contenders(fits: Sequence[Row]) -> Sequence[Row]:
    """Those that are worth a test: all of them, or of many those that no other beats by its bare values."""
    if len(fits) <= MANY:
        return fits
    return [row for row in fits if not any(_beats(other, row) for other in fits)]


def _groups(rows: Sequence[Row]) -> dict[tuple[str, str], list[Row]]:
    """(machine, recipe) → what could be shipped there: every artifact that is no PyTorch model."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row.report.runtime != "pytorch":
            groups.setdefault((row.machine, row.report.recipe), []).append(row)
    return groups


def _value(row: Row, metric: str) -> float | None:
    measurement = row.report.metrics.get(metric)
    return measurement.value if measurement else None


def _speed(row: Row) -> bool:
    return any(_value(row, metric) is not None for metric in SPEED)


def _beats(a: Row, b: Row) -> bool:
    """By the bare values: nowhere behind and somewhere ahead."""
    signs = []
    for metric in OBJECTIVES:
        x, y = _value(a, metric), _value(b, metric)
        if x is not None and y is not None:
            signs.append((x > y) - (x < y) if METRICS[metric].direction == "higher" else (y > x) - (y < x))
    return bool(signs) and min(signs) >= 0 and max(signs) > 0


def decide(rows: Sequence[Row], verdicts: Sequence[Verdict], budgets: Budgets) -> tuple[Decision, ...]:
    """One decision per machine and recipe, from verdicts that hold at least ``candidate_pairs``."""
    known = {(v.a, v.b, v.metric): v for v in verdicts}

    def lookup(a: str, b: str, metric: str) -> Verdict | None:
        return known.get((a, b, metric)) or _turned(known.get((b, a, metric)))

    return tuple(_decide(machine, recipe, group, budgets, lookup) for (machine, recipe), group in _groups(rows).items())


def _turned(verdict: Verdict | None) -> Verdict | None:
    """The same comparison seen from the other side: only its call is turned, for asking who is worse."""
    if verdict is None or verdict.call not in ("better", "worse"):
        return verdict
    fields = vars(verdict) | {"a": verdict.b, "b": verdict.a, "call": "worse" if verdict.call == "better" else "better"}
    swapped = {"value_a": verdict.value_b, "value_b": verdict.value_a, "lost": verdict.gained, "gained": verdict.lost}
    d, low, high = verdict.difference, verdict.ci_low, verdict.ci_high

    def turn(x: float | None) -> float | None:
        return None if x is None else 1 / (1 + x) - 1 if verdict.relative else -x

    return Verdict(**(fields | swapped | {"difference": turn(d), "ci_low": turn(high), "ci_high": turn(low)}))


def _decide(machine: str, recipe: str, group: Sequence[Row], budgets: Budgets, lookup: Lookup) -> Decision:
    checks = {row.name: check_limits(row, budgets) for row in group}
    why: dict[str, list[str]] = {row.name: [c.text for c in checks[row.name] if not c.holds] for row in group}
    outcome: dict[str, Outcome] = {row.name: _first_outcome(row, checks[row.name]) for row in group}
    for row in group:
        if row.report.random_weights:
            why[row.name].append("its weights are random: nothing that was measured of its answers means anything")
    fits = [row for row in group if outcome[row.name] == "fits"]
    contenders = _contenders(fits)
    for row in fits:
        if row not in contenders:
            outcome[row.name] = "dominated"
            why[row.name].append("another artifact is at least as good in every number")
            continue
        ruler = next((other for other in fits if _dominates(other.name, row.name, lookup)), None)
        if ruler is not None:
            outcome[row.name] = "dominated"
            why[row.name].append(f"{ruler.name} is not worse in anything and better in {_where(ruler, row, lookup)}")
    front = [row for row in fits if outcome[row.name] == "fits"]
    limited = any(_is_quality(check.key) for row in front for check in checks[row.name])
    chosen, reasons = _choose(front, lookup, limited)
    for row in front:
        if row in chosen and len(chosen) == 1:
            outcome[row.name] = "recommended"
    rule = _rule(front, limited, alone=len(group) == 1)
    return Decision(
        machine=machine,
        recipe=recipe,
        chosen=tuple(row.name for row in chosen),
        headline=_headline(machine, chosen, group, outcome),
        reasons=(*rule, *reasons),
        candidates=tuple(
            Candidate(
                name=row.name,
                outcome=outcome[row.name],
                limits=checks[row.name],
                on_front=row in front,
                why=tuple(why[row.name]),
            )
            for row in group
        ),
    )


def _first_outcome(row: Row, checks: Sequence[LimitCheck]) -> Outcome:
    if not _speed(row) or row.report.random_weights:
        return "not measured"
    if any(check.holds is False for check in checks):
        return "over budget"
    return "not shown to fit" if any(check.holds is None for check in checks) else "fits"


def _is_quality(key: str) -> bool:
    return key.partition("_")[2].startswith(QUALITY)


def _dominates(a: str, b: str, lookup: Lookup) -> bool:
    """``a`` is better than ``b`` in one objective at least and worse in none, as far as they can be told apart."""
    if a == b:
        return False
    found = [v.call for metric in OBJECTIVES if (v := lookup(b, a, metric)) is not None]
    return "better" in found and "worse" not in found and "not comparable" not in found


def _where(a: Row, b: Row, lookup: Lookup) -> str:
    found = [v for metric in OBJECTIVES if (v := lookup(b.name, a.name, metric)) and v.call == "better"]
    return ", ".join(f"{METRICS[v.metric].title} ({difference_text(v)})" for v in found)


def _choose(front: Sequence[Row], lookup: Lookup, limited: bool) -> tuple[list[Row], list[str]]:
    """What is left of the front after each criterion in turn, and what each of them said."""
    left, reasons = list(front), []
    for metric in (*SPEED, *ACCURACY, *REST) if limited else (*ACCURACY, *SPEED, *REST):
        measured = [row for row in left if _value(row, metric) is not None]
        if len(left) < 2 or not measured:
            continue
        sign = 1 if METRICS[metric].direction == "higher" else -1
        best = max(measured, key=lambda row: sign * (_value(row, metric) or 0.0))
        behind = [(row, v) for row in left if (v := lookup(row.name, best.name, metric)) and v.call == "better"]
        for row, verdict in behind:
            reasons.append(
                f"{METRICS[metric].title}: {best.name} is better than {row.name}, {difference_text(verdict)}"
            )
        left = [row for row in left if row not in [other for other, _ in behind]]
        if not behind and len(left) > 1:
            reasons.append(f"{METRICS[metric].title}: {_list(left)} cannot be told apart")
    return left, reasons


def _rule(front: Sequence[Row], limited: bool, *, alone: bool) -> tuple[str, ...]:
    if not front:
        return ()
    if alone:
        return ("it is the only one that was measured here",)
    if len(front) == 1:
        return ("it is the only one that the budget and the others leave",)
    if limited:
        return ("the budget says how much accuracy is enough, so speed decides among what holds it",)
    return ("the budget sets no limit to what accuracy may be lost, so accuracy decides before speed",)


def _headline(machine: str, chosen: Sequence[Row], group: Sequence[Row], outcome: Mapping[str, Outcome]) -> str:
    if len(chosen) == 1:
        return f"{machine}: ship {chosen[0].name}"
    if chosen:
        return f"{machine}: not distinguishable: {_list(chosen)}"
    if any(outcome[row.name] in ("over budget", "not shown to fit") for row in group):
        return f"{machine}: nothing is shown to hold the budget"
    return f"{machine}: nothing was measured that could be shipped"


def _list(rows: Sequence[Row]) -> str:
    names = [row.name for row in rows]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
