"""The verbs of the way through the house, each from files to files: prepare, render, lint, run, bench, report."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from olivepress.artifact import Manifest, read_manifest
from olivepress.data import build_dataset, write_dataset
from olivepress.embedded import TINY_PHI
from olivepress.errors import LintError, RecipeError, ReportError, SetupError, UsageError
from olivepress.hub import local_directory
from olivepress.plan import EMBEDDED, Job, Plan, find_recipe, make_plan
from olivepress.workflow import CONFIGS, Workflow, render_all, shim_text

if TYPE_CHECKING:
    from olivepress.lint import Finding
    from olivepress.measure.report import DeviceReport
    from olivepress.run import JobOutcome, Reporter

__all__ = [
    "RESULTS",
    "BenchTarget",
    "bench_plan",
    "bench_targets",
    "lint_file",
    "lint_plan",
    "load_plan",
    "not_measured_here",
    "prepare",
    "render_files",
    "report_paths",
    "run",
]

RESULTS = Path("benchmarks", "results")


def load_plan(model: str, *, data: str | None = None) -> Plan:
    """``MODEL=`` and ``DATA=`` → Plan; nothing is written."""
    recipe, own_targets = find_recipe(model, data=data)
    return make_plan(recipe, build_dataset(recipe.data), own_targets=own_targets)


def prepare(plan: Plan) -> Path:
    """Write the dataset, and the embedded model where workflows look for it. Returns the dataset's directory."""
    try:
        if plan.recipe.model.path == EMBEDDED:
            _copy_model(TINY_PHI, Path(plan.model.path))
        return write_dataset(plan.dataset)
    except OSError as error:
        raise SetupError(f"datasets/: cannot be written ({error.strerror})", next_step="free disk space") from error


def _copy_model(source: Path, destination: Path) -> None:
    """Copy file by file what is missing or older, each in one step."""
    destination.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.iterdir()):
        held = destination / path.name
        if path.is_file() and (not held.is_file() or held.read_bytes() != path.read_bytes()):
            partial = destination / f".{path.name}.{os.getpid()}.partial"
            shutil.copyfile(path, partial)
            partial.rename(held)


def render_files(plan: Plan) -> dict[Path, str]:
    """Path → content of every file that belongs into ``olive_configs/<recipe>/``."""
    files = {workflow.path: workflow.text for workflow in render_all(plan)}
    files[CONFIGS / plan.recipe.name / "olivepress_shim.py"] = shim_text(plan)
    return files


def write_workflows(plan: Plan) -> tuple[Workflow, ...]:
    """Write them and remove workflows of jobs that the recipe no longer has."""
    files = render_files(plan)
    directory = CONFIGS / plan.recipe.name
    directory.mkdir(parents=True, exist_ok=True)
    for path, text in files.items():
        partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
        partial.write_text(text, encoding="utf-8")
        partial.rename(path)
    for path in directory.glob("*.yaml"):
        if path not in files:
            path.unlink()
    return render_all(plan)


def lint_plan(plan: Plan) -> list[Finding]:
    """Pending findings. Raises LintError with every error, one a line."""
    from olivepress.lint import lint

    return _raise_errors(lint(render_all(plan)))


def lint_file(path: Path) -> list[Finding]:
    """As ``lint_plan``, for one workflow file as it lies there. Raises RecipeError when it is no workflow."""
    from olivepress.lint import lint
    from olivepress.yaml_document import load_yaml

    config = load_yaml(path).data
    for key in ("input_model", "systems", "passes", "output_dir"):
        if not isinstance(config, dict) or key not in config:
            raise RecipeError(f"{path}: key '{key}' is missing, expected an Olive workflow as olivepress renders it")
    return _raise_errors(lint((Workflow(job_id=path.stem, path=path, text=path.read_text("utf-8"), identity=""),)))


def _raise_errors(findings: list[Finding]) -> list[Finding]:
    errors = [str(finding) for finding in findings if finding.level == "error"]
    if errors:
        raise LintError("\n".join(errors), next_step="change the recipe or the target, then render again")
    return findings


def run(plan: Plan, *, reporter: Reporter, only: str | None = None, force: bool = False) -> list[JobOutcome]:
    """Prepare, render, lint and run what is not finished."""
    from olivepress.lint import olive_installed
    from olivepress.run import run_plan

    if only is not None:
        plan.job(only)
    if not olive_installed():
        raise SetupError("Olive is not installed", next_step="pip install 'olivepress[build]'")
    prepare(plan)
    workflows = write_workflows(plan)
    lint_plan(plan)
    return run_plan(plan, workflows, reporter=reporter, only=only, force=force)


@dataclass(frozen=True, kw_only=True)
class BenchTarget:
    """One thing to measure: the base model (``job`` None), the merged model, or an export."""

    name: str
    job: Job | None
    manifest: Manifest | None


