"""Text parts of models of images and text: recognized, checked, taken out bit by bit, made again after a change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from olivepress.core.errors import RecipeError, SetupError
from olivepress.models.admission.layout import expected_tensors
from olivepress.models.text_part import (
    check_source,
    has_text_part,
    is_text_part,
    make_text_part,
    text_part_of,
    text_part_on_hub,
)
from olivepress.models.text_part import make as making
from tests.models.admission.folders import change_json, config_of, read_weights, write_folder, write_weights
from tests.models.text_part.whole import NEW, OLD, WHOLE, name_in_whole, write_whole


def quiet(*_: Any) -> None:
    """No progress."""


@pytest.mark.parametrize("prefix", [OLD, NEW])
@pytest.mark.parametrize("kind", WHOLE)
def test_the_text_part_is_taken_out_bit_by_bit(
    kind: str, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = write_whole(Path("whole"), kind, prefix)
    assert has_text_part(json.loads((source / "config.json").read_text()))
    part, facts = text_part_of(source)
    assert (part.source, part.folder, part.revision) == ("whole", Path("models/text-of-whole"), None)
    folder = make_text_part(part, on_progress=quiet)
    weights, before = read_weights(folder / "model.safetensors"), read_weights(source / "model.safetensors")
    assert set(weights) == set(expected_tensors(config_of(WHOLE[kind][1])))
    for name, tensor in weights.items():
        assert np.array_equal(tensor, before[name_in_whole(name, prefix)]), name
    assert facts.parameters == sum(tensor.size for tensor in weights.values())
    config = json.loads((folder / "config.json").read_text())
    assert config["model_type"] == WHOLE[kind][1] and "vision_config" not in config and "text_config" not in config
    assert config["architectures"] == config_of(WHOLE[kind][1])["architectures"]
    assert (folder / "tokenizer.json").read_bytes() == (source / "tokenizer.json").read_bytes()


def test_keys_left_out_are_those_of_the_class(tmp_path: Path) -> None:
    """As google/gemma-3-4b-it states its text part: six keys, everything else is the class's default."""
    path = tmp_path / "config.json"
    text = {
        "hidden_size": 2560, "intermediate_size": 10240, "model_type": "gemma3_text", "num_hidden_layers": 34,
        "rope_scaling": {"factor": 8.0, "rope_type": "linear"}, "sliding_window": 1024,
    }  # fmt: skip
    whole = {
        "architectures": ["Gemma3ForConditionalGeneration"], "model_type": "gemma3", "text_config": text,
        "eos_token_id": [1, 106], "torch_dtype": "bfloat16", "mm_tokens_per_image": 256, "vision_config": {},
    }  # fmt: skip
    config = text_part_on_hub("google/gemma-3-4b-it", "c" * 40, path, whole).config
    wanted = {
        "vocab_size": 262208, "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256,
        "eos_token_id": [1, 106], "tie_word_embeddings": True, "torch_dtype": "bfloat16", "hidden_size": 2560,
        "rope_scaling": {"factor": 8.0, "rope_type": "linear"}, "rope_theta": 1000000.0,
    }  # fmt: skip
    assert {key: config[key] for key in wanted} == wanted and "mm_tokens_per_image" not in config


@pytest.mark.parametrize(
    ("text", "whole", "ends"),
    [
        ({}, {}, 1),  # the class's
        ({"eos_token_id": None}, {}, None),  # none: the tokenizer's counts
        ({"eos_token_id": None}, {"eos_token_id": [1, 106]}, [1, 106]),
        ({"eos_token_id": 5}, {"eos_token_id": [1, 106]}, 5),
    ],
)
def test_the_end_tokens_of_a_text_part(text: dict[str, Any], whole: dict[str, Any], ends: Any, tmp_path: Path) -> None:
    config = {
        "architectures": ["Gemma3ForConditionalGeneration"], "model_type": "gemma3", "vision_config": {}, **whole,
        "text_config": {"model_type": "gemma3_text", **text},
    }  # fmt: skip
    part = text_part_on_hub("google/gemma-3-4b-it", "c" * 40, tmp_path / "config.json", config)
    assert part.config["eos_token_id"] == ends


