"""The jobs of a real plan on a cluster: the same artifacts, journal and outcomes as on one machine. The worker is a
folder of its own in this process, and Olive is left out; everything between is what runs on a cluster."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from olivepress.cli.console import ConsoleReporter
from olivepress.core.artifact import Check, Manifest, hash_files, read_manifest, write_manifest
from olivepress.core.errors import JobError, SetupError, UsageError
from olivepress.core.files import write_text
from olivepress.core.layout import job_log, journal, recipe_runs
from olivepress.core.process import exclusive
from olivepress.pipeline.plan import load_plan
from olivepress.pipeline.render import render
from olivepress.pipeline.run import raise_failed, run_together
from olivepress.run import job as job_module
from olivepress.run.executors import plan_jobs
from olivepress.run.executors.cluster import Seen
from olivepress.run.executors.plan_jobs import ClusterRun, Prepared
from olivepress.run.executors.plan_needs import check_labels, labels_of, needs_of
from olivepress.run.executors.references import Run
from olivepress.run.executors.store import open_store
from olivepress.run.failure import ChecksFailed
from olivepress.run.finished import current
from olivepress.run.journal import events
from olivepress.run.outcome import JobOutcome
from olivepress.workflow.plan import Job, Plan
from tests.pipeline.test_run import manifest as manifest_of
from tests.run.executors.cluster_here import Silent, announcement
from tests.run.executors.one_worker import OneWorker

PLENTY = {"memory_bytes": 10**12, "disk_bytes": 10**12}
ENVIRONMENTS = ("build", "cpu", "qnn-build", "cuda")


class Observer:
    def __init__(self) -> None:
        self.told: list[str] = []

    def job_begins(self, plan: Plan, job: Job, workflow: Any, key: str) -> None:
        self.told.append(f"begins {job.id}")

    def job_ends(self, status: str, *, manifest: Manifest | None = None, reason: str = "") -> None:
        self.told.append(status)


def made_by(failing: Mapping[str, Exception]) -> Any:
    """In place of ``run.job.make``: one file, from what is in the working directory."""

    def make(plan: Plan, job: Job, workflow: Any, parent: Manifest | None, key: str, reporter: Any) -> Manifest:
        log = job_log(plan.recipe.name, job.id)
        write_text(log, f"log of {job.id}")
        if job.id in failing:
            raise failing[job.id]
        reads = plan.output_dir(plan.job(job.parent)) / "file" if job.parent else Path(plan.model.path) / "config.json"
        output = plan.output_dir(job)
        write_text(output / "file", hashlib.sha256(reads.read_bytes() + job.id.encode()).hexdigest())
        manifest = manifest_of(plan, job, key, hash_files(output), parent.sha256 if parent else None)
        write_manifest(manifest, output)
        return manifest

    return make


@pytest.fixture
def plan(project: Path) -> Plan:
    return load_plan("tiny-phi")


def run_on(worker: OneWorker, plan: Plan, observer: Observer | None = None, **options: Any) -> dict[str, JobOutcome]:
    only = options.pop("only", None)
    store = open_store(str(Path("store").absolute()), create=True)
    options.setdefault("follower", Silent())
    run: Any = ClusterRun(cluster=worker, store=store, **options)  # type: ignore[arg-type]
    run.check([plan], only)
    rendered = render([plan], jobs=lambda _: ())
    prepared = [
        Prepared(plan=each.plan, workflows=each.workflows, observer=observer or Observer()) for each in rendered
    ]
    outcomes = run.run(prepared, reporter=Silent(), only=only)
    return {outcome.job: outcome for _, outcome in outcomes}


def a_worker(folder: Path, **facts: Any) -> OneWorker:
    return OneWorker(folder, announcement("alpha", environments=ENVIRONMENTS, **{**PLENTY, **facts}))


def test_a_plan_is_built_on_a_worker(plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_module, "make", made_by({}))
    worker, observer = a_worker(tmp_path / "worker"), Observer()
    outcomes = run_on(worker, plan, observer)
    assert {outcome.state for outcome in outcomes.values()} == {"done"} and len(outcomes) == len(plan.jobs)
    # What was made there lies here, is what its manifest names, and counts as finished for a run on this machine.
    for job in plan.jobs:
        read_manifest(plan.output_dir(job), verify=True)
        assert job_log(plan.recipe.name, job.id).read_text() == f"log of {job.id}"
    rendered = {workflow.job_id: workflow for workflow in render([plan], jobs=lambda _: ())[0].workflows}
    from olivepress.run.base_model import model_identity

    assert all(current(plan, job, rendered, model_identity(plan))[1] for job in plan.jobs)
    finished = [event for event in events(journal("tiny-phi")) if event["event"] == "finished"]
    assert [event["job"] for event in finished] == [job.id for job in plan.jobs]
    assert {event["machine"] for event in finished} == {"alpha"}
    assert observer.told == [told for job in plan.jobs for told in (f"begins {job.id}", "finished")]
    # Nothing of this machine travels: the specs name no absolute path but the store's.
    for spec in worker.specs:
        assert str(tmp_path) not in spec.model_copy(update={"store": ""}).model_dump_json()
    again = run_on(a_worker(tmp_path / "other"), plan)
    assert {outcome.state for outcome in again.values()} == {"kept"}


def test_the_next_run_of_a_recipe_begins_after_the_end_of_this_one_in_the_store(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has the same name there, so that the end of this one would take what the next one needs."""
    monkeypatch.setattr(job_module, "make", made_by({}))
    ended = list[str]()

    def end(run: Run) -> None:
        with pytest.raises(JobError, match="another olivepress is running here"), exclusive(recipe_runs("tiny-phi")):
            pass
        ended.append(run.name)

    monkeypatch.setattr(Run, "end", end)
    run_on(a_worker(tmp_path / "worker"), plan, only="finetune")
    assert len(ended) == 1


