"""A job that starts is recorded, one that was interrupted goes on in its record, and its reports find it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from olivepress.core.artifact import Manifest, artifact_hash, hash_files
from olivepress.core.layout import device_report, run_records
from olivepress.pipeline.plan import load_plan
from olivepress.pipeline.report import Page
from olivepress.pipeline.tracking import track_results
from olivepress.report.device_report import measured, write_report
from olivepress.run.cleanup import training_record
from olivepress.track.job_tracker import JobTracker
from olivepress.track.record import Ended, Files, Measured, read_lines
from olivepress.track.runs import find_run, read_run
from olivepress.workflow.plan import Job, Plan
from olivepress.workflow.render import render_all
from olivepress.workflow.rendered import Workflow
from tests.pipeline.test_run import manifest
from tests.report.factory import make_report


@pytest.fixture
def plan(project: Path) -> Plan:
    return load_plan("tiny-phi")


def parts(plan: Plan, name: str) -> tuple[Job, Workflow]:
    return plan.job(name), next(workflow for workflow in render_all(plan) if workflow.job_id == name)


def made(plan: Plan, job: Job, key: str = "k" * 64) -> Manifest:
    output = plan.output_dir(job)
    output.mkdir(parents=True, exist_ok=True)
    (output / "file").write_text(job.id)
    return manifest(plan, job, key, hash_files(output), None)


def log_steps(workflow: Workflow, *steps: int) -> None:
    path = training_record(workflow)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.writelines(
            json.dumps({"done": step, "total": 9, "loss": 1 / step, "seconds": 0.1}) + "\n" for step in steps
        )


def test_an_interrupted_fine_tune_goes_on_in_its_record(plan: Plan) -> None:
    job, workflow = parts(plan, "finetune")
    with pytest.raises(KeyboardInterrupt), JobTracker(None, print) as tracker:
        tracker.job_begins(plan, job, workflow, "k" * 64)
        log_steps(workflow, 1, 2, 3)
        tracker.job_ends("interrupted")
        raise KeyboardInterrupt
    with JobTracker(None, print) as tracker:
        tracker.job_begins(plan, job, workflow, "k" * 64)
        log_steps(workflow, 2, 3, 4)
        tracker.job_ends("finished", manifest=made(plan, job))
    run = find_run("tiny-phi/finetune")
    assert (run.started.number, run.resumed, run.status, run.curves["loss"].points) == (1, 1, "finished", 4)
    assert run.sha256 == artifact_hash(hash_files(plan.output_dir(job))) and set(run.files) == {"file"}
    assert run.started.params["finetune.method"] == "lora" and run.facts.rows["train"] > 0
    assert run.facts.versions and run.facts.machine and run.facts.synthetic_data
    (recipe,) = run_records("tiny-phi", "recipe")
    parent = read_run(recipe)
    assert parent is not None and (parent.status, parent.resumed) == ("finished", 1)
    # Another key is another run.
    with JobTracker(None, print) as tracker:
        tracker.job_begins(plan, job, workflow, "o" * 64)
        tracker.job_ends("failed", reason="step 3: loss is nan")
    assert (find_run("tiny-phi").started.number, find_run("tiny-phi").reason) == (2, "step 3: loss is nan")


def test_no_path_of_the_machine_is_in_what_is_sent(plan: Plan, tmp_path: Path) -> None:
    from olivepress.track.facts import flat_keys

    job, workflow = parts(plan, "merge")
    with JobTracker(None, print) as tracker:
        tracker.job_begins(plan, job, workflow, "k" * 64)
        tracker.job_ends("finished")
    run = find_run("tiny-phi/merge")
    assert str(tmp_path) not in json.dumps([run.started.params, run.facts.model_dump()])
    keys = flat_keys(
        {"data": {"source": "/home/ann/rows.csv", "benchmarks": [r"C:\Users\ann\b.csv", "c.csv"]}, "n": None}
    )
    assert keys == {"data.source": "rows.csv", "data.benchmarks": "b.csv, c.csv"}


def test_reports_and_pages_find_their_run(plan: Plan) -> None:
    job, workflow = parts(plan, "export-cpu-int4")
    with JobTracker(None, print) as tracker:
        tracker.job_begins(plan, job, workflow, "k" * 64)
        tracker.job_ends("finished", manifest=made(plan, job))
    sha256 = find_run("tiny-phi/export-cpu-int4").sha256
    assert sha256 is not None
    paths = []
    for name, artifact in (("export-cpu-int4", sha256), ("base", "0" * 64)):
        metrics = {"decode_tps": measured("decode_tps", 80.0, n=30, interval=(79.0, 81.0))}
        path = device_report("phone", "tiny-phi", name)
        write_report(make_report(recipe="tiny-phi", job=name, artifact_sha256=artifact, metrics=metrics), path)
        paths.append(path)
    page = Path("runs", "tiny-phi", "report", "report.html")
    page.parent.mkdir()
    page.write_text("x")
    for _ in range(2):  # a report is recorded once
        track_results(reports=paths, pages=[Page(document=None, files={"html": page})])  # type: ignore[arg-type]
    (report,) = find_run("tiny-phi/export-cpu-int4").reports
    assert report.metrics["decode_tps"].ci_low == 79.0
    (base,) = run_records("tiny-phi", "base")
    read = read_lines(base)
    assert read is not None and sum(isinstance(line, Measured) for line in read[1]) == 1
    (recipe,) = run_records("tiny-phi", "recipe")
    lines = read_lines(recipe)
    assert lines is not None
    files = [line.files for line in lines[1] if isinstance(line, Files)]
    assert files == [("runs/tiny-phi/report/report.html",)] * 2


def test_a_store_that_cannot_be_named_is_one_line(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OLIVEPRESS_TRACKING", "perhaps")
    track_results()
    assert capsys.readouterr().err.startswith("tracking: OLIVEPRESS_TRACKING='perhaps': expected on or off")


def test_the_recipe_has_failed_where_a_job_has(plan: Plan) -> None:
    job, workflow = parts(plan, "finetune")
    with JobTracker(None, print) as tracker:  # the run goes on after an export that failed
        tracker.job_begins(plan, job, workflow, "k" * 64)
        tracker.job_ends("failed", reason="out of memory")
        tracker.job_begins(plan, job, workflow, "l" * 64)
        tracker.job_ends("finished")
    (recipe,) = run_records("tiny-phi", "recipe")
    read = read_lines(recipe)
    assert read is not None and isinstance(read[1][-1], Ended) and read[1][-1].status == "failed"


def bench_report(path: Path, recipe: str, job: str = "base") -> Path:
    metrics = {"decode_tps": measured("decode_tps", 80.0, n=30, interval=(79.0, 81.0))}
    write_report(make_report(recipe=recipe, job=job, artifact_sha256="0" * 64, metrics=metrics), path)
    return path


@pytest.mark.parametrize(("recipe", "job"), [("../../escape", "base"), ("/tmp", "base"), ("*", "base"), ("a", "../b")])
def test_a_report_of_a_foreign_place_is_not_recorded(
    project: Path, capsys: pytest.CaptureFixture[str], recipe: str, job: str
) -> None:
    track_results(reports=[bench_report(project / "results" / "r.json", recipe, job)])
    assert "its recipe and job are not names of folders" in capsys.readouterr().err
    assert not list(project.rglob("*.jsonl"))


def test_what_is_not_to_be_tracked_is_recorded_for_no_store(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OLIVEPRESS_TRACKING", raising=False)
    sent = list[object]()
    monkeypatch.setattr("olivepress.track.sender.send_now", lambda store, warn: sent.append(store))
    recipe = Path("recipes/tiny-phi.yaml")
    recipe.write_text(recipe.read_text() + "tracking: false\n")
    for name in ("tiny-phi", "unknown", "tiny-llama"):
        track_results(reports=[bench_report(project / "results" / f"{name}.json", name)])
    stores = {}
    for path in run_records():
        read = read_lines(path)
        assert read is not None
        stores[read[0].recipe] = read[0].store
    assert stores == {"tiny-phi": None, "unknown": None, "tiny-llama": "sqlite:///mlflow.db"}
    assert [store is None for store in sent] == [True, False, False]
