"""A project by hand in which one artifact is measured and passes every gate; tests break one thing of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from olivepress.core.artifact import Manifest
from olivepress.core.layout import device_report
from olivepress.recipe.schema import Recipe, load_recipe
from olivepress.report.device_report import DatasetUsed, DeviceReport, measured, write_report
from olivepress.run.base_model import identity_of
from olivepress.stats.intervals import wilson
from olivepress.synthetic.embedded import TINY_PHI
from olivepress.workflow.model import resolve_model
from tests.report.factory import MACHINE, make_report
from tests.ui.project import DATA_VERSION, write_artifact

NOW = datetime(2026, 11, 25, tzinfo=UTC)
TARGET, JOB, N = "cpu-int4", "export-cpu-int4", 600
NAME = "lamps--cpu-int4"
RECIPE_TEXT = """\
name: lamps
model: {path: "embedded:tiny-phi"}
data: {demo: phrase-tone}
targets: [cpu-int4]
budget: {all: {max_size_on_disk_bytes: 10000000, min_gain_retained: 0.8}}
promote: {machines: [x86_64-test-2c], allow: [synthetic data]}
"""


def right(share: float, *, n: int = N, flipped: Sequence[int] = ()) -> list[bool]:
    """The first ``share`` of ``n`` answers are right, but for the ``flipped`` ones."""
    answers = [index < round(share * n) for index in range(n)]
    for index in flipped:
        answers[index] = not answers[index]
    return answers


def write_recipe(text: str = RECIPE_TEXT) -> Recipe:
    path = Path("recipes", "lamps.yaml")
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    base = Path("models", "tiny-phi")
    base.parent.mkdir(exist_ok=True)
    if not base.exists():
        base.symlink_to(TINY_PHI, target_is_directory=True)
    return load_recipe(path)


def base_sha256() -> str:
    """Of the base model, as its reports name it."""
    return identity_of(resolve_model(load_recipe(Path("recipes", "lamps.yaml")))).whole


def recipe_with(**changes: Any) -> Recipe:
    """The recipe with other keys, as JSON."""
    import yaml

    return write_recipe(json.dumps(yaml.safe_load(RECIPE_TEXT) | changes))


def write_measured(job: str, answers: Sequence[bool], **changes: Any) -> DeviceReport:
    """A device report with the answers beside it. ``metrics`` are added to those of the report; ``rows`` begins the
    ids."""
    machine, rows = changes.get("machine", MACHINE), changes.pop("rows", "row")
    path = device_report(machine.id, "lamps", job)
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [
        {"id": f"{rows}-{index:05}", "correct": ok, "expected": f"answer {index % 7}", "output": "x" if not ok else "y"}
        for index, ok in enumerate(answers)
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    examples = path.with_name(f"{job}.{sha256[:12]}.examples.jsonl")
    examples.write_text(text)
    n, hits = len(answers), sum(answers)
    base = make_report()
    metrics = dict(base.metrics) | {"exact_match": measured("exact_match", hits / n, n=n, interval=wilson(hits, n))}
    fields: dict[str, Any] = {
        "recipe": "lamps",
        "job": job,
        "dataset": DatasetUsed(name="lamps", version=DATA_VERSION, split="test", n=n, of=n),
        "created_at": "2026-11-21T00:00:00+00:00",
        "examples_file": examples.name,
        "examples_sha256": sha256,
        "metrics": metrics | changes.pop("metrics", {}),
    }
    return write_report(make_report(**(fields | changes)), path)


def write_good(weights: str = "\0weights", answers: Sequence[bool] | None = None, **report: Any) -> Manifest:
    """Everything that a promotion needs; the artifact's manifest."""
    common = {"target": None, "device": None, "execution_provider": None, "precision": None}
    finetune = write_artifact("finetune", files={"adapter/x": "a"}, parent=None, parent_sha256=None, **common)
    parent = {"parent": "finetune", "parent_sha256": finetune.sha256}
    merge = write_artifact("merge", files={"model/x": f"m {weights}"}, **parent, **common)
    artifact = write_artifact(
        JOB, files={"genai_config.json": "{}\n", "model.onnx": weights}, parent="merge", parent_sha256=merge.sha256
    )
    pytorch: dict[str, Any] = {"runtime": "pytorch", "precision": "fp32", "synthetic_data": True}
    base = base_sha256()
    write_measured("base", right(0.2), artifact_sha256=base, **pytorch)
    write_measured("few-shot", right(0.4), artifact_sha256=base, **pytorch)
    write_measured("merge", right(0.9), artifact_sha256=merge.sha256, **pytorch)
    measure_artifact(artifact, right(0.9, flipped=[3, 599]) if answers is None else answers, **report)
    return artifact


def measure_artifact(artifact: Manifest, answers: Sequence[bool], **changes: Any) -> DeviceReport:
    kept = measured("gain_retained", 0.99, n=len(answers), interval=(0.95, 1.02))
    metrics = {"gain_retained": kept, **changes.pop("metrics", {})}
    fields = {"artifact_sha256": artifact.sha256, "synthetic_data": True, "metrics": metrics}
    return write_measured(JOB, answers, **(fields | changes))
