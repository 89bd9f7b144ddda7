"""The facts that are written out of transformers 5, against the one of build-next itself."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from olivepress.catalog import families
from olivepress.core.privacy import child_environment
from olivepress.environments.lookup import interpreter
from olivepress.models.admission.known import architecture_of, is_of_transformers_5, transformers_version
from olivepress.models.admission.layout import expected_tensors
from tests.models.admission.folders import KINDS, NEXT_KINDS, config_of

ASK = """
import json, sys, torch, transformers
answer = {"version": transformers.__version__}
for name, config in json.loads(sys.argv[1]).items():
    kind = config.pop("model_type")
    built = transformers.AutoConfig.for_model(kind, **config)
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(built)
    tied = set(model._tied_weights_keys or ()) if built.tie_word_embeddings else set()
    shapes = {name: list(each.shape) for name, each in model.state_dict().items() if name not in tied}
    defaults = transformers.AutoConfig.for_model(kind).to_dict()
    answer[name] = {"class": type(model).__name__, "shapes": shapes, "defaults": defaults}
print(json.dumps(answer))
"""
# What the class works out of other keys.
WORKED_OUT = {"layer_types", "no_rope_layers", "full_attn_idxs", "rope_parameters", "num_key_value_heads", "head_dim"}
CASES: dict[str, dict[str, Any]] = {
    **{kind: config_of(kind) for kind in NEXT_KINDS},
    "without layer types": config_of("qwen3_5_text", layer_types=..., num_hidden_layers=4),
    "gemma2 without": config_of("gemma2", layer_types=...),
    "with biases": config_of("smollm3", attention_bias=True, mlp_bias=True),
    "attention_k_eq_v": config_of("gemma4_unified_text", attention_k_eq_v=True),
    "lfm2 that adjusts": config_of("lfm2", block_auto_adjust_ff_dim=True, intermediate_size=200),
}


def test_types_of_build_next_are_those_of_its_families() -> None:
    built_there = {
        kind for family in families().values() if family.build_environment == "build-next"
        for kind in family.model_types
    }  # fmt: skip
    assert built_there == set(NEXT_KINDS)
    for kind in built_there:
        assert is_of_transformers_5({"model_type": kind}), kind
    assert not any(is_of_transformers_5({"model_type": kind}) for kind in KINDS)


@pytest.mark.slow
@pytest.mark.next
def test_keys_defaults_names_and_shapes_are_those_of_transformers_5() -> None:
    command = [str(interpreter("build-next")), "-c", ASK, json.dumps(CASES)]
    environment = child_environment(offline=True)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    answer = json.loads(done.stdout.splitlines()[-1])
    assert transformers_version(CASES["smollm3"]) == f"transformers {answer['version']}"
    for name, config in CASES.items():
        theirs, facts = answer[name], architecture_of(config)
        assert theirs["class"] == facts.architecture
        assert {key: list(shape) for key, shape in expected_tensors(config).items()} == theirs["shapes"], name
        for key, value in facts.defaults.items():
            worked_out = value is None and key in WORKED_OUT
            assert worked_out or theirs["defaults"][key] == value, (name, key)
