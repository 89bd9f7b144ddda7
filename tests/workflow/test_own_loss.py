"""Losses and weights of a recipe before anything runs: what cannot be is refused, and code runs only if allowed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from olivepress.catalog.foreign_code import foreign_code
from olivepress.core.errors import RecipeError
from olivepress.pipeline.plan import load_plan
from olivepress.recipe.finetune import Finetune
from olivepress.workflow.render import render_all
from tests.end_to_end.families import write_recipe
from tests.workflow.olive_plugin.test_own_loss import CROSS_ENTROPY

OTHER = CROSS_ENTROPY.replace("cross_entropy(logits", "other(logits", 1)
LOSS = {"loss": {"module": "losses.py:cross_entropy"}}


def plan_of(project: Path, finetune: dict[str, Any], *, trust: bool = True) -> Any:
    write_recipe(project / "recipes" / "small.yaml", "embedded:tiny-phi", finetune=finetune)
    return load_plan("small", trust_targets=trust)


@pytest.mark.parametrize(
    ("text", "trust", "says"),
    [
        (CROSS_ENTROPY, False, r"runs code of its own: losses\.py:cross_entropy; next: read that code; --trust"),
        (OTHER, True, "has no function cross_entropy, it has: other"),
        ("def cross_entropy(:\n", True, "is no Python file"),
        (None, True, "cannot be read"),
    ],
)  # fmt: skip
def test_a_loss_is_refused_in_one_line(project: Path, text: str | None, trust: bool, says: str) -> None:
    if text is not None:
        (project / "losses.py").write_text(text)
    with pytest.raises(RecipeError, match=says):
        plan_of(project, LOSS, trust=trust)


def test_a_loss_outside_of_the_project(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "losses.py"
    outside.write_text(CROSS_ENTROPY)
    (project / "losses.py").symlink_to(outside)
    with pytest.raises(RecipeError, match="lies outside of the project"):
        plan_of(project, LOSS)
    for module in ("../losses.py:f", "/etc/losses.py:f", "losses.py", "losses:f", "a b.py:f"):
        with pytest.raises(RecipeError, match="module"):
            plan_of(project, {"loss": {"module": module}})


@pytest.mark.parametrize("method", ["lora", "qlora", "dora", "loha", "lokr", "full"])
def test_no_method_ignores_a_loss_or_weights(project: Path, method: str) -> None:
    """The pass takes both, and a plain pass of Olive's, which would ignore them, is not rendered."""
    (project / "losses.py").write_text(CROSS_ENTROPY)
    plan = plan_of(project, {"method": method, **LOSS})
    [workflow] = [each for each in render_all(plan) if each.job_id == "finetune"]
    settings = workflow.config["passes"][method]
    assert settings["type"] in ("FullFinetune", f"Extended{plan_pass(method)}")
    assert settings["loss"]["module"] == "losses.py:cross_entropy" and len(settings["loss"]["sha256"]) == 64
    assert workflow.package_config is not None and settings["type"] in workflow.files[workflow.package_config]
    before = workflow.identity
    (project / "losses.py").write_text(CROSS_ENTROPY + "# another\n")
    [workflow] = [each for each in render_all(plan) if each.job_id == "finetune"]
    assert workflow.identity != before


def test_lint_names_a_loss_as_code(project: Path) -> None:
    (project / "losses.py").write_text(CROSS_ENTROPY)
    [workflow] = [each for each in render_all(plan_of(project, LOSS)) if each.job_id == "finetune"]
    assert ("passes.lora.loss.module", "losses.py:cross_entropy") in list(foreign_code(workflow.config))


def plan_pass(method: str) -> str:
    return {"lora": "LoRA", "qlora": "QLoRA", "dora": "DoRA", "loha": "LoHa", "lokr": "LoKr", "full": "Full"}[method]


def test_smoothing_and_noise_are_the_trainers_own(project: Path) -> None:
    plan = plan_of(project, {"label_smoothing": 0.1, "neftune_noise_alpha": 5.0})
    [workflow] = [each for each in render_all(plan) if each.job_id == "finetune"]
    settings = yaml.safe_load(workflow.text)["passes"]["lora"]
    assert settings["type"] == "LoRA" and workflow.package_config is None
    arguments = settings["training_args"]
    assert (arguments["label_smoothing_factor"], arguments["neftune_noise_alpha"]) == (0.1, 5.0)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"label_smoothing": 0.1, **LOSS}, "no label_smoothing with a loss of your own"),
        ({"packing": True, "label_weights": {"a": 2.0}}, "no packing with label_weights"),
        ({"freeze_layers": 1}, "no freeze_layers with method lora"),
        ({"method": "full", "r": 4}, "no r with method full"),
        ({"torch_dtype": "float16"}, "torch_dtype bfloat16 or float32 with method lora"),
        ({"label_weights": {"a": 0.0}}, "greater than 0"),
        ({"task_weights": {"a": 0.0}}, "greater than 0"),
        ({"packing": True, "task_weights": {"a": 2.0}}, "no packing with task_weights"),
        ({"label_weights": {"a": 2.0}, "task_weights": {"a": 2.0}}, "label_weights or task_weights"),
        ({"method": "dpo", "task_weights": {"a": 2.0}}, "no task_weights with method dpo"),
    ],
)
def test_options_that_would_be_ignored(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Finetune.model_validate(settings)


def test_a_weight_of_a_label_that_no_row_has(project: Path) -> None:
    with pytest.raises(RecipeError, match=r"label_weights is 'sunny', expected labels of the training rows"):
        plan_of(project, {"label_weights": {"sunny": 2.0}})


def test_more_frozen_layers_than_the_model_has(project: Path) -> None:
    with pytest.raises(RecipeError, match=r"freeze_layers is 99, expected less than the \d+ layers of the model"):
        plan_of(project, {"method": "full", "freeze_layers": 99})