def test_a_failed_job_stops_what_is_made_from_it(plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = ChecksFailed("cpu-int4: check kl_answer failed", checks=[Check(name="kl_answer", passed=False, value=1.0)])
    monkeypatch.setattr(job_module, "make", made_by({"export-cpu-int4": failed}))
    outcomes = run_on(a_worker(tmp_path / "worker"), plan)
    assert outcomes["export-cpu-int4"].state == "failed" and outcomes["export-cpu-int4"].checks[0].value == 1.0
    assert {outcome.state for job, outcome in outcomes.items() if job != "export-cpu-int4"} == {"done"}
    assert job_log("tiny-phi", "export-cpu-int4").is_file()
    assert not plan.output_dir(plan.job("export-cpu-int4")).exists()

    monkeypatch.setattr(job_module, "make", made_by({"merge": JobError("the merge broke")}))
    for job in plan.jobs[1:]:
        plan.output_dir(job).rename(tmp_path / f"old-{job.id}") if plan.output_dir(job).exists() else None
    outcomes = run_on(a_worker(tmp_path / "worker2"), plan)
    assert outcomes["finetune"].state == "kept" and outcomes["merge"].state == "failed"
    others = [outcome for job, outcome in outcomes.items() if job.startswith("export")]
    assert {outcome.state for outcome in others} == {"failed"}
    assert all("not run, as tiny-phi/merge failed" in str(outcome.error) for outcome in others)


def test_a_machine_that_cannot_is_named(plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_module, "make", made_by({"finetune": SetupError("no space left on device")}))
    outcomes = run_on(a_worker(tmp_path / "worker"), plan)
    assert "no worker is left that can run it: alpha: no space left on device" in str(outcomes["finetune"].error)


@pytest.mark.parametrize("field", ["dataset_version", "workflow_sha256", "base_sha256", "packages"])
def test_what_differs_on_the_worker_is_not_built(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, field: str
) -> None:
    monkeypatch.setattr(job_module, "make", made_by({}))
    describe = plan_jobs.describe

    def other(*arguments: Any, **options: Any) -> Any:
        value: Any = {"olive-ai": "0.0.1"} if field == "packages" else "f" * 64
        return describe(*arguments, **options).model_copy(update={field: value})

    monkeypatch.setattr(plan_jobs, "describe", other)
    outcomes = run_on(a_worker(tmp_path / "worker"), plan, only="finetune")
    if field == "base_sha256":  # of a local model the files themselves were checked when they arrived
        assert outcomes["finetune"].state == "done"
        return
    assert outcomes["finetune"].state == "failed" and not plan.output_dir(plan.job("finetune")).exists()
    expected = {"dataset_version": "the data on", "workflow_sha256": "the workflow on", "packages": "olive-ai"}
    assert expected[field] in str(outcomes["finetune"].error)


def test_an_unmet_need_is_said_before_anything_is_written(plan: Plan, tmp_path: Path) -> None:
    small = a_worker(tmp_path / "worker", memory_bytes=1000)
    with pytest.raises(SetupError, match=r"tiny-phi/finetune: no worker can run it: alpha lacks .* GB of memory"):
        run_on(small, plan)
    assert not Path("runs/tiny-phi").exists()
    with pytest.raises(SetupError, match=r"tiny-phi/export-cpu-fp32: .* alpha lacks label rack-1"):
        run_on(a_worker(tmp_path / "worker"), plan, labels=labels_of(["export-cpu-fp32=rack-1"]))
    with pytest.raises(UsageError, match="--on exports: no job of that name"):
        run_on(a_worker(tmp_path / "worker"), plan, labels=labels_of(["exports=rack-1"]))
    plain = a_worker(tmp_path / "worker")
    plain.seen = [Seen(address="worker", announcement=None)]
    with pytest.raises(SetupError, match="none of its 1 workers was started by olivepress"):
        run_on(plain, plan)


def test_what_is_finished_needs_no_worker_and_what_none_can_run_fails_alone(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_module, "make", made_by({}))
    rack = labels_of(["export-cpu-fp32=rack-1"])
    outcomes = run_on(a_worker(tmp_path / "worker"), plan, labels=rack, keep_going=True)
    assert "alpha lacks label rack-1" in str(outcomes["export-cpu-fp32"].error)
    assert {outcome.state for job, outcome in outcomes.items() if job != "export-cpu-fp32"} == {"done"}
    run_on(a_worker(tmp_path / "second", labels=("rack-1",)), plan, labels=rack)
    again = run_on(a_worker(tmp_path / "small", memory_bytes=1, disk_bytes=1), plan, labels=rack)
    assert {outcome.state for outcome in again.values()} == {"kept"}


def test_what_no_platform_of_the_workers_can_build_is_left_out(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on one machine: a recipe for every target runs, and says what it left out."""
    recipe = Path("recipes/tiny-phi.yaml")
    text = recipe.read_text()
    recipe.write_text(text.replace("targets: [cpu-fp32, cpu-int4, cuda-int4]", "targets: [vitisai-npu-int4, cpu-fp32]"))
    monkeypatch.setattr(job_module, "make", made_by({}))
    follower = Silent()
    linux = a_worker(tmp_path / "worker", platform="linux-x86_64")
    outcomes = run_on(linux, load_plan("tiny-phi"), follower=follower)
    words = {told[1]: told[2] for told in follower.told if told[0] == "ended"}
    assert words["tiny-phi/export-vitisai-npu-int4"] == "left out" and words["tiny-phi/merge"] == "done"
    left = outcomes.pop("export-vitisai-npu-int4")
    assert {outcome.state for outcome in outcomes.values()} == {"done"} and len(outcomes) == 3
    assert left.state == "left out" and "the workers have linux-x86_64: AMD's packages are on no public" in str(
        left.error
    )
    # What only has to be created there is an error all the same.
    recipe.write_text(text.replace("cuda-int4", "openvino-cpu-fp16"))
    with pytest.raises(SetupError, match="alpha lacks environment openvino-build"):
        run_on(a_worker(tmp_path / "w2", platform="linux-x86_64"), load_plan("tiny-phi"))


def test_the_needs_of_jobs(plan: Plan) -> None:
    finetune = needs_of(plan, plan.job("finetune"), labels={})
    assert finetune.memory_bytes > 1e6 and finetune.prefers == ("cuda",) and not finetune.devices
    assert needs_of(plan, plan.job("finetune"), labels={}, force=True).memory_bytes == 0
    export = plan.job("export-cuda-int4")
    assert needs_of(plan, export, labels={}).prefers == ("cuda",)
    asked = needs_of(plan, export, labels={"export-cuda-int4": ("cuda", "rack-1")})
    assert asked.devices == {"cuda": 1} and asked.labels == ("rack-1",)
    assert json.loads(json.dumps(asked.resources))["cuda"] == 1.0


def test_a_model_outside_of_the_project_is_refused(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    from olivepress.run.executors.artifacts import inputs_of

    outside = tmp_path_factory.mktemp("outside")
    for path in (outside, Path("..", outside.name)):
        with pytest.raises(SetupError, match="lies outside of the project"):
            inputs_of([path])


def together(
    worker: OneWorker, plans: Sequence[Plan], monkeypatch: pytest.MonkeyPatch, **options: Any
) -> dict[str, Any]:
    """As ``olivepress run A B``, without Olive's lint and the comparison of tokenizers, which need it."""
    monkeypatch.setattr("olivepress.pipeline.render.lint_workflows", lambda *_, **__: ())
    monkeypatch.setattr("olivepress.run.check_tokenizers", lambda *_, **__: {})
    store = open_store(str(Path("store").absolute()), create=True)
    run: Any = ClusterRun(cluster=worker, store=store, follower=Silent())  # type: ignore[arg-type]
    with ConsoleReporter(quiet=True) as reporter:
        outcomes = run_together(plans, run, reporter=reporter)
    return {f"{plan.recipe.name}/{outcome.job}": outcome for plan, outcome in outcomes}


def test_several_recipes_run_together_and_fail_alone(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, worker = load_plan("tiny-llama"), a_worker(tmp_path / "worker")
    only_phi = made_by({"merge": JobError("the merge broke")})

    def make(plan: Plan, *arguments: Any) -> Manifest:
        return (only_phi if plan.recipe.name == "tiny-phi" else made_by({}))(plan, *arguments)

    monkeypatch.setattr(job_module, "make", make)
    outcomes = together(worker, [plan, other], monkeypatch)
    assert {state.state for name, state in outcomes.items() if name.startswith("tiny-llama/")} == {"done"}
    failed = {name for name, outcome in outcomes.items() if outcome.state == "failed"}
    assert failed == {f"tiny-phi/{job.id}" for job in plan.jobs if job.id != "finetune"}
    # The jobs of both are taken in turns, not one recipe after the other; each recipe has its own journal and record.
    first = [spec.id.partition("/")[0] for spec in worker.specs[:2]]
    assert first == ["tiny-phi", "tiny-llama"]
    for name in ("tiny-phi", "tiny-llama"):
        assert {event["job"] for event in events(journal(name))} >= {"finetune", "merge"}
        assert recipe_runs(name).joinpath("records").is_dir()
    with pytest.raises(JobError, match=r"4 of \d+ jobs failed \(tiny-phi/merge, tiny-phi/export"):
        raise_failed([(plan if name.startswith("tiny-phi") else other, each) for name, each in outcomes.items()])


def test_a_recipe_is_named_once(plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="recipe tiny-phi: is named twice"):
        together(a_worker(tmp_path / "worker"), [plan, plan], monkeypatch)
    assert not Path("runs").exists()


def test_a_label_is_for_a_job_of_every_recipe_or_of_one(plan: Plan) -> None:
    other = load_plan("tiny-llama")
    asked = labels_of(["merge=big", "tiny-phi/merge=near"])
    needs = [needs_of(each, each.job("merge"), labels=asked).labels for each in (plan, other)]
    assert needs == [("big", "near"), ("big",)]
    check_labels([plan, other], asked)
    with pytest.raises(UsageError, match="--on tiny-llama/merge: no job of that name"):
        check_labels([plan], labels_of(["tiny-llama/merge=near"]))
