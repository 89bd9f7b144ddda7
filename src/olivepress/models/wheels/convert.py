"""A GGUF file of a Llama → a Hugging Face model folder, the same bytes on every machine.

The config is the catalog's, of the model that the file was made from; the file's own metadata must agree with it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from olivepress.core.errors import SetupError
from olivepress.models.wheels.gguf_tokenizer import tokenizer_config, tokenizer_json

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["convert"]

_TYPES = frozenset({"F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K"})
_OUTSIDE = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
_IN_LAYER = {
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
# config.json's key → GGUF's.
_CONFIG = {
    "num_hidden_layers": "llama.block_count",
    "max_position_embeddings": "llama.context_length",
    "hidden_size": "llama.embedding_length",
    "intermediate_size": "llama.feed_forward_length",
    "num_attention_heads": "llama.attention.head_count",
    "num_key_value_heads": "llama.attention.head_count_kv",
    "rope_theta": "llama.rope.freq_base",
    "rms_norm_eps": "llama.attention.layer_norm_rms_epsilon",
    "vocab_size": "llama.vocab_size",
    "bos_token_id": "tokenizer.ggml.bos_token_id",
    "eos_token_id": "tokenizer.ggml.eos_token_id",
    "pad_token_id": "tokenizer.ggml.padding_token_id",
}


def convert(path: Path, config: Mapping[str, Any], out: Path) -> None:
    """Write config, generation config, tokenizer, chat template and float32 weights of ``path`` into ``out``.

    ``config`` is the content of the config.json that is written. Raises SetupError: the extra [build] is not installed,
    or a file that does not fit ``config``.
    """
    try:
        from gguf import GGUFReader
    except ImportError as error:
        raise SetupError(
            f"a GGUF file cannot be converted ({error})", next_step="pip install 'olivepress[build]'"
        ) from error
    try:
        reader = GGUFReader(path)
        values = {name: field.contents() for name, field in reader.fields.items()}
    except (ValueError, IndexError, KeyError, UnicodeDecodeError) as error:
        raise SetupError(f"{path.name}: not a GGUF file that can be read ({error})") from error
    _check_config(path, values, config)
    _dump(out / "config.json", dict(sorted(config.items())))
    tokens = {key: config[key] for key in ("bos_token_id", "eos_token_id", "pad_token_id")}
    _dump(out / "generation_config.json", tokens)
    _dump(out / "tokenizer.json", tokenizer_json(values))
    _dump(out / "tokenizer_config.json", tokenizer_config(values, int(config["max_position_embeddings"])))
    template = str(values["tokenizer.chat_template"])
    (out / "chat_template.jinja").write_bytes(template.encode())
    _write_weights(reader, config, out / "model.safetensors")


def _check_config(path: Path, values: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    if values.get("general.architecture") != config["model_type"]:
        message = f"{path.name}: architecture {values.get('general.architecture')!r}, expected {config['model_type']!r}"
        raise SetupError(message)
    for key, name in _CONFIG.items():
        value, expected = values.get(name), config[key]
        # GGUF stores fractions in 32 bits.
        if not isinstance(value, int | float) or not math.isclose(value, expected, rel_tol=1e-6):
            raise SetupError(f"{path.name}: {name} is {value!r}, expected {expected!r} ({key})")


def _write_weights(reader: Any, config: Mapping[str, Any], path: Path) -> None:
    import numpy as np
    from gguf import dequantize
    from safetensors.numpy import save_file

    weights: dict[str, NDArray[Any]] = {}
    for tensor in reader.tensors:
        kind = tensor.tensor_type
        if kind.name not in _TYPES:
            raise SetupError(f"tensor {tensor.name} is {kind.name}, expected {', '.join(sorted(_TYPES))}")
        data = dequantize(tensor.data, kind).astype(np.float32, copy=False)
        data = data.reshape([int(size) for size in reversed(tensor.shape)])
        name, part = _name_of(tensor.name)
        heads = {"attn_q": "num_attention_heads", "attn_k": "num_key_value_heads"}.get(part)
        weights[name] = np.ascontiguousarray(_halves(data, int(config[heads])) if heads else data)
    save_file(weights, path, metadata={"format": "pt"})


def _name_of(name: str) -> tuple[str, str]:
    """Hugging Face's name of a tensor, and its role in a layer."""
    words = name.split(".")
    if len(words) == 2 and words[0] in _OUTSIDE and words[1] == "weight":
        return f"{_OUTSIDE[words[0]]}.weight", words[0]
    if len(words) == 4 and words[0] == "blk" and words[2] in _IN_LAYER and words[3] == "weight":
        return f"model.layers.{int(words[1])}.{_IN_LAYER[words[2]]}.weight", words[2]
    raise SetupError(f"tensor {name} has no place in a Llama")


def _halves(weights: NDArray[Any], heads: int) -> NDArray[Any]:
    """llama.cpp rotates rows 2i and 2i + 1 of a head together, Hugging Face rows i and i + half: put back in order."""
    rows, columns = weights.shape
    return weights.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def _dump(path: Path, value: Mapping[str, Any]) -> None:
    path.write_bytes((json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode())
