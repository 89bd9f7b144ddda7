"""A run prepares, lints and compares for the jobs that it will run, and for no others."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from olivepress.core.artifact import (
    Check,
    FileHash,
    Manifest,
    Resources,
    TaskVerdict,
    artifact_hash,
    hash_files,
    write_manifest,
)
from olivepress.pipeline import run as module
from olivepress.pipeline.plan import load_plan
from olivepress.pipeline.prepare import prepare
from olivepress.pipeline.run import _Ahead
from olivepress.run import Outlook, base_of_finished, outlooks
from olivepress.run.base_model import model_identity
from olivepress.run.failure import ChecksFailed
from olivepress.run.finished import job_key
from olivepress.run.limits import judged_limits, task_limits
from olivepress.run.outcome import JobOutcome
from olivepress.workflow.plan import Plan
from olivepress.workflow.render import render_all

RUN, KEPT = Outlook(state="run"), Outlook(state="kept")


def test_only_what_will_run_is_checked(project: Path) -> None:
    plan = load_plan("tiny-phi")
    states = {job.id: RUN for job in plan.jobs} | {"finetune": KEPT, "merge": KEPT}
    states["export-cuda-int4"] = Outlook(state="left out")

    def ahead(only: str | None) -> _Ahead:
        return _Ahead(plan=plan, states=states, base=None, only=only)

    assert ahead(None).to_check == ahead(None).to_compare == {"export-cpu-fp32", "export-cpu-int4"}
    # A job alone: the others come after it, and what would make its hours vain is worth knowing before.
    assert ahead("export-cpu-int4").to_check == {"export-cpu-fp32", "export-cpu-int4"}
    assert ahead("export-cpu-int4").to_compare == {"export-cpu-int4"}
    assert ahead("finetune").to_check == frozenset()
    assert [seconds > 0 for seconds in ahead(None).expected] == [False, False, True, True, False]
    assert len(ahead("export-cpu-int4").expected) == 1


def test_a_long_run_measures_the_machine_first(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []

    class Listener:
        def checking(self, what: str) -> None:
            said.append(what)

        def checked(self, result: str) -> None:
            said.append(result)

    listener: Any = Listener()
    monkeypatch.setattr(module.machine_rates, "measure_machine", lambda: said.append("measured"))
    module._measure_machine(listener)
    assert said == []  # measured before
    monkeypatch.setattr(module.machine_rates, "is_measured", lambda: False)
    module._measure_machine(listener)
    assert said[1] == "measured" and len(said) == 3


def finish(plan: Plan) -> None:
    """Artifacts of one small file each, as if all jobs of the plan had run."""
    prepare(plan)
    base = model_identity(plan)
    workflows = {workflow.job_id: workflow for workflow in render_all(plan)}
    sha256: dict[str, str] = {}
    for job in plan.jobs:
        output = plan.output_dir(job)
        output.mkdir(parents=True)
        (output / "file").write_text(job.id)
        files: dict[str, FileHash] = hash_files(output)
        sha256[job.id] = artifact_hash(files)
        parent = sha256[job.parent] if job.parent else None
        key = job_key(plan, workflows[job.id], parent, base.training if parent is None else base.whole, job.target)
        write_manifest(manifest(plan, job, key, files, parent), output)


def manifest(plan: Plan, job: Any, key: str, files: dict[str, FileHash], parent: str | None) -> Manifest:
    checks: Sequence[Check] = ()
    if job.target is not None and (limits := task_limits(plan, job, "native")) is not None:
        task = TaskVerdict(
            call="not inferior", metric=limits.metric, margin=limits.margin, rows=1, rows_available=1,
            rows_limit=limits.rows,
        )  # fmt: skip
        checks = (Check(name="keeps_task", passed=True, limit=judged_limits(plan, job)["keeps_task"], task=task),)
    return Manifest.model_validate({
        "recipe": plan.recipe.name, "job": job.id, "kind": job.kind, "key": key, "family": "phi", "base_model": "m",
        "base_model_revision": None, "random_weights": False, "target": None, "device": None,
        "execution_provider": None, "precision": None, "parent": job.parent, "parent_sha256": parent,
        "dataset": "d", "dataset_version": "v", "synthetic_data": True, "workflow_sha256": "w", "versions": {},
        "seed": 0, "git_commit": None, "verified": "native", "checks": tuple(checks),
        "resources": Resources(seconds=1.0, peak_memory_bytes=1, peak_disk_bytes=1),
        "created_at": "2026-01-01T00:00:00+00:00", "sha256": artifact_hash(files), "files": files,
    })  # fmt: skip


def test_a_run_of_kept_jobs_imports_neither_olive_nor_torch(project: Path) -> None:
    """They would take seconds; nor is a process started that opens a model on a provider."""
    plan = load_plan("tiny-phi")
    finish(plan)
    assert {each.state for each in outlooks(plan, base_of_finished(plan)).values()} == {"kept"}
    code = (
        "import sys; sys.argv = ['olivepress', 'run', 'tiny-phi']\n"
        "import olivepress.core.child.run as child\n"
        "def refuse(*arguments): raise SystemExit('a process was started')\n"
        "child.start_process = refuse\n"
        "from olivepress.cli.main import main\n"
        "try: main()\nexcept SystemExit as end: print(end.code)\n"
        "print(sorted({'torch', 'transformers', 'olive', 'onnxruntime', 'datasets', 'peft'} & set(sys.modules)))"
    )

    def once() -> list[int]:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.stdout.splitlines()[-2:] == ["0", "[]"], done.stdout + done.stderr
        assert done.stderr.count("kept, nothing changed") == len(plan.jobs)
        files = (path for path in sorted(Path().rglob("*")) if path.is_file())
        # Hashes of files that are younger than two seconds are remembered by a later run.
        return [path.stat().st_mtime_ns for path in files if not any(part.startswith(".") for part in path.parts)]

    first = once()
    assert len(first) > 20 and once() == first


def test_of_two_failed_jobs_the_first_error_is_raised_with_both_names(project: Path) -> None:
    plan = load_plan("tiny-phi")
    outcomes = [
        JobOutcome(job=name, state="failed", error=ChecksFailed(f"{name}: lost", checks=(), next_step="less"))
        for name in ("export-a", "export-b")
    ]
    with pytest.raises(ChecksFailed, match=r"2 of 2 jobs failed \(export-a, export-b\), first export-a: lost; next"):
        module.raise_failed([(plan, outcome) for outcome in outcomes])
