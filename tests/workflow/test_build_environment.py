"""Which environment a recipe's jobs run in: the family says it, and plan, workflows, keys and lint follow."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from olivepress import catalog
from olivepress.catalog import families, grid, targets
from olivepress.core.errors import RecipeError, SetupError
from olivepress.environments import lookup
from olivepress.models.admission import target_reason
from olivepress.pipeline import run as pipeline_run
from olivepress.pipeline.lint import lint_file
from olivepress.pipeline.plan import load_plan
from olivepress.pipeline.prepare import prepare
from olivepress.run import finished, interpreters, manifests, verification
from olivepress.run.interpreters import Place, model_python, olive_python
from olivepress.run.outlook import outlooks
from olivepress.workflow import lint_elsewhere
from olivepress.workflow.header import environment_in
from olivepress.workflow.olive_plugin.builder.repairs import REPAIRS
from olivepress.workflow.olive_plugin.passes import OWN_PASSES, REPLACED, modules_of
from olivepress.workflow.render import render, render_all

NEXT = "build-next"
BUILDER = "olivepress.workflow.olive_plugin.builder.model_builder.ModelBuilder"
Cli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def needs_next(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this project every family is one that build-next builds, and the demo has no target that it cannot run."""
    demo = Path("recipes/tiny-phi.yaml")
    demo.write_text(demo.read_text(encoding="utf-8").replace("cuda-int4", "cpu-int4-rtn"), encoding="utf-8")
    read = catalog._read_families
    changes = {"build_environment": NEXT, "repairs": ("longrope_type",)}

    def changed(directory: Path) -> dict[str, catalog.Family]:
        return {name: family.model_copy(update=changes) for name, family in read(directory).items()}

    monkeypatch.setattr(catalog, "_read_families", changed)


@pytest.fixture
def created(monkeypatch: pytest.MonkeyPatch) -> Path:
    """build-next is installed, as far as anybody asks for its Python."""
    python = Path("/environments/build-next/bin/python")
    monkeypatch.setattr(interpreters, "interpreter", lambda name: python)
    return python


def write_recipe(*names: str) -> None:
    """``recipes/own.yaml``: a small random model for these targets."""
    text = "name: own\nmodel: {path: 'embedded:tiny-llama'}\ndata: {demo: device-command}\n"
    Path("recipes/own.yaml").write_text(f"{text}targets: [{', '.join(names)}]\n", encoding="utf-8")


def test_families_name_environments_and_repairs_that_are_there() -> None:
    assert families()
    for family in families().values():
        assert family.build_environment in lookup.environments(), family.family
        assert set(family.repairs) <= set(REPAIRS), family.family


def test_without_a_word_of_the_family_nothing_changes(project: Path) -> None:
    plan = load_plan("tiny-phi")
    assert {plan.environment_of(job) for job in plan.jobs} == {"build"} and model_python(plan) is None
    assert olive_python(plan, plan.job("finetune")) is None
    workflow = render(plan, plan.job("finetune"))
    arguments = workflow.config["passes"]["lora"]["training_args"]
    assert (workflow.environment, environment_in(workflow.text)) == ("build", "build")
    assert arguments["group_by_length"] is True and "warmup_ratio" in arguments and "warmup_steps" not in arguments


@pytest.mark.usefixtures("needs_next")
def test_every_job_of_the_recipe_runs_in_the_familys(created: Path) -> None:
    plan = load_plan("tiny-phi")
    assert {plan.environment_of(job) for job in plan.jobs} == {NEXT} == {each.environment for each in render_all(plan)}
    assert {olive_python(plan, job) for job in plan.jobs} == {created} == {model_python(plan)}
    on_cpu = plan.job("export-cpu-int4").target
    assert on_cpu is not None and on_cpu.environment == "cpu-next", "the runtime of what is built there"


