"""A model of images and text in a recipe: what plan says, what the workflows read, what the manifest will name."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from olivepress.catalog import families
from olivepress.core.errors import RecipeError
from olivepress.environments.lookup import built_in
from olivepress.pipeline.plan import load_plan
from olivepress.pipeline.prepare import fetch_model
from olivepress.run.cleanup import base_name
from olivepress.run.manifests import _hub_commit
from olivepress.workflow.lint import lint
from olivepress.workflow.render import render_all
from olivepress.workflow.upstream import upstream_note
from tests.models.admission.folders import config_of, write_folder
from tests.models.stand_in_hub import Repository, StandInHub, commit
from tests.models.text_part.whole import write_whole

Cli = Callable[..., subprocess.CompletedProcess[str]]
LINEAR = {"rope_scaling": {"rope_type": "linear", "factor": 8.0}}
NOTE = "is a model of images and text: its text part alone"


def recipe(name: str, model: str, **more: Any) -> None:
    lines = {"name": name, "model": {"path": model}, "data": {"demo": "phrase-tone"}, "targets": ["cpu-fp32"]} | more
    Path("recipes", f"{name}.yaml").write_text(json.dumps({k: v for k, v in lines.items() if v is not None}))


def test_a_folder_is_planned_for_its_text_part_alone(project: Path, olivepress_here: Cli) -> None:
    write_whole(Path("models", "whole"), "gemma3", text={**LINEAR, "num_hidden_layers": 6})
    recipe("own", "models/whole")
    done = olivepress_here("plan", "own")
    assert done.returncode == 0, done.stderr
    assert (
        f"note: models/whole {NOTE} (Gemma3ForCausalLM)" in done.stdout and "no artifact takes an image" in done.stdout
    )
    assert "note: gemma models need the environment build-next" in done.stdout
    plan = load_plan("own")
    assert plan.model.facts.config["model_type"] == "gemma3_text"
    (finetune, merge, export) = render_all(plan)
    assert (
        "# Job finetune: reads models/text-of-whole, the text part of models/whole (olivepress prepare" in finetune.text
    )
    for workflow in (finetune, merge):
        assert workflow.config["input_model"]["model_path"] == "models/text-of-whole"
    assert export.config["passes"]["build"]["repairs"] == ["rope_of_each_kind", "scaled_full_layers_alone"]
    pending = [each for each in lint([finetune]) if each.level == "pending"]
    assert any("models/text-of-whole is taken out of a model of images and text" in each.message for each in pending)
    fetch_model(plan, lambda *_: None)
    assert Path("models/text-of-whole/text-part.json").is_file()
    assert (base_name(plan), _hub_commit(plan)) == ("models/whole", None)


def test_a_hub_id_is_planned_by_its_config_alone(hub: StandInHub, project: Path, olivepress_here: Cli) -> None:
    text = {"model_type": "mistral", **{k: v for k, v in config_of("mistral").items() if k != "architectures"}}
    whole = {
        "model_type": "mistral3", "architectures": ["Mistral3ForConditionalGeneration"], "vision_config": {},
        "text_config": text,
    }  # fmt: skip
    hub.repositories["someone/sees-3b"] = Repository.of({"config.json": json.dumps(whole).encode()})
    recipe("own", "someone/sees-3b")
    done = olivepress_here("plan", "own", "--json")
    assert done.returncode == 0, done.stderr
    model = json.loads(done.stdout)["model"]
    assert (model["path"], model["text_part_of"], model["revision"]) == (
        "models/text-of-sees-3b", "someone/sees-3b", commit(1)
    )  # fmt: skip
    plan = load_plan("own")
    assert (base_name(plan), _hub_commit(plan)) == ("someone/sees-3b", commit(1))
    assert plan.model.family.build_environment == "build"


def test_a_text_part_of_the_catalog_is_planned_offline_and_taken_out_of_what_main_is(
    hub: StandInHub, project: Path, olivepress_here: Cli
) -> None:
    name = "mistralai/Ministral-3-3B-Instruct-2512-BF16"
    plan = load_plan("ministral")
    assert hub.paths() == []
    assert (plan.model.path, plan.model.commit) == ("models/text-of-Ministral-3-3B-Instruct-2512-BF16", None)
    assert plan.model.facts.config["model_type"] == "ministral3" and base_name(plan) == name
    done = olivepress_here("plan", "ministral")
    assert f"note: {name} {NOTE} (Ministral3ForCausalLM)" in done.stdout, done.stderr

    # Of other sizes than the catalog says: what is taken out is what the Hub has.
    source = write_whole(Path("whole"), "mistral3")
    files = {path.name: path.read_bytes() for path in source.iterdir() if path.is_file()}
    hub.repositories[name] = Repository.of(files)
    fetch_model(plan, lambda *_: None)
    config = json.loads(Path(plan.model.path, "config.json").read_text())
    assert config["hidden_size"] == config_of("ministral3")["hidden_size"]
    assert plan.model.commit == commit(1) == _hub_commit(plan)
    asked = len(hub.asked)
    fetch_model(load_plan("ministral"), lambda *_: None)
    assert len(hub.asked) == asked  # the commit that this project uses is there
    assert f"{name}: main is at {commit(1)[:12]}, which this project uses" in upstream_note(load_plan("ministral"))


def test_the_environment_of_an_artifact_is_that_of_its_manifest() -> None:
    gemma = families()["gemma"]
    assert built_in(gemma, {"transformers": "5.24.0"}) == "build-next"
    assert built_in(gemma, {"transformers": "4.57.6"}) == "build" == built_in(gemma, {})
    assert built_in(families()["smollm3"], {"transformers": "4.57.6"}) == "build-next"


def test_an_adapter_that_no_package_could_take_is_refused_before_it_is_trained(project: Path) -> None:
    write_folder(Path("models", "lfm"), "lfm2")
    member = {"data": {"demo": "phrase-tone"}}
    several = {"adapter_mode": "multi", "data": None, "adapters": {"tone": member}}
    recipe("several", "models/lfm", **several)
    with pytest.raises(RecipeError) as error:
        load_plan("several")
    assert error.value.message == (
        "recipe several: adapter tone trains w1, w3, w2, in_proj, out_proj, for which the package of a lfm2 model has "
        "no inputs"
    )
    assert error.value.next_step == "finetune.target_modules: [q_proj, k_proj, v_proj], or adapter_mode: merge"
    recipe("several", "models/lfm", **several, finetune={"target_modules": ["q_proj", "v_proj"]})
    assert {job.id for job in load_plan("several").jobs} == {"base-cpu-fp32", "package-cpu-fp32"}
