"""Random models of a small shape: loadable, reproducible, complete or absent."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from olivepress.core.errors import RecipeError, SetupError
from olivepress.synthetic import MARKER, make_random_model, weight_bytes

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

SMALL: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 600,
    "max_position_embeddings": 256,
    "rms_norm_eps": 1e-5,
    "torch_dtype": "bfloat16",
    "tie_word_embeddings": True,
}
LONGROPE = {"type": "longrope", "short_factor": [1.0] * 6, "long_factor": [1.0, 1.5, 2.0, 3.0, 4.0, 5.0]}
# Of the qwen2 model with seed 7: changes when the way weights are drawn changes, and then MARKER's format must too.
GOLDEN = "db0f66fa7f91f16f"
CONFIGS: dict[str, dict[str, Any]] = {
    "phi3": {
        **SMALL,
        "model_type": "phi3",
        "architectures": ["Phi3ForCausalLM"],
        "partial_rotary_factor": 0.75,
        "original_max_position_embeddings": 128,
        "rope_scaling": LONGROPE,
        "bos_token_id": 199999,
        "eos_token_id": 199999,
        "pad_token_id": 199999,
    },
    "llama": {
        **SMALL,
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "bos_token_id": 128000,
        "eos_token_id": [128001, 128008, 128009],
    },
    "qwen2": {**SMALL, "model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"], "eos_token_id": 151645},
    "qwen3": {**SMALL, "model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"], "head_dim": 16},
    "gemma3_text": {**SMALL, "model_type": "gemma3_text", "architectures": ["Gemma3ForCausalLM"], "head_dim": 16},
    "mistral": {**SMALL, "model_type": "mistral", "architectures": ["MistralForCausalLM"]},
    "smollm3": {
        **SMALL,
        "model_type": "smollm3",
        "architectures": ["SmolLM3ForCausalLM"],
        "eos_token_id": 128012,
        "pad_token_id": 128004,
    },
}


def _digests(directory: Path) -> dict[str, str]:
    found = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in directory.iterdir()}
    assert MARKER in found and "config.json" in found
    return found


@pytest.mark.parametrize("family", CONFIGS)
@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
def test_loads_in_transformers(tmp_path: Path, family: str, tied: bool) -> None:
    config = {**CONFIGS[family], "tie_word_embeddings": tied}
    make_random_model(config, tmp_path / "model", seed=1)
    model, report = transformers.AutoModelForCausalLM.from_pretrained(
        tmp_path / "model", torch_dtype="auto", output_loading_info=True
    )
    assert not report["missing_keys"] and not report["unexpected_keys"] and not report["mismatched_keys"]
    same = model.get_input_embeddings().weight.data_ptr() == model.get_output_embeddings().weight.data_ptr()
    assert same is tied
    assert model.dtype is torch.bfloat16
    assert sum(p.numel() for p in model.parameters()) * 2 == weight_bytes(config)
    logits = model(input_ids=torch.arange(8)[None]).logits
    assert logits.isfinite().all() and logits.std() > 0.01


def test_token_ids_fall_inside_a_small_vocabulary(tmp_path: Path) -> None:
    make_random_model(CONFIGS["llama"], tmp_path / "model", seed=1)
    config = json.loads((tmp_path / "model/config.json").read_text())
    generation = json.loads((tmp_path / "model/generation_config.json").read_text())
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "model")
    assert config["bos_token_id"] == tokenizer.bos_token_id < 600
    assert tokenizer.eos_token_id in generation["eos_token_id"]
    assert all(token < 600 for token in generation["eos_token_id"])


def test_weights_are_normal_and_norms_differ(tmp_path: Path) -> None:
    make_random_model(CONFIGS["llama"], tmp_path / "model", seed=1, dtype="float32")
    model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "model", torch_dtype="auto")
    weights = dict(model.named_parameters())
    assert weights["model.layers.0.mlp.up_proj.weight"].std().item() == pytest.approx(0.02, rel=0.05)
    first, second = (weights[f"model.layers.{n}.input_layernorm.weight"] for n in (0, 1))
    assert first.mean().item() == pytest.approx(1.0, abs=0.05)
    assert first.std() > 0.01 and not torch.equal(first, second)


def test_norms_that_add_one_are_drawn_around_zero(tmp_path: Path) -> None:
    make_random_model(CONFIGS["gemma3_text"], tmp_path / "model", seed=1, dtype="float32")
    model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "model", torch_dtype="auto")
    norms = [weight for name, weight in model.named_parameters() if name.endswith("norm.weight")]
    assert len(norms) == 2 * 6 + 1 and all(abs(weight.mean().item()) < 0.05 < 8 * weight.std() for weight in norms)


def test_no_embedding_row_is_zero(tmp_path: Path) -> None:
    # transformers' own random models have a zero row at pad_token_id; Phi's is also BOS, and a zero first position
    # makes the gradient overflow after some thirty RMSNorm layers, in float32 too.
    make_random_model(CONFIGS["phi3"], tmp_path / "model", seed=1)
    model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "model", torch_dtype="auto")
    assert (model.get_input_embeddings().weight.abs().sum(dim=1) > 0).all()


def test_same_seed_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        make_random_model(CONFIGS["qwen2"], tmp_path / name, seed=seed)
    a, b, c = (_digests(tmp_path / name) for name in "abc")
    assert a == b
    assert a["model.safetensors"] != c["model.safetensors"] and a["tokenizer.json"] == c["tokenizer.json"]


def test_bytes_are_the_same_on_every_machine(tmp_path: Path) -> None:
    make_random_model(CONFIGS["qwen2"], tmp_path / "model", seed=7)
    assert _digests(tmp_path / "model")["model.safetensors"].startswith(GOLDEN)


def test_shards_hold_what_one_file_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_random_model(CONFIGS["llama"], tmp_path / "one", seed=1)
    monkeypatch.setattr("olivepress.synthetic.model._SHARD_BYTES", 60_000)
    monkeypatch.setattr("olivepress.synthetic.model._SLICE", 1000)
    make_random_model(CONFIGS["llama"], tmp_path / "many", seed=1)
    assert len(list((tmp_path / "many").glob("model-*.safetensors"))) > 1
    one, many = (
        transformers.AutoModelForCausalLM.from_pretrained(tmp_path / name, torch_dtype="auto").state_dict()
        for name in ("one", "many")
    )
    assert one.keys() == many.keys() and all(torch.equal(one[name], many[name]) for name in one)


def test_leftovers_of_a_killed_run_are_cleaned(tmp_path: Path) -> None:
    partial = tmp_path / ".model.99999999.partial"  # of a process that no longer runs
    partial.mkdir()
    (partial / "model.safetensors").write_bytes(b"half a model")
    make_random_model(CONFIGS["llama"], tmp_path / "model", seed=1)
    assert not partial.exists() and (tmp_path / "model/model.safetensors").stat().st_size > 1000


def test_a_failure_leaves_no_model(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_random_model(CONFIGS["llama"], tmp_path / "model", seed=1, progress=stop)
    assert not (tmp_path / "model").exists()


def test_a_finished_model_is_kept_and_another_is_refused(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    make_random_model(CONFIGS["llama"], tmp_path / "model", seed=1, progress=lambda *at: seen.append(at))
    assert seen[-1][0] == seen[-1][1] == weight_bytes(CONFIGS["llama"])
    seen.clear()
    make_random_model(CONFIGS["llama"], tmp_path / "model", seed=1, progress=lambda *at: seen.append(at))
    assert not seen
    with pytest.raises(SetupError, match="something else"):
        make_random_model(CONFIGS["llama"], tmp_path / "model", seed=2)


def test_unbuildable_configs_are_recipe_errors(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="cannot build"):
        make_random_model({**CONFIGS["llama"], "model_type": "no-such"}, tmp_path / "model", seed=1)
    with pytest.raises(RecipeError, match="dtype"):
        make_random_model(CONFIGS["llama"], tmp_path / "model", seed=1, dtype="int3")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_said_before_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage:
        free = 1000

    monkeypatch.setattr("olivepress.synthetic.model.shutil.disk_usage", lambda path: Usage)
    with pytest.raises(SetupError, match="free"):
        make_random_model(CONFIGS["llama"], tmp_path / "model", seed=1)
    assert list(tmp_path.iterdir()) == []
