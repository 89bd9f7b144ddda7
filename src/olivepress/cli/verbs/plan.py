"""``olivepress plan``."""

from __future__ import annotations

from olivepress.cli.options import DataOption, JsonOption, ModelArgument, TrustTargets
from olivepress.cli.plans import load_plan, measure_once, print_plans

__all__ = ["plan"]


def plan(
    model: ModelArgument, data: DataOption = None, trust_targets: TrustTargets = False, as_json: JsonOption = False
) -> None:
    """Print the jobs of a recipe, what each takes, and what runs here.

    Memory, disk and time are estimates; the time is of this machine, which is measured once, in seconds.
    """
    from olivepress.core.messages import next_command

    made = load_plan(model, data, trust_targets)
    measure_once(quiet=as_json)
    print_plans(made, as_json)
    if not as_json:
        print(f"next: {next_command('run', model, data)}")
