"""Answers of two artifacts to the same examples: is the second not inferior to the first, by the recipe's margin?"""

from __future__ import annotations

from collections.abc import Sequence

from olivepress.compare.comparable import refusal
from olivepress.compare.load import Loaded
from olivepress.compare.verdicts import common_scores
from olivepress.core.artifact import TaskVerdict
from olivepress.core.printable import printable
from olivepress.measure.quality.noninferiority import judge_task
from olivepress.registry.case import Case
from olivepress.registry.gate import GateResult, failed, inconclusive, passed, worst
from olivepress.report.device_report import DeviceReport
from olivepress.report.registry import METRICS

__all__ = ["judge_answers"]


def judge_answers(case: Case, before: Sequence[Loaded], name: str) -> GateResult:
    """Every report of the artifact against one of ``before``: that of the same machine, else the first.

    ``name`` is what ``before`` is called. Neither may be empty.
    """
    return worst([_judge(case, _of_machine(before, item), item, name) for item in case.reports])


def _of_machine(before: Sequence[Loaded], item: Loaded) -> Loaded:
    same = (each for each in before if each.report.machine.id == item.report.machine.id)
    return next(same, before[0])


def _judge(case: Case, before: Loaded, now: Loaded, name: str) -> GateResult:
    machine, metric = printable(now.report.machine.id), case.metric
    other_data = _another_version(before.report, now.report)
    earlier = before.report.model_copy(update={"dataset": now.report.dataset}) if other_data else before.report
    reason = refusal(earlier, now.report, metric)
    if reason is not None:
        step = f"olivepress bench {case.recipe.name}, which measures both on the same data"
        return failed(f"{machine}: cannot be compared with {name}: {reason}", next_step=step)
    first, second, _ = common_scores(before.scores, now.scores, metric)
    if not len(first):
        return _nothing_common(machine, before.report, name, other_data=other_data)
    available = now.report.dataset.of if now.report.dataset and not other_data else len(first)
    verdict = judge_task(metric, first.tolist(), second.tolist(), margin=case.margin, available=available, name=name)
    where = f", on the test rows that its data ({_version(before.report)}) has too" if other_data else ""
    text = f"{machine}: {_text(verdict, name)}{where}"
    if verdict.call == "not inferior":
        return passed(text)
    if verdict.call == "inferior":
        return failed(text, next_step=f"train or quantize again; {name} stays")
    return inconclusive(text, next_step=_more(verdict, case.recipe.name), n=verdict.rows_needed)


def _another_version(before: DeviceReport, now: DeviceReport) -> bool:
    """Whether the two were measured on the same split of two versions of the data.

    The rows that both versions have are told by their ids, which are hashes of what is in them.
    """
    a, b = before.dataset, now.dataset
    return a is not None and b is not None and a.split == b.split and a.version != b.version


def _version(report: DeviceReport) -> str:
    return report.dataset.version[:12] if report.dataset else "none"


def _nothing_common(machine: str, before: DeviceReport, name: str, *, other_data: bool) -> GateResult:
    if other_data:
        text = f"{machine}: no test row in common with {name}, which was measured on other data ({_version(before)})"
        return inconclusive(text, next_step="keep the test rows of that version in the new one: olivepress data mix")
    step = "keep the .examples.jsonl files beside the reports, or measure again with olivepress bench"
    return inconclusive(f"{machine}: no common answers with {name}", next_step=step)


def _text(verdict: TaskVerdict, name: str) -> str:
    if verdict.difference is None or verdict.ci_low is None or verdict.ci_high is None:
        return f"{verdict.reason} (compared with {name})"
    ends = f"{100 * verdict.ci_low:+.1f} to {100 * verdict.ci_high:+.1f}"
    title = METRICS[verdict.metric].title if verdict.metric in METRICS else verdict.metric
    text = (
        f"{title} {100 * verdict.difference:+.1f} points ({ends}) compared with {name}, "
        f"may lose {100 * verdict.margin:g}, n={verdict.rows:,}"
    )
    return f"{text}; {verdict.reason}" if verdict.reason else text


def _more(verdict: TaskVerdict, recipe: str) -> str:
    needed = verdict.rows_needed
    if needed is None:
        return "choose a margin that fits the task (limits.margin in the recipe), or improve the model"
    if needed > verdict.rows_available:
        return f"add test rows: {needed:,} are needed, the test split has {verdict.rows_available:,}"
    return f"measure {needed:,} test examples (benchmark.max_examples in the recipe), then olivepress bench {recipe}"
