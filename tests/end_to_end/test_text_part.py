"""Models of images and text as transformers itself saves them: the text part computes what the whole computes on text.

Those of build-next are marked ``next``: ``make test-next`` installs it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from olivepress.core.artifact import read_manifest
from olivepress.core.privacy import child_environment
from olivepress.environments.lookup import interpreter
from olivepress.models.text_part import make_text_part, text_part_of
from olivepress.synthetic.special_tokens import special_tokens
from olivepress.synthetic.tokenizer import make_tokenizer
from tests.conftest import ROOT
from tests.end_to_end.families import write_recipe
from tests.models.admission.folders import read_weights

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
Cli = Callable[..., subprocess.CompletedProcess[str]]
VOCABULARY = 608
_TEXT: dict[str, Any] = {
    "vocab_size": VOCABULARY, "hidden_size": 128, "intermediate_size": 192, "num_hidden_layers": 4, "head_dim": 32,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 512, "bos_token_id": None,
    "eos_token_id": 605, "pad_token_id": None,
}  # fmt: skip
_IMAGES: dict[str, Any] = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 28,
    "patch_size": 14,
}  # fmt: skip
# name → config.json of the whole model, as far as it is not the class's default
WHOLE: dict[str, dict[str, Any]] = {
    "gemma3": {
        "model_type": "gemma3", "image_token_index": 600, "boi_token_index": 601, "eoi_token_index": 602,
        "mm_tokens_per_image": 4, "vision_config": {"model_type": "siglip_vision_model", **_IMAGES},
        "text_config": {
            **_TEXT, "model_type": "gemma3_text", "hidden_size": 256, "query_pre_attn_scalar": 32,
            "num_hidden_layers": 7, "sliding_window": 32, "rope_scaling": {"rope_type": "linear", "factor": 8.0},
        },
    },
    "mistral3": {
        "model_type": "mistral3", "image_token_index": 600, "tie_word_embeddings": False,
        "vision_config": {"model_type": "pixtral", "head_dim": 16, **_IMAGES},
        "text_config": {**_TEXT, "model_type": "mistral", "sliding_window": None, "tie_word_embeddings": False},
    },
    "ministral3": {
        "model_type": "mistral3", "image_token_index": 600, "tie_word_embeddings": True,
        "vision_config": {"model_type": "pixtral", "head_dim": 16, **_IMAGES},
        "text_config": {
            **_TEXT, "model_type": "ministral3", "sliding_window": None, "tie_word_embeddings": True,
            "rope_parameters": {
                "rope_type": "yarn", "rope_theta": 1e6, "factor": 8.0, "original_max_position_embeddings": 256,
                "beta_fast": 4.0, "beta_slow": 1.0, "mscale": 1.0, "mscale_all_dim": 1.0, "llama_4_scaling_beta": 0.1,
            },
        },
    },
    "qwen3_5": {
        "model_type": "qwen3_5", "image_token_id": 600, "video_token_id": 601, "vision_start_token_id": 602,
        "vision_end_token_id": 603,
        "vision_config": {
            "model_type": "qwen3_5", "hidden_size": 32, "intermediate_size": 64, "depth": 2, "num_heads": 2,
            "patch_size": 14, "out_hidden_size": 128, "num_position_embeddings": 16,
        },
        "text_config": {
            **_TEXT, "model_type": "qwen3_5_text", "head_dim": 64, "linear_key_head_dim": 32,
            "linear_value_head_dim": 32, "linear_num_key_heads": 2, "linear_num_value_heads": 4,
            "layer_types": ["linear_attention"] * 3 + ["full_attention"],
            "rope_parameters": {
                "rope_type": "default", "rope_theta": 1e7, "partial_rotary_factor": 0.25, "mrope_section": [3, 3, 2],
                "mrope_interleaved": True,
            },
        },
    },
}  # fmt: skip
SAVE = """
import json, sys
import numpy as np, torch
from transformers import AutoConfig, AutoModelForImageTextToText
values, folder = json.loads(sys.argv[1]), sys.argv[2]
config = AutoConfig.for_model(values.pop("model_type"), **values)
for each in (config, config.text_config):
    each.bos_token_id = each.pad_token_id = None
