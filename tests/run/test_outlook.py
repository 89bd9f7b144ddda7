"""What a run would do with each job, without doing it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from olivepress.catalog import choices
from olivepress.core.errors import JobError, SetupError
from olivepress.models.admission import BaseModel
from olivepress.pipeline.plan import load_plan, look_ahead
from olivepress.run import outlook
from olivepress.run.outcome import JobOutcome
from olivepress.run.outlook import Outlook, base_of_finished, outlooks
from olivepress.workflow.plan import Job, Plan

BASE = BaseModel(training="base", whole="base")


class Finished:
    """Stands for the artifacts: which jobs are finished, and which of them would be checked again."""

    def __init__(self, *jobs: str, again: str = "") -> None:
        self.jobs, self.again = jobs, again

    def current(self, plan: Plan, job: Job, *_: object) -> tuple[str | None, Any]:
        if job.id in self.jobs:
            return "key", SimpleNamespace(job=job.id)
        return ("key" if job.parent in (None, *self.jobs) else None), None

    def is_verified(self, plan: Plan, job: Job, manifest: Any) -> bool:
        return job.id != self.again


@pytest.fixture
def finished(monkeypatch: pytest.MonkeyPatch) -> Any:
    def which(*jobs: str, again: str = "") -> None:
        known = Finished(*jobs, again=again)
        monkeypatch.setattr(outlook, "current", known.current)
        monkeypatch.setattr(outlook, "is_verified", known.is_verified)

    monkeypatch.setattr(outlook, "check_here", lambda *_, **__: None)
    return which


def states(plan: Plan) -> dict[str, str]:
    return {job: each.state for job, each in outlooks(plan, BASE).items()}


def test_what_is_finished_is_kept_and_the_rest_runs(project: Path, finished: Any) -> None:
    plan = load_plan("tiny-phi")
    finished("finetune", "merge", "export-cpu-fp32", again="export-cpu-fp32")
    assert states(plan) == {
        "finetune": "kept", "merge": "kept", "export-cpu-fp32": "verify", "export-cpu-int4": "run",
        "export-cuda-int4": "run",
    }  # fmt: skip


def test_without_an_artifact_nothing_is_hashed(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlook, "model_identity", lambda *_: pytest.fail("the base model was read"))
    plan = load_plan("tiny-phi")
    assert base_of_finished(plan) is None
    monkeypatch.setattr(outlook, "current", lambda *_: pytest.fail("an artifact was looked for"))
    assert outlooks(plan, None)["finetune"].state == "run"


def test_what_cannot_run_says_why_and_what_to_type(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def check(plan: Plan, job: Job, *, force: bool) -> None:
        if job.id == "merge" and not force:
            raise SetupError("merge: needs about 9.0 GB of memory", next_step="a larger machine, or --force")

    monkeypatch.setattr(outlook, "check_here", check)
    plan = load_plan("tiny-phi")
    found = outlooks(plan, None)
    assert found["finetune"].state == "run"
    assert found["merge"] == Outlook(
        state="cannot", reason="merge: needs about 9.0 GB of memory", next_step="a larger machine, or --force"
    )
    assert found["export-cpu-fp32"].reason == "merge, which it is made from, cannot be made here"
    assert {each.state for each in outlooks(plan, None, force=True).values()} == {"run"}
    monkeypatch.setattr(outlook, "olive_installed", lambda: False)
    assert outlooks(plan, None)["finetune"].next_step == "pip install 'olivepress[build]'"


def test_what_no_machine_of_this_platform_makes_is_left_out(project: Path, finished: Any) -> None:
    found = outlooks(load_plan("llama"), None)["export-vitisai-npu-int4"]
    assert found.state == "left out" and "AMD" in found.reason and not found.runs_olive


def test_of_a_device_one_target_runs(project: Path, finished: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = project / "recipes" / "tiny-phi.yaml"
    recipe.write_text(recipe.read_text().replace("targets: [cpu-fp32, cpu-int4, cuda-int4]", "targets: [cpu]"))
    plan = load_plan("tiny-phi")
    first, second, *others = [f"export-{name}" for name in choices()["cpu"]]
    finished("finetune", "merge")
    found = states(plan)
    assert found[first] == "run" and {found[job] for job in (second, *others)} == {"if needed"}
    failed = JobOutcome(job=first, state="passed over", error=JobError("kl_answer 0.2, limit 0.1"))
    monkeypatch.setattr(outlook, "passed_over", lambda plan, job, key: failed if job.id == first else None)
    assert outlooks(plan, BASE)[first] == Outlook(state="passed over", reason="kl_answer 0.2, limit 0.1")
    assert states(plan)[second] == "run"
    finished("finetune", "merge", second)
    assert states(plan)[second] == "kept" and {states(plan)[job] for job in others} == {"not needed"}


def test_members_of_a_recipe_come_first(project: Path, finished: Any) -> None:
    plan = load_plan("tiny-tasks")
    ahead = look_ahead(plan)
    names = list(dict.fromkeys(each.recipe.name for each, _, _ in ahead.jobs))
    assert names == [*(member.recipe.name for member in plan.members.values()), "tiny-tasks"]
    assert ahead.to_run is not None and ahead.to_run.seconds > 60
    assert len(ahead.of("run")) == len(ahead.jobs)
