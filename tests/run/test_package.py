"""Adapters that somebody added to a package outlive a package that is made again, killed or not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from olivepress.adapters import read_package
from olivepress.run.package import keep_foreign_adapters


def write(directory: Path, **recipes: str | None) -> None:
    """A package of adapters; ``recipes`` is the recipe of each, None for a foreign one."""
    (directory / "adapters").mkdir(parents=True, exist_ok=True)
    entries = {}
    for name, recipe in recipes.items():
        path = directory / "adapters" / f"{name}.onnx_adapter"
        path.write_bytes(name.encode())
        entries[name] = {
            "file": f"adapters/{name}.onnx_adapter", "sha256": "s", "bytes": len(name), "r": 4, "alpha": 8.0,
            "ranks": [4], "target_modules": ["o_proj"], "source_sha256": "s", "base_model": "m",
            "origin": {"recipe": recipe},
        }  # fmt: skip
    package = {
        "schema_version": 1, "recipe": "lamps", "target": "cpu-int4", "family": "phi", "base_model": "m",
        "base_sha256": "b", "random_weights": True, "inputs": {}, "adapters": entries,
    }  # fmt: skip
    (directory / "package.json").write_text(json.dumps(package))


def test_no_foreign_adapter_is_lost_by_a_kill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    output, kept = Path("runs", "lamps", "package-cpu-int4"), Path("runs", "lamps", ".kept", "package-cpu-int4")
    job: Any = SimpleNamespace(id="package-cpu-int4")
    plan: Any = SimpleNamespace(recipe=SimpleNamespace(name="lamps"), output_dir=lambda job: output)
    keep_foreign_adapters(plan, job)  # no package yet
    assert not kept.exists()
    write(output, ours="lamps", one=None, two=None)
    keep_foreign_adapters(plan, job)
    assert set(read_package(kept).adapters) == {"one", "two"}
    shutil.rmtree(output)  # made again, and killed when only the first of them was back
    write(output, ours="lamps", one=None)
    keep_foreign_adapters(plan, job)
    assert set(read_package(kept).adapters) == {"one", "two"}
    assert sorted(path.stem for path in (kept / "adapters").iterdir()) == ["one", "two"]
    shutil.rmtree(output)  # killed before anything was written
    keep_foreign_adapters(plan, job)
    assert set(read_package(kept).adapters) == {"one", "two"}