@pytest.mark.usefixtures("needs_next")
def test_what_a_workflow_says(project: Path) -> None:
    plan = load_plan("tiny-phi")
    texts = {each.job_id: each for each in render_all(plan)}
    for workflow in texts.values():
        lines = workflow.text.splitlines()
        assert lines[2].startswith("# Environment: build-next, which olivepress env create build-next installs")
        assert lines[3].startswith("# Run from the project root: .environments/build-next/bin/olive run --config ")
        assert environment_in(workflow.text) == NEXT
    finetune, export = texts["finetune"].config, texts["export-cpu-fp32"]
    arguments = finetune["passes"]["lora"]["training_args"]
    assert arguments["warmup_steps"] == 0.05 and arguments["train_sampling_strategy"] == "group_by_length"
    assert not {"warmup_ratio", "group_by_length", "logging_dir"} & set(arguments)
    assert export.config["passes"]["build"]["repairs"] == ["longrope_type"]
    assert "--package-config olive_configs/tiny-phi/olive-package.json" in export.text
    assert texts["finetune"].package_config is None


@pytest.mark.usefixtures("needs_next")
def test_the_package_config_names_all_passes_and_ours_for_the_builder(project: Path) -> None:
    write_recipe("cpu-fp32", "cpu-int4", "cpu-int4-rtn", "cpu-int4-kquant")
    plan = load_plan("own")
    kinds = set[str]()
    for workflow, job in zip(render_all(plan), plan.jobs, strict=True):
        if job.target is None:
            continue
        assert workflow.package_config is not None
        passes = json.loads(workflow.files[workflow.package_config])["passes"]
        used = {settings["type"] for settings in workflow.config["passes"].values()}
        assert used <= set(passes), job.id
        assert passes["ModelBuilder"]["module_path"] == BUILDER
        kinds |= used
    assert {"Rtn", "KQuant", "CalibratedGptq", "ModelBuilder"} <= kinds


def test_olives_own_passes_are_where_the_list_says() -> None:
    package_config = pytest.importorskip("olive.package_config", reason="the build extra is not installed")
    passes = package_config.OlivePackageConfig.load_default_config().passes
    listed = {name: path for name, path in modules_of({}, NEXT).items() if name not in REPLACED[NEXT]}
    assert listed and {name: passes[name.lower()].module_path for name in listed} == listed
    built_there = [target for target in (*targets().values(), *grid().values()) if target.build_environment == "build"]
    kinds = {settings["type"] for target in built_there for settings in target.passes.values()}
    assert kinds <= {*listed, *REPLACED[NEXT], *OWN_PASSES}


@pytest.mark.usefixtures("needs_next")
def test_targets_with_an_environment_of_their_own_are_refused_in_one_line(project: Path) -> None:
    family = families()["llama"]
    refused = {
        name: reason
        for name, target in targets().items()
        if (reason := target_reason(family, family.models[family.default_model].config, target)) and NEXT in reason
    }
    assert {"qnn-npu-w4a16", "openvino-cpu-int4"} <= set(refused) and "cpu-int4" not in refused
    # Built by today's runtime's own builder, and without a runtime for what build-next builds.
    no_runtime = {name for name, reason in refused.items() if "has no runtime for" in reason}
    assert {"cuda-int4", "directml-int4", "webgpu-int4", "trt-rtx-int4"} <= no_runtime
    assert all(not name.startswith("cpu-") for name in no_runtime)
    write_recipe("qnn-npu-w4a16")
    with pytest.raises(RecipeError) as error:
        load_plan("own")
    assert "are built in the environment build-next, and this target in qnn-build" in error.value.message
    assert "\n" not in str(error.value)


@pytest.mark.usefixtures("needs_next")
def test_a_missing_environment_is_one_line_before_any_job(
    project: Path, olivepress_here: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline_run, "render", lambda *_, **__: pytest.fail("something was written"))
    done = olivepress_here("run", "tiny-phi")
    missing = "environment build-next has not been created; next: olivepress env create build-next"
    assert done.returncode != 0 and done.stderr.splitlines()[-1] == f"olivepress: {missing}"
    planned = olivepress_here("plan", "tiny-phi").stdout.splitlines()
    assert planned[0].startswith("note: phi models need the environment build-next (transformers 5.24.0, onnxruntime-")
    assert [line for line in planned if "cannot run: " in line] == [
        f"  cannot run: finetune, merge, export-cpu-fp32 and 2 more: {missing}"
    ]
    assert planned[-1] == "next: olivepress env create build-next"
    assert {each.state for each in outlooks(load_plan("tiny-phi"), None).values()} == {"cannot"}


