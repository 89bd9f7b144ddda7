"""The comments at the top of a workflow: where it comes from, and how it is run."""

from __future__ import annotations

import re
from pathlib import Path

from olivepress.catalog import BUILD
from olivepress.core.layout import CONFIGS, ENVIRONMENTS
from olivepress.recipe.methods import METHODS
from olivepress.workflow.plan import Job, Plan

__all__ = ["environment_in", "header"]

_ADAPTERS = "then, for each adapter: olivepress adapters add PACKAGE PEFT_DIR --name NAME (olivepress run does it)"

_ENVIRONMENT = re.compile(r"^# Environment: ([a-z0-9-]+)", re.MULTILINE)


def header(plan: Plan, job: Job, package_config: Path | None) -> str:
    """Comment lines; ``package_config`` is the file that ``olive run`` needs for this job, if it needs one."""
    config = (CONFIGS / plan.recipe.name / f"{job.id}.yaml").as_posix()
    options = f" --package-config {package_config.as_posix()}" if package_config else ""
    needed = plan.model.family.build_environment
    olive = "olive" if needed == BUILD else (ENVIRONMENTS / needed / "bin" / "olive").as_posix()
    lines = [
        f"Rendered by olivepress from recipe {plan.recipe.name}; edit the recipe, not this file.",
        f"Job {job.id}: reads {_input(plan, job)}.",
        *_of_environment(needed),
        f"Run from the project root: {olive} run --config {config} --disable_telemetry{options}",
        f"or, verified and resumable: olivepress run MODEL --job {job.id}",
        *_origins(plan, job),
    ]
    return "".join(f"# {line}\n" for line in lines)


def environment_in(text: str) -> str:
    """The environment that a workflow's header names: that of the model's family."""
    named = _ENVIRONMENT.search(text)
    return named[1] if named else BUILD


def _of_environment(name: str) -> list[str]:
    """Where the workflow runs, unless that is the environment that olivepress itself is installed in."""
    if name == BUILD:
        return []
    return [f"Environment: {name}, which olivepress env create {name} installs (on Windows: Scripts for bin below)."]


def _input(plan: Plan, job: Job) -> str:
    # A package is compared with its parent, not made from it.
    if job.parent and job.kind != "package":
        return f"the artifact of {job.parent}"
    if plan.model.text_part is not None:
        return f"{plan.model.path}, the text part of {plan.model.text_part.source} (olivepress prepare MODEL writes it)"
    return f"the base model {plan.model.path}"


def _origins(plan: Plan, job: Job) -> list[str]:
    """Where each choice came from."""
    if job.kind == "finetune":
        return [
            f"passes: recipe finetune; {_trained_from(plan)}",
            f"data: {plan.dataset.name}, sha256 {plan.dataset.version}",
        ]
    if job.target is None:
        return ["passes: adapter_mode merge of the recipe"]
    target = job.target
    elsewhere = target.build_environment not in (BUILD, plan.model.family.build_environment)
    built = f"; built in the environment {target.build_environment}" if elsewhere else ""
    lines = [f"passes: target {target.target} ({target.description}){built}"]
    if job.kind == "package":
        lines += ["lora_inputs: two inputs for every projection, of any rank", _ADAPTERS]
    if target.package_config:
        lines.append("package_config: a pass that Olive does not know, or refuses")
    if target.provider_options or target.context_length or target.runtime == "openvino":
        lines.append("olivepress run then says where it is to run, and takes paths of this machine out (run/tidy.py)")
    return lines


def _trained_from(plan: Plan) -> str:
    method = METHODS[plan.recipe.finetune.method]
    return f"target_modules: {_target_modules_from(plan)}" if method.adapter else "a pass that Olive does not know"


def _target_modules_from(plan: Plan) -> str:
    if plan.recipe.finetune.start_from is not None:
        return f"those of the adapter that is trained further, {plan.recipe.finetune.start_from}"
    if "target_modules" in METHODS[plan.recipe.finetune.method].ignores:
        return "Olive's, every linear layer but the head"
    return "recipe" if plan.recipe.finetune.target_modules else f"family {plan.model.family.family}"
