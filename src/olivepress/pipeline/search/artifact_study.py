"""The points of ``search artifact`` as trials of a study, in the database of all searches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from olivepress.core.artifact import read_manifest
from olivepress.report.answers import answer_metric
from olivepress.report.device_report import DeviceReport, read_report
from olivepress.report.machine import fingerprint
from olivepress.report.registry import METRICS
from olivepress.study.results import StudyRecord, study_record
from olivepress.study.storage import Direction, create, numbered, open_storage
from olivepress.study.trials import Point, add_ended
from olivepress.workflow.plan import Job, Plan

__all__ = ["SPEED", "objectives_of", "record_artifacts"]

LEVEL = "artifact"
SPEED, SIZE = "decode_tps", "size_on_disk_bytes"


def objectives_of(plan: Plan) -> tuple[str, str, str]:
    """What an artifact is judged by: the metric of its answers, its decode rate and its size."""
    limits = plan.recipe.budget["all"].limits if "all" in plan.recipe.budget else {}
    return answer_metric(limits), SPEED, SIZE


def record_artifacts(plan: Plan, failed: Mapping[str, str], reports: Sequence[Path]) -> StudyRecord:
    """Add a trial for every export that this machine measured or that failed (job → reason), each once.

    The study is that of the merged model: another one, or other data, begins the next number. SetupError as
    ``open_storage``.
    """
    objectives = objectives_of(plan)
    parent = plan.output_dir(plan.job(plan.trained))
    facts = {"parent": read_manifest(parent).sha256, "data": plan.dataset.version, "metrics": list(objectives)}
    storage = open_storage()
    directions: list[Direction] = [
        "maximize" if METRICS[name].direction == "higher" else "minimize" for name in objectives
    ]
    number = 1
    while True:
        study = create(storage, numbered(plan.recipe.name, LEVEL, number), directions, facts)
        if all(study.user_attrs.get(key) == value for key, value in facts.items()):
            break
        number += 1
    machine = fingerprint().id
    measured = {report.job: report for report in map(read_report, reports) if report.machine.id == machine}
    for job in plan.jobs:
        if job.target is None:
            continue
        if job.id in failed:
            add_ended(study, _point(job, machine, None), None, failed[job.id])
        elif job.id in measured:
            report = measured[job.id]
            values = [report.value(name) for name in objectives]
            missing = [name for name, value in zip(objectives, values, strict=True) if value is None]
            reason = f"not measured: {', '.join(missing)}" if missing else ""
            known = [value for value in values if value is not None]
            add_ended(study, _point(job, machine, report), None if missing else known, reason)
    return study_record(study, list(objectives))


def _point(job: Job, machine: str, report: DeviceReport | None) -> Point:
    facts = {"machine": machine, **({"artifact": report.artifact_sha256[:12]} if report is not None else {})}
    assert job.target is not None
    return Point(params={"target": job.target.target}, facts=facts)
