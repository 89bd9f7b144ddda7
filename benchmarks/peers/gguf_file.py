"""GGUF files from a Hugging Face folder, mixed as ``llama-quantize`` mixes them.

Runs where ``gguf`` and ``xllamacpp`` are: ``python -m peers.gguf_file MODEL OUT q4_0|q4_k_m|q8_0``. The wheel exports
``ggml_quantize_chunk``, llama.cpp's own quantizer of rows, but not ``llama_model_quantize``, which chooses the types;
``tensor_type`` chooses as that does (llama.cpp, src/llama-quant.cpp). The file has a tokenizer where ``gguf_tokenizer``
knows what llama.cpp calls it; token ids go in all the same.
"""

from __future__ import annotations

import ctypes
import json
import math
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from peers.gguf_tokenizer import describe_tokenizer

FORMAT = 2  # of the files written here: what was written in another one is written again
# ggml.h, enum ggml_type
GGML_TYPES = {"F32": 0, "F16": 1, "Q4_0": 2, "Q5_0": 6, "Q5_1": 7, "Q8_0": 8, "Q4_K": 12, "Q5_K": 13, "Q6_K": 14}
FILE_TYPES = {"q4_0": 2, "q8_0": 7, "q4_k_m": 15}  # llama.h, enum llama_ftype
SUPERBLOCK, BLOCK = 256, 32
# What llama-quantize takes instead where a row is no multiple of a superblock.
FALLBACK = {"Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0"}


class NotRepresentable(Exception):
    """The model has a shape that the format does not take."""


def use_more_bits(layer: int, layers: int) -> bool:
    """The layers of which Q4_K_M keeps attn_v and ffn_down in 6 bits: the first and last eighth, and every third."""
    return layer < layers // 8 or layer >= 7 * layers // 8 or (layer - layers // 8) % 3 == 2


def tensor_type(name: str, columns: int, *, mix: str, layers: int, tied: bool) -> str:
    """The ggml type of a GGUF tensor in a file of this mix. Raises NotRepresentable: a row no multiple of 32."""
    if name.endswith("_norm.weight"):
        return "F32"
    kind = _wanted_type(name, mix=mix, layers=layers, tied=tied)
    if kind.endswith("_K") and columns % SUPERBLOCK:
        kind = FALLBACK[kind]
    if columns % BLOCK:
        raise NotRepresentable(f"{name}: rows of {columns} are no multiple of {BLOCK}, which {kind} packs together")
    return kind


def _wanted_type(name: str, *, mix: str, layers: int, tied: bool) -> str:
    """Before the width of the rows is looked at."""
    layer = int(name.split(".")[1]) if name.startswith("blk.") else 0
    if mix == "q8_0":
        return "Q8_0"
    if name == "output.weight" or (tied and name == "token_embd.weight"):
        return "Q6_K"
    if mix == "q4_0":
        return "Q4_0"
    if "attn_qkv" in name:
        return "Q5_K"
    if ("attn_v" in name or "ffn_down" in name) and use_more_bits(layer, layers):
        return "Q6_K"
    return "Q4_K"


def quantize_q4_0(rows: np.ndarray) -> np.ndarray:
    """float32 [n, columns] → bytes [n, columns / 32 * 18]: a block is d (fp16) and 16 bytes, low nibbles first.

    d = m / -8 where m is the value of largest magnitude with its sign; q = min(15, trunc(x / d + 8.5))
    (llama.cpp, ggml-quants.c, quantize_row_q4_0_ref).
    """
    blocks = np.ascontiguousarray(rows, dtype=np.float32).reshape(-1, BLOCK)
    largest = np.take_along_axis(blocks, np.abs(blocks).argmax(axis=1)[:, None], axis=1)
    scale = largest / np.float32(-8)
    inverse = np.divide(np.float32(1), scale, out=np.zeros_like(scale), where=scale != 0)
    quants = np.minimum(15, (blocks * inverse + np.float32(8.5)).astype(np.int32)).astype(np.uint8)
    packed = quants[:, :16] | (quants[:, 16:] << 4)
    return np.concatenate([scale.astype(np.float16).view(np.uint8), packed], axis=1).reshape(len(rows), -1)


