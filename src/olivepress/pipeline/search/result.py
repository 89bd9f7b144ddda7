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
from olivepress.pipeline.search.finetune import Found
from olivepress.pipeline.search.winner import Written, write_winner
from olivepress.report.answers import FEWEST
from olivepress.study.page import SearchPage, search_html, state_words

__all__ = ["SearchResult", "answer", "result_record", "write_result"]


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """``written`` None: the default is the best. ``page`` and ``record`` are files."""

    found: Found
    written: Written | None
    page: Path
    record: Path


def write_result(found: Found) -> SearchResult:
    """Write the winner's recipe and workflows, ``runs/RECIPE/search/finetune.html`` and the same as JSON."""
    written = None
    if found.winner is not None:
        written = write_winner(found.searched, found.winner, list(answer(found)))
    folder = search_dir(found.searched.recipe.name)
    page, record = folder / "finetune.html", folder / "finetune.json"
    write_text(page, search_html(_page(found)))
    write_text(record, json.dumps(result_record(found, written), indent=2) + "\n")
    return SearchResult(found=found, written=written, page=page, record=record)


def answer(found: Found) -> Iterator[str]:
    """The decision in sentences."""
    trials = found.stages["trials"]
    name = found.searched.recipe.name
    if found.verdict is None:
        yield f"The settings of recipe {name} are the best that was found: no finalist beats them at full length."
    else:
        yield f"The winner is {found.verdict.text}."
        if found.verdict.rows < FEWEST:
            yield f"Fewer than {FEWEST} test rows show no difference: set data.test_fraction or data.max_test_rows."
        elif not found.verdict.detectable:
            yield "Every test row has the same score with both."
        elif found.verdict.call == "not distinguishable":
            yield f"Differences below {found.verdict.detectable:.3f} are not visible with these test rows."
    yield f"Study {trials.name}: {state_words(trials.trials)}."


def result_record(found: Found, written: Written | None) -> dict[str, Any]:
    """Everything as JSON has it."""
    return {
        "recipe": found.searched.recipe.name,
        "metric": found.searched.metric,
        "test_metric": found.searched.test_metric,
        "default": dict(default_params(found.searched)),
        "winner": None if found.winner is None else dict(found.winner),
        "verdict": None if found.verdict is None else asdict(found.verdict),
        "best_recipe": None if written is None else written.recipe.as_posix(),
        "workflows": [] if written is None else [path.as_posix() for path in written.workflows],
        "stages": {
            title: {
                "study": record.name,
                "objectives": list(record.objectives),
                "importances": dict(record.importances),
                "trials": [asdict(trial) for trial in record.trials],
            }
            for title, record in found.stages.items()
        },
    }


def _page(found: Found) -> SearchPage:
    searched = found.searched
    before, after = default_params(searched), found.winner or {}
    names = dict.fromkeys([*before, *after])
    labels = ["synthetic data"] if searched.dataset.synthetic else []
    return SearchPage(
        title=f"Search of {searched.recipe.name}",
        answer=tuple(answer(found)),
        stages={title.capitalize(): record for title, record in found.stages.items()},
        settings=[(name, before.get(name, ""), after.get(name, "")) for name in names] if after else (),
        labels=labels,
    )
