"""Which artifacts to measure here, and which device reports belong to a recipe."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from olivepress.catalog import Target, targets
from olivepress.compare.sources import RESULTS
from olivepress.core.artifact import Manifest, read_manifest
from olivepress.core.errors import ReportError, UsageError
from olivepress.core.hub import local_directory
from olivepress.core.messages import next_command
from olivepress.core.progress import JobProgress
from olivepress.data.split_reader import read_split
from olivepress.data.store.dataset import DATASETS
from olivepress.measure.bench import BASE, TUNED, Outcomes, Settings, bench, outcomes_of
from olivepress.measure.latency.latency import Workload
from olivepress.measure.subject import JobCosts, Subject
from olivepress.measure.tuning.record import read_tuning
from olivepress.recipe.methods import four_bit_base
from olivepress.recipe.schema import Benchmark
from olivepress.report.device_report import DeviceReport, read_report
from olivepress.report.machine import fingerprint
from olivepress.run.interpreters import Place, place_of
from olivepress.runtimes.artifact_safety import check_artifact
from olivepress.runtimes.base import runtime_of
from olivepress.runtimes.plugins import is_emulated
from olivepress.workflow.plan import Job, Plan
from olivepress.workflow.render import Workflow, render_all

__all__ = [
    "RESULTS",
    "Overrides",
    "artifact_subject",
    "base_subject",
    "bench_artifact",
    "bench_plan",
    "not_measured_here",
    "on_target",
    "outcomes_at_home",
    "place_for",
    "prepared_dataset",
    "read_export",
    "report_paths",
    "settings_of",
    "spent_of",
    "subjects_of",
    "unfinished",
]

PRECISIONS = {"float32": "fp32", "bfloat16": "bf16"}


@dataclass(frozen=True, kw_only=True)
class Overrides:
    """What the command line says instead of the recipe; None leaves it."""

    workloads: tuple[Workload, ...] | None = None
    rounds: int | None = None
    repetitions: int | None = None
    limit: int | None = None
    text: Path | None = None
    lm_eval: tuple[str, ...] | None = None
    lm_eval_tasks: Path | None = None
    trust_tasks: bool = False
    allow_fallback: bool = False


def settings_of(benchmark: Benchmark | None, overrides: Overrides = Overrides()) -> Settings:
    """How the recipe (None: one that sets nothing), and the command line over it, want it measured."""
    benchmark = benchmark or Benchmark()
    settings = Settings(
        workloads=tuple(Workload(prompt_tokens=p or None, generated_tokens=g) for p, g in benchmark.workloads),
        rounds=benchmark.rounds,
        repetitions=benchmark.repetitions,
        limit=benchmark.max_examples,
        text=Path(benchmark.text) if benchmark.text else None,
        text_window=benchmark.text_window,
        price_per_hour=benchmark.price_per_hour,
        currency=benchmark.currency,
    )
    return replace(settings, **{name: value for name, value in vars(overrides).items() if value is not None})


def subjects_of(plan: Plan) -> dict[str, Subject]:
    """Name → what is measured: base, few-shot, fine-tuned, merged, and every export that this machine can run.

    Only artifacts of this very recipe and dataset. Raises ReportError when there is none, or when files are not those
    that a manifest names: what was measured of them must not go under its hash.
    """
    skipped = not_measured_here(plan)
    made = {job.id: read_manifest(plan.output_dir(job), verify=True) for job in plan.jobs if job.id not in skipped}
    if not made:
        raise ReportError(
            f"recipe {plan.recipe.name}: no artifact to measure", next_step=next_command("run", plan.recipe.name)
        )
    base = base_subject(plan)
    found = {"base": base}
    if plan.recipe.benchmark.few_shot:
        found["few-shot"] = replace(base, job="few-shot", few_shot=plan.recipe.benchmark.few_shot)
    for job in plan.jobs:
        if job.id in made:
            found[job.id] = _subject(plan, job, made, base)
    return found


def base_subject(plan: Plan) -> Subject:
    """The base model as it is, in PyTorch."""
    from olivepress.run.base_model import model_identity

    return Subject(
        model_dir=local_directory(plan.model.path, plan.recipe.model.revision),
        runtime="pytorch",
        recipe=plan.recipe.name,
        job="base",
        artifact_sha256=model_identity(plan).whole,
        precision=PRECISIONS[plan.recipe.finetune.torch_dtype],
        random_weights=plan.model.random_weights,
    )


def _subject(plan: Plan, job: Job, made: Mapping[str, Manifest], base: Subject) -> Subject:
    manifest, directory = made[job.id], plan.output_dir(job)
    tuned = replace(
        base,
        job=job.id,
        artifact_sha256=manifest.sha256,
        git_commit=manifest.git_commit,
        job_costs=spent_of(manifest, made),
    )
    if job.kind == "finetune":
        settings = plan.recipe.finetune
        four_bit = four_bit_base(settings.method, settings.torch_dtype)
        # Measured as it was trained: what merging into the unquantized base costs is the step from here to the merge.
        precision = four_bit.quant_type if four_bit else base.precision
        return replace(tuned, adapter_dir=directory / "adapter", four_bit=four_bit, precision=precision)
    if job.target is None:
        return replace(tuned, model_dir=directory / "model")
    return on_target(tuned, plan, job.target, directory)


def on_target(subject: Subject, plan: Plan, target: Target, model_dir: Path) -> Subject:
    """``subject`` exported for ``target`` into ``model_dir``, held against the reference of the plan's merge."""
    place = place_of(target)
    return replace(
        subject,
        model_dir=model_dir,
        runtime=target.runtime,
        execution_provider=target.execution_provider,
        device=target.device,
        precision=target.precision,
        reference_dir=plan.output_dir(plan.job("merge")) / "reference",
        interpreter=place.interpreter,
        min_placed=target.min_placed,
        max_cpu_nodes=target.max_cpu_nodes,
        emulated=place.how == "emulated",
    )


