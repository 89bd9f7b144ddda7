"""The runner on real Olive: truth of exit codes, resume after kill -9, and what counts as the same job."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from olivepress.core.artifact import read_manifest
from olivepress.core.errors import ReportError
from olivepress.run.journal import append, events
from tests.end_to_end.families import make_small_model, write_recipe

Cli = Callable[..., subprocess.CompletedProcess[str]]
CASE = "qwen2-tied"
COMMAND = [sys.executable, "-c", "from olivepress.cli.main import main; main()"]


@pytest.fixture
def small(project: Path) -> Path:
    """A project with one small model and its recipe, called ``small``."""
    make_small_model(CASE, project / "models" / "small")
    write_recipe(project / "recipes" / "small.yaml", "models/small", targets=["cpu-fp32", "cpu-int4"])
    return project


def wait_for(condition: Callable[[], bool], seconds: float = 240) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "what the test waits for did not happen"
        time.sleep(0.05)


def kill_in(job: str, project: Path, *arguments: str) -> None:
    """Start the run and kill it in this job; nothing of it is left running."""
    journal = project / "runs" / "small" / "journal.jsonl"
    command = [*COMMAND, "run", "small", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: any(e["job"] == job and e["event"] == "started" for e in events(journal)))
        if job == "finetune":  # in the middle of training: a checkpoint is there, the end is not
            wait_for(lambda: any(project.glob("runs/small/.training/finetune-*/checkpoint-*/trainer_state.json")))
        else:
            time.sleep(1.0)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    wait_for(lambda: not _olive_processes(project))


def test_kill_nine_in_the_fine_tune(small: Path, olivepress: Cli) -> None:
    kill_in("finetune", small, "--job", "finetune")
    done = olivepress("run", "small", "--job", "finetune", "--json")
    assert done.returncode == 0, done.stderr
    count = Counter(event["event"] for event in events(small / "runs" / "small" / "journal.jsonl"))
    assert count["finished"] == 1 and count["started"] == 2
    assert not list(small.glob("runs/small/.cache/*")) and not list(small.glob("runs/small/.training/*"))
    (job,) = json.loads(done.stdout)["jobs"]
    assert job["estimated"]["memory_bytes"] > 5e8 and job["estimated"]["seconds"] > 5
    assert job["resources"]["peak_memory_bytes"] > 3e8


@pytest.mark.slow
def test_kill_nine_in_every_job_then_plain_olive(small: Path, olivepress: Cli) -> None:
    """Killed in each job, the same command finishes and repeats no finished job; plain Olive makes the same files."""
    jobs = ["finetune", "merge", "export-cpu-fp32", "export-cpu-int4"]
    for job in jobs:
        kill_in(job, small)
    done = olivepress("run", "small", "--json")
    assert done.returncode == 0, done.stderr
    count = Counter((event["job"], event["event"]) for event in events(small / "runs" / "small" / "journal.jsonl"))
    for job in jobs:
        assert count[job, "finished"] == 1
        assert count[job, "started"] >= 2
    assert not list(small.glob("runs/small/.cache/*")) and not list(small.glob("runs/small/.training/*"))
    for job in json.loads(done.stdout)["jobs"]:
        assert job["estimated"]["memory_bytes"] > 5e8 and job["estimated"]["seconds"] > 5
        assert job["resources"]["peak_memory_bytes"] > 3e8
    again = olivepress("run", "small", "--json")
    assert [manifest["state"] for manifest in json.loads(again.stdout)["jobs"]] == ["kept"] * len(jobs)
    _plain_olive_makes_the_same(small)


def _olive_processes(project: Path) -> list[int]:
    """Olive processes that work in ``project``: none may outlive a killed olivepress. The test's own process works
    there too, and its command may name a test of Olive."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if (entry / "cwd").resolve() == project.resolve() and b"olive" in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def _plain_olive_makes_the_same(project: Path) -> None:
    job = project / "runs" / "small" / "export-cpu-int4"
    ours = {name: file.sha256 for name, file in read_manifest(job).files.items()}
    job.rename(project / "ours")
    environment = {**os.environ, "OLIVE_DISABLE_TELEMETRY": "1", "CI": "1"}
    command = [sys.executable, "-m", "olive", "run", "--config", "olive_configs/small/export-cpu-int4.yaml"]
    command += ["--package-config", "olive_configs/small/cpu-package.json"]  # as the workflow's header says
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=600)
    import hashlib

    for name in ("model.onnx", "model.onnx.data", "tokenizer.json", "metrics.json"):
        assert hashlib.sha256((job / name).read_bytes()).hexdigest() == ours[name], name
    # Ours names the graph that was made of Olive's, and nothing else is different.
    configs = [json.loads((folder / "genai_config.json").read_text()) for folder in (job, project / "ours")]
    names = [config["model"]["decoder"].pop("filename") for config in configs]
    assert names == ["model.onnx", "last_position.onnx"] and configs[0] == configs[1]
    metrics = json.loads((job / "metrics.json").read_text())
    assert metrics["olivepress-exact_match"]["higher_is_better"] is True


