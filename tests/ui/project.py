"""A project as ``olivepress run`` leaves it at some moment, written with the functions that write it there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from olivepress.core.artifact import Check, Manifest, Resources, artifact_hash, hash_files, write_manifest
from olivepress.core.files import write_text
from olivepress.core.layout import device_report, job_dir, job_log, journal
from olivepress.report.device_report import DeviceReport, write_report
from olivepress.run.journal import Event, append
from tests.report.factory import make_report

RECIPE = "lamps"
DATA_VERSION = "ab" * 32
ESTIMATED = {"seconds": 120.0, "memory_bytes": 900_000_000, "disk_bytes": 20_000_000}


def event(kind: Event, job: str, recipe: str = RECIPE, **facts: Any) -> None:
    """One line of the journal."""
    append(journal(recipe), kind, job, "k" * 64, **facts)


def write_log(job: str, text: str, recipe: str = RECIPE) -> Path:
    path = job_log(recipe, job)
    write_text(path, text)
    return path


def write_artifact(job: str, recipe: str = RECIPE, files: dict[str, str] | None = None, **changes: Any) -> Manifest:
    """An artifact of these files with its manifest."""
    folder = job_dir(recipe, job)
    for name, text in (files or {"genai_config.json": '{"model": {}}\n', "model.onnx": "\0weights"}).items():
        write_text(folder / name, text)
    hashes = hash_files(folder)
    fields: dict[str, Any] = {
        "recipe": recipe,
        "job": job,
        "kind": job.partition("-")[0],
        "key": "k" * 64,
        "family": "phi",
        "base_model": "embedded:tiny-phi",
        "base_model_revision": None,
        "random_weights": False,
        "target": "cpu-int4",
        "device": "cpu",
        "execution_provider": "CPUExecutionProvider",
        "precision": "int4",
        "parent": "merge",
        "parent_sha256": "d" * 64,
        "dataset": "lamps",
        "dataset_version": DATA_VERSION,
        "synthetic_data": True,
        "workflow_sha256": "e" * 64,
        "versions": {"numpy": "2.4.6"},
        "seed": 0,
        "git_commit": None,
        "verified": "native",
        "checks": (Check(name="kl_divergence", passed=True, value=0.0125, limit=0.1, n=40, detail="nats a token"),),
        "resources": Resources(seconds=81.4, peak_memory_bytes=672_100_000, peak_disk_bytes=26_300_000),
        "created_at": "2026-11-20T00:00:00+00:00",
        "sha256": artifact_hash(hashes),
        "files": hashes,
    }
    manifest = Manifest(**(fields | changes))
    write_manifest(manifest, folder)
    return manifest


def write_measured(job: str, recipe: str = RECIPE, **changes: Any) -> DeviceReport:
    """A device report where bench writes it."""
    report = make_report(recipe=recipe, job=job, **changes)
    return write_report(report, device_report(report.machine.id, recipe, job))