def spent_of(manifest: Manifest, made: Mapping[str, Manifest]) -> JobCosts:
    """Seconds and memory of the jobs that led to an artifact, as far as their manifests are here."""
    line = [manifest]
    while (parent := made.get(line[-1].parent or "")) and parent.sha256 == line[-1].parent_sha256:
        line.append(parent)
    tuned = next((m.resources for m in line if m.kind == "finetune"), None)
    built = [m.resources.seconds for m in line if m.kind != "finetune"]
    return JobCosts(
        train_s=tuned.seconds if tuned else None,
        train_peak_memory_bytes=tuned.peak_memory_bytes if tuned else None,
        build_s=sum(built) if built else None,
    )


def not_measured_here(plan: Plan) -> dict[str, str]:
    """Jobs that this machine cannot measure now, and why."""
    places = {job.id: place_of(job.target) for job in plan.jobs if job.target}
    missing = {job_id: place.why for job_id, place in places.items() if place.how not in ("native", "emulated")}
    return unfinished(plan) | missing


def unfinished(plan: Plan) -> dict[str, str]:
    """Jobs without an artifact of this very recipe and dataset, and why."""
    reasons, parents = dict[str, str](), dict[str, str]()
    for job, workflow in zip(plan.jobs, render_all(plan), strict=True):
        try:
            manifest = read_manifest(plan.output_dir(job))
        except ReportError:
            reasons[job.id] = "no finished artifact"
            continue
        if not _is_of(plan, workflow, manifest):
            reasons[job.id] = "its artifact is of an older recipe or dataset; run again"
        elif job.parent and parents.get(job.parent) != manifest.parent_sha256:
            reasons[job.id] = f"its artifact was made from another {job.parent}; run again"
        parents[job.id] = manifest.sha256
    return reasons


def _is_of(plan: Plan, workflow: Workflow, manifest: Manifest) -> bool:
    """Whether an artifact was made by this very workflow from this dataset."""
    return (manifest.workflow_sha256, manifest.dataset_version) == (workflow.sha256, plan.dataset.version)