def bench_targets(plan: Plan) -> list[BenchTarget]:
    """Base, merged and every export whose artifact is of this recipe and dataset and whose provider is here.

    Raises ReportError when no artifact is there.
    """
    found = [BenchTarget(name="base", job=None, manifest=None)]
    skipped = not_measured_here(plan)
    for job in plan.jobs:
        if job.kind != "finetune" and job.id not in skipped:
            found.append(BenchTarget(name=job.id, job=job, manifest=read_manifest(plan.output_dir(job))))
    if len(found) == 1:
        raise ReportError(f"recipe {plan.recipe.name}: no artifact to measure", next_step="make run MODEL=...")
    return found


def not_measured_here(plan: Plan) -> dict[str, str]:
    """Jobs with something to measure that this machine cannot measure now, and why."""
    reasons = {}
    for job, workflow in zip(plan.jobs, render_all(plan), strict=True):
        if job.kind == "finetune":
            continue
        if job.target and job.target.execution_provider != "CPUExecutionProvider":
            reasons[job.id] = f"this environment has no {job.target.execution_provider}"
            continue
        try:
            manifest = read_manifest(plan.output_dir(job))
        except ReportError:
            reasons[job.id] = "no finished artifact"
            continue
        if (manifest.workflow_sha256, manifest.dataset_version) != (workflow.sha256, plan.dataset.version):
            reasons[job.id] = "its artifact is of an older recipe or dataset; run again"
    return reasons


def bench_plan(
    plan: Plan, *, only: str | None = None, tell: Callable[[str, str, int, int], None] = lambda *_: None
) -> list[Path]:
    """Measure on this machine; one DeviceReport each. Returns their paths, base first."""
    targets = [target for target in bench_targets(plan) if only in (None, target.name)]
    if not targets:
        names = ", ".join(target.name for target in bench_targets(plan))
        raise UsageError(f"nothing called {only!r} to measure; there is: {names}")
    return [_bench_one(plan, target, tell) for target in targets]


def _bench_one(plan: Plan, subject: BenchTarget, tell: Callable[[str, str, int, int], None]) -> Path:
    from olivepress.measure.bench import bench
    from olivepress.measure.latency import Workload
    from olivepress.run.runner import model_identity

    settings = plan.recipe.benchmark
    job, target = subject.job, subject.job.target if subject.job else None
    directory = plan.output_dir(job) if job else local_directory(plan.model.path, plan.recipe.model.revision)
    precision = {"float32": "fp32", "bfloat16": "bf16"}[plan.recipe.finetune.torch_dtype]
    path = _results(plan) / f"{subject.name}.json"
    bench(
        model_dir=directory if target else directory / "model" if job else directory,
        runtime="onnxruntime-genai" if target else "pytorch",
        dataset_dir=plan.dataset.directory,
        out_path=path,
        recipe=plan.recipe.name,
        job=subject.name,
        artifact_sha256=subject.manifest.sha256 if subject.manifest else model_identity(plan),
        execution_provider=target.execution_provider if target else "CPUExecutionProvider",
        precision=target.precision if target else precision,
        workloads=[Workload(prompt_tokens=p, generated_tokens=g) for p, g in settings.workloads],
        repetitions=settings.repetitions,
        limit=settings.max_examples,
        reference_dir=plan.output_dir(plan.job("merge")) / "reference" if target else None,
        random_weights=plan.model.random_weights,
        progress=lambda stage, done, total: tell(subject.name, stage, done, total),
    )
    return path


def _results(plan: Plan) -> Path:
    from olivepress.measure.machine import fingerprint

    return RESULTS / fingerprint().id / plan.recipe.name


def report_paths(plan: Plan) -> list[Path]:
    """Device reports of this recipe's present artifacts, from every machine.

    A report of an artifact that has been replaced since is left out. Raises ReportError when none is left.
    """
    from olivepress.measure.report import read_report
    from olivepress.run.runner import model_identity

    current = {
        target.name: target.manifest.sha256 if target.manifest else model_identity(plan)
        for target in bench_targets(plan)
    }
    found = []
    for path in sorted(RESULTS.glob(f"*/{plan.recipe.name}/*.json")):
        report = read_report(path)
        same_data = report.dataset is None or report.dataset.version == plan.dataset.version
        if same_data and current.get(report.job) == report.artifact_sha256:
            found.append(path)
    if not found:
        raise ReportError(f"recipe {plan.recipe.name}: no device report of its artifacts", next_step="make bench")
    return found


def report(plan: Plan, paths: Sequence[Path]) -> tuple[list[DeviceReport], dict[str, Path]]:
    """Read reports and write table, JSON, Markdown and page into ``runs/<recipe>/report/``."""
    from olivepress.compare import load_reports, write_report_page

    reports = load_reports(paths)
    return reports, write_report_page(reports, Path("runs", plan.recipe.name, "report"))