model = AutoModelForImageTextToText.from_config(config, torch_dtype=torch.float32).eval()
draw = torch.Generator().manual_seed(3)
with torch.no_grad():
    for name, weight in model.named_parameters():
        noise = torch.randn(weight.shape, generator=draw)
        weight.copy_(weight + 0.1 * noise if weight.dim() < 2 else noise / weight.shape[-1] ** 0.5)
model.save_pretrained(folder)
ids = torch.randint(1, 590, (1, 80), generator=draw)
with torch.inference_mode():
    np.savez(folder + ".npz", ids=ids.numpy(), logits=model(input_ids=ids).logits[0].numpy())
"""
READ = """
import sys
import numpy as np, torch
from transformers import AutoModelForCausalLM
known = np.load(sys.argv[2] + ".npz")
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], torch_dtype=torch.float32).eval()
with torch.inference_mode():
    logits = model(input_ids=torch.tensor(known["ids"])).logits[0].numpy()
print(type(model).__name__, abs(logits - known["logits"]).max())
"""


def save_whole(name: str, folder: Path, python: Path) -> Path:
    """A small random model, saved by the transformers of ``python``, with its logits of a text in FOLDER.npz."""
    ask(python, SAVE, json.dumps(WHOLE[name]), str(folder))
    make_tokenizer(VOCABULARY, special_tokens(WHOLE[name]["text_config"]["model_type"], VOCABULARY), folder)
    return folder


def ask(python: Path, code: str, *arguments: str) -> str:
    command = [str(python), "-c", code, *arguments]
    done = subprocess.run(command, env=child_environment(offline=True), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1] if done.stdout else ""


def check_logits(name: str, python: Path, architecture: str) -> None:
    part, _ = text_part_of(save_whole(name, Path("models", name), python))
    folder = make_text_part(part, on_progress=lambda *_: None)
    assert ask(python, READ, str(folder), f"models/{name}") == f"{architecture} 0.0"


@pytest.mark.parametrize(
    ("name", "architecture"), [("gemma3", "Gemma3ForCausalLM"), ("mistral3", "MistralForCausalLM")]
)
def test_the_logits_are_those_of_the_whole_model(name: str, architecture: str, project: Path) -> None:
    check_logits(name, Path(sys.executable), architecture)


@pytest.mark.next
@pytest.mark.parametrize(
    ("name", "architecture"),
    [("gemma3", "Gemma3ForCausalLM"), ("ministral3", "Ministral3ForCausalLM"), ("qwen3_5", "Qwen3_5ForCausalLM")],
)
def test_the_logits_are_those_of_the_whole_model_in_build_next(name: str, architecture: str, project: Path) -> None:
    (project / ".environments").symlink_to(ROOT / ".environments")
    check_logits(name, interpreter("build-next"), architecture)


def test_the_text_part_is_what_is_trained_merged_and_exported(project: Path, olivepress_here: Cli) -> None:
    whole = save_whole("mistral3", Path("models", "seeing"), Path(sys.executable))
    write_recipe(
        Path("recipes", "small.yaml"), "models/seeing", targets=["cpu-fp32"],
        limits={"rows": 0, "max_kl_divergence": 5.0, "min_top1_agreement": 0.0},
    )  # fmt: skip
    done = olivepress_here("run", "small")
    assert done.returncode == 0, done.stderr
    assert "models/seeing is a model of images and text: its text part alone" in done.stdout + done.stderr
    before, after = (read_weights(folder / "model.safetensors") for folder in (whole, Path("runs/small/merge/model")))
    for name in ("model.embed_tokens.weight", "model.layers.3.input_layernorm.weight", "model.norm.weight"):
        assert np.array_equal(after[name], before[name.replace("model.", "language_model.model.", 1)]), name
    trained = "model.layers.0.self_attn.q_proj.weight"
    assert not np.array_equal(after[trained], before[trained.replace("model.", "language_model.model.", 1)])
    assert not [name for name in after if "vision" in name or "projector" in name]
    manifest = read_manifest(Path("runs/small/export-cpu-fp32"), verify=True)
    assert (manifest.base_model, manifest.base_model_part) == ("models/seeing", "text")
    assert manifest.checks and all(check.passed for check in manifest.checks)