def bench_plan(
    plan: Plan,
    *,
    only: Collection[str] | None = None,
    overrides: Overrides = Overrides(),
    others: Mapping[str, Subject] = MappingProxyType({}),
    tell: JobProgress = lambda *_: None,
) -> list[Path]:
    """Measure on this machine, and ``others`` (report name → subject) in the same sitting; one DeviceReport each.

    Returns their paths, base first. ``only`` those reports; UsageError for one that there is not.
    """
    subjects = subjects_of(plan) | dict(others)
    if unknown := set(only or ()) - subjects.keys():
        raise UsageError(f"nothing called {min(unknown)!r} to measure; there is: {', '.join(subjects)}")
    directory = RESULTS / fingerprint().id / plan.recipe.name
    chosen = {directory / f"{name}.json": s for name, s in subjects.items() if only is None or name in only}
    bench(
        chosen,
        dataset_dir=plan.dataset.directory,
        settings=settings_of(plan.recipe.benchmark, overrides),
        ladder={name: subject.artifact_sha256 for name, subject in subjects.items()},
        on_progress=tell,
    )
    return list(chosen)


def bench_artifact(
    directory: Path,
    *,
    dataset_dir: Path | None,
    reference_dir: Path | None,
    out: Path | None,
    settings: Settings,
    outcomes: Outcomes | None = None,
    tell: JobProgress = lambda *_: None,
) -> tuple[DeviceReport, Path]:
    """Measure one exported artifact where it stands, with or without the project around it.

    ``dataset_dir`` None measures without one. The parent's reference, if it is not named, is looked for in the artifact
    and beside it. ``outcomes`` as in ``bench``. Raises what ``bench`` raises.
    """
    subject = artifact_subject(directory, reference_dir)
    path = out or RESULTS / fingerprint().id / subject.recipe / f"{subject.job}.json"
    found = bench({path: subject}, dataset_dir=dataset_dir, settings=settings, outcomes=outcomes, on_progress=tell)
    return found[0], path


def artifact_subject(directory: Path, reference_dir: Path | None = None) -> Subject:
    """An exported artifact where it stands, as something to measure; errors as ``read_export``."""
    manifest = read_export(directory)
    made, place = _ancestors(directory, manifest), place_for(manifest)
    return Subject(
        model_dir=directory,
        runtime=runtime_of(directory),
        recipe=manifest.recipe,
        job=manifest.job,
        artifact_sha256=manifest.sha256,
        execution_provider=str(manifest.execution_provider),
        device=_device(manifest),
        precision=manifest.precision or "unknown",
        reference_dir=reference_dir or _reference(directory, made),
        random_weights=manifest.random_weights,
        git_commit=manifest.git_commit,
        job_costs=spent_of(manifest, made),
        min_placed=1.0 if manifest.min_placed is None else manifest.min_placed,
        max_cpu_nodes=manifest.max_cpu_nodes,
        interpreter=place.interpreter if place else None,
        emulated=place.how == "emulated" if place else is_emulated(str(manifest.execution_provider)),
    )


def place_for(manifest: Manifest) -> Place | None:
    """The environment of its target, where there is one here that runs it; None measures it with this Python."""
    target = targets().get(manifest.target or "")
    place = place_of(target) if target else None
    return place if place and place.how in ("native", "emulated") else None


def read_export(directory: Path) -> Manifest:
    """The manifest of an exported artifact, every file hashed and looked at before anything opens it.

    ReportError as ``read_manifest`` and ``check_artifact``, UsageError else.
    """
    manifest = read_manifest(directory, verify=True)
    if manifest.kind != "export" or manifest.execution_provider is None:
        raise UsageError(
            f"{directory}: a {manifest.kind}, not an export", next_step=f"olivepress bench RECIPE --job {manifest.job}"
        )
    check_artifact(directory, provider=manifest.execution_provider)
    return manifest


def _device(manifest: Manifest) -> Literal["cpu", "gpu", "npu"]:
    return next((name for name in ("cpu", "gpu", "npu") if name == manifest.device), "cpu")


