"""Job → Olive workflow. Pure and byte-identical everywhere: no absolute path, no date, no machine."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import yaml

from olivepress.catalog import Target
from olivepress.core.layout import CONFIGS, olive_cache
from olivepress.workflow.header import header
from olivepress.workflow.olive_config import IDENTITY, job_config, training_pass
from olivepress.workflow.olive_plugin.passes import OWN_PASSES, modules_of, package_entries
from olivepress.workflow.plan import Job, Plan
from olivepress.workflow.rendered import Workflow, shim_of

__all__ = ["package_config_text", "render", "render_all", "shim_text"]


def render_all(plan: Plan) -> tuple[Workflow, ...]:
    """Every workflow of the plan, in the order they can run."""
    return tuple(render(plan, job) for job in plan.jobs)


def render(plan: Plan, job: Job) -> Workflow:
    """The Olive workflow of one job."""
    config = job_config(plan, job) | {
        "host": "here",
        "target": "here",
        "evaluate_input_model": False,
        "output_dir": plan.output_dir(job).as_posix(),
        "cache_dir": olive_cache(plan.recipe.name, f"{job.id}-{IDENTITY}").as_posix(),
    }
    package_config = _package_config(plan, job)
    body = yaml.dump(config, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)
    text = header(plan, job, package_config) + body
    identity = hashlib.sha256(f"{plan.dataset.version}\n{text}".encode()).hexdigest()[:12]
    return Workflow(
        job_id=job.id,
        path=CONFIGS / plan.recipe.name / f"{job.id}.yaml",
        text=text.replace(IDENTITY, identity),
        identity=identity,
        files=_files(plan, job, package_config),
        package_config=package_config,
        environment=plan.environment_of(job),
    )


class _Dumper(yaml.SafeDumper):
    """Writes a list or mapping that occurs twice out twice: a workflow is read by people."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _files(plan: Plan, job: Job, package_config: Path | None) -> dict[Path, str]:
    """What the target's passes read beside the workflow."""
    files = {}
    if job.target is not None:
        folder = CONFIGS / plan.recipe.name
        files = {folder / name: json.dumps(content, indent=2) + "\n" for name, content in job.target.files.items()}
    if package_config is not None:
        files[package_config] = package_config_text(job.target) if job.target else _training_pass_text(plan)
    return files


def package_config_text(target: Target) -> str:
    """What ``olive run --package-config`` is given for the passes of ``target``, and for the inputs of a package."""
    modules = modules_of(target.package_config, target.build_environment)
    return json.dumps({"passes": package_entries(modules)}, indent=2) + "\n"


def _package_config(plan: Plan, job: Job) -> Path | None:
    folder = CONFIGS / plan.recipe.name
    if job.kind == "finetune" and training_pass(plan.recipe.finetune) in OWN_PASSES:
        return folder / "finetune-package.json"
    if job.target is None or not modules_of(job.target.package_config, job.target.build_environment):
        return None
    # Precisions of a target file that have a package_config share a file, and those that have none another.
    name = job.target.file if job.target.package_config else "olive"
    return folder / f"{name}-package.json"


def _training_pass_text(plan: Plan) -> str:
    """What ``olive run --package-config`` is given for a pass of ours that trains."""
    name = training_pass(plan.recipe.finetune)
    return json.dumps({"passes": package_entries({name: OWN_PASSES[name]})}, indent=2) + "\n"


def shim_text(plan: Plan) -> str:
    """The ``user_script`` of every workflow of the plan.

    Olive imports it twice and not through ``sys.modules``, so it may define nothing: it seeds (Olive creates the
    adapter before any seed is set) and imports the extension, which registers our data components and evaluator.
    """
    return shim_of(plan.recipe.finetune.seed)
