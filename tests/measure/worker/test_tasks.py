"""The tasks of measuring processes, as the parent sees them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from olivepress.core.child.run import run_task
from olivepress.core.errors import DataError
from olivepress.measure.worker import tasks
from olivepress.measure.worker.host import run_child
from olivepress.measure.worker.records import AnswersSpec


def test_an_error_keeps_its_class_and_next_step(tmp_path: Path) -> None:
    spec = {"model_dir": str(tmp_path), "runtime": "pytorch", "dataset_dir": str(tmp_path), "split": "x", "limit": None}
    with pytest.raises(DataError, match=r"x\.jsonl|dataset\.json") as caught:
        run_child("answers", spec)
    assert caught.value.next_step and "\n" not in str(caught.value)


def test_a_users_json_py_does_not_shadow_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('shadowed')")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError):
        run_task(tasks.answers, AnswersSpec(model_dir=tmp_path, runtime="pytorch", dataset_dir=tmp_path, split="x"))


def test_importing_measure_is_light() -> None:
    code = (
        "import sys, olivepress.measure, olivepress.compare, olivepress.measure.quality.reference;"
        "import olivepress.measure.worker.tasks;"
        "heavy = {'torch', 'transformers', 'onnxruntime', 'onnxruntime_genai', 'olive', 'jinja2', 'rich'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
