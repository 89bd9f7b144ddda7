"""A fine-tune that is finished, or not: its record, and an artifact whose weights nobody opens."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from olivepress.core.artifact import Manifest, Resources, artifact_hash, hash_files, write_manifest
from olivepress.core.jsonl import append_json_line
from olivepress.core.layout import job_dir
from olivepress.data.store.dataset import Dataset
from olivepress.pipeline.plan import load_plan
from olivepress.pipeline.prepare import prepare
from olivepress.report.training_record import TrainingStep, step_line
from olivepress.track.curves import point_of
from olivepress.track.record import Ended, Facts, Figure, Point, Points
from olivepress.track.writer import begin_run
from tests.end_to_end.families import write_recipe

NAME = "small"
DATA = {"demo": "device-command", "max_train_rows": 16, "max_test_rows": 4, "max_length": 512}


def a_run(
    project: Path, steps: Sequence[TrainingStep], *, status: Any = "finished", artifact: bool = True, **finetune: Any
) -> Dataset:
    """Its record; with ``artifact`` the files too. Returns the dataset, which is written."""
    write_recipe(project / "recipes" / f"{NAME}.yaml", "embedded:tiny-phi", data=DATA, finetune=finetune)
    plan = load_plan(NAME)
    prepare(plan)
    facts = Facts(dataset=plan.dataset.name, dataset_version=plan.dataset.version, hardware={"memory_gb": "16.0"})
    settings = plan.recipe.model_dump(mode="json")
    writer = begin_run(
        NAME, "finetune", kind="finetune", store=None, warn=print, key="cd" * 32, settings=settings, facts=facts
    )
    assert writer is not None
    points = [point_of(step_line(each)) for each in steps]
    writer.append(Points(points=tuple(Point(step=each[0], at=writer.now(), values=each[1]) for each in points if each)))
    sha256 = _artifact(plan.dataset, steps) if artifact else None
    peak = {"peak_memory_bytes": Figure(value=2.0e9, unit="bytes")}
    writer.append(Ended(at=writer.now(), status=status, sha256=sha256, metrics=peak))
    return plan.dataset


def _artifact(dataset: Dataset, steps: Sequence[TrainingStep]) -> str:
    output = job_dir(NAME, "finetune")
    (output / "adapter").mkdir(parents=True)
    (output / "adapter" / "adapter_config.json").write_text(json.dumps({"r": 4}))
    for step in steps:
        append_json_line(output / "training.jsonl", step_line(step), sync=False)
    files = hash_files(output)
    manifest = Manifest(
        recipe=NAME, job="finetune", kind="finetune", key="cd" * 32, family="phi", base_model="models/tiny-phi",
        base_model_revision=None, random_weights=False, target=None, device=None, execution_provider=None,
        precision=None, parent=None, parent_sha256=None, dataset=dataset.name, dataset_version=dataset.version,
        synthetic_data=True, workflow_sha256="ef" * 32, versions={}, seed=0, git_commit=None, verified="native",
        checks=(), resources=Resources(seconds=1.0, peak_memory_bytes=1, peak_disk_bytes=1),
        created_at="2026-01-01T00:00:00+00:00", sha256=artifact_hash(files), files=files,
    )  # fmt: skip
    write_manifest(manifest, output)
    return manifest.sha256