def dequantize_q4_0(data: np.ndarray) -> np.ndarray:
    """Bytes [n, k * 18] → float32 [n, k * 32]: x = d (q - 8)."""
    blocks = np.ascontiguousarray(data).reshape(-1, 18)
    scale = blocks[:, :2].copy().view(np.float16).astype(np.float32)
    nibbles = np.concatenate([blocks[:, 2:] & 15, blocks[:, 2:] >> 4], axis=1)
    return (scale * (nibbles.astype(np.float32) - 8)).reshape(len(data), -1)


def rotary_order(weight: np.ndarray, heads: int) -> np.ndarray:
    """Rows of Llama's q or k from Hugging Face's halves to llama.cpp's pairs: both rotate the same numbers."""
    halves = weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:])
    return halves.swapaxes(1, 2).reshape(weight.shape)


def names(config: Mapping[str, Any]) -> dict[str, str]:
    """Hugging Face's name of each weight → GGUF's."""
    import gguf

    known = {value: key for key, value in gguf.MODEL_ARCH_NAMES.items()}
    if config["model_type"] not in known:
        raise NotRepresentable(f"{config['model_type']}: GGUF knows it by another name")
    arch = known[str(config["model_type"])]
    table = gguf.get_tensor_name_map(arch, int(config["num_hidden_layers"]))

    class Lookup(dict[str, str]):
        def __missing__(self, name: str) -> str:
            found = table.get_name(name, try_suffixes=(".weight",))
            if found is None:
                raise NotRepresentable(f"{name}: no such tensor in GGUF's {config['model_type']}")
            return str(found)

    return Lookup()


def tensors(model: Path, config: Mapping[str, Any]) -> Iterator[tuple[str, np.ndarray]]:
    """(GGUF name, float32 values) of every weight, as llama.cpp's converter arranges them."""
    import ml_dtypes  # noqa: F401 (teaches numpy bfloat16)
    from safetensors import safe_open

    table, llama = names(config), config["model_type"] == "llama"
    heads = {"q_proj": "num_attention_heads", "k_proj": "num_key_value_heads"}
    for file in sorted(model.glob("*.safetensors")):
        with safe_open(str(file), framework="numpy") as held:
            for name in held.keys():  # noqa: SIM118 (not a mapping)
                values = held.get_tensor(name).astype(np.float32)
                rotated = next((key for part, key in heads.items() if part in name), None) if llama else None
                yield table[name], rotary_order(values, int(config[rotated])) if rotated else values


def write(model: Path, out: Path, mix: str) -> dict[str, int]:
    """Write the file and return bytes by ggml type, and ``row_only``: those of an embedding that is only looked up."""
    import gguf

    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    scaling = config.get("rope_scaling") or {"type": "longrope"}
    if scaling.get("type", scaling.get("rope_type")) != "longrope":
        raise NotRepresentable(f"rope scaling {config['rope_scaling']}: this writer does not translate it")
    tied, layers = bool(config["tie_word_embeddings"]), int(config["num_hidden_layers"])
    writer = gguf.GGUFWriter(str(out), str(config["model_type"]))
    _describe(writer, config, FILE_TYPES[mix])
    describe_tokenizer(writer, model, vocabulary=int(config["vocab_size"]))
    library, bytes_by_type = _ggml(), {"row_only": 0}
    for name, values in tensors(model, config):
        kind = tensor_type(name, values.shape[-1], mix=mix, layers=layers, tied=tied)
        data = values if kind == "F32" else _quantize(library, values, kind)
        if kind == "Q4_0" and not np.array_equal(data, quantize_q4_0(values)):
            raise AssertionError(f"{name}: llama.cpp quantizes Q4_0 otherwise than its formula says")
        writer.add_tensor(name, data, raw_dtype=gguf.GGMLQuantizationType(GGML_TYPES[kind]))
        bytes_by_type[kind] = bytes_by_type.get(kind, 0) + data.nbytes
        if name == "token_embd.weight" and not tied:
            bytes_by_type["row_only"] = data.nbytes - data.nbytes // len(data)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return bytes_by_type


