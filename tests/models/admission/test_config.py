"""config.json, generation_config.json and the tokenizer: what the pinned transformers would take otherwise."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from olivepress.catalog import families
from olivepress.core.errors import RecipeError
from olivepress.models.admission import check_folder
from olivepress.models.admission.config_file import check_config
from olivepress.models.admission.rope_scaling import check_rope_scaling
from tests.models.admission.folders import KINDS, change_json, config_of, write_folder

LLAMA3 = {
    "rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_a_right_folder_of_every_kind_passes(kind: str, tmp_path: Path) -> None:
    check_folder(write_folder(tmp_path / "model", kind))


def test_what_published_models_write_beside_passes() -> None:
    """Keys that the real config.json files have and the config class does not take."""
    extra: dict[str, dict[str, Any]] = {
        "llama": {"is_llama_config": True, "rope_interleaved": False, "transformers.js_config": {"dtype": "q4"},
                  "pretraining_tp": 1, "unsloth_fixed": True, "unsloth_version": "2025.9", "_name_or_path": "x",
                  "_attn_implementation_autoset": True, "_model_name_or_path": "a GGUF's general.name"},
        "phi3": {"auto_map": {"AutoConfig": "configuration_phi3.Phi3Config",
                              "AutoModelForCausalLM": "modeling_phi3.Phi3ForCausalLM",
                              "AutoTokenizer": "Xenova/gpt-4o"},
                 "full_attn_mod": 1, "interpolate_factor": 1, "lm_head_bias": False, "mlp_bias": False,
                 "attention_bias": False},
        "qwen2": {"use_mrope": False, "sliding_window": 4096, "max_window_layers": 21},
        "gemma3_text": {"cache_implementation": "hybrid", "sliding_window_pattern": 6, "attn_logit_softcapping": None},
        "mistral": {"attention_bias": False, "torch_dtype": ..., "dtype": "bfloat16"},
    }  # fmt: skip
    for kind, keys in extra.items():
        check_config(Path("config.json"), config_of(kind, **keys))
    models = [facts.config for family in families().values() for facts in family.models.values()]
    for config in models:
        check_config(Path("config.json"), config)
        check_rope_scaling(Path("config.json"), config)
    assert len(models) > 15


@pytest.mark.parametrize(
    ("kind", "changes", "says"),
    [
        ("llama", {"rope_thetaa": 5e5}, r"config.json: key 'rope_thetaa' \(500000.0\).*did you mean 'rope_theta'"),
        ("llama", {"sliding_window": 32}, "key 'sliding_window'"),
        ("llama", {"original_max_position_embeddings": 64}, "key 'original_max_position_embeddings'"),
        ("llama", {"rope_interleaved": True}, "key 'rope_interleaved'"),
        ("llama", {"partial_rotary_factor": 0.5}, "key 'partial_rotary_factor'"),
        ("llama", {"seq_length": None}, "key 'seq_length'"),
        ("mistral", {"layer_types": ["full_attention", "sliding_attention"]}, "key 'layer_types'"),
        ("llama", {"quantization_config": {"quant_method": "awq"}}, r"quantized already \(awq\).*quantized from"),
        ("llama", {"quantization": {"group_size": 64, "bits": 4}}, "key 'quantization': the weights are quantized"),
        ("llama", {"auto_map": {"AutoModelForCausalLM": "modeling_mine.Mine"}}, "key 'auto_map' names code of its own"),
        ("llama", {"auto_map": {"AutoTokenizer": "owner/name--tokenization_mine.Mine"}}, "names code of its own"),
        ("phi3", {"interpolate_factor": 2}, "key 'interpolate_factor'"),
        ("llama", {"architectures": ["LlamaForSequenceClassification"]}, "key 'architectures'"),
        ("llama", {"tie_word_embeddings": "false"}, "key 'tie_word_embeddings' is 'false', expected true or false"),
        ("llama", {"max_position_embeddings": 0}, "key 'max_position_embeddings' is 0"),
        ("llama", {"max_position_embeddings": 10**9}, "expected at most 4194304"),
        ("llama", {"num_hidden_layers": 10**9}, "expected at most 1000"),
        ("llama", {"num_attention_heads": 5, "head_dim": 16}, "expected a multiple of num_key_value_heads"),
        ("llama", {"hidden_size": 66}, "'hidden_size' is 66, expected a multiple of num_attention_heads"),
        ("llama", {"torch_dtype": "bf16"}, "key 'torch_dtype' is 'bf16'"),
        ("llama", {"eos_token_id": [1, 40]}, "key 'eos_token_id' is 40, expected a token from 0 to 39"),
        ("qwen2", {"layer_types": ["full_attention"]}, "key 'layer_types' has 1 entries"),
        ("qwen2", {"layer_types": ["full_attention", "sliding_attention"]}, "and use_sliding_window is false"),
        ("llama", {"rope_scaling": {**LLAMA3, "factor": 0.5}}, "rope_scaling'.factor is 0.5, expected 1 or more"),
        ("llama", {"rope_scaling": {**LLAMA3, "factor": math.nan}}, "factor is nan, expected a number above 0"),
        ("llama", {"rope_scaling": {**LLAMA3, "low_freq_factor": 4.0}}, "high_freq_factor is 4.0, expected more than"),
        ("phi3", {"rope_scaling": {"type": "longrope", "short_factor": [math.inf] * 8, "long_factor": [1.0] * 8}},
         "short_factor is not a list of numbers above 0"),
        ("qwen2", {"layer_types": ["chunked_attention"] * 2}, "key 'layer_types' is"),
        ("mistral", {"sliding_window": 0}, "key 'sliding_window' is 0"),
        ("llama", {"rope_scaling": {"rope_type": "spiral"}}, "'spiral' is unknown"),
        ("llama", {"rope_scaling": {"type": "linear"}}, "rope_scaling'.factor is None"),
        ("phi3", {"rope_scaling": {"type": "longrope", "short_factor": [1.0], "long_factor": [1.0] * 8}},
         "short_factor has 1 numbers, expected 8"),
        ("phi3", {"rope_scaling": {"rope_type": "longrope", "short_factor": [1.0] * 8, "long_factor": [1.0] * 8}},
         "expected long_factor, short_factor, type"),
    ],
)  # fmt: skip
def test_a_config_that_would_be_read_otherwise(kind: str, changes: dict[str, Any], says: str, tmp_path: Path) -> None:
    model = write_folder(tmp_path / "model", kind)
    change_json(model / "config.json", changes)
    with pytest.raises(RecipeError, match=says) as error:
        check_folder(model)
    assert str(model / "config.json") in error.value.message


def test_rope_parameters_of_transformers_5_are_named_with_their_translation(tmp_path: Path) -> None:
    model = write_folder(tmp_path / "model", rope_theta=...)
    parameters = {"rope_theta": 500000.0, **LLAMA3}
    change_json(model / "config.json", {"rope_parameters": parameters, "transformers_version": "5.2.0"})
    with pytest.raises(RecipeError, match=r"'rope_parameters' \(of transformers 5\.2\.0\)") as error:
        check_folder(model)
    assert "rope_theta 10000.0 instead of 500000.0" in error.value.message
    added = json.loads("{" + str(error.value.next_step).split(": ", 1)[1] + "}")
    assert added == {"rope_theta": 500000.0, "rope_scaling": LLAMA3}
    change_json(model / "config.json", added)
    check_folder(model)  # as it says, it is taken
    change_json(model / "config.json", {"rope_scaling": {**LLAMA3, "factor": 8.0}})
    with pytest.raises(RecipeError, match="rope_parameters"):
        check_folder(model)


def test_nested_rope_parameters_of_gemma(tmp_path: Path) -> None:
    model = write_folder(tmp_path / "model", "gemma3_text")
    nested = {
        "full_attention": {"rope_type": "default", "rope_theta": 1000000.0},
        "sliding_attention": {"rope_type": "default", "rope_theta": 20000.0},
    }
    change_json(model / "config.json", {"rope_parameters": nested})
    with pytest.raises(RecipeError) as error:
        check_folder(model)
    wanted = {"rope_theta": 1000000.0, "rope_scaling": None, "rope_local_base_freq": 20000.0}
    assert json.dumps(wanted)[1:-1] in str(error.value)
    change_json(model / "config.json", {"rope_parameters": {"chunked_attention": {}}})
    with pytest.raises(RecipeError, match="no form that can be translated"):
        check_folder(model)


@pytest.mark.parametrize(
    ("file", "changes", "says"),
    [
        ("tokenizer_config.json", {"tokenizer_class": "TokenizersBackend"}, "'TokenizersBackend' .of transformers 5"),
        ("tokenizer_config.json", {"tokenizer_class": "MyTokenizer"}, "key 'tokenizer_class' is 'MyTokenizer'"),
        ("tokenizer_config.json", {"extra_special_tokens": ["<a>"]}, "call the key additional_special_tokens"),
        ("tokenizer.json", {"added_tokens": [{"content": "<new>", "id": 40}]}, "'<new>' has the id 40.*has 40 rows"),
        ("tokenizer.json", {"added_tokens": [7]}, "key 'added_tokens'"),
        ("tokenizer.json", {"model": {"vocab": {}}}, "a vocabulary without tokens"),
        ("generation_config.json", {"eos_token_id": 99}, "key 'eos_token_id' is 99"),
        ("generation_config.json", {"temperature": 0.9, "top_p": 0.6}, 'temperature, top_p:.*write "do_sample": true'),
    ],
)
def test_files_beside_the_config(file: str, changes: dict[str, Any], says: str, tmp_path: Path) -> None:
    model = write_folder(tmp_path / "model")
    change_json(model / file, changes)
    with pytest.raises(RecipeError, match=says) as error:
        check_folder(model)
    assert str(model / file) in error.value.message


@pytest.mark.parametrize(("kind", "refused"), [("llama", True), ("smollm3", False)])
def test_a_token_ends_an_answer(kind: str, refused: bool, tmp_path: Path) -> None:
    """The pinned builder writes null where no file names one, and the runtime opens no such model; the newer one takes
    the tokenizer's."""
    model = write_folder(tmp_path / "model", kind)
    change_json(model / "config.json", {"eos_token_id": None})
    check_folder(model)  # generation_config.json names one
    change_json(model / "generation_config.json", {"eos_token_id": None})
    if not refused:
        check_folder(model)
        return
    with pytest.raises(RecipeError, match=r"names the token that ends an answer.*next: write eos_token_id"):
        check_folder(model)
    (model / "generation_config.json").unlink()
    with pytest.raises(RecipeError, match="names the token that ends an answer"):
        check_folder(model)


