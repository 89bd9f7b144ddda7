"""A decision → its ``Summary``: what to ship, what it costs against the export with the most bits, how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations

from olivepress.compare.decide import REST, SPEED, contenders, shippable
from olivepress.compare.document import Decision, Figure, Row, Summary, Verdict
from olivepress.compare.dominance import not_worse
from olivepress.compare.floor import baselines
from olivepress.compare.limits import Budgets, limits_of
from olivepress.compare.lookup import Lookup
from olivepress.report.answers import answer_metric
from olivepress.report.registry import METRICS

__all__ = ["MOST_DECIDING", "summary_pairs", "with_summaries"]

MOST_DECIDING = 5
_PARENTS = ("merged", "fine-tuned", "base")  # a PyTorch model that an export is compared with, the nearest first


def summary_pairs(rows: Sequence[Row], budgets: Budgets) -> dict[tuple[str, str], tuple[str, ...]]:
    """(reference, artifact) → the metrics to compare them in, where the decision does not compare the reference."""
    pairs: dict[tuple[str, str], tuple[str, ...]] = {}
    for group, there in contenders(rows, budgets):
        reference = _widest(group)
        if reference is None or reference in there:
            continue
        for row in there:
            pairs[reference.name, row.name] = (answer_metric(limits_of(row, budgets)), *SPEED, *REST)
    return pairs


def with_summaries(
    decisions: Sequence[Decision], rows: Sequence[Row], lookup: Lookup, budgets: Budgets
) -> tuple[Decision, ...]:
    """Each decision with its summary; ``lookup`` holds ``summary_pairs``."""
    groups = shippable(rows)
    return tuple(
        _with_summary(decision, groups.get((decision.machine, decision.recipe), []), rows, lookup, budgets)
        for decision in decisions
    )


def _with_summary(
    decision: Decision, group: Sequence[Row], rows: Sequence[Row], lookup: Lookup, budgets: Budgets
) -> Decision:
    by_name = {row.name: row for row in group}
    artifacts = [by_name[name] for name in decision.chosen] or _best(group, decision, budgets)
    if not artifacts:
        return decision
    first = artifacts[0]
    metric = answer_metric(limits_of(first, budgets))
    reference = None if len(artifacts) > 1 else _reference(first, group, rows)
    share = first.report.metrics.get(metric)
    counted = share is not None and share.value is not None and METRICS[metric].counted and share.n > 0
    summary = Summary(
        machine=decision.machine,
        outcome=decision.outcome,
        artifacts=tuple(row.name for row in artifacts),
        artifact_names=tuple(row.artifact for row in artifacts),
        reference=reference.name if reference else "",
        reference_name=_reference_name(reference),
        figures=tuple(figure for row in artifacts for figure in _figures(row, metric, reference, lookup)),
        right=round((share.value or 0.0) * share.n) if share and counted else None,
        answered=share.n if share and counted else None,
        reason=decision.reason,
        interchangeable=len(artifacts) > 1 and _interchangeable(artifacts, metric, lookup),
        deciding=_deciding(first, metric, reference or next(iter(artifacts[1:]), None), rows, lookup),
    )
    return replace(decision, summary=summary)


def _widest(group: Sequence[Row]) -> Row | None:
    """The export that is not quantized: the first, rows being ordered from many bits to few."""
    return next((row for row in group if row.role == "exported"), None)


def _best(group: Sequence[Row], decision: Decision, budgets: Budgets) -> list[Row]:
    """Where nothing is shipped: the artifact with the best answers, as far as any were measured."""
    tried = {candidate.name for candidate in decision.candidates if candidate.outcome != "not measured"}

    def answers(row: Row) -> float:
        value = row.report.value(answer_metric(limits_of(row, budgets)))
        return -1.0 if value is None else value

    ordered = sorted(group, key=lambda row: (row.name in tried, answers(row)), reverse=True)
    return ordered[:1]


def _reference(row: Row, group: Sequence[Row], rows: Sequence[Row]) -> Row | None:
    widest = _widest(group)
    if widest is not None and widest is not row:
        return widest
    data = row.report.dataset
    parents = [r for r in rows if r.report.runtime == "pytorch" and r.report.recipe == row.report.recipe]
    same = [r for r in parents if r.report.dataset and data and r.report.dataset.version == data.version]
    return next((r for role in _PARENTS for r in same if r.role == role), None)


def _reference_name(reference: Row | None) -> str:
    if reference is None:
        return ""
    return f"the {reference.role} model" if reference.report.runtime == "pytorch" else reference.artifact


def _figures(row: Row, metric: str, reference: Row | None, lookup: Lookup) -> list[Figure]:
    """Accuracy, speed, size and memory, as far as they were measured."""
    figures = []
    for name in (metric, *SPEED, *REST):
        measurement = row.report.metrics.get(name)
        if measurement is None or measurement.value is None:
            continue
        verdict = lookup(reference.name, row.name, name) if reference else None
        if verdict is not None and verdict.call == "not comparable":
            verdict = None
        equal = verdict is not None and reference is not None and verdict.call == "cannot tell"
        figures.append(
            Figure(
                row=row.name,
                metric=name,
                value=measurement.value,
                ci_low=measurement.ci_low,
                ci_high=measurement.ci_high,
                n=measurement.n,
                verdict=verdict,
                equal=bool(equal and verdict and reference and not_worse(verdict, reference, row)),
            )
        )
    return figures


def _interchangeable(artifacts: Sequence[Row], metric: str, lookup: Lookup) -> bool:
    """Whether no two of them are shown to differ, and a loss that matters is excluded in accuracy and speed."""
    for name in (metric, SPEED[0]):
        for a, b in permutations(artifacts, 2):
            verdict = lookup(a.name, b.name, name)
            if verdict is None or not not_worse(verdict, a, b):
                return False
    return True


def _deciding(row: Row, metric: str, reference: Row | None, rows: Sequence[Row], lookup: Lookup) -> tuple[Verdict, ...]:
    """What the artifact gains over the base, then what it gains and loses against the reference or its equal."""
    before = baselines(row, rows)
    wanted = [(before[role].name, metric) for role in ("base",) if role in before]
    if reference is not None:
        wanted += [(reference.name, name) for name in (metric, *SPEED[:1], *REST, *SPEED[1:])]
    wanted += [(before[role].name, metric) for role in ("few-shot",) if role in before]
    verdicts = [lookup(first, row.name, name) for first, name in dict.fromkeys(wanted)]
    return tuple(v for v in verdicts if v is not None and v.call != "not comparable")[:MOST_DECIDING]
