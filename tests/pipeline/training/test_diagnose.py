"""A diagnosis through the command: from an artifact, from a record alone, and what it refuses."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("transformers")

from olivepress.core.jsonl import append_json_line
from olivepress.core.layout import journal, training_dir
from olivepress.report.training_record import step_line
from olivepress.track.writer import begin_run
from tests.pipeline.training.finished import NAME, a_run
from tests.train.test_diagnosis import CURVES, SETTINGS

Cli = Callable[..., subprocess.CompletedProcess[str]]
OVERFITTING = CURVES["overfitting"]


def test_with_its_artifact(project: Path, olivepress_here: Cli) -> None:
    a_run(project, OVERFITTING, **SETTINGS["overfitting"])
    before = sorted((path, path.stat().st_mtime_ns) for path in Path("runs").rglob("*"))
    done = olivepress_here("diagnose", NAME, "--json")
    assert done.returncode == 0, done.stderr
    diagnosis = json.loads(done.stdout)
    assert diagnosis["run"] == "small/finetune.1" and diagnosis["examined"] == ["curves", "rows", "memory"]
    [finding] = diagnosis["findings"]
    assert finding["kind"] == "overfitting" and finding["evidence"]["lowest_at_step"] == 12
    assert {"key": "finetune.max_steps", "now": 40, "to": 12} in finding["changes"]
    assert set(diagnosis["missing"]) == {"label noise", "forgetting"}
    assert sorted((path, path.stat().st_mtime_ns) for path in Path("runs").rglob("*")) == before  # only read
    text = olivepress_here("diagnose", NAME).stdout
    assert "small/finetune.1: 1 finding\n" in text
    assert "  change finetune.max_steps: 40 -> 12\n" in text
    assert "not examined: label noise: a pass of the model over the rows" in text


def test_from_the_record_alone(project: Path, olivepress_here: Cli) -> None:
    """A later run has replaced the artifact, and the dataset was removed."""
    dataset = a_run(project, OVERFITTING, artifact=False, **SETTINGS["overfitting"])
    shutil.rmtree(dataset.directory)
    done = olivepress_here("diagnose", f"{NAME}/finetune.1", "--json")
    diagnosis = json.loads(done.stdout)
    assert [each["kind"] for each in diagnosis["findings"]] == ["overfitting"]
    assert diagnosis["missing"]["rows"] == f"{dataset.directory} is not here any more"
    refused = olivepress_here("diagnose", NAME, "--rows", "10")
    assert refused.returncode == 6
    assert "small/finetune.1: its artifact is not here" in refused.stderr and "next: olivepress run" in refused.stderr


def test_a_run_that_ended_with_nan(project: Path, olivepress_here: Cli) -> None:
    steps = OVERFITTING[:3]
    a_run(project, steps, status="failed", artifact=False, learning_rate=5.0)
    record = training_dir(NAME, "finetune-0123").with_suffix(".jsonl")
    record.parent.mkdir(parents=True)
    for line in [*map(step_line, steps), {"done": 4, "total": 40, "not_finite": "loss"}]:
        append_json_line(record, line, sync=False)
    [finding] = json.loads(olivepress_here("diagnose", NAME, "--json").stdout)["findings"]
    assert finding["kind"] == "divergence" and "loss was no finite number at step 4" in finding["summary"]
    append_json_line(record, {"done": 4, "total": 40, "loss": 0.5}, sync=False)  # it was run again, and goes on
    assert json.loads(olivepress_here("diagnose", NAME, "--json").stdout)["findings"] == []


def test_a_run_that_was_refused_memory(project: Path, olivepress_here: Cli) -> None:
    a_run(project, OVERFITTING[:3], status="failed", artifact=False, batch_size=8)
    failed = {"at": "2026-01-01", "event": "failed", "job": "finetune", "key": "cd" * 32}
    append_json_line(journal(NAME), failed | {"out_of_memory": True, "peak_memory_bytes": 15 * 10**9})
    [finding] = json.loads(olivepress_here("diagnose", NAME, "--json").stdout)["findings"]
    assert finding["kind"] == "memory" and "15.0 GB of 16.0 GB" in finding["summary"]
    append_json_line(journal(NAME), failed | {"reason": "another"})
    assert json.loads(olivepress_here("diagnose", NAME, "--json").stdout)["findings"] == []


def test_what_is_refused(project: Path, olivepress_here: Cli) -> None:
    unknown = olivepress_here("diagnose", NAME)
    assert unknown.returncode == 2 and "no run 'small'" in unknown.stderr
    begin_run(NAME, "merge", kind="merge", store=None, warn=print)
    merge = olivepress_here("diagnose", f"{NAME}/merge")
    assert merge.returncode == 2 and "is a run of merge, expected a fine-tune" in merge.stderr
    further = olivepress_here("train", "continue", f"{NAME}/merge", "--data", "more.jsonl")
    assert further.returncode == 2 and "next: name the recipe, small, for its last fine-tune" in further.stderr
    begin_run(NAME, "finetune", kind="finetune", store=None, warn=print, settings={"name": "x", "later": 1})
    later = olivepress_here("diagnose", NAME)
    assert later.returncode == 3 and "its recorded recipe cannot be read by this version" in later.stderr
    negative = olivepress_here("diagnose", NAME, "--rows", "-1")
    assert negative.returncode == 2
