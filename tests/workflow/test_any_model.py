"""Models that the catalog does not have: admitted by the model_type of their config.json, as typed."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from olivepress.catalog import families
from olivepress.core.layout import HUB_COMMITS
from olivepress.models.admission.layout import expected_parameters
from olivepress.pipeline.plan import load_plan
from olivepress.workflow.estimate import Shape
from tests.models.published import PUBLISHED, config_json
from tests.models.stand_in_hub import Repository, StandInHub, commit

Cli = Callable[..., subprocess.CompletedProcess[str]]
QWEN = "Qwen/Qwen3-14B"


@pytest.mark.parametrize("model_id", PUBLISHED)
def test_a_hub_id_outside_the_catalog_renders(
    hub: StandInHub, project: Path, olivepress_here: Cli, model_id: str
) -> None:
    _, family, parameters = PUBLISHED[model_id]
    hub.repositories[model_id] = Repository.of(config_json(model_id))
    done = olivepress_here("render", model_id, "--json")
    assert done.returncode == 0, done.stderr
    [folder] = (project / "olive_configs").iterdir()
    workflow = yaml.safe_load((folder / "finetune.yaml").read_text())
    assert workflow["input_model"]["model_path"] == model_id
    assert workflow["input_model"]["load_kwargs"]["revision"] == commit(1)
    assert workflow["data_configs"][0]["pre_process_data_config"]["revision"] == commit(1)
    assert workflow["passes"]["lora"]["target_modules"] == list(families()[family].target_modules)
    plan = load_plan(model_id)
    assert plan.model.family.family == family and plan.model.facts.parameters == parameters


def test_parameters_are_counted_from_a_config_as_the_catalog_has_them() -> None:
    known = [facts for family in families().values() for facts in family.models.values()]
    assert len(known) > 20
    for facts in known:
        assert expected_parameters(facts.config) == facts.parameters


def test_estimates_take_what_the_class_has_for_keys_that_are_left_out(hub: StandInHub, project: Path) -> None:
    model_id = "NousResearch/Hermes-3-Llama-3.1-8B"
    hub.repositories[model_id] = Repository.of(config_json(model_id))
    whole = Shape.of(load_plan(model_id).model.facts)
    left_out = config_json(model_id, tie_word_embeddings=..., num_hidden_layers=..., mlp_bias=...)
    hub.repositories["someone/terse"] = Repository.of(left_out)
    assert Shape.of(load_plan("someone/terse").model.facts) == whole and not whole.tied


def test_the_plan_as_a_stranger_types_it(
    hub: StandInHub, project: Path, olivepress: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a process of its own: the Hub's client reads its variables when it is imported."""
    hub.repositories[QWEN] = repository = Repository.of(config_json(QWEN))
    done = olivepress("plan", QWEN)
    assert done.returncode == 0
    assert all(line.startswith("measuring this machine") for line in done.stderr.splitlines()), done.stderr
    assert f"{QWEN} at {commit(1)[:12]}, 14,768.3 M parameters" in done.stdout
    repository.commits[commit(2)] = config_json(QWEN)
    repository.branches["main"] = commit(2)
    done = olivepress("plan", QWEN, "--upstream", "--json")
    assert f"note: {QWEN}: main has moved to {commit(2)[:12]}, this project uses {commit(1)[:12]}" in done.stderr
    assert json.loads(done.stdout)["model"]["revision"] == commit(1)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert olivepress("plan", QWEN).returncode == 0
    HUB_COMMITS.unlink()
    monkeypatch.setenv("HF_HUB_CACHE", str(project / "empty"))
    done = olivepress("plan", QWEN)
    assert (done.returncode, len(done.stderr.splitlines())) == (7, 1)
    assert done.stderr.endswith(f"next: with a network: hf download {QWEN} config.json\n")