@pytest.mark.parametrize(
    ("file", "changes"),
    [
        ("tokenizer_config.json", {"pad_token": "[NEW]"}),
        ("tokenizer_config.json", {"pad_token": {"content": "[NEW]", "lstrip": False}}),
        ("tokenizer_config.json", {"additional_special_tokens": ["t3", "[NEW]"]}),
        ("tokenizer_config.json", {"extra_special_tokens": {"image_token": "[NEW]"}}),
        ("tokenizer_config.json", {"added_tokens_decoder": {"40": {"content": "[NEW]", "special": True}}}),
        ("special_tokens_map.json", {"pad_token": "[NEW]"}),
        ("added_tokens.json", {"[NEW]": 40}),
    ],
)
def test_a_token_that_the_settings_add(file: str, changes: dict[str, Any], tmp_path: Path) -> None:
    """transformers puts it behind the vocabulary: a row that the embedding does not have."""
    model = write_folder(tmp_path / "model")
    change_json(model / file, changes)
    with pytest.raises(RecipeError, match=r"'\[NEW\]' is not in the vocabulary.*with the id 40.*has 40 rows") as error:
        check_folder(model)
    assert str(model / file) in error.value.message
    vocabulary = {f"t{number}": number for number in range(38)}
    change_json(model / "tokenizer.json", {"model": {"type": "BPE", "vocab": vocabulary}})
    check_folder(model)  # the embedding has room for it


