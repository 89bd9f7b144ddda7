"""A project with an artifact whose files are not a model: enough for everything that does not run it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from olivepress.core.artifact import Manifest, Resources, artifact_hash, hash_files, write_manifest
from olivepress.data.build import build_dataset
from olivepress.data.store.dataset import write_dataset
from olivepress.recipe.schema import Data

EXPORT = Path("runs", "tiny", "export-cpu-int4")


def write_export(directory: Path, files: dict[str, bytes], dataset: str = "phrase-tone", version: str = "") -> Manifest:
    """An artifact of these files with its manifest."""
    for name, data in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    hashes = hash_files(directory)
    manifest = Manifest(
        recipe="tiny", job="export-cpu-int4", kind="export", key="0" * 64, family="phi", base_model="models/tiny",
        base_model_revision=None, random_weights=False, target="cpu-int4", device="cpu",
        execution_provider="CPUExecutionProvider", precision="int4", parent="merge", parent_sha256="1" * 64,
        dataset=dataset, dataset_version=version, synthetic_data=True, workflow_sha256="2" * 64, versions={}, seed=0,
        git_commit=None, verified="native", checks=(), created_at="2026-11-21T00:00:00+00:00",
        resources=Resources(seconds=1.0, peak_memory_bytes=None, peak_disk_bytes=None),
        sha256=artifact_hash(hashes), files=hashes,
    )  # fmt: skip
    write_manifest(manifest, directory)
    return manifest


DECODER = {"filename": "model.onnx", "session_options": {"provider_options": []}, "num_hidden_layers": 2}
GENAI = {"model": {"decoder": DECODER}}
GRAPH = b"\x3a\x00"  # an ONNX model with an empty graph


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The test runs in it; ``runs/tiny/export-cpu-int4`` and its dataset are there."""
    project = tmp_path / "home"
    project.mkdir()
    monkeypatch.chdir(project)
    dataset = build_dataset(Data(demo="phrase-tone", max_train_rows=16, max_test_rows=6))
    write_dataset(dataset)
    files = {"model.onnx": GRAPH, "model.onnx.data": bytes(3000), "genai_config.json": json.dumps(GENAI).encode()}
    write_export(EXPORT, files, dataset.name, dataset.version)
    return project
