"""Plans on the command line: loaded from what was typed, and printed."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from olivepress.pipeline.plan import Ahead
    from olivepress.workflow.estimate import Need
    from olivepress.workflow.plan import Plan

__all__ = ["load_plan", "measure_once", "need_record", "plan_record", "print_plans"]


def load_plan(model: str, data: str | None = None, trust_targets: bool = False) -> Plan:
    """The plan; on stderr, the code of targets that are trusted to run some."""
    from olivepress.pipeline.plan import load_plan
    from olivepress.workflow.targets import code_in_targets

    plan = load_plan(model, data=data, trust_targets=trust_targets)
    if trust_targets:
        for code in code_in_targets([job.target for job in plan.jobs if job.target]):
            name = code.target.target
            print(f"target {name} runs code of its own, as --trust-targets allows: {code}", file=sys.stderr)
        for each in plan.all:
            if each.recipe.finetune.loss is not None and each.jobs[0].kind == "finetune":
                module = each.recipe.finetune.loss.module
                print(f"finetune.loss runs code of its own, as --trust-targets allows: {module}", file=sys.stderr)
    return plan


def print_plans(plan: Plan, as_json: bool) -> Ahead:
    """The jobs of a plan and of its members: what each needs, and what this machine will do with it, which is
    returned."""
    from olivepress.cli.ahead_text import ahead_lines, environment_note
    from olivepress.pipeline.plan import look_ahead

    ahead = look_ahead(plan)
    if as_json:
        print(json.dumps(plan_record(plan, ahead), indent=2))
        return ahead
    if plan.model.wheel is not None:
        print(f"note: {plan.model.wheel.note}")
    if plan.model.text_part is not None:
        print(f"note: {plan.model.text_part.note}")
    if (note := environment_note(plan)) is not None:
        print(f"note: {note}")
    for each in plan.all:
        _print_plan(each, ahead)
    for line in ahead_lines(ahead):
        print(line)
    return ahead


def measure_once(quiet: bool) -> None:
    """Measure this machine for the estimates of time, unless it was measured as it is."""
    from olivepress.workflow.machine_rates import is_measured, measure_machine

    if not is_measured():
        if not quiet:
            print("measuring this machine, once, for estimates of time: some seconds", file=sys.stderr)
        measure_machine()


def need_record(need: Need) -> dict[str, Any]:
    """In the units of the keys, time to the second."""
    return {
        "memory_bytes": need.memory_bytes,
        "disk_bytes": need.disk_bytes,
        "seconds": round(need.seconds),
    }


def plan_record(plan: Plan, ahead: Ahead) -> dict[str, Any]:
    """A plan as JSON: of a recipe of several adapters with its ``members``, and what a run does of all of them."""
    from olivepress.cli.ahead_text import machine_record

    members = {"members": [_plan_record(each, ahead) for each in plan.members.values()]} if plan.members else {}
    return {
        **_plan_record(plan, ahead),
        **members,
        "to_run": need_record(ahead.to_run) if ahead.to_run else None,
        "machine": machine_record(),
    }


def _plan_record(plan: Plan, ahead: Ahead) -> dict[str, Any]:
    from olivepress.workflow.estimate import needs, total
    from olivepress.workflow.plan import first_of_each_choice

    all_needs, states = needs(plan), ahead.states(plan)
    certain = {job.id: all_needs[job.id] for job in first_of_each_choice(plan.jobs)}
    jobs = [
        {
            "id": job.id,
            "kind": job.kind,
            "parent": job.parent,
            "target": job.target.target if job.target else None,
            "if_needed": job.id not in certain,
            "output_dir": str(plan.output_dir(job)),
            **need_record(all_needs[job.id]),
            **asdict(states[job.id]),
        }
        for job in plan.jobs
    ]
    dataset = {"name": plan.dataset.name, "version": plan.dataset.version}
    model = {"path": plan.model.path, "revision": plan.model.revision, "parameters": plan.model.facts.parameters}
    if plan.model.text_part is not None:
        model |= {"text_part_of": plan.model.text_part.source, "revision": plan.model.commit}
    return {
        "recipe": plan.recipe.name,
        "model": model,
        "dataset": dataset,
        "jobs": jobs,
        "total": need_record(total(certain)),
    }


def _print_plan(plan: Plan, ahead: Ahead) -> None:
    from olivepress.cli.cost_table import plan_lines

    recipe, dataset = plan.recipe, plan.dataset
    rows = ", ".join(f"{len(examples)} {split}" for split, examples in dataset.splits.items())
    kind = "synthetic, " if dataset.synthetic else ""
    revision = f" at {plan.model.commit[:12]}" if plan.model.commit else ""
    print(f"recipe {recipe.name}: {recipe.model.path}{revision}, {plan.model.facts.parameters / 1e6:,.1f} M parameters")
    print(f"data {dataset.name} ({kind}{rows}), sha256 {dataset.version[:12]}")
    for reason, count in dataset.dropped.items():
        print(f"  left out: {count} x {reason}")
    for line in plan_lines(plan, ahead.states(plan)):
        print(line)
