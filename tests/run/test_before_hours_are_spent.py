"""What the runner finds out before the first job, and when a finished artifact is verified once more."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import olivepress
from olivepress.core.artifact import Check, TaskVerdict
from olivepress.core.errors import RecipeError, SetupError, UsageError
from olivepress.models.admission import BaseModel
from olivepress.pipeline.plan import load_plan
from olivepress.run import base_model as admit
from olivepress.run import finished as finished_jobs
from olivepress.run import here, runner, verification
from olivepress.run.interpreters import Place
from olivepress.run.verification import is_verified
from olivepress.workflow.render import render_all
from tests.models.admission.folders import change_json, write_folder

CHECKED = (
    Check(name="kl_answer", passed=True, value=0.02, limit=0.03),
    Check(name="top1_answer", passed=True, value=0.97, limit=0.95),
    Check(
        name="keeps_task",
        passed=True,
        limit=-0.02,
        task=TaskVerdict(call="cannot tell", metric="exact_match", margin=0.02, rows=0, rows_available=0),
    ),
)


def beforehand(name: str, *, finished: Any = lambda job: False, force: bool = False) -> None:
    plan = load_plan(name)
    runner._check_beforehand(plan, plan.jobs, finished, force)


def test_what_cannot_be_made_here_is_said_before_the_first_job(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(here.psutil, "virtual_memory", lambda: SimpleNamespace(total=24e9))
    monkeypatch.setattr(here.shutil, "disk_usage", lambda path: SimpleNamespace(free=1e12))
    with pytest.raises(
        SetupError, match=r"exports cannot be built here \(export-cpu-fp32, .*needs about 3\d\.\d GB"
    ) as error:
        beforehand("phi")
    assert "remove them from the recipe's targets; or --keep-going" in str(error.value)
    assert "export-vitisai" not in error.value.message  # no machine of this platform can: left out, and named
    with pytest.raises(SetupError, match=r"environment openvino-build has not been created.*env create openvino-build"):
        beforehand("phi", force=True)
    beforehand("phi", finished=lambda job: True)
    beforehand("tiny-phi")


def test_a_target_that_no_machine_of_this_platform_can_build_is_left_out(project: Path) -> None:
    jobs = {job.id: job for job in load_plan("llama").jobs}
    outcome = runner._left_out(jobs["export-vitisai-npu-int4"])
    assert outcome is not None and outcome.state == "left out" and "AMD" in str(outcome.error)
    assert runner._left_out(jobs["export-openvino-cpu-int4"]) is None and runner._left_out(jobs["finetune"]) is None


@pytest.mark.parametrize(
    ("held", "here", "limits", "verified"),
    [
        ("native", "native", "", True),
        ("structure", "cpu-copy", "", False),  # an environment came since
        ("native", "structure", "", True),  # and one that went takes nothing away
        ("native", "native", "limits: {max_kl_divergence: 0.01}\n", False),  # another limit: it is judged again
    ],
)
def test_when_an_artifact_is_verified_again(
    held: str, here: str, limits: str, verified: bool, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = project / "recipes" / "tiny-phi.yaml"
    recipe.write_text(recipe.read_text() + limits)
    plan = load_plan("tiny-phi")
    monkeypatch.setattr(verification, "place_of", lambda target: Place(how=here, interpreter=None))  # type: ignore[arg-type]
    manifest: Any = SimpleNamespace(verified=held, checks=CHECKED)
    assert is_verified(plan, plan.job("export-cpu-int4"), manifest) is verified
    assert is_verified(plan, plan.job("merge"), manifest)


def test_the_key_holds_what_comes_after_olive(project: Path) -> None:
    plan = load_plan("llama")
    job = plan.job("export-openvino-npu-int4")
    workflow = next(found for found in render_all(plan) if found.job_id == job.id)
    assert job.target is not None
    longer = job.target.model_copy(update={"provider_options": {"NPU": {"NPUW_LLM_MAX_PROMPT_LEN": 2048}}})
    keys = {finished_jobs.job_key(plan, workflow, "parent", "base", target) for target in (job.target, longer, None)}
    assert len(keys) == 3


def test_a_changed_generation_config_leaves_the_fine_tune(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = load_plan("tiny-phi")
    workflows = {workflow.job_id: workflow for workflow in render_all(plan)}
    monkeypatch.setattr(finished_jobs, "_finished", lambda output, key: SimpleNamespace(sha256="artifact"))
    before, after = (BaseModel(training="weights", whole=whole) for whole in ("one", "other"))
    for job, same in (("finetune", True), ("merge", False)):
        keys = [finished_jobs.current(plan, plan.job(job), workflows, base)[0] for base in (before, after)]
        assert (keys[0] == keys[1]) is same
    answers = plan.recipe.finetune.model_copy(update={"eval_answers": 2})
    asked = dataclasses.replace(plan, recipe=plan.recipe.model_copy(update={"finetune": answers}))
    keys = [finished_jobs.current(asked, plan.job("finetune"), workflows, base)[0] for base in (before, after)]
    assert keys[0] != keys[1]  # answers end where that file says


def test_a_hub_model_is_checked_before_its_weights_come(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, asked = load_plan("qwen"), list[tuple[str, ...]]()
    folder = write_folder(tmp_path / "snapshot", "qwen2")

    def fetch(path: str, revision: str | None, names: tuple[str, ...]) -> Path:
        assert path == plan.model.path
        asked.append(names)
        return folder

    monkeypatch.setattr(admit, "fetch", fetch)
    monkeypatch.setattr(admit, "local_directory", lambda path, revision: folder)
    reporter: Any = None
    first = admit.admit(plan, reporter)
    assert "config.json" in asked[0] and asked[1] == ("model.safetensors",) and len(first.training) == 64
    change_json(folder / "config.json", {"quantization_config": {"quant_method": "gptq"}})
    with pytest.raises(RecipeError, match="quantized already"):
        admit.admit(plan, reporter)
    window = {"use_sliding_window": True, "sliding_window": 32, "max_window_layers": 1}
    change_json(folder / "config.json", {"quantization_config": ..., **window})
    with pytest.raises(RecipeError, match=r"cannot take Qwen/.* in 1 of 2 layers"):
        admit.admit(plan, reporter)
    assert len(asked) == 4  # the weights were asked for once


def test_an_own_target_of_an_unknown_environment(project: Path) -> None:
    (project / "recipes" / "targets").mkdir()
    shipped = Path(olivepress.__file__).parent / "catalog" / "targets" / "cpu.yaml"
    own = shipped.read_text().replace("target: cpu", "target: mine").replace("environment: cpu", "environment: mien")
    (project / "recipes" / "targets" / "mine.yaml").write_text(own)
    recipe = project / "recipes" / "tiny-phi.yaml"
    recipe.write_text(recipe.read_text().replace("cuda-int4]", "mine-int4]"))
    with pytest.raises(UsageError, match="'mien' is not an environment"):
        load_plan("tiny-phi")
