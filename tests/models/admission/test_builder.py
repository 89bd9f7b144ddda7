"""What onnxruntime-genai builds as another model, and names of modules that are none."""

from __future__ import annotations

from typing import Any

import pytest

from olivepress.catalog import families, family_of_model_type, targets
from olivepress.core.errors import RecipeError
from olivepress.models.admission import check_target_modules, target_reason
from tests.models.admission.folders import KINDS, config_of

CPU, OPENVINO = targets()["cpu-fp32"], targets()["openvino-cpu-int4"]
LLAMA3 = {"rope_type": "llama3", "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
LONGROPE = {"type": "longrope", "short_factor": [1.0] * 8, "long_factor": [2.0] * 8}


def reason(kind: str, **changes: Any) -> str | None:
    config = config_of(kind, **changes)
    return target_reason(family_of_model_type(kind, "a model"), config, CPU)


# Each was built in float32 and compared with PyTorch over 300 tokens: these agree to 2e-6 ...
RIGHT: list[tuple[str, dict[str, Any]]] = [
    *((kind, {}) for kind in KINDS),
    ("llama", {"hidden_size": 320}),  # head size 80
    ("llama", {"rope_scaling": {"rope_type": "linear", "factor": 4.0}}),
    ("mistral", {"rope_scaling": {**LLAMA3, "original_max_position_embeddings": 128}}),
    ("mistral", {"sliding_window": 32}),
    ("qwen2", {"use_sliding_window": True, "sliding_window": 32, "max_window_layers": 0}),
    ("qwen2", {"use_sliding_window": False, "sliding_window": 32, "max_window_layers": 1}),
    ("qwen2", {"use_sliding_window": True, "sliding_window": 512, "max_window_layers": 1}),  # as long as the context
    ("qwen3", {"use_sliding_window": True, "sliding_window": 32, "layer_types": ["sliding_attention"] * 2}),
    ("llama", {"hidden_act": "gelu_pytorch_tanh", "attention_bias": True, "mlp_bias": True}),
    ("phi3", {"hidden_size": 256, "partial_rotary_factor": 0.75}),
    ("phi3", {"rope_scaling": LONGROPE, "original_max_position_embeddings": 128}),
    ("gemma3_text", {"final_logit_softcapping": 2.0}),
]
# ... and these are refused by the runtime or the builder, or differ by 0.003 to 2.
WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("llama", {"head_dim": 100}, "head size is 100"),
    ("llama", {"hidden_size": 48}, "head size is 12"),
    ("llama", {"head_dim": 8}, "head size is 8"),
    ("llama", {"head_dim": 40}, "multiples of 16 only"),
    ("phi3", {"hidden_size": 128, "partial_rotary_factor": 0.75}, "partial_rotary_factor rotates 24 of 32"),
    ("llama", {"rope_scaling": {"type": "dynamic", "factor": 2.0}}, "rope_scaling is 'dynamic'"),
    ("qwen2", {"rope_scaling": {"type": "yarn", "factor": 4.0}}, "rope_scaling is 'yarn'"),
    ("llama", {"rope_scaling": LONGROPE}, "rope_scaling is 'longrope'"),
    ("gemma3_text", {"rope_scaling": {"rope_type": "linear", "factor": 4.0}}, "rope_scaling is 'linear'"),
    ("llama", {"rope_scaling": {"type": "linear", "factor": 2.0, "mscale": 1.0}}, "rope_scaling has 'mscale'"),
    ("phi3", {"max_position_embeddings": 256}, "original_max_position_embeddings 512"),
    ("phi3", {"rope_scaling": LONGROPE}, "rope_scaling is longrope"),
    ("qwen2", {"use_sliding_window": True, "sliding_window": 32, "max_window_layers": 1}, "in 1 of 2 layers"),
    (
        "qwen3",
        {"use_sliding_window": True, "sliding_window": 32, "layer_types": ["full_attention", "sliding_attention"]},
        "layer_types",
    ),
    ("llama", {"hidden_act": "quick_gelu"}, "hidden_act is 'quick_gelu'"),
    ("llama", {"vocab_size": 96}, "takes it for the head"),
    ("gemma3_text", {"attn_logit_softcapping": 2.0}, "attn_logit_softcapping"),
    ("gemma3_text", {"use_bidirectional_attention": True}, "use_bidirectional_attention"),
    ("gemma3_text", {"layer_types": ["full_attention"] * 2}, "layer_types"),
    ("gemma3_text", {"sliding_window_pattern": 2}, "sliding_window_pattern"),
]


def test_a_kind_of_rotary_embedding_may_need_another_environment() -> None:
    config = config_of("gemma3_text", rope_scaling={"rope_type": "linear", "factor": 8.0})
    plain = family_of_model_type("gemma3_text", "a model")
    assert plain.for_model(config_of("gemma3_text")).build_environment == "build"
    needed = plain.for_model(config)
    assert needed.build_environment == "build-next" and target_reason(needed, config, CPU) is None
    yarn = {**config, "rope_scaling": {"rope_type": "yarn", "factor": 8.0}}
    assert "rope_scaling is 'yarn'" in str(target_reason(needed, yarn, CPU))


@pytest.mark.parametrize(("kind", "changes"), RIGHT)
def test_what_is_built_rightly_is_taken(kind: str, changes: dict[str, Any]) -> None:
    assert reason(kind, **changes) is None


@pytest.mark.parametrize(("kind", "changes", "says"), WRONG)
def test_what_is_built_wrongly_is_refused(kind: str, changes: dict[str, Any], says: str) -> None:
    given = reason(kind, **changes)
    assert given is not None and says in given


def test_the_rules_are_the_builders_only() -> None:
    config = config_of("llama", rope_scaling={"type": "dynamic", "factor": 2.0})
    assert target_reason(families()["llama"], config, OPENVINO) is None
    for family in families().values():
        for facts in family.models.values():
            assert target_reason(family, facts.config, CPU) is None


@pytest.mark.parametrize("names", [None, ("q_proj",), ("q_proj", "down_proj"), ("layers.1.mlp.up_proj",), ("lm_head",)])
def test_names_of_linear_layers(names: tuple[str, ...] | None) -> None:
    check_target_modules("r", "m", config_of("llama"), names)


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ((), "target_modules is empty"),
        (("nope",), "has no linear layer nope; it has lm_head, o_proj, down_proj, q_proj"),
        ((".*",), "no linear layer .*"),
        (("all-linear",), "no linear layer all-linear"),
        (("",), "no linear layer"),
        (("q_proj", "qkv_proj"), "no linear layer qkv_proj"),
        (("q_porj",), "did you mean q_proj"),
        (("proj",), "no linear layer proj"),
        (("layers.2.mlp.up_proj",), "no linear layer layers.2.mlp.up_proj"),
        (("input_layernorm",), "no linear layer input_layernorm"),
        (("embed_tokens",), "an embedding"),
    ],
)
def test_names_that_are_no_linear_layer(names: tuple[str, ...], says: str) -> None:
    with pytest.raises(RecipeError) as error:
        check_target_modules("r", "m", config_of("llama"), names)
    assert says in str(error.value)


def test_a_tied_head_is_no_linear_layer_of_its_own() -> None:
    with pytest.raises(RecipeError, match="no linear layer lm_head"):
        check_target_modules("r", "m", config_of("llama", tie_word_embeddings=True), ("lm_head",))