def test_gemma_has_a_token_without_a_row(tmp_path: Path) -> None:
    model = write_folder(tmp_path / "model", "gemma3_text")
    change_json(model / "tokenizer.json", {"added_tokens": [{"content": "<image_soft_token>", "id": 40}]})
    check_folder(model)


def test_no_tokenizer(tmp_path: Path) -> None:
    model = write_folder(tmp_path / "model")
    (model / "tokenizer.json").rename(model / "tokenizer.model")
    with pytest.raises(RecipeError, match=r"tokenizer\.model without tokenizer\.json"):
        check_folder(model)
    (model / "tokenizer.model").unlink()
    with pytest.raises(RecipeError, match=r"no tokenizer\.json"):
        check_folder(model)


ODD = (None, True, "x", -1, 0, 1.5, float("inf"), [], {}, [[1]], {"a": [1]}, 10**30)


@pytest.mark.parametrize("kind", KINDS)
def test_no_value_breaks_the_check(kind: str, tmp_path: Path) -> None:
    """Whatever stands behind a key, the answer is a RecipeError or none."""
    model = write_folder(tmp_path / "model", kind)
    for file in ("config.json", "generation_config.json", "tokenizer_config.json", "tokenizer.json"):
        text = (model / file).read_text()
        beside = ["rope_scaling", "rope_parameters", "layer_types", "auto_map", "head_dim", "num_beams", "model"]
        refused = 0
        for key in (*json.loads(text), *beside, "quantization_config", "extra_special_tokens", "temperature"):
            for value in ODD:
                change_json(model / file, {key: value})
                try:
                    check_folder(model)
                except RecipeError as error:
                    refused += 1
                    assert "\n" not in str(error)
                (model / file).write_text(text)
        assert refused > 10
