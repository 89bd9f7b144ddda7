"""Plan and render are pure; what is rendered is plain Olive, the same everywhere, and linted."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from olivepress.core.errors import RecipeError, UsageError
from olivepress.pipeline.plan import load_plan
from olivepress.pipeline.prepare import prepare
from olivepress.pipeline.render import render_files
from olivepress.workflow.estimate import need
from olivepress.workflow.find_recipe import find_recipe
from olivepress.workflow.lint import lint
from olivepress.workflow.olive_plugin.passes import OWN_PASSES, modules_of, package_entries
from olivepress.workflow.plan import Plan
from olivepress.workflow.render import render, render_all
from olivepress.workflow.rendered import Workflow

ROOT = Path(__file__).parents[2]
# Every recipe that ships with golden workflows, and how many.
GOLDEN = {"tiny-phi": 5, "tiny-llama": 4, "tiny-qwen": 4, "phi": 31, "llama": 32, "qwen": 32} | {
    "gemma": 4, "mistral": 4, "smollm": 7
}  # fmt: skip
Cli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def plan(project: Path) -> Plan:
    made = load_plan("tiny-phi")
    prepare(made)
    return made


def test_jobs_and_their_order(plan: Plan) -> None:
    ids = [job.id for job in plan.jobs]
    assert ids == ["finetune", "merge", "export-cpu-fp32", "export-cpu-int4", "export-cuda-int4"]
    assert [job.parent for job in plan.jobs] == [None, "finetune", "merge", "merge", "merge"]


def test_rendering_is_the_same_in_another_process_and_place(plan: Plan, project: Path) -> None:
    here = {str(path): text for path, text in render_files(plan).items()}
    code = (
        "import json\n"
        "from olivepress.pipeline.plan import load_plan\n"
        "from olivepress.pipeline.render import render_files\n"
        "print(json.dumps({str(p): t for p, t in render_files(load_plan('tiny-phi')).items()}))"
    )
    elsewhere = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "7"}
    )
    import json

    assert json.loads(elsewhere.stdout) == here
    assert not [text for text in here.values() if str(project) in text or "/home" in text]


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_workflows_pass_lint(name: str, project: Path) -> None:
    made = load_plan(name)
    prepare(made)
    workflows = render_all(made)
    assert len(workflows) == GOLDEN[name] == len(list((ROOT / "olive_configs" / name).glob("*.yaml")))
    findings = lint(workflows)
    assert not [str(finding) for finding in findings if finding.level == "error"]
    # One pass looks for its packages before Olive can judge it: it is judged where those are (test_targets).
    unjudged = {finding.path.stem for finding in findings if "checked where the pass's packages are" in finding.message}
    converted = {w.job_id for w in workflows if "OpenVINOOptimumConversion" in w.text}
    assert unjudged == converted and len(converted) in (0, 9)
    for workflow in workflows:
        assert (ROOT / workflow.path).read_text(encoding="utf-8") == workflow.text


def changed(workflow: Workflow, old: str, new: str) -> Workflow:
    assert old in workflow.text
    return dataclasses.replace(workflow, text=workflow.text.replace(old, new))


@pytest.mark.parametrize(
    ("job", "old", "new", "says"),
    [
        ("finetune", "    r: 16", "    rr: 16", "LoRA has no such parameter, Olive would ignore it; did you mean 'r'?"),
        ("finetune", "save_steps", "save_stepz", "not a training argument of this transformers"),
        ("finetune", "type: LoRA", "type: LoRa2", "no pass 'LoRa2' in this Olive"),
        ("finetune", "alpha: 32", "alpha: abc", "Olive refuses it: Input should be a valid number"),
        ("finetune", "cache_dir", "cache_dirr", "engine.cache_dirr: Olive refuses it"),
        ("finetune", "split: train", "split: nothing", "nothing.jsonl does not exist"),
        ("finetune", "max_length: 256", "max_length: 3", "0 supervised tokens"),
        ("finetune", "model_path: models/tiny-phi", "model_path: models/none", "models/none does not exist"),
        ("export-cuda-int4", "CUDAExecutionProvider", "QNNExecutionProvider", "would silently build for the CPU"),
        ("export-cuda-int4", "CUDAExecutionProvider", "OpenVINOExecutionProvider", "would silently build for the CPU"),
        ("export-cuda-int4", "CUDAExecutionProvider", "VitisAIExecutionProvider", "would silently build for the CPU"),
        ("export-cpu-fp32", "precision: fp32", "precision: fp16", "Olive would prune this pass on cpu"),
        ("export-cpu-int4", "int4_block_size", "int4_blocksize", "did you mean 'int4_block_size'?"),
    ],
)
def test_lint_finds(plan: Plan, job: str, old: str, new: str, says: str) -> None:
    workflow = next(workflow for workflow in render_all(plan) if workflow.job_id == job)
    found = [str(finding) for finding in lint((changed(workflow, old, new),)) if finding.level == "error"]
    assert any(says in text for text in found), found
    assert all(str(workflow.path) in text for text in found)


def test_a_package_config_takes_the_place_of_olives_list(plan: Plan) -> None:
    """As where a whole environment has one: a pass that Olive has and the list has not would fail in the build."""
    workflow = next(workflow for workflow in render_all(plan) if workflow.job_id == "export-cpu-int4")
    own = {"CalibratedGptq": OWN_PASSES["CalibratedGptq"]}
    text, path = json.dumps({"passes": package_entries(modules_of(own, "build-next"))}), Path("configs/p.json")
    listed = dataclasses.replace(workflow, package_config=path, files={path: text})
    assert not [finding for finding in lint((listed,)) if finding.key.startswith("passes.")]
    kind = next(settings["type"] for settings in listed.config["passes"].values())
    other = changed(listed, f"type: {kind}", "type: OnnxFloatToFloat16")
    found = [str(finding) for finding in lint((other,)) if finding.level == "error"]
    assert any("no pass 'OnnxFloatToFloat16' in configs/p.json" in text for text in found), found


def test_outputs_of_earlier_jobs_are_pending_not_missing(plan: Plan) -> None:
    findings = lint(render_all(plan))
    assert {finding.level for finding in findings} == {"pending"}
    assert len(findings) == 4


def test_identity_follows_the_dataset(plan: Plan) -> None:
    other = dataclasses.replace(
        plan, dataset=dataclasses.replace(plan.dataset, splits={**plan.dataset.splits, "train": ()})
    )
    assert render_all(plan)[0].identity != render_all(other)[0].identity


@pytest.mark.parametrize(("asked", "evaluated"), [(None, 32), (200, 32), (4, 4)])
def test_olives_evaluator_looks_at_a_few_rows_only(plan: Plan, asked: int | None, evaluated: int) -> None:
    """What `bench` measures is not measured once more inside Olive: 4.5 minutes an export of a real model."""
    benchmark = plan.recipe.benchmark.model_copy(update={"max_examples": asked})
    changed = dataclasses.replace(plan, recipe=plan.recipe.model_copy(update={"benchmark": benchmark}))
    config = render(changed, changed.job("export-cpu-int4")).config
    assert config["evaluators"]["olivepress"]["type_args"]["max_examples"] == evaluated


def test_needs_grow_with_the_model(project: Path) -> None:
    small, large = load_plan("qwen"), load_plan("phi")
    for job in large.jobs:
        assert need(small, small.job(job.id)).memory_bytes < need(large, job).memory_bytes
    needs = {job.id: need(large, job).memory_bytes for job in large.jobs}
    assert max(needs[job] for job in ("finetune", "merge", "export-cpu-int4", "export-cuda-int4")) < 24e9
    assert needs["export-cpu-fp32"] > 24e9


def test_model_names(project: Path) -> None:
    assert find_recipe("phi")[0].model.path == "microsoft/Phi-4-mini-instruct"
    assert find_recipe("recipes/phi.yaml")[0].name == "phi"
    hub = find_recipe("Qwen/Qwen2.5-1.5B-Instruct")[0]
    assert (hub.name, hub.model.path) == ("Qwen2.5-1.5B-Instruct", "Qwen/Qwen2.5-1.5B-Instruct")
    prepare(load_plan("tiny-phi"))
    local = find_recipe("models/tiny-phi")[0]
    assert (local.name, local.model.path) == ("tiny-phi-local", "models/tiny-phi")  # not the recipe's own place
    with pytest.raises(UsageError, match=r"did you mean qwen\?.*known recipes: .*phi"):
        find_recipe("qwn")


def test_data_replaces_the_recipes_own(project: Path) -> None:
    (project / "tickets").mkdir()
    rows = ["text,category", *(f"message {n},c{n % 2}" for n in range(40))]
    (project / "tickets" / "train.csv").write_text("\n".join(rows) + "\n")
    plan = load_plan("phi", data="tickets/train.csv")
    assert plan.recipe.name == "phi-tickets"
    assert plan.dataset.name == "tickets" and not plan.dataset.synthetic


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: None, "no config.json"),
        (lambda path: (path / "config.json").write_text("{"), "cannot be read as JSON"),
        (lambda path: (path / "config.json").write_text('{"model_type": "phi3"}'), "'vocab_size' is None"),
        (
            lambda path: (path / "config.json").write_text('{"model_type": "phi3", "vocab_size": 9, "hidden_size": 8}'),
            "no \\*.safetensors weights",
        ),
    ],
)
def test_directories_that_are_no_model(project: Path, make: Callable[[Path], None], says: str) -> None:
    (project / "broken").mkdir()
    make(project / "broken")
    with pytest.raises(RecipeError, match=says):
        load_plan("broken")


def test_wrong_architecture_and_cut_weights(project: Path) -> None:
    prepare(load_plan("tiny-phi"))
    config = project / "models" / "tiny-phi" / "config.json"
    config.write_text(config.read_text().replace('"phi3"', '"t5"'))
    with pytest.raises(RecipeError, match="model_type 't5' belongs to no known family"):
        load_plan("models/tiny-phi")
    config.write_text(config.read_text().replace('"t5"', '"phi3"'))
    weights = project / "models" / "tiny-phi" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(RecipeError, match="not a complete safetensors file"):
        load_plan("models/tiny-phi")


def test_unknown_target(project: Path) -> None:
    text = (project / "recipes" / "tiny-phi.yaml").read_text().replace("cuda-int4", "cuda-int8")
    (project / "recipes" / "bad.yaml").write_text(text)
    with pytest.raises(RecipeError, match="unknown target 'cuda-int8'; did you mean 'cuda-int4'"):
        load_plan("bad")


def test_own_target_beside_the_recipe(project: Path) -> None:
    (project / "recipes" / "targets").mkdir()
    shipped = ROOT / "src" / "olivepress" / "catalog" / "targets" / "cpu.yaml"
    text = shipped.read_text().replace("target: cpu", "target: my-board").replace("at-most-256", "64")
    (project / "recipes" / "targets" / "my-board.yaml").write_text(text)
    recipe = (project / "recipes" / "tiny-phi.yaml").read_text().replace("cuda-int4", "my-board-int4")
    (project / "recipes" / "mine.yaml").write_text(recipe)
    plan = load_plan("recipes/mine.yaml")
    assert plan.jobs[-1].id == "export-my-board-int4"
    assert "group_size: 64" in render_all(plan)[-1].text
