"""The device reports of a recipe, compared under its budget, as a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from olivepress.catalog import choices
from olivepress.core.layout import recipe_runs
from olivepress.pipeline.packages import package_report_paths
from olivepress.pipeline.reports import report_paths
from olivepress.pipeline.training_runs import training_runs
from olivepress.track.checklist import checklist
from olivepress.track.runs import all_runs
from olivepress.workflow.plan import Plan

if TYPE_CHECKING:
    from olivepress.compare.document import ChecklistItem, Document
    from olivepress.recipe.schema import Recipe

__all__ = ["Page", "budgets", "checklists", "questions", "report", "report_recipe"]


@dataclass(frozen=True, kw_only=True)
class Page:
    """A comparison, and the files that it was written to by their kind."""

    document: Document
    files: dict[str, Path]

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return self.document._repr_html_()


def report_recipe(plan: Plan) -> list[Page]:
    """Compare all reports of a recipe; of a recipe of several adapters one comparison for each adapter.

    Raises ReportError when there is no report of its present artifacts.
    """
    if not plan.members:
        return [report(plan, report_paths(plan))]
    return [report(member, package_report_paths(plan, name)) for name, member in plan.members.items()]


def report(plan: Plan, paths: Sequence[Path], *, folder: str = "report") -> Page:
    """Compare the recipe's reports under its budget; write page, Markdown, JSON and CSV into ``folder`` of its runs."""
    from olivepress.compare import compare, load
    from olivepress.compare.render.page import write_report_page

    document = compare(
        load(paths),
        budgets=budgets(plan.recipe),
        training=training_runs(plan.recipe.name),
        checklists=checklists(plan.recipe.name),
        questions=questions(plan.dataset.directory),
    )
    files = write_report_page(document, recipe_runs(plan.recipe.name) / folder)
    return Page(document=document, files=files)


def checklists(recipe: str) -> dict[str, tuple[ChecklistItem, ...]]:
    """The reproducibility checklist of the recipe's last finished fine-tune, by its name; {} without a record."""
    runs = [run for run in all_runs(recipe) if run.started.kind == "finetune" and run.status == "finished"]
    return {run.name: tuple(checklist(run)) for run in runs[-1:]}


def budgets(recipe: Recipe) -> dict[str, dict[str, float]]:
    """The recipe's hard limits by target; those of a device apply to each of its targets."""
    named = {name: budget.limits for name, budget in recipe.budget.items()}
    for device, names in choices().items():
        if device in named:
            named |= {name: named[device] | named.get(name, {}) for name in names}
    return named


def questions(dataset: Path) -> dict[str, str]:
    """Id → the last message before the answer, of the test split; none where the dataset's folder is not here."""
    from olivepress.core.errors import DataError
    from olivepress.data.store.reader import read_split

    try:
        rows = read_split(dataset, "test").rows
    except DataError:  # the reports still have the answers
        return {}
    return {row.id: row.messages[-2]["content"] for row in rows if len(row.messages) > 1}
