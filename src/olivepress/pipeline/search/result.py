"""The result of a search of fine-tunes: the winner's recipe and workflows, the page, and everything as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from olivepress.core.files import write_text
from olivepress.core.layout import search_dir
from olivepress.pipeline.search.common import default_params
from olivepress.pipeline.search.finetune import SearchDecision
from olivepress.pipeline.search.finetune_search import kind_of
from olivepress.pipeline.search.joint import kept_within, rule_text
from olivepress.pipeline.search.winner import Written, set_aside, write_winner
from olivepress.report.answers import FEWEST
from olivepress.study.front import front_charts, front_of
from olivepress.study.page import SearchPage, search_html, state_words
from olivepress.study.space import TARGET

__all__ = ["SearchResult", "answer", "result_record", "write_result"]


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """``written`` None: the default is the best, or the winner is shown to be worse. ``set_aside``: what the winner of
    an earlier study is called now. ``page`` and ``record`` are files."""

    decision: SearchDecision
    written: Written | None
    set_aside: Path | None
    page: Path
    record: Path


def write_result(decision: SearchDecision) -> SearchResult:
    """Write the winner's recipe and workflows, ``runs/RECIPE/search/finetune.html`` and the same as JSON; of a joint
    search ``joint.html``. Without a winner that of an earlier study is renamed."""
    written: Written | None = None
    earlier: Path | None = None
    if decision.winner is not None and not _is_refused(decision):
        written = write_winner(decision.searched, decision.winner, list(answer(decision)))
    else:
        earlier = set_aside(decision.searched)
    folder, level = search_dir(decision.searched.recipe.name), kind_of(decision.searched).level
    page, record = folder / f"{level}.html", folder / f"{level}.json"
    write_text(page, search_html(_page(decision)))
    write_text(record, json.dumps(result_record(decision, written), indent=2) + "\n")
    return SearchResult(decision=decision, written=written, set_aside=earlier, page=page, record=record)


def _is_refused(decision: SearchDecision) -> bool:
    """Whether the comparison has shown the winner to be worse; of a joint search by more than its margin."""
    verdict, joint = decision.verdict, decision.searched.search.joint
    if verdict is None or verdict.call != "worse":
        return False
    return joint is None or kept_within(verdict.ci_low, verdict.ci_high, joint.margin) == "lost"


def answer(decision: SearchDecision) -> Iterator[str]:
    """The decision in sentences."""
    trials = decision.stages["trials"]
    name = decision.searched.recipe.name
    if decision.verdict is None:
        yield f"The settings of recipe {name} are the best that was found: no finalist beats them at full length."
    else:
        yield f"The winner is {decision.verdict.text}."
        if decision.verdict.rows < FEWEST:
            yield f"Fewer than {FEWEST} test rows show no difference: set data.test_fraction or data.max_test_rows."
        elif not decision.verdict.detectable:
            yield "Every test row has the same score with both."
        elif decision.verdict.call == "not distinguishable":
            yield f"Differences below {decision.verdict.detectable:.3f} are not visible with these test rows."
    if _is_refused(decision):
        yield "So no recipe is written."
    yield from _joint_answer(decision)
    yield f"Study {trials.name}: {state_words(trials.trials)}."


_MARGIN_WORDS = {
    "kept": "Its quality is shown to be within the margin of {margin:g} of the default's.",
    "lost": "Its quality is shown to be below the default's by more than the margin of {margin:g}.",
    "not shown": "These test rows do not show whether its quality is within the margin of {margin:g} of the default's.",
}


def _joint_answer(decision: SearchDecision) -> Iterator[str]:
    """What the winner of a joint search gains, and the rule that it was chosen by."""
    searched, joint = decision.searched, decision.searched.search.joint
    if joint is None:
        return
    if decision.verdict is not None and decision.winner is not None:
        if decision.verdict.rows >= FEWEST:
            margin = kept_within(decision.verdict.ci_low, decision.verdict.ci_high, joint.margin)
            yield _MARGIN_WORDS[margin].format(margin=joint.margin)
        _, before, size_before = decision.measured["default"]
        _, after, size_after = decision.measured["winner"]
        yield (
            f"Target {decision.winner[TARGET]}: {size_after / 1e6:,.1f} MB against {size_before / 1e6:,.1f} MB, "
            f"{after:,.0f} against {before:,.0f} tokens/s of the default ({default_params(searched)[TARGET]})."
        )
    yield f"Rule: {rule_text(joint, searched.test_metric)}."


def result_record(decision: SearchDecision, written: Written | None) -> dict[str, Any]:
    """Everything as JSON has it."""
    return {
        "recipe": decision.searched.recipe.name,
        "metric": decision.searched.metric,
        "test_metric": decision.searched.test_metric,
        "default": dict(default_params(decision.searched)),
        "winner": None if decision.winner is None else dict(decision.winner),
        "verdict": None if decision.verdict is None else asdict(decision.verdict),
        "measured": {name: list(values) for name, values in decision.measured.items()},
        "best_recipe": None if written is None else written.recipe.as_posix(),
        "workflows": [] if written is None else [path.as_posix() for path in written.workflows],
        "stages": {
            title: {
                "study": record.name,
                "objectives": list(record.objectives),
                "importances": dict(record.importances),
                "front": front_of(record) if len(record.objectives) > 1 else [],
                "trials": [asdict(trial) for trial in record.trials],
            }
            for title, record in decision.stages.items()
        },
    }


def _page(decision: SearchDecision) -> SearchPage:
    searched = decision.searched
    before, after = default_params(searched), decision.winner or {}
    names = dict.fromkeys([*before, *after])
    labels = ["synthetic data"] if searched.dataset.synthetic else []
    return SearchPage(
        title=f"Search of {searched.recipe.name}",
        answer=tuple(answer(decision)),
        stages={title.capitalize(): record for title, record in decision.stages.items()},
        settings=[(name, before.get(name, ""), after.get(name, "")) for name in names] if after else (),
        labels=labels,
        charts={} if searched.search.joint is None else {"Pareto front": front_charts(decision.stages["trials"])},
    )
