"""``olivepress plan``."""

from __future__ import annotations

from olivepress.cli.options import DataOption, JsonOption, ModelArgument, TrustTargets
from olivepress.cli.plans import load_plan, print_plans

__all__ = ["plan"]


def plan(
    model: ModelArgument, data: DataOption = None, trust_targets: TrustTargets = False, as_json: JsonOption = False
) -> None:
    """Print the jobs of a recipe and the memory, disk and time that each needs."""
    from olivepress.core.messages import next_command

    print_plans(load_plan(model, data, trust_targets), as_json)
    if not as_json:
        print(f"next: {next_command('run', model, data)}")
