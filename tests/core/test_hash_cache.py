"""A file is hashed again when anything of it changed, and only then; a kept artifact is what its manifest says."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from olivepress.core import hash_cache
from olivepress.core.artifact import changed_files, hash_file, hash_files
from olivepress.core.hash_cache import cached_sha256
from olivepress.run import finished
from olivepress.run.package import changed_adapters


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    directory = tmp_path / "runs" / "lamps" / "export-cpu-int4"
    directory.mkdir(parents=True)
    for name in ("model.onnx", "model.onnx.data"):
        (directory / name).write_bytes(b"a" * 4096)
        settle(directory / name)
    return directory


def settle(path: Path) -> None:
    """As if the file had been written an hour ago; its change time is still now."""
    past = time.time_ns() - 3600 * 10**9
    os.utime(path, ns=(past, past))


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files whose bytes are read."""
    names: list[str] = []
    whole = hash_cache._sha256

    def counted(path: Path) -> str:
        names.append(path.name)
        return whole(path)

    monkeypatch.setattr(hash_cache, "_sha256", counted)
    monkeypatch.setattr(hash_cache, "_SETTLED_NS", -1)
    return names


def test_an_unchanged_file_is_read_once(artifact: Path, read: list[str]) -> None:
    files = hash_files(artifact)
    assert len(read) == 2 and changed_files(artifact, files) == [] and len(read) == 2
    assert (artifact.parent / ".hashes" / "export-cpu-int4.json").is_file()
    assert set(hash_files(artifact)) == {"model.onnx", "model.onnx.data"}  # the cache is in no artifact


def test_bytes_that_change_at_the_same_size_and_time_are_seen(artifact: Path, read: list[str]) -> None:
    files, data = hash_files(artifact), artifact / "model.onnx.data"
    before = data.stat()
    data.write_bytes(b"b" * 4096)
    os.utime(data, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert changed_files(artifact, files) == ["model.onnx.data"]
    data.unlink()
    assert changed_files(artifact, files) == ["model.onnx.data"]


def test_a_file_that_was_written_just_now_is_not_remembered(tmp_path: Path) -> None:
    """Within a tick of the clock a second write would look the same."""
    (tmp_path / "a").write_bytes(b"a")
    cache = tmp_path / "cache.json"
    assert cached_sha256({"a": tmp_path / "a"}, cache)["a"][1] == 1
    assert not cache.is_file() or "sha256" not in cache.read_text()


@pytest.mark.parametrize("text", ["", "[1]", '{"model.onnx": 5}', '{"model.onnx": {"stamp": 1}}', "[" * 100_000])
def test_a_cache_that_is_damaged_is_none(artifact: Path, text: str) -> None:
    files = hash_files(artifact)
    cache = artifact.parent / ".hashes" / "export-cpu-int4.json"
    cache.parent.mkdir(exist_ok=True)
    cache.write_text(text)
    assert changed_files(artifact, files) == []
    (artifact / "model.onnx").write_bytes(b"c" * 4096)
    assert changed_files(artifact, files) == ["model.onnx"]


def test_a_finished_artifact_whose_bytes_changed_is_not_kept(artifact: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest: Any = SimpleNamespace(key="k", files=hash_files(artifact))
    monkeypatch.setattr(finished, "read_manifest", lambda output: manifest)
    assert finished._finished(artifact, "k") is manifest and finished._finished(artifact, "other") is None
    (artifact / "model.onnx.data").write_bytes(b"b" * 4096)
    assert finished._finished(artifact, "k") is None
    export: Any = SimpleNamespace(kind="export")
    assert finished.changed_since(export, artifact, "k") == ["model.onnx.data"]
    assert finished.changed_since(export, artifact, "other") == []


def test_a_package_whose_own_adapter_changed_is_not_kept(artifact: Path) -> None:
    assert changed_adapters(artifact) == ["package.json"]
    (artifact / "adapters").mkdir()
    entries = {}
    for name, recipe in (("ours", "lamps"), ("theirs", None)):
        path = artifact / "adapters" / f"{name}.onnx_adapter"
        path.write_bytes(name.encode())
        entries[name] = {
            "file": f"adapters/{name}.onnx_adapter", "sha256": hash_file(path).sha256, "bytes": len(name), "r": 4,
            "alpha": 8.0, "ranks": [4], "target_modules": ["o_proj"], "source_sha256": "s", "base_model": "m",
            "origin": {"recipe": recipe},
        }  # fmt: skip
    package = {
        "schema_version": 1, "recipe": "lamps", "target": "cpu-int4", "family": "phi", "base_model": "m",
        "base_sha256": "b", "random_weights": True, "inputs": {}, "adapters": entries,
    }  # fmt: skip
    (artifact / "package.json").write_text(json.dumps(package))
    assert changed_adapters(artifact) == []
    for name in entries:  # what somebody added has no other copy: it is not made again, and so not lost
        (artifact / "adapters" / f"{name}.onnx_adapter").write_bytes(b"0" * len(name))
    assert changed_adapters(artifact) == ["adapters/ours.onnx_adapter"]
