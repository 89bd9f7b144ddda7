"""The catalog's facts hold: parameters, LoRA targets, which family a model is of, what it can be made for."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest

from olivepress.catalog import Family, families, targets
from olivepress.core.errors import RecipeError
from olivepress.data.build import build_dataset
from olivepress.models.admission import target_reason
from olivepress.models.admission.config_file import check_config
from olivepress.models.admission.known import is_of_transformers_5
from olivepress.models.admission.layout import expected_parameters, linear_modules
from olivepress.pipeline.prepare import prepare
from olivepress.recipe.schema import Recipe, load_recipe
from olivepress.synthetic import weight_bytes
from olivepress.workflow.lint import lint
from olivepress.workflow.model import resolve_model
from olivepress.workflow.plan import Plan, make_plan
from olivepress.workflow.render import render_all

MODELS = {name: family for family in families().values() for name in family.models}
# One model of each architecture of each family: what is rendered depends on nothing else.
ARCHITECTURES = {
    (family.family, facts.config["model_type"]): name
    for family in families().values()
    for name, facts in reversed(family.models.items())
}


@pytest.mark.parametrize("name", MODELS)
def test_parameters_are_the_architectures(name: str) -> None:
    facts = MODELS[name].models[name]
    assert facts.parameters == expected_parameters(facts.config)
    if not is_of_transformers_5(facts.config):
        assert facts.parameters * 2 == weight_bytes(facts.config, dtype="bfloat16")


@pytest.mark.parametrize("name", MODELS)
def test_a_published_config_is_taken(name: str) -> None:
    check_config(Path("config.json"), MODELS[name].models[name].config)


@pytest.mark.parametrize("name", ARCHITECTURES.values())
def test_lora_targets_are_all_projections_of_a_layer(name: str) -> None:
    family, values = MODELS[name], dict(MODELS[name].models[name].config)
    own = {module.rsplit(".", 1)[-1] for module in linear_modules(values)}
    assert own - {"lm_head"} == set(family.target_modules)
    if is_of_transformers_5(values):
        return
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(
            transformers.AutoConfig.for_model(values.pop("model_type"), **values)
        )
    linear = {n.rsplit(".", 1)[-1] for n, module in model.named_modules() if isinstance(module, torch.nn.Linear)}
    assert linear - {"lm_head"} == set(family.target_modules)


def test_an_architecture_belongs_to_one_family() -> None:
    owned = Counter(model_type for family in families().values() for model_type in family.model_types)
    assert set(owned.values()) == {1}
    for family in families().values():
        assert family.default_model in family.models if family.models else family.default_model is None
        assert set(family.other_model_types) <= owned.keys() - set(family.model_types)
        found = {facts.config["model_type"] for facts in family.models.values()}
        assert found <= {*family.model_types, *family.other_model_types}


def recipe_of(project: Path, **changes: object) -> Recipe:
    fields = load_recipe(project / "recipes" / "phi.yaml").model_dump(mode="json")
    return Recipe.model_validate_json(json.dumps({**fields, **changes}))


def plan_of(project: Path, model: str, target_names: list[str]) -> Plan:
    recipe = recipe_of(project, name="any", model={"path": model}, targets=target_names)
    return make_plan(recipe, build_dataset(recipe.data))


@pytest.mark.parametrize("name", ARCHITECTURES.values())
def test_every_target_is_rendered_or_refused_in_words(name: str, project: Path) -> None:
    family = MODELS[name]
    why = {each.target: target_reason(family, family.models[name].config, each) for each in targets().values()}
    for target, reason in why.items():
        if reason:
            with pytest.raises(RecipeError, match=f"target {target} cannot take {name}: .*next: remove {target} from"):
                plan_of(project, name, [target])
    possible = [target for target, reason in why.items() if not reason]
    if not possible:
        return
    plan = plan_of(project, name, possible)
    prepare(plan)
    assert not [str(finding) for finding in lint(render_all(plan)) if finding.level == "error"]


def test_a_pattern_is_of_a_target_or_of_an_architecture_and_a_target() -> None:
    family = Family(
        family="f",
        model_types=("a", "b"),
        target_modules=("q",),
        default_model="m",
        models={},
        unsupported={"qnn-*": "no NPU", "b/cpu-int?": "no int"},
    )
    assert family.refusal({"model_type": "a"}, "qnn-int8") == "no NPU"
    assert family.refusal({"model_type": "b"}, "cpu-int4") == "no int"
    assert family.refusal({"model_type": "a"}, "cpu-int4") is None
    assert family.refusal({"model_type": "b"}, "cpu-fp32") is None


def test_a_hub_id_is_of_its_own_family_and_a_directory_of_its_architectures(project: Path) -> None:
    from olivepress.synthetic.embedded import TINY_PHI

    smollm = "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert resolve_model(recipe_of(project, model={"path": smollm})).family.family == "smollm"
    shutil.copytree(TINY_PHI, project / "SmolLM2")
    config = project / "SmolLM2" / "config.json"
    config.write_text(config.read_text().replace('"phi3"', '"llama"'))
    assert resolve_model(recipe_of(project, model={"path": "SmolLM2"})).family.family == "llama"
    said = resolve_model(recipe_of(project, model={"path": "SmolLM2", "family": "smollm"}))
    assert (said.family.family, said.is_local) == ("smollm", True)


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ({"path": "embedded:tiny-phi", "family": "qwen"}, "is of family phi, the recipe says qwen"),
        ({"path": "embedded:tiny-phi", "family": "fi"}, "is of family phi, the recipe says fi; next: correct or"),
        ({"path": "meta-llama/Llama-3.2-1B-Instruct", "family": "smollm"}, "is of family llama, the recipe says"),
    ],
)
def test_another_family_than_the_models_is_refused(project: Path, model: dict[str, str], says: str) -> None:
    with pytest.raises(RecipeError, match=says):
        resolve_model(recipe_of(project, model=model))


def test_limits_are_of_a_precision_and_a_target_may_have_its_own(tmp_path: Path) -> None:
    passes = {"build": {"type": "ModelBuilder", "precision": "int4"}}
    sizes = {"bytes_per_parameter": 0.6, "bytes_per_embedding_parameter": 1.0, "passes": passes}
    file = {
        "target": "mine", "description": "mine", "device": "cpu", "execution_provider": "CPUExecutionProvider",
        "environment": "cpu", "precisions": {"int4-a": sizes, "int4-b": {**sizes, "max_kl_divergence": 0.5}},
    }  # fmt: skip
    (tmp_path / "mine.yaml").write_text(json.dumps(file))
    mine, same = targets(tmp_path), targets()["cpu-int4"]
    limits = [(mine[name].max_kl_divergence, mine[name].min_top1_agreement) for name in ("mine-int4-a", "mine-int4-b")]
    assert limits == [(same.max_kl_divergence, same.min_top1_agreement), (0.5, same.min_top1_agreement)]
    (tmp_path / "mine.yaml").write_text(json.dumps({**file, "precisions": {"int3": sizes}}))
    with pytest.raises(RecipeError, match=r"precisions\.int3: no max_kl_divergence, and none by precision 'int3'"):
        targets(tmp_path)