def test_what_transformers_5_saved_is_written_for_transformers_4(tmp_path: Path) -> None:
    rope = {
        "full_attention": {"factor": 8.0, "rope_theta": 2e6, "rope_type": "linear"},
        "sliding_attention": {"rope_theta": 2e4, "rope_type": "default"},
    }
    source = write_whole(tmp_path / "w", "gemma3", text={"rope_parameters": rope})
    config = text_part_of(source)[0].config
    assert (config["rope_theta"], config["rope_local_base_freq"]) == (2e6, 2e4) and "rope_parameters" not in config
    assert config["rope_scaling"] == {"factor": 8.0, "rope_type": "linear"}


def test_keys_of_qwen3_5_that_say_nothing(tmp_path: Path) -> None:
    extra = {
        "attn_output_gate": True, "mamba_ssm_dtype": "float32", "mlp_only_layers": [], "full_attention_interval": 4,
        "mtp_num_hidden_layers": 1, "mtp_use_dedicated_embeddings": False,
    }  # fmt: skip
    source = write_whole(tmp_path / "w", "qwen3_5", NEW, text=extra)
    tensors = read_weights(source / "model.safetensors")
    write_weights(source / "model.safetensors", {**tensors, "mtp.layers.0.mlp.up_proj.weight": np.ones(3, "<f4")})
    check_source(source)
    assert not set(extra) & set(text_part_of(source)[0].config)
    change_json(source / "config.json", {"text_config": {**config_of("qwen3_5_text"), "mamba_ssm_dtype": "float16"}})
    with pytest.raises(RecipeError, match=r"\(text_config\): key 'mamba_ssm_dtype'"):
        check_source(source)


def test_shards_and_a_change_of_the_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    source = write_whole(Path("whole"), "gemma3")
    tensors = read_weights(source / "model.safetensors")
    (source / "model.safetensors").unlink()
    halves = [dict(list(tensors.items())[number::2]) for number in (0, 1)]
    names = [f"model-0000{number}-of-00002.safetensors" for number in (1, 2)]
    for name, half in zip(names, halves, strict=True):
        write_weights(source / name, half)
    index = {tensor: name for name, half in zip(names, halves, strict=True) for tensor in half}
    (source / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    part, _ = text_part_of(source)
    folder = make_text_part(part, on_progress=quiet)
    weight_map = json.loads((folder / "model.safetensors.index.json").read_text())["weight_map"]
    assert set(weight_map) == set(expected_tensors(config_of("gemma3_text"))) and set(weight_map.values()) == set(names)
    name = "model.layers.1.mlp.up_proj.weight"
    assert np.array_equal(read_weights(folder / weight_map[name])[name], tensors[name.replace("model.", OLD, 1)])

    first = (folder / "text-part.json").stat().st_ino
    assert make_text_part(part, on_progress=quiet) == folder
    assert (folder / "text-part.json").stat().st_ino == first  # not made again
    changed = {key: value + 1 for key, value in halves[0].items()}
    write_weights(source / names[0], changed)
    make_text_part(part, on_progress=quiet)
    assert (folder / "text-part.json").stat().st_ino != first
    some = next(key for key in changed if key.endswith("up_proj.weight"))
    name = some.replace(OLD, "model.", 1)
    assert np.array_equal(read_weights(folder / weight_map[name])[name], changed[some])


def test_a_commit_of_the_hub_is_taken_out_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    snapshot = write_whole(tmp_path / "cache", "gemma3")
    fetched: list[str] = []

    def fetch(model_id: str, revision: str, names: Any) -> Path:
        fetched.append(f"{model_id}@{revision[:3]}")
        return snapshot

    monkeypatch.setattr(making, "fetch", fetch)
    config = json.loads((snapshot / "config.json").read_text())
    part = text_part_on_hub("someone/vision-4b", "a" * 40, snapshot / "config.json", config)
    folder = make_text_part(part, on_progress=quiet)
    assert folder == Path("models/text-of-vision-4b") and fetched == ["someone/vision-4b@aaa"] * 2
    make_text_part(part, on_progress=quiet)
    assert len(fetched) == 2  # nor is the Hub asked again
    assert json.loads((folder / "text-part.json").read_text())["revision"] == "a" * 40


def test_folders_of_other_content_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    part, _ = text_part_of(write_whole(Path("whole"), "gemma3"))
    write_folder(part.folder, "llama")
    with pytest.raises(SetupError, match=r"models/text-of-whole: contains something other than the text part"):
        make_text_part(part, on_progress=quiet)
    assert json.loads((part.folder / "config.json").read_text())["model_type"] == "llama"


def test_an_interruption_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    part, _ = text_part_of(write_whole(Path("whole"), "gemma3"))

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(making, "check_folder", interrupted)
    with pytest.raises(KeyboardInterrupt):
        make_text_part(part, on_progress=quiet)
    assert not part.folder.exists() and not list(Path("models").glob(".text-of*"))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"architectures": ["Gemma3ForCausalLM"]}, "key 'architectures' is .'Gemma3ForCausalLM'., expected"),
        ({"text_config": {"model_type": "falcon_h1"}}, "model_type 'falcon_h1'"),
        ({"text_config": {}}, "key 'text_config' has no 'model_type'"),
        ({"quantization_config": {"quant_method": "fp8"}}, r"\(text_config\): key 'quantization_config': .*\(fp8\)"),
    ],
)
def test_configs_that_cannot_be(change: dict[str, Any], says: str, tmp_path: Path) -> None:
    source = write_whole(tmp_path / "w", "gemma3")
    change_json(source / "config.json", change)
    with pytest.raises(RecipeError, match=says):
        check_source(source)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"language_model.model.layers.0.mlp.up_proj.weight": None}, "no model.layers.0.mlp.up_proj.weight, which"),
        ({"language_model.model.layers.0.mlp.extra.weight": (2,)}, "model.layers.0.mlp.extra.weight would be left out"),
        ({"model.language_model.norm.weight": (64,)}, "is there twice, as model.norm.weight"),
        ({"talker.codec.weight": (2,)}, "talker.codec.weight belongs to no part that is known"),
        ({"language_model.lm_head.weight": (40, 64)}, "lm_head.weight differs from model.embed_tokens.weight"),
    ],
)
def test_weights_that_do_not_fit(change: dict[str, tuple[int, ...] | None], says: str, tmp_path: Path) -> None:
    source = write_whole(tmp_path / "w", "gemma3")
    tensors = read_weights(source / "model.safetensors")
    for name, shape in change.items():
        if shape is None:
            del tensors[name]
        else:
            tensors[name] = np.zeros(shape, "<f4")
    write_weights(source / "model.safetensors", tensors)
    with pytest.raises(RecipeError, match=says):
        check_source(source)


