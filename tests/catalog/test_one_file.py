"""A new family and a new target are one file each: nothing else has to know them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import olivepress.catalog
from olivepress.catalog import families, targets
from olivepress.core.errors import SetupError
from olivepress.pipeline.matrix import matrix_recipe
from olivepress.pipeline.plan import load_plan
from olivepress.pipeline.render import render
from olivepress.workflow.find_recipe import find_recipe

SHIPPED = Path(olivepress.catalog.__file__).parent


@pytest.fixture
def catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the catalog that files can be added to."""
    copy = tmp_path / "catalog"
    shutil.copytree(SHIPPED, copy, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    monkeypatch.setattr("olivepress.catalog._HERE", copy)
    monkeypatch.setattr("olivepress.catalog.target._HERE", copy)
    return copy


def test_a_family_is_one_file(catalog: Path, project: Path) -> None:
    with pytest.raises(SetupError, match=r"someone/madeup-135m: its config\.json is not in the Hub cache"):
        load_plan("someone/madeup-135m")
    smollm = families()["smollm"]
    facts = smollm.models["HuggingFaceTB/SmolLM2-135M-Instruct"]
    family = {
        "family": "madeup",
        "model_types": ["madeup"],
        "other_model_types": ["llama"],
        "target_modules": ["q_proj", "v_proj"],
        "default_model": "someone/madeup-135m",
        "models": {"someone/madeup-135m": facts.model_dump(mode="json")},
        "unsupported": {"cuda-*": "no GPU"},
    }
    (catalog / "families" / "madeup.yaml").write_text(json.dumps(family))
    olivepress.catalog._read_families.cache_clear()
    recipe, _ = find_recipe("someone/madeup-135m")
    text = json.dumps({**recipe.model_dump(mode="json"), "targets": ["cpu-int4"]})
    (project / "recipes" / "mine.yaml").write_text(text)
    plan = load_plan("mine")
    assert (plan.model.family.family, recipe.name) == ("madeup", "madeup-135m")
    [rendered] = render([plan])
    assert rendered.workflows[0].config["passes"]["lora"]["target_modules"] == ["q_proj", "v_proj"]
    known = set(targets())
    assert known - set(matrix_recipe(recipe).targets) == {name for name in known if name.startswith("cuda-")}


def test_a_target_is_one_file(catalog: Path, project: Path) -> None:
    text = (catalog / "targets" / "cpu.yaml").read_text().replace("target: cpu", "target: madeup")
    (catalog / "targets" / "madeup.yaml").write_text(text)
    olivepress.catalog.target._shipped_files.cache_clear()
    assert targets()["madeup-int4"].device == "cpu"
    recipe = (project / "recipes" / "tiny-phi.yaml").read_text().replace("cuda-int4", "madeup-int4")
    (project / "recipes" / "mine.yaml").write_text(recipe)
    plan = load_plan("mine")
    assert plan.jobs[-1].id == "export-madeup-int4"
    [rendered] = render([plan])
    assert rendered.workflows[-1].path.is_file() and "madeup-int4" in rendered.workflows[-1].text
    assert "madeup-int4" in matrix_recipe(plan.recipe).targets
    (project / "recipes" / "mine.yaml").write_text(recipe.replace("madeup-int4", "madeup"))
    assert {job.choice for job in load_plan("mine").jobs} == {None, "madeup"}  # its choices too