@pytest.mark.slow
def test_two_runs_are_identical_and_a_changed_recipe_is_redone(small: Path, olivepress: Cli) -> None:
    assert olivepress("run", "small", "--job", "finetune").returncode == 0
    adapter = small / "runs" / "small" / "finetune" / "adapter" / "adapter_model.safetensors"
    first = adapter.read_bytes()
    (small / "runs" / "small" / "finetune" / "manifest.json").unlink()
    assert olivepress("run", "small", "--job", "finetune").returncode == 0
    assert adapter.read_bytes() == first
    recipe = small / "recipes" / "small.yaml"
    recipe.write_text(recipe.read_text().replace("learning_rate: 0.01", "learning_rate: 0.02"))
    done = olivepress("run", "small", "--job", "finetune", "--json")
    assert json.loads(done.stdout)["jobs"][0]["state"] == "done"
    assert adapter.read_bytes() != first
    # A job alone must not be built on what is of another recipe now.
    recipe.write_text(recipe.read_text().replace("learning_rate: 0.02", "learning_rate: 0.03"))
    alone = olivepress("run", "small", "--job", "merge")
    assert alone.returncode == 6 and "finetune is not finished, or is of an older recipe" in alone.stderr


@pytest.mark.slow
def test_a_lost_limit_fails_the_job(small: Path, olivepress: Cli) -> None:
    recipe = small / "recipes" / "small.yaml"
    recipe.write_text(recipe.read_text().replace("limits:\n", "limits:\n  max_kl_divergence: 1.0e-9\n"))
    done = olivepress("run", "small")
    assert done.returncode == 6
    assert "export-cpu-int4: check kl_answer failed" in done.stderr and "limit 1e-09" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (small / "runs" / "small" / "export-cpu-int4").exists()
    assert (small / "runs" / "small" / "merge" / "manifest.json").is_file()


def test_nan_in_training_fails_at_once(small: Path, olivepress: Cli) -> None:
    weights = small / "models" / "small" / "model-00001-of-00001.safetensors"
    weights = next(small.glob("models/small/*.safetensors"), weights)
    tensors = load_file(str(weights))
    name = next(name for name in tensors if "down_proj" in name)
    tensors[name] = np.full_like(tensors[name], np.nan)
    save_file(tensors, str(weights), metadata={"format": "pt"})
    done = olivepress("run", "small")
    assert done.returncode == 3 and f"{name} contains NaN or infinity" in done.stderr  # before the first job
    assert not (small / "runs" / "small" / "journal.jsonl").exists()
    tensors[name] = np.full_like(tensors[name], 3e38)  # finite, and the loss is not
    save_file(tensors, str(weights), metadata={"format": "pt"})
    done = olivepress("run", "small")
    assert done.returncode == 6
    assert "step 1:" in done.stderr and "is not finite" in done.stderr, done.stderr
    assert done.stderr.count("next:") == 1 and "lower learning_rate" in done.stderr
    assert not (small / "runs" / "small" / "finetune").exists()


def test_control_c_says_so_and_leaves_no_process(small: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "run", "small"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that runs the tests in the background hands an ignored Ctrl-C on.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    journal = small / "runs" / "small" / "journal.jsonl"
    wait_for(lambda: any(event["event"] == "started" for event in events(journal)))
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted; run the same command again to resume" in errors and "Traceback" not in errors
    assert not _olive_processes(small)
    assert events(journal)[-1]["event"] == "interrupted"
    for left in (".work/finetune", "finetune", ".cache/finetune-*"):
        assert not list(small.glob(f"runs/small/{left}")), left


def test_disk_full_in_the_middle_of_a_job(small: Path, tmp_path: Path, olivepress: Cli) -> None:
    """A real file system without room: the job fails with the reason and leaves no artifact."""
    full = small / "runs"
    full.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=700k", "tmpfs", str(full)], check=False)
    if mounted.returncode != 0:
        pytest.skip("needs the right to mount a small file system")
    try:
        done = olivepress("run", "small", "--force")
        assert done.returncode in (6, 7)
        assert "disk full" in done.stderr or "No space left" in done.stderr, done.stderr
        assert "Traceback" not in done.stderr
        assert not list(full.glob("small/*/manifest.json"))
    finally:
        subprocess.run(["umount", str(full)], check=False)


def test_artifacts_that_were_touched_are_told(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="not a finished artifact"):
        read_manifest(tmp_path)
    (tmp_path / "manifest.json").write_text('{"schema_version": 2}')
    with pytest.raises(ReportError, match="schema version 2, this olivepress reads 1"):
        read_manifest(tmp_path)
    (tmp_path / "manifest.json").write_text('{"schema_ver')
    with pytest.raises(ReportError, match="not complete JSON"):
        read_manifest(tmp_path)


def test_journal_survives_a_cut_line(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    append(path, "started", "a", "k")
    with path.open("a") as file:
        file.write('{"event": "fini')
    append(path, "finished", "a", "k")
    assert [event["event"] for event in events(path)] == ["started", "finished"]
