"""``olivepress render``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from olivepress.cli.options import DataOption, JsonOption, ModelArgument, TrustTargets
from olivepress.cli.plans import load_plan, print_plans

if TYPE_CHECKING:
    from collections.abc import Sequence

    from olivepress.pipeline.render import Rendered
    from olivepress.workflow.plan import Plan

__all__ = ["render"]


def render(
    model: ModelArgument,
    data: DataOption = None,
    trust_targets: TrustTargets = False,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail when a file is out of date.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Render and lint the Olive workflows of a recipe, offline.

    They are written into olive_configs/.
    """
    from olivepress.core.messages import next_command
    from olivepress.pipeline.render import render as render_plans

    plan = load_plan(model, data, trust_targets)
    if check:
        _check(plan, model, data)
        return
    rendered = render_plans(plan.all)
    print_plans(plan, as_json)
    if not as_json:
        _print_summary(rendered)
        print(f"next: {next_command('run', model, data)}")


def _check(plan: Plan, model: str, data: str | None) -> None:
    from olivepress.core.errors import LintError
    from olivepress.core.messages import next_command
    from olivepress.pipeline.render import render_files, stale_files

    files = {path: text for each in plan.all for path, text in render_files(each).items()}
    stale = stale_files(files)
    if stale:
        step = next_command("render", model, data)
        raise LintError(f"{stale[0]} is out of date; render the recipe again", next_step=step)
    print(f"{len(files)} files of recipe {plan.recipe.name} are up to date")


def _print_summary(rendered: Sequence[Rendered]) -> None:
    from olivepress.workflow.lint import olive_installed

    for note in dict.fromkeys(note for each in rendered for note in each.notes):
        print(f"note: {note}")
    workflows = [workflow for each in rendered for workflow in each.workflows]
    pending = sum(finding.level == "pending" for each in rendered for finding in each.findings)
    lint = "linted against the installed Olive" if olive_installed() else "Olive is not installed: only files checked"
    places = ", ".join(dict.fromkeys(str(workflow.path.parent) for workflow in workflows))
    print(f"{len(workflows)} workflows in {places}, {lint}; {pending} inputs pending")