def test_a_recipe_of_it(hub: StandInHub, project: Path, olivepress_here: Cli) -> None:
    hub.repositories[QWEN] = Repository.of(config_json(QWEN))
    assert olivepress_here("init", QWEN).returncode == 0
    [path] = set(project.glob("recipes/*wen3-14*.yaml"))
    recipe = yaml.safe_load(path.read_text())
    assert recipe["model"] == {"path": QWEN}
    recipe["model"]["revision"] = "v1"
    recipe["data"] = {"demo": "device-command"}
    path.write_text(yaml.safe_dump(recipe))
    done = olivepress_here("plan", path.stem)
    assert done.returncode == 3 and "no revision 'v1' on the Hub" in done.stderr
    hub.repositories[QWEN].branches["v1"] = commit(1)
    assert load_plan(path.stem).model.revision == commit(1)
    assert json.loads(HUB_COMMITS.read_text()) == {QWEN: {"main": commit(1), "v1": commit(1)}}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"model_type": "mammoth"}, "model_type 'mammoth' belongs to no known family; known: "),
        (
            {"model_type": "mamba"},
            "model_type 'mamba': build: onnxruntime-genai 0.14.1 has no builder for MambaForCaus",
        ),
        ({"auto_map": {"AutoModelForCausalLM": "modeling_own.Own"}}, "key 'auto_map' names code of its own"),
        ({"quantization_config": {"quant_method": "gptq"}}, "the weights are quantized already (gptq)"),
        ({"vision_config": {}}, "a model of images or sound, expected a text model"),
        ({"head_dim": 0}, "key 'head_dim' is 0, expected a whole number from 1 on; next: correct it, in a copy: hf do"),
        ({"rope_scaling": {"rope_type": "spiral"}}, "key 'rope_scaling': type 'spiral' is unknown, expected one of"),
        ({"eos_token_id": 151936}, "key 'eos_token_id' is 151936, expected a token from 0 to 151935"),
        ({"rope_parameters": {"rope_theta": 5}}, "rope_theta 1000000 instead of 5; next: add to config.json: "),
        (
            {"attention_sinks": 4},
            f"in a copy: hf download {QWEN} --local-dir models/Qwen3-14B, then model.path: models",
        ),
        ({"vocab_size": "many"}, "'vocab_size' is 'many', expected a number"),
    ],
)
def test_what_cannot_be_trained_is_refused_by_plan(
    hub: StandInHub, project: Path, olivepress_here: Cli, changes: dict[str, Any], says: str
) -> None:
    hub.repositories[QWEN] = Repository.of(config_json(QWEN, **changes))
    done = olivepress_here("plan", QWEN)
    assert done.returncode == 3 and says in done.stderr, done.stderr
    assert len(done.stderr.splitlines()) == 1 and str(project) not in done.stderr


def test_what_is_supported_is_listed(olivepress_here: Cli, project: Path) -> None:
    text = olivepress_here("recipes").stdout
    assert "family qwen (model_type qwen2, qwen3): " in text and "taken by the model_type of its config.json" in text


def test_a_typo_is_guessed(hub: StandInHub, project: Path, olivepress_here: Cli) -> None:
    done = olivepress_here("plan", "Qwen/Qwen2.5-0.5B-Instrukt")
    assert done.returncode == 3 and "did you mean Qwen/Qwen2.5-0.5B-Instruct?" in done.stderr
    hub.asked.clear()
    done = olivepress_here("plan", "recipes/typo")
    assert done.returncode == 2 and hub.asked == []
    assert "recipes is a folder here; for the Hub id: hf download recipes/typo --local-dir recipes/typo" in done.stderr


def test_the_catalog_asks_nobody(hub: StandInHub, project: Path, olivepress_here: Cli) -> None:
    assert olivepress_here("render", "qwen").returncode == 0
    assert olivepress_here("plan", "Qwen/Qwen2.5-7B-Instruct").returncode == 0
    assert hub.asked == [] and not HUB_COMMITS.exists()


def test_a_branch_of_a_catalogued_model(hub: StandInHub, project: Path) -> None:
    """Fixed where the Hub has it; a name where the Hub cannot be asked, so that it renders offline."""
    model_id = "Qwen/Qwen2.5-0.5B-Instruct"
    recipe = yaml.safe_load((project / "recipes" / "qwen.yaml").read_text())
    text = yaml.safe_dump({**recipe, "model": {"path": model_id, "revision": "v1"}})
    (project / "recipes" / "mine.yaml").write_text(text)
    hub.repositories[model_id] = repository = Repository.of(config_json(QWEN), access="down")
    assert load_plan("mine").model.revision == "v1"
    repository.access, repository.branches = "public", {"v1": commit(1)}
    assert load_plan("mine").model.revision == commit(1)


def test_without_the_hubs_client(project: Path, olivepress_here: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """The base install has none: the catalog needs none."""
    monkeypatch.setattr("olivepress.core.hub.find_spec", lambda name: None)
    done = olivepress_here("plan", QWEN)
    assert (
        done.returncode == 7
        and "huggingface_hub, is not installed; next: pip install 'olivepress[data]'" in done.stderr
    )
    assert load_plan("qwen").model.revision is None


def test_a_fine_tune_may_be_of_another_family_of_its_type(hub: StandInHub, project: Path) -> None:
    model_id = "NousResearch/Hermes-3-Llama-3.1-8B"
    hub.repositories[model_id] = Repository.of(config_json(model_id))
    recipe = yaml.safe_load((project / "recipes" / "smollm.yaml").read_text())
    (project / "recipes" / "mine.yaml").write_text(
        yaml.safe_dump({**recipe, "model": {"path": model_id, "family": "smollm"}})
    )
    assert load_plan("mine").model.family.family == "smollm"
