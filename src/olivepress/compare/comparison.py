"""Loaded reports → the Document: rows in order, verdicts, decisions, and the remarks next to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from olivepress.compare.comparable import refusal
from olivepress.compare.decide import Budgets, candidate_pairs, decide, floor_pairs
from olivepress.compare.document import ChecklistItem, Document, Row
from olivepress.compare.examples import collect_examples
from olivepress.compare.floor import constants
from olivepress.compare.load import Loaded
from olivepress.compare.lookup import lookup_in
from olivepress.compare.refusal import with_wrong_answers
from olivepress.compare.rows import order, rows_of
from olivepress.compare.summary import summary_pairs, with_summaries
from olivepress.compare.verdicts import Pair, judge
from olivepress.core.names import job_for, target_of_job
from olivepress.core.printable import printable
from olivepress.report.device_report import DeviceReport
from olivepress.report.registry import METRICS, Metric, columns
from olivepress.report.training_record import TrainingRun

__all__ = ["compare", "ladder_pairs"]

MOST_REMARKS = 40


def compare(
    loaded: Sequence[Loaded],
    *,
    budgets: Budgets | None = None,
    training: Mapping[str, TrainingRun] | None = None,
    checklists: Mapping[str, tuple[ChecklistItem, ...]] | None = None,
    questions: Mapping[str, str] | None = None,
    with_examples: bool = True,
) -> Document:
    """The whole comparison of the reports. ``budgets``: see ``decide``; ``training``: name → fine-tune;
    ``checklists``: of these.

    ``questions``: id of an example → what was asked. RecipeError for a limit of no metric; ReportError for examples
    that are not those of their report.
    """
    ordered = sorted(loaded, key=lambda item: order(item.report))
    rows = rows_of(ordered)
    by_name = {row.name: item for row, item in zip(rows, ordered, strict=True)}
    verdicts = judge([_pair(names, metrics, by_name) for names, metrics in _wanted(rows, budgets or {}).items()])
    shown = tuple(metric.name for metric in columns() if _is_shown(metric, rows))
    examples, left_out = collect_examples(rows, questions or {}) if with_examples else ((), 0)
    row_by_name = {row.name: row for row in rows}
    decisions = [
        with_wrong_answers(decision, examples, row_by_name)
        for decision in decide(rows, verdicts, budgets or {}, constants(by_name))
    ]
    return Document(
        title=_title(rows),
        columns=shown,
        rows=rows,
        decisions=with_summaries(decisions, rows, lookup_in(verdicts), budgets or {}),
        verdicts=tuple(verdicts),
        remarks=_remarks(rows),
        footnotes=_footnotes(rows, shown),
        examples=examples,
        examples_left_out=left_out,
        training=dict(training or {}),
        checklists=dict(checklists or {}),
    )


def _wanted(rows: Sequence[Row], budgets: Budgets) -> dict[tuple[str, str], tuple[str, ...]]:
    """Pairs of names → the only metrics to compare them in; () for all."""
    wanted: dict[tuple[str, str], tuple[str, ...]] = dict.fromkeys(
        [*ladder_pairs(rows), *candidate_pairs(rows, budgets)], ()
    )
    for pair, metric in floor_pairs(rows, budgets).items():
        wanted.setdefault(pair, (metric,))
    for (first, second), metrics in summary_pairs(rows, budgets).items():
        if (second, first) not in wanted:
            wanted.setdefault((first, second), metrics)
    return wanted


def _pair(names: tuple[str, str], metrics: tuple[str, ...], loaded: Mapping[str, Loaded]) -> Pair:
    a, b = names
    return Pair(a=loaded[a], b=loaded[b], name_a=a, name_b=b, metrics=metrics)


def _is_shown(metric: Metric, rows: Sequence[Row]) -> bool:
    always = metric.column is not None and metric.column.always
    return always or any(row.report.value(metric.name) is not None for row in rows)


def _title(rows: Sequence[Row]) -> str:
    recipes = sorted({printable(row.report.recipe) for row in rows})
    machines = sorted({row.machine for row in rows})
    return f"{_some(recipes)} on {_some(machines)}"


def _some(texts: Sequence[str]) -> str:
    return ", ".join(texts) if len(texts) <= 4 else f"{', '.join(texts[:3])} and {len(texts) - 3} more"


def ladder_pairs(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """Each row with the one before it on the ladder of its recipe and data.

    Few-shot and fine-tuned against base, fine-tuned against few-shot as well (what it bought over prompting), merged
    against fine-tuned, exports against merged or fine-tuned, quantized against the export that is not, a package with
    its adapter against the merged export for the same target as well. Where the parent was not measured: against
    whatever stands first.
    """
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        data = row.report.dataset
        if data is not None:
            groups.setdefault((row.report.recipe, data.version, data.split), []).append(row)
    pairs = []
    for group in groups.values():
        by_role: dict[str, list[Row]] = {}
        for row in group:
            by_role.setdefault(row.role, []).append(row)
        for row in group:
            parents = [*_parents(row, group[0], by_role), *_merged_exports(row, group)]
            pairs += [(parent.name, row.name) for parent in parents]
    return pairs


_BEFORE = {
    "few-shot": ("base",),
    "fine-tuned": ("base", "few-shot"),
    "merged": ("fine-tuned",),
    "exported": ("merged", "fine-tuned"),
    "quantized": ("merged", "fine-tuned"),
}


def _parents(row: Row, first: Row, by_role: Mapping[str, Sequence[Row]]) -> list[Row]:
    parents = []
    for before in _BEFORE.get(row.role, ()):
        same = [other for other in by_role.get(before, ()) if other.machine == row.machine]
        parent = next(iter(same or by_role.get(before, ())), None)
        if parent is not None and parent is not row:
            parents.append(parent)
        if parents and row.role != "fine-tuned":
            break
    if not parents and first is not row:
        return [first]
    return parents


def _merged_exports(row: Row, group: Sequence[Row]) -> list[Row]:
    """The merged export that a package's adapter is compared with: of the same target on the same machine."""
    match target_of_job(row.report.job):
        case "package", target:
            job = job_for("export", target)
            return [other for other in group if other.report.job == job and other.machine == row.machine]
        case _:
            return []


