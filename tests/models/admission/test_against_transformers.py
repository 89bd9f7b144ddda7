"""The facts that are written out against the pinned transformers itself."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

from olivepress.core.errors import RecipeError
from olivepress.models.admission import check_folder
from olivepress.models.admission.known import architecture_of, common_keys, tokenizer_classes, transformers_version
from olivepress.models.admission.layout import expected_tensors
from tests.models.admission.folders import KINDS, change_json, config_of, write_folder

transformers = pytest.importorskip("transformers")


def test_the_version_is_the_pinned() -> None:
    assert transformers_version() == f"transformers {transformers.__version__}"


@pytest.mark.parametrize("kind", KINDS)
def test_keys_and_defaults_are_those_of_the_config_class(kind: str) -> None:
    config = transformers.AutoConfig.for_model(kind)
    taken = inspect.signature(type(config).__init__).parameters
    defaults = {key: value.default for key, value in taken.items() if key not in ("self", "kwargs")}
    defaults.setdefault("tie_word_embeddings", config.tie_word_embeddings)
    facts = architecture_of({"model_type": kind})
    assert facts.defaults == defaults
    assert transformers.models.auto.modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES[kind] == facts.architecture
    assert common_keys() == {key for key in vars(transformers.PretrainedConfig()) if not key.startswith("_")}


def test_tokenizer_classes() -> None:
    names = transformers.models.auto.tokenization_auto.TOKENIZER_MAPPING_NAMES.values()
    known = {name.removesuffix("Fast") for pair in names for name in pair if name}
    assert known <= tokenizer_classes() and len(known) > 80
    assert "TokenizersBackend" not in tokenizer_classes()


LAYOUTS: list[tuple[str, dict[str, Any]]] = [
    *((kind, {}) for kind in KINDS),
    *((kind, {"tie_word_embeddings": True}) for kind in KINDS),
    ("llama", {"attention_bias": True, "mlp_bias": True, "head_dim": 32, "num_key_value_heads": None}),
    ("qwen2", {"head_dim": 32}),
    ("qwen3", {"attention_bias": True, "head_dim": ...}),
    ("mistral", {"num_key_value_heads": 4, "head_dim": None}),
    ("gemma3_text", {"attention_bias": True}),
    ("phi3", {"head_dim": 32}),
]


@pytest.mark.parametrize(("kind", "changes"), LAYOUTS)
def test_names_and_shapes_are_those_of_the_model(kind: str, changes: dict[str, Any]) -> None:
    import torch

    config = config_of(kind, **changes)
    values = {key: value for key, value in config.items() if key != "model_type"}
    with torch.device("meta"):
        built = transformers.AutoConfig.for_model(kind, **values)
        model = transformers.AutoModelForCausalLM.from_config(built)
    tied = set(model._tied_weights_keys or ()) if built.tie_word_embeddings else set()
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items() if name not in tied}
    assert expected_tensors(config) == shapes


GENERATIONS: list[dict[str, Any]] = [
    {}, {"temperature": 0.9}, {"temperature": 0.9, "do_sample": True}, {"temperature": 1.0, "top_k": 50},
    {"top_p": 0.6}, {"top_k": 20}, {"min_p": 0.1}, {"typical_p": 0.5}, {"epsilon_cutoff": 0.1}, {"eta_cutoff": 0.1},
    {"early_stopping": True}, {"early_stopping": True, "num_beams": 2}, {"early_stopping": "often"},
    {"length_penalty": 2.0}, {"length_penalty": 2.0, "num_beams": 4}, {"num_return_sequences": 2},
    {"num_return_sequences": 2, "do_sample": True}, {"num_return_sequences": 3, "num_beams": 2}, {"max_new_tokens": 0},
    {"output_scores": True}, {"output_scores": True, "return_dict_in_generate": True}, {"temperature": None},
    {"use_cache": False, "cache_implementation": "static"}, {"repetition_penalty": 1.1}, {"do_sample": False},
]  # fmt: skip


@pytest.mark.parametrize("values", GENERATIONS)
def test_a_generation_config_is_refused_as_transformers_refuses_to_save_it(
    values: dict[str, Any], tmp_path: Path
) -> None:
    model = write_folder(tmp_path / "model")
    change_json(model / "generation_config.json", values)
    refused = theirs = ""
    try:
        check_folder(model)
    except RecipeError as error:
        refused = str(error)
    try:
        transformers.GenerationConfig.from_pretrained(str(model)).save_pretrained(str(tmp_path / "saved"))
    except ValueError as error:
        theirs = str(error)
    assert bool(refused) == bool(theirs), (refused, theirs)
