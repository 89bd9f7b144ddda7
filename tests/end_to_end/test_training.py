"""Training with validation through the command: the same weights from plain Olive, and after ten kills."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from olivepress.core.artifact import Manifest, read_manifest
from olivepress.report.training_record import TrainingStep, read_training
from tests.end_to_end.families import make_small_model, write_recipe

Cli = Callable[..., subprocess.CompletedProcess[str]]
FULL = {"method": "full", "freeze_layers": 1, "learning_rate": 0.001, "max_steps": 4, "eval_steps": 2, "eval_rows": 4}
LORA = {"max_steps": 6, "eval_steps": 2, "eval_rows": 4, "eval_answers": 2, "early_stopping": {"patience": 1}}


def small(project: Path, finetune: dict[str, Any], **changes: Any) -> None:
    make_small_model("qwen2-tied", project / "models" / "small")
    write_recipe(project / "recipes" / "small.yaml", "models/small", finetune=finetune, **changes)


def manifest(project: Path, job: str) -> Manifest:
    return read_manifest(project / "runs" / "small" / job, verify=True)


@pytest.mark.slow
def test_a_full_fine_tune_to_the_export(project: Path, olivepress: Cli) -> None:
    small(project, FULL, targets=["cpu-int4"])
    done = olivepress("run", "small", "--json")
    assert done.returncode == 0, done.stderr
    assert [each["job"] for each in json.loads(done.stdout)["jobs"]] == ["finetune", "export-cpu-int4"]
    trained, exported = manifest(project, "finetune"), manifest(project, "export-cpu-int4")
    checks = {check.name: check for check in trained.checks}
    assert checks["weights_trained"].passed and checks["weights_frozen"].passed
    assert checks["weights_trained"].limit == 13 and checks["weights_frozen"].limit == 13  # of two layers
    assert exported.parent == "finetune" and exported.parent_sha256 == trained.sha256
    kept = next(check for check in exported.checks if check.name == "adapter_kept")
    assert kept.value == pytest.approx(1.0, abs=0.2)
    assert not (project / "runs" / "small" / "finetune" / "adapter").exists()
    again = olivepress("run", "small", "--json")
    assert {each["state"] for each in json.loads(again.stdout)["jobs"]} == {"kept"}


def plain_olive(project: Path) -> None:
    """The command in the header of the workflow, as a person copies it."""
    workflow = project / "olive_configs" / "small" / "finetune.yaml"
    [line] = [text for text in workflow.read_text().splitlines() if text.startswith("# Run from the project root: ")]
    arguments = line.partition(": ")[2].split()[1:]
    command = [sys.executable, "-P", "-m", "olive", *arguments]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("finetune", "file"),
    [(LORA, "adapter/adapter_model.safetensors"), (FULL, "model/model.safetensors")],
    ids=["lora", "full"],
)
def test_plain_olive_trains_the_same_weights(
    finetune: dict[str, Any], file: str, project: Path, olivepress: Cli
) -> None:
    small(project, finetune)
    done = olivepress("run", "small", "--job", "finetune")
    assert done.returncode == 0, done.stderr
    output = project / "runs" / "small" / "finetune"
    ours, steps = (output / file).read_bytes(), read_training(output / "training.jsonl")
    shutil.rmtree(project / "runs")
    plain_olive(project)
    assert (output / file).read_bytes() == ours
    [record] = (project / "runs" / "small" / ".training").glob("finetune-*.jsonl")
    assert [(each.loss, each.validation_loss) for each in read_training(record)] == [
        (each.loss, each.validation_loss) for each in steps
    ]


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_ten_kills_at_random(project: Path, olivepress: Cli) -> None:
    """Killed at ten steps of a run with several epochs: the same best step and the same adapter as without a kill."""
    settings = LORA | {"max_steps": 60, "eval_steps": 5, "save_steps": 3, "early_stopping": {"patience": 10}}
    small(project, settings | {"learning_rate": 0.001, "lora_dropout": 0.1})
    whole = olivepress("run", "small", "--job", "finetune")
    assert whole.returncode == 0, whole.stderr
    adapter = project / "runs" / "small" / "finetune" / "adapter" / "adapter_model.safetensors"
    expected, checkpoint = adapter.read_bytes(), _checkpoint(project)
    shutil.rmtree(project / "runs")
    for step in sorted(random.Random(22).sample(range(2, 59), 10)):
        _kill_at(project, step)
    done = olivepress("run", "small", "--job", "finetune")
    assert done.returncode == 0, done.stderr
    assert adapter.read_bytes() == expected and _checkpoint(project) == checkpoint


def _checkpoint(project: Path) -> tuple[float | None, str]:
    [check] = [check for check in manifest(project, "finetune").checks if check.name == "checkpoint"]
    return check.value, check.detail


def _kill_at(project: Path, step: int) -> None:
    """Start the run, and kill it when its record has this step."""
    main = "from olivepress.cli.main import main; main()"
    command = [sys.executable, "-c", main, "run", "small", "--job", "finetune"]
    process = subprocess.Popen(command, cwd=project, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 240
    try:
        while not any(each.step >= step for each in _record(project)):
            assert process.poll() is None and time.monotonic() < end, f"step {step} was not reached"
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    time.sleep(1.0)  # its child dies with it


def _record(project: Path) -> tuple[TrainingStep, ...]:
    [record] = [*(project / "runs" / "small" / ".training").glob("finetune-*.jsonl")] or [Path("none")]
    return read_training(record)