_COMPARED_BY = {"exact_match": "task metrics", "perplexity": "perplexity", "decode_tps": "latency"}
"""Metric → what of the page is not comparable where it is not."""


def _remarks(rows: Sequence[Row]) -> tuple[str, ...]:
    """Warnings of the reports, and what is not comparable on the page as a whole."""
    remarks = [f"{row.name}: {printable(warning)}" for row in rows for warning in row.report.warnings]
    first: dict[str, DeviceReport] = {}
    for row in rows:
        for metric, title in _COMPARED_BY.items():
            if row.report.value(metric) is None:
                continue
            reason = refusal(first.setdefault(metric, row.report), row.report, metric)
            if reason:
                remarks.append(f"{title}: {printable(reason)}")
    unique = list(dict.fromkeys(remarks))
    if len(unique) > MOST_REMARKS:
        return (*unique[:MOST_REMARKS], f"and {len(unique) - MOST_REMARKS} more remarks in the reports")
    return tuple(unique)


def _footnotes(rows: Sequence[Row], names: Sequence[str]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Reason → titles of the columns that are null for it, in the order in which they are met."""
    titles_by_reason: dict[str, dict[str, None]] = {}
    for row in rows:
        for name in names:
            measurement = row.report.metrics.get(name)
            if measurement is None or measurement.value is None:
                reason = (measurement.reason if measurement else None) or "not in this report"
                titles_by_reason.setdefault(printable(reason), {})[METRICS[name].title] = None
    return tuple((reason, tuple(titles)) for reason, titles in titles_by_reason.items())