@pytest.mark.usefixtures("needs_next")
def test_a_jobs_key_depends_on_the_environment(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = load_plan("tiny-phi")
    job = plan.job("finetune")
    workflow = render(plan, job)
    keys = {finished.job_key(plan, workflow, None, "base")}
    monkeypatch.setattr(finished, "key_of", lambda environment: f"another lock of {environment.name}")
    keys.add(finished.job_key(plan, workflow, None, "base"))
    assert len(keys) == 2


@pytest.mark.usefixtures("needs_next")
def test_the_manifest_has_the_versions_of_the_environment(created: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Path] = []

    def machine_of(python: Path) -> SimpleNamespace:
        asked.append(python)
        return SimpleNamespace(packages={"transformers": "5.24.0"})

    monkeypatch.setattr(manifests, "machine_of", machine_of)
    plan = load_plan("tiny-phi")
    assert [manifests._versions(plan, job) for job in plan.jobs[:3]] == [{"transformers": "5.24.0"}] * 3
    assert asked == [created] * 3


@pytest.mark.usefixtures("needs_next")
def test_verification_runs_where_the_model_is_known(created: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Path, Path | None]] = []

    def run_task(task: object, spec: verification.VerifySpec, *, interpreter: Path, **_: object) -> None:
        asked.append((interpreter, spec.export.interpreter if spec.export else None))

    monkeypatch.setattr(verification, "run_task", run_task)
    monkeypatch.setattr(verification, "task_spec", lambda *_: None)
    plan = load_plan("tiny-phi")
    for how, python in (("native", None), ("native", created), ("cpu-copy", None)):
        place = Place(how=how, interpreter=python)  # type: ignore[arg-type]
        verification.run_verification(plan, plan.job("export-cpu-fp32"), place)
    desk = Path(sys.executable)
    assert asked == [(created, desk), (created, created), (created, None)], "None is the process that verifies"


@pytest.mark.usefixtures("needs_next")
def test_lint_asks_the_environment_or_says_what_it_needs(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = load_plan("tiny-phi")
    prepare(plan)
    workflows = render_all(plan)[:2]
    assert all(lint_elsewhere.is_elsewhere(workflow) for workflow in workflows)
    pending = lint_elsewhere.lint_elsewhere(workflows, Path())
    assert [each.level for each in pending] == ["pending"] * 2
    assert pending[0].message.endswith("next: olivepress env create build-next")

    def run_task(task: object, spec: lint_elsewhere.LintSpec, *, interpreter: Path) -> SimpleNamespace:
        assert [each.environment for each in spec.workflows] == [NEXT] * 2 and spec.root.is_absolute()
        return SimpleNamespace(result=lint_elsewhere.LintResult(findings=(pending[0],)))

    monkeypatch.setattr(lint_elsewhere, "interpreter", lambda name: Path("python"))
    monkeypatch.setattr(lint_elsewhere, "run_task", run_task)
    assert lint_elsewhere.lint_elsewhere(workflows, Path()) == [pending[0]]


@pytest.mark.usefixtures("needs_next")
def test_a_file_is_linted_by_the_environment_in_its_header(project: Path) -> None:
    plan = load_plan("tiny-phi")
    prepare(plan)
    workflow = render(plan, plan.job("finetune"))
    Path("own.yaml").write_text(workflow.text, encoding="utf-8")
    assert any(each.key == "environment" for each in lint_file(Path("own.yaml")))
    Path("own.yaml").write_text(workflow.text.replace(NEXT, "nowhere"), encoding="utf-8")
    with pytest.raises(RecipeError, match="unknown environment 'nowhere' in its header; next: olivepress env list"):
        lint_file(Path("own.yaml"))


def test_an_environment_that_a_family_needs_is_asked_for(project: Path, needs_next: None) -> None:
    with pytest.raises(SetupError, match="olivepress env create build-next"):
        model_python(load_plan("tiny-phi"))
