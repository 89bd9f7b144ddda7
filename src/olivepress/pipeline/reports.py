"""The device reports that belong to a recipe's present artifacts, from every machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from olivepress.core.artifact import read_manifest
from olivepress.core.errors import ReportError
from olivepress.core.layout import stored_reports
from olivepress.core.messages import next_command
from olivepress.data.store.reader import read_split
from olivepress.measure.bench import BASE, TUNED, Outcomes, outcomes_of
from olivepress.measure.tuning.record import read_tuning
from olivepress.pipeline.artifacts import artifacts_of
from olivepress.report.device_report import DeviceReport, read_report
from olivepress.workflow.plan import Plan

__all__ = ["differs_by_tuning", "known_outcomes", "report_paths"]


def _current_sha256(plan: Plan) -> dict[str, str]:
    """Report name → sha256 of every artifact of this very recipe and dataset, whether or not this machine runs it."""
    from olivepress.run.base_model import model_identity

    base = model_identity(plan).whole
    artifacts = {job: manifest.sha256 for job, manifest in artifacts_of(plan).current.items()}
    return {"base": base, "few-shot": base, **artifacts}


def known_outcomes(plan: Plan) -> Outcomes:
    """Outcomes of the base and the fine-tuned model on the test split, as far as reports of them are here."""
    data, known = read_split(plan.dataset.directory, "test"), dict[str, Mapping[str, bool]]()
    current = _current_sha256(plan)
    for name in (BASE, *TUNED):
        for path in stored_reports(plan.recipe.name, name):
            if name in current and (outcomes := outcomes_of(path, data, current[name])) is not None:
                known[name] = outcomes
                break
    return known


def report_paths(plan: Plan, others: Mapping[str, str] = MappingProxyType({})) -> list[Path]:
    """Device reports of this recipe's present artifacts, and of ``others`` (report name → sha256), from every machine.

    A report of an artifact that has been replaced since is left out, unless only its settings were tuned on another
    machine: tuning changes no token. Raises ReportError when no report is left.
    """
    current = _current_sha256(plan) | dict(others)
    paths = []
    for path in stored_reports(plan.recipe.name):
        report = read_report(path)
        same_data = report.dataset is None or report.dataset.version == plan.dataset.version
        ours = current.get(report.job)
        if same_data and ours and (ours == report.artifact_sha256 or _differs_by_tuning(plan, report)):
            paths.append(path)
    if not paths:
        raise ReportError(
            f"recipe {plan.recipe.name}: no device report of its artifacts",
            next_step=next_command("bench", plan.recipe.name),
        )
    return paths


def _differs_by_tuning(plan: Plan, report: DeviceReport) -> bool:
    """``differs_by_tuning`` of the report's job, if it is an export of this plan."""
    job = next((job for job in plan.jobs if job.id == report.job and job.target), None)
    return job is not None and differs_by_tuning(plan.output_dir(job), report)


def differs_by_tuning(artifact: Path, report: DeviceReport) -> bool:
    """Whether the report's artifact is the present one but for session settings that were tuned on another machine."""
    try:
        manifest, tuning = read_manifest(artifact), read_tuning(artifact)
    except ReportError:
        return False
    as_shipped = report.settings.get("untuned_sha256") or report.artifact_sha256
    if tuning is None or tuning.winner is None:
        return bool(as_shipped == manifest.sha256)
    return tuning.machine.id != report.machine.id and bool(as_shipped == tuning.untuned_sha256)