def test_other_models_of_images_have_no_part_that_is_taken() -> None:
    assert not has_text_part({"model_type": "llava", "text_config": {"model_type": "llama"}})
    assert not has_text_part({"model_type": "gemma3_text"}) and not has_text_part({"model_type": "gemma3"})
    assert is_text_part("models/text-of-gemma-3-4b-it") and not is_text_part("models/gemma") and not is_text_part("x")


@pytest.mark.parametrize(("inner", "outer"), [(True, None), (True, False), (None, True)])
def test_a_tied_head_is_tied_in_the_text_part(inner: bool | None, outer: bool | None, tmp_path: Path) -> None:
    """mlx-lm's issue 648: Ministral 3 is tied, and mistral3 was read as if no text part ever were."""
    source = write_whole(tmp_path / "w", "mistral3", text={"tie_word_embeddings": True})
    config = json.loads((source / "config.json").read_text())
    text = {**config["text_config"], "tie_word_embeddings": inner}
    (source / "config.json").write_text(json.dumps({**config, "text_config": text, "tie_word_embeddings": outer}))
    check_source(source)
    assert text_part_of(source)[0].config["tie_word_embeddings"] is True


def test_a_head_that_nothing_ties_is_missed(tmp_path: Path) -> None:
    """transformers' pull request 45953: with names that do not fit, head and layers are random, with a warning."""
    source = write_whole(tmp_path / "w", "mistral3", text={"tie_word_embeddings": True})
    config = json.loads((source / "config.json").read_text())
    del config["text_config"]["tie_word_embeddings"]
    (source / "config.json").write_text(json.dumps(config))
    with pytest.raises(RecipeError, match=r"no lm_head.weight in the weights, and tie_word_embeddings is not true"):
        check_source(source)