def _ancestors(directory: Path, manifest: Manifest) -> dict[str, Manifest]:
    """Job → manifest of the artifacts beside that this one was made from; a neighbour of another run is none."""
    found: dict[str, Manifest] = {}
    while (name := manifest.parent) is not None and name not in found:
        try:
            parent = read_manifest(directory.parent / name)
        except ReportError:
            break
        if parent.sha256 != manifest.parent_sha256:
            break
        found[name] = manifest = parent
    return found


def _reference(directory: Path, made: Mapping[str, Manifest]) -> Path | None:
    """The parent's reference: beside the artifact at the desk (with full logits), inside it elsewhere."""
    for found in (*(directory.parent / parent / "reference" for parent in made), directory / "reference"):
        if (found / "reference.npz").is_file():
            return found
    return None


def prepared_dataset(directory: Path) -> Path | None:
    """The dataset of an artifact's manifest where ``olivepress prepare`` leaves it, when it lies there."""
    manifest = read_manifest(directory)
    found = DATASETS / f"{manifest.dataset}-{manifest.dataset_version[:12]}"
    return found if (found / "dataset.json").is_file() else None


def _artifacts(plan: Plan) -> dict[str, str]:
    """Report name → sha256 of every artifact of this very recipe and dataset, whether or not this machine runs it."""
    from olivepress.run.base_model import model_identity

    base = model_identity(plan).whole
    found = {"base": base, "few-shot": base}
    for job, workflow in zip(plan.jobs, render_all(plan), strict=True):
        with contextlib.suppress(ReportError):
            manifest = read_manifest(plan.output_dir(job))
            if _is_of(plan, workflow, manifest):
                found[job.id] = manifest.sha256
    return found


def outcomes_at_home(plan: Plan) -> Outcomes:
    """Outcomes of the base and the fine-tuned model on the test split, as far as reports of them are here."""
    data, found = read_split(plan.dataset.directory, "test"), dict[str, Mapping[str, bool]]()
    current = _artifacts(plan)
    for name in (BASE, *TUNED):
        for path in sorted(RESULTS.glob(f"*/{plan.recipe.name}/{name}.json")):
            if name in current and (outcomes := outcomes_of(path, data, current[name])) is not None:
                found[name] = outcomes
                break
    return found


def report_paths(plan: Plan, others: Mapping[str, str] = MappingProxyType({})) -> list[Path]:
    """Device reports of this recipe's present artifacts, and of ``others`` (report name → sha256), from every machine.

    A report of an artifact that has been replaced since is left out, but not because its settings were tuned on another
    machine: tuning changes no token. Raises ReportError when none is left.
    """
    current = _artifacts(plan) | dict(others)
    found = []
    for path in sorted(RESULTS.glob(f"*/{plan.recipe.name}/*.json")):
        report = read_report(path)
        same_data = report.dataset is None or report.dataset.version == plan.dataset.version
        ours = current.get(report.job)
        if same_data and ours and (ours == report.artifact_sha256 or _is_tuned_apart(plan, report)):
            found.append(path)
    if not found:
        raise ReportError(
            f"recipe {plan.recipe.name}: no device report of its artifacts",
            next_step=next_command("bench", plan.recipe.name),
        )
    return found


def _is_tuned_apart(plan: Plan, report: DeviceReport) -> bool:
    """Whether it is of a present artifact but for session settings that belong to another machine than the report's."""
    job = next((job for job in plan.jobs if job.id == report.job and job.target), None)
    if job is None:
        return False
    try:
        manifest, tuning = read_manifest(plan.output_dir(job)), read_tuning(plan.output_dir(job))
    except ReportError:
        return False
    here = tuning if tuning and tuning.winner else None
    as_shipped = report.settings.get("untuned_sha256") or report.artifact_sha256
    elsewhere = here is None or here.machine.id != report.machine.id
    return elsewhere and as_shipped == (here.untuned_sha256 if here else manifest.sha256)
