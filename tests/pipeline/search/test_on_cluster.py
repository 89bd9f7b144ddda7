"""Trials on the workers of a cluster: the same search, its fine-tunes elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from olivepress.core.artifact import Manifest, hash_files, write_manifest
from olivepress.core.child.messages import ProgressMessage
from olivepress.core.errors import SetupError
from olivepress.core.jsonl import append_json_line
from olivepress.core.layout import RUNS
from olivepress.pipeline.search import finalists
from olivepress.pipeline.search.finetune import SearchDecision, load_searched, search_finetune
from olivepress.pipeline.search.on_cluster import TrialFollower, cluster_of_trial
from olivepress.pipeline.search.trial import _plan, trial_recipe
from olivepress.run import job as job_module
from olivepress.run.cleanup import training_record
from olivepress.run.executors.plan_jobs import ClusterRun
from olivepress.run.executors.plan_needs import needs_of
from olivepress.run.executors.store import open_store
from olivepress.workflow.plan import Job, Plan
from tests.pipeline.search.stand_in import SEARCH, Quiet, scores_of, stand_in_run, write_recipe
from tests.pipeline.test_run import manifest as manifest_of
from tests.run.executors.cluster_here import Silent, announcement
from tests.run.executors.one_worker import OneWorker

RATES = [1e-3, 9e-2, 2e-3, 5e-4, 8e-4, 1e-5]
GRID: dict[str, Any] = {"learning_rate": {"choices": RATES}, "r": {"choices": [16]}, "sampler": "grid", "trials": 6}


def make(plan: Plan, job: Job, workflow: Any, parent: Manifest | None, key: str, reporter: Any) -> Manifest:
    """In place of ``run.job.make``, in a worker's folder: what the stand-in of a fine-tune leaves, with a manifest."""

    class Passing:
        """The steps are in the record of the workflow as well, where the trainer writes them."""

        def job_progress(self, job: Job, step: ProgressMessage) -> None:
            line = {"done": step.done, "total": step.total, "validation_loss": step.validation_loss}
            append_json_line(training_record(workflow), line, sync=False)
            reporter.job_progress(job, step)

    stand_in_run()(replace(plan, jobs=plan.jobs[:1]), reporter=Passing(), only=job.id)
    output = plan.output_dir(job)
    manifest = manifest_of(plan, job, key, hash_files(output), None)
    write_manifest(manifest, output)
    return manifest


@pytest.fixture(autouse=True)
def without_olive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_module, "make", make)
    monkeypatch.setattr(finalists, "score_test_rows", scores_of)
    monkeypatch.setattr("olivepress.pipeline.render.lint_workflows", lambda *_, **__: ())
    monkeypatch.setattr("olivepress.run.check_tokenizers", lambda *_, **__: {})


def cluster_of(folder: Path, **facts: Any) -> tuple[Any, OneWorker]:
    plenty = {"memory_bytes": 10**12, "disk_bytes": 10**12, **facts}
    worker: Any = OneWorker(folder, announcement("alpha", environments=("build", "cpu"), **plenty))
    store = open_store(str(Path("store").absolute()), create=True)
    return ClusterRun(cluster=worker, store=store, follower=Silent()), worker


def search(cluster: Any) -> tuple[SearchDecision, Quiet]:
    reporter = Quiet()
    return search_finetune(replace(load_searched("t"), cluster=cluster), reporter=reporter), reporter


def test_a_search_on_a_worker_decides_as_one_here(project: Path, tmp_path: Path) -> None:
    write_recipe(project, SEARCH | GRID, learning_rate=1.0e-3, r=16)
    cluster, worker = cluster_of(tmp_path / "worker")
    decision, _ = search(cluster)
    trials = {trial.params["learning_rate"]: trial for trial in decision.stages["trials"].trials}
    assert [trials[rate].state for rate in RATES] == ["finished", "pruned"] + ["finished"] * 3 + ["pruned"]
    assert trials[1e-5].reason.startswith("pruned after 10 %: validation loss ")
    assert trials[9e-2].reason == "pruned, as it diverged: step 3: loss is nan; the result would be worthless"
    assert set(trials[2e-3].curve) == {10, 20, 30, 40, 50, 60, 70, 80, 90, 100}
    # Every fine-tune ran on the worker, and nothing of the trials stays here or is kept for them in the store.
    ran = [spec.id for spec in worker.specs]
    assert len(ran) == sum(len(stage.trials) for stage in decision.stages.values()) and len(ran) >= 10
    assert all(name.startswith("t.s1-") and name.endswith("/finetune") for name in ran)
    assert not list(RUNS.glob("t.s1-*/finetune")) and not list(RUNS.rglob("*.safetensors"))
    (kept,) = cluster.store.names("references")
    assert kept.endswith("-t.search.json") and cluster.store.names("results") == []


@pytest.mark.parametrize("job", ["finetune", "t/finetune"])
def test_a_label_of_the_recipe_is_one_of_its_trials(project: Path, tmp_path: Path, job: str) -> None:
    """A trial is a recipe of another name, and has not every job of the one that is searched."""
    write_recipe(project, SEARCH | GRID)
    cluster, _ = cluster_of(tmp_path / "worker", labels=("rack-1",))
    labels = {job: ("rack-1",), "t/merge": ("alpha",), "export-cpu-fp32": ("alpha",)}
    searched = load_searched("t")
    plan = _plan(searched, trial_recipe(searched, {}, name="t.s1-0"))
    of_trial = replace(plan, jobs=tuple(each for each in plan.jobs if each.kind == "finetune"))
    reporter: Any = Quiet()
    there = cluster_of_trial(replace(cluster, labels=labels), of_trial, "t", reporter, reporter)
    there.check([of_trial], "finetune")
    assert needs_of(of_trial, of_trial.job("finetune"), labels=there.labels).labels == ("rack-1",)


def test_a_worker_that_cannot_is_said_before_the_first_trial(project: Path, tmp_path: Path) -> None:
    write_recipe(project, SEARCH | GRID)
    cluster, worker = cluster_of(tmp_path / "worker", memory_bytes=1000)
    with pytest.raises(SetupError, match=r"t/finetune: no worker can run it: alpha lacks .* GB of memory"):
        search(cluster)
    assert worker.specs == [] and not (project / "runs" / "studies.db").exists()


def test_what_a_worker_says_is_foreign(project: Path) -> None:
    write_recipe(project, SEARCH | GRID)
    searched = load_searched("t")
    steps = list[ProgressMessage]()

    class Reporter(Quiet):
        def job_progress(self, job: Job, step: ProgressMessage) -> None:
            steps.append(step)

    reporter: Any = Reporter()
    follower = TrialFollower(_plan(searched, searched.recipe), reporter, reporter)
    mine = {"job": "t/finetune", "event": "evaluation"}
    messages: list[Mapping[str, Any]] = [
        {"job": "other/finetune", "event": "evaluation", "evaluation": {"done": 1, "total": 2}},
        {**mine, "evaluation": "text"},
        {**mine, "evaluation": {"done": "many", "total": 2}},
        {**mine, "evaluation": {"done": 1, "total": [2]}},
        {**mine, "event": "progress", "note": "hello"},
        {"event": None, "job": {"a": 1}},
        {**mine, "evaluation": {"done": 1, "total": 2, "validation_loss": 0.5}},
    ]
    for message in messages:
        follower.event(message)
    assert [(step.done, step.validation_loss) for step in steps] == [(1, 0.5)]
