"""``olivepress plan``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from olivepress.cli.options import DataOption, JsonOption, ModelArgument, TrustTargets
from olivepress.cli.plans import load_plan, measure_once, print_plans

if TYPE_CHECKING:
    from olivepress.pipeline.plan import Ahead

__all__ = ["plan"]


def plan(
    model: ModelArgument,
    data: DataOption = None,
    trust_targets: TrustTargets = False,
    upstream: Annotated[
        bool, typer.Option("--upstream", help="Ask the Hub whether the model has changed since its commit was fixed.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Print the jobs of a recipe, what each takes, and what runs here.

    Memory, disk and time are estimates; the time is of this machine, which is measured once, in seconds.
    """
    from olivepress.workflow.upstream import upstream_note

    made = load_plan(model, data, trust_targets)
    if upstream:
        print(f"note: {upstream_note(made)}", file=sys.stderr)
    measure_once(quiet=as_json)
    ahead = print_plans(made, as_json)
    if not as_json:
        print(f"next: {_next_step(ahead, model, data)}")


def _next_step(ahead: Ahead, model: str, data: str | None) -> str:
    """Run what can be run here, or measure what is finished."""
    from olivepress.core.messages import next_command

    if ahead.to_run is None and ahead.of("kept"):
        return next_command("bench", model, data)
    step, cannot = next_command("run", model, data), ahead.of("cannot")
    if not cannot:
        return step
    if ahead.to_run is None and (needed := cannot[0][2].next_step) is not None:
        return needed  # nothing runs before it
    return f"{step} OPTIONS=--keep-going" if step.startswith("make ") else f"{step} --keep-going"
