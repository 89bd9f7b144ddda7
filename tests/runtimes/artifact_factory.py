"""A model folder made into an exported artifact: the manifest by hand, no run behind it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from olivepress.core.artifact import Manifest, Resources, artifact_hash, hash_files, write_manifest


def make_artifact(model_dir: Path, out: Path, **changes: Any) -> Path:
    """A copy of ``model_dir`` with a manifest that says it is an int4 export for the CPU."""
    shutil.copytree(model_dir, out)
    files = hash_files(out)
    fields: dict[str, Any] = {
        "recipe": "tiny",
        "job": "export-cpu-int4",
        "kind": "export",
        "key": "k" * 64,
        "family": "phi",
        "base_model": "tiny",
        "base_model_revision": None,
        "random_weights": True,
        "target": None,
        "device": "cpu",
        "execution_provider": "CPUExecutionProvider",
        "precision": "int4",
        "parent": None,
        "parent_sha256": None,
        "dataset": "lamps",
        "dataset_version": "ab" * 32,
        "synthetic_data": True,
        "workflow_sha256": "w" * 64,
        "versions": {},
        "seed": 0,
        "git_commit": None,
        "verified": "native",
        "checks": (),
        "resources": Resources(seconds=1.0, peak_memory_bytes=None, peak_disk_bytes=None),
        "created_at": "2026-11-20T00:00:00+00:00",
        "sha256": artifact_hash(files),
        "files": files,
    }
    write_manifest(Manifest(**(fields | changes)), out)
    return out
