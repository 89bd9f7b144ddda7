"""Projects whose recipes have run, built once for all processes of a test run; tests work on copies of them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from olivepress.synthetic import MARKER
from tests.end_to_end.families import make_small_model, write_recipe

COMMAND = [sys.executable, "-c", "from olivepress.cli.main import main; main()"]
DATA = {"demo": "phrase-tone", "max_train_rows": 16, "max_test_rows": 6, "max_length": 512}


def built_once(factory: pytest.TempPathFactory, name: str, build: Callable[[Path], None]) -> Path:
    """The folder that ``build`` fills, built by the first process that needs it; the others wait for it."""
    root = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent  # a worker's own folder lies in that of the run
    folder, whole = root / name, root / f"{name}.whole"
    with FileLock(root / f"{name}.lock"):
        if not whole.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            build(folder)
            whole.touch()
    return folder


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose small recipe has run."""
    return built_once(tmp_path_factory, "small-project", _run_small)


def _run_small(project: Path) -> None:
    make_small_model("qwen2-tied", project / "models" / "small")
    # Its weights are random, and reports would say so; here it stands for a model that somebody trained.
    (project / "models" / "small" / MARKER).unlink()
    benchmark = {
        "workloads": [[16, 8], [0, 4]],
        "rounds": 2,
        "repetitions": 1,
        "few_shot": 2,
        "text": "text.txt",
        "price_per_hour": 3600.0,  # one a second: the cost can be read off the seconds
        "currency": "EUR",
    }
    (project / "text.txt").write_text("the lamp is on and the door is shut\n" * 30)
    (project / "recipes").mkdir()
    recipe = project / "recipes" / "small.yaml"
    # Nobody trained it all the same: no token is preferred by much, and rounding flips many of the few in its answers.
    changes = {"data": DATA, "benchmark": benchmark, "limits": {"min_top1_agreement": 0.0, "rows": 40}}
    write_recipe(recipe, "models/small", targets=["cpu-fp32", "cpu-int4"], **changes)
    done = subprocess.run([*COMMAND, "run", "small"], cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def small(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    project = tmp_path / "project"
    shutil.copytree(made, project)
    monkeypatch.chdir(project)
    return project
