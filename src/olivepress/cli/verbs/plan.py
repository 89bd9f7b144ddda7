"""``olivepress plan``."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from olivepress.cli.options import DataOption, JsonOption, ModelArgument, TrustTargets
from olivepress.cli.plans import load_plan, print_plans

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
    """Print the jobs of a recipe and the memory, disk and time that each needs."""
    from olivepress.core.messages import next_command
    from olivepress.workflow.upstream import upstream_note

    planned = load_plan(model, data, trust_targets)
    if upstream:
        print(f"note: {upstream_note(planned)}", file=sys.stderr)
    print_plans(planned, as_json)
    if not as_json:
        print(f"next: {next_command('run', model, data)}")