def _describe(writer: Any, config: Mapping[str, Any], file_type: int) -> None:
    head = int(config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"])
    writer.add_context_length(int(config["max_position_embeddings"]))
    writer.add_embedding_length(int(config["hidden_size"]))
    writer.add_block_count(int(config["num_hidden_layers"]))
    writer.add_feed_forward_length(int(config["intermediate_size"]))
    writer.add_head_count(int(config["num_attention_heads"]))
    writer.add_head_count_kv(int(config["num_key_value_heads"]))
    writer.add_key_length(head)
    writer.add_value_length(head)
    writer.add_rope_dimension_count(int(head * float(config.get("partial_rotary_factor") or 1)))
    writer.add_rope_freq_base(float(config["rope_theta"]))
    writer.add_layer_norm_rms_eps(float(config["rms_norm_eps"]))
    writer.add_vocab_size(int(config["vocab_size"]))
    writer.add_file_type(file_type)
    if config["model_type"] == "phi3":
        writer.add_sliding_window(int(config.get("sliding_window") or 0))
        writer.add_rope_scaling_orig_ctx_len(int(config["original_max_position_embeddings"]))
    if config.get("rope_scaling"):
        describe_longrope(writer, config)


def describe_longrope(writer: Any, config: Mapping[str, Any]) -> None:
    """The factors as tensors, and what attention is scaled by: sqrt(1 + ln(longer by) / ln(trained length)), the
    attention factor of LongRoPE (Ding et al. 2024, as transformers' ROPE_INIT_FUNCTIONS computes it)."""
    trained = int(config["original_max_position_embeddings"])
    longer = int(config["max_position_embeddings"]) / trained
    writer.add_rope_scaling_attn_factors(math.sqrt(1 + math.log(longer) / math.log(trained)) if longer > 1 else 1.0)
    for which in ("long", "short"):
        values = np.asarray(config["rope_scaling"][f"{which}_factor"], dtype=np.float32)
        writer.add_tensor(f"rope_factors_{which}.weight", values)


def _ggml() -> ctypes.CDLL:
    import xllamacpp

    (binary,) = Path(xllamacpp.__file__).parent.glob("xllamacpp*.so")
    library = ctypes.CDLL(str(binary))
    library.ggml_quantize_chunk.restype = ctypes.c_size_t
    return library


def _quantize(library: ctypes.CDLL, values: np.ndarray, kind: str) -> np.ndarray:
    """``ggml_quantize_chunk(type, src, dst, start, nrows, n_per_row, imatrix)``."""
    rows, columns = values.shape
    source = np.ascontiguousarray(values, dtype=np.float32)
    row_size = ctypes.c_size_t(library.ggml_row_size(GGML_TYPES[kind], ctypes.c_int64(columns))).value
    out = np.zeros((rows, row_size), dtype=np.uint8)
    written = library.ggml_quantize_chunk(
        GGML_TYPES[kind], source.ctypes.data_as(ctypes.c_void_p), out.ctypes.data_as(ctypes.c_void_p),
        ctypes.c_int64(0), ctypes.c_int64(rows), ctypes.c_int64(columns), None,
    )  # fmt: skip
    if written != out.nbytes:
        raise AssertionError(f"{kind}: {written} bytes written, expected {out.nbytes}")
    return out


if __name__ == "__main__":
    try:
        print(json.dumps(write(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])))
    except NotRepresentable as error:
        print(json.dumps({"not_representable": str(error)}))
