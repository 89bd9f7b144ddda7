"""The comments at the top of a workflow: where it comes from, and how it is run."""

from __future__ import annotations

from pathlib import Path

from olivepress.core.layout import CONFIGS
from olivepress.recipe.methods import METHODS
from olivepress.workflow.plan import Job, Plan

__all__ = ["header"]

_ADAPTERS = "then, for each adapter: olivepress adapters add PACKAGE PEFT_DIR --name NAME (olivepress run does it)"


def header(plan: Plan, job: Job, package_config: Path | None) -> str:
    """Comment lines; ``package_config`` is the file that ``olive run`` needs for this job, if it needs one."""
    config = (CONFIGS / plan.recipe.name / f"{job.id}.yaml").as_posix()
    options = f" --package-config {package_config.as_posix()}" if package_config else ""
    lines = [
        f"Rendered by olivepress from recipe {plan.recipe.name}; edit the recipe, not this file.",
        f"Job {job.id}: reads {_input(plan, job)}.",
        f"Run from the project root: olive run --config {config} --disable_telemetry{options}",
        f"or, verified and resumable: olivepress run MODEL --job {job.id}",
        *_origins(plan, job),
    ]
    return "".join(f"# {line}\n" for line in lines)


def _input(plan: Plan, job: Job) -> str:
    # A package is compared with its parent, not made from it.
    if job.parent and job.kind != "package":
        return f"the artifact of {job.parent}"
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
    built = f"; built in the environment {target.build_environment}" if target.build_environment != "build" else ""
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
    if "target_modules" in METHODS[plan.recipe.finetune.method].ignores:
        return "Olive's, every linear layer but the head"
    return "recipe" if plan.recipe.finetune.target_modules else f"family {plan.model.family.family}"
