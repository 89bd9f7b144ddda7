"""Every path below the project's root is spelled in one module."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import olivepress
from olivepress.core import layout

_FOLDERS = {"runs", "olive_configs", "bundles", ".bundles", ".environments", "benchmarks"}
_FILES = ("journal.jsonl", "bundles.jsonl", "training.jsonl")


def test_no_other_module_spells_a_path() -> None:
    package, looked = Path(olivepress.__file__).parent, 0
    for file in sorted(package.rglob("*.py")):
        if file.name == "layout.py" and file.parent.name == "core":
            continue
        looked += 1
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "Path" and call.args:
                first = call.args[0]
                spelled = isinstance(first, ast.Constant) and first.value in _FOLDERS
                assert not spelled, f"{file}:{call.lineno}: expected olivepress.core.layout"
            if isinstance(call, ast.Constant) and isinstance(call.value, str):
                assert call.value not in _FILES, f"{file}:{call.lineno}: expected olivepress.core.layout"
    assert looked > 200


def test_where_hashes_are_remembered() -> None:
    assert layout.hash_cache(Path("runs/phi/merge")) == Path("runs/phi/.hashes/merge.json").absolute()
    assert layout.hash_cache(Path("elsewhere/phi/merge")) is None


def test_what_lies_in_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for path in ("runs/b/merge/manifest.json", "runs/a/merge/manifest.json", "runs/a/bundles.jsonl"):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).touch()
    assert [path.as_posix() for path in layout.manifests()] == [
        "runs/a/merge/manifest.json",
        "runs/b/merge/manifest.json",
    ]
    assert list(layout.bundle_logs()) == [layout.bundle_log("a")]
    report = layout.device_report("box", "a", "export-cpu-int4")
    report.parent.mkdir(parents=True)
    report.touch()
    assert list(layout.stored_reports("a")) == [report] == list(layout.stored_reports("a", "export-cpu-int4"))
    assert list(layout.stored_reports("a", "base")) == []
