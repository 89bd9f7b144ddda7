"""Model folders: what people download half, convert wrongly, or mistake for a model."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import ROOT
from tests.wrong_inputs.case import Case
from tests.wrong_inputs.recipes import BASE

TINY = ROOT / "src" / "olivepress" / "synthetic" / "embedded" / "tiny_phi"
CONFIG: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 1536, "hidden_size": 64,
    "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "head_dim": 16, "max_position_embeddings": 1024, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "hidden_act": "silu",
    "tie_word_embeddings": True, "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 5, "torch_dtype": "float32",
}  # fmt: skip
RECIPE = str(yaml.safe_dump({**BASE, "model": {"path": "model"}}, sort_keys=False))


def tensors() -> dict[str, tuple[int, ...]]:
    """Name → shape of every tensor that CONFIG asks for."""
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (1536, 64), "model.norm.weight": (64,)}
    for layer in range(2):
        here = f"model.layers.{layer}"
        shapes |= {
            f"{here}.self_attn.q_proj.weight": (64, 64), f"{here}.self_attn.k_proj.weight": (32, 64),
            f"{here}.self_attn.v_proj.weight": (32, 64), f"{here}.self_attn.o_proj.weight": (64, 64),
            f"{here}.mlp.gate_proj.weight": (128, 64), f"{here}.mlp.up_proj.weight": (128, 64),
            f"{here}.mlp.down_proj.weight": (64, 128), f"{here}.input_layernorm.weight": (64,),
            f"{here}.post_attention_layernorm.weight": (64,),
        }  # fmt: skip
    return shapes


def safetensors(shapes: dict[str, tuple[int, ...]], *, dtype: str = "F32", value: float = 0.01) -> bytes:
    """A safetensors file written by hand, every number ``value``."""
    width = {"F32": 4, "F16": 2, "BF16": 2, "U8": 1, "I32": 4}[dtype]
    header: dict[str, Any] = {}
    end = 0
    for name, shape in shapes.items():
        size = width
        for length in shape:
            size *= length
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    one = struct.pack("<f", value) if dtype == "F32" else b"\0" * width
    return len(text).to_bytes(8, "little") + text + one * (end // width)


def folder(**changes: Any) -> dict[str, bytes | str]:
    """A whole small Llama; ``changes`` are of its config."""
    config = {key: value for key, value in {**CONFIG, **changes}.items() if value is not ...}
    names = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja")
    files: dict[str, bytes | str] = {f"model/{name}": (TINY / name).read_bytes() for name in names if _is_there(name)}
    return files | {
        "model/config.json": json.dumps(config),
        "model/generation_config.json": json.dumps({"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 5}),
        "model/model.safetensors": safetensors(tensors()),
    }


def _is_there(name: str) -> bool:
    return Path(TINY, name).is_file()


CONFIGS: dict[str, dict[str, Any]] = {
    "no model_type": {"model_type": ...},
    "unknown model_type": {"model_type": "mamba"},
    "model_type of another kind": {"model_type": 3},
    "gpt2": {"model_type": "gpt2"},
    "mixture of experts": {"model_type": "mixtral", "num_local_experts": 8},
    "vocab_size as text": {"vocab_size": "1536"},
    "no vocab_size": {"vocab_size": ...},
    "negative vocab_size": {"vocab_size": -1},
    "vocabulary larger than the embedding": {"vocab_size": 2000},
    "vocabulary smaller than the embedding": {"vocab_size": 100},
    "no hidden_size": {"hidden_size": ...},
    "hidden_size 0": {"hidden_size": 0},
    "other hidden_size": {"hidden_size": 128},
    "hidden_size 1e9": {"hidden_size": 10**9},
    "more layers than tensors": {"num_hidden_layers": 3},
    "layers 0": {"num_hidden_layers": 0},
    "layers as text": {"num_hidden_layers": "2"},
    "heads 0": {"num_attention_heads": 0},
    "heads 5": {"num_attention_heads": 5},
    "key value heads 3": {"num_key_value_heads": 3},
    "more key value heads than heads": {"num_key_value_heads": 8},
    "head size 10": {"head_dim": 10},
    "head size 12": {"head_dim": 12},
    "other intermediate_size": {"intermediate_size": 256},
    "unknown activation": {"hidden_act": "swoosh"},
    "other activation": {"hidden_act": "relu6"},
    "rope_scaling dynamic": {"rope_scaling": {"rope_type": "dynamic", "factor": 2.0}},
    "rope_scaling of no type": {"rope_scaling": {"factor": 2.0}},
    "rope_scaling unknown": {"rope_scaling": {"rope_type": "spiral", "factor": 2.0}},
    "rope_scaling as text": {"rope_scaling": "linear"},
    "rope_theta as text": {"rope_theta": "10000"},
    "rope_theta 0": {"rope_theta": 0},
    "rope_parameters unknown": {"rope_parameters": {"rope_type": "spiral", "rope_theta": 1.0}},
    "quantized by bitsandbytes": {"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}},
    "quantized by gptq": {"quantization_config": {"quant_method": "gptq", "bits": 4}},
    "quantized by awq": {"quantization_config": {"quant_method": "awq", "bits": 4}},
    "quantized fp8": {"quantization_config": {"quant_method": "fp8"}},
    "needs remote code": {"auto_map": {"AutoModelForCausalLM": "modeling_x.X"}, "model_type": "xmodel"},
    "misspelled key": {"rope_thetaa": 500000.0},
    "another misspelled key": {"num_key_value_head": 2},
    "context 0": {"max_position_embeddings": 0},
    "context as text": {"max_position_embeddings": "1024"},
    "eos beyond the vocabulary": {"eos_token_id": 99999},
    "eos negative": {"eos_token_id": -1},
    "bos as text": {"bos_token_id": "<s>"},
    "layer biases that are not there": {"attention_bias": True},
    "mlp biases that are not there": {"mlp_bias": True},
    "untied head that is not there": {"tie_word_embeddings": False},
    "epsilon as text": {"rms_norm_eps": "small"},
    "a vision model": {"model_type": "llava", "text_config": {"model_type": "llama"}},
    "a vision model of another class": {"model_type": "gemma3", "text_config": {"model_type": "gemma3_text"}},
    "a vision model without a text part": {"model_type": "mistral3", "text_config": {}},
    "a vision model with a text as its sizes": {
        "model_type": "qwen3_5",
        "architectures": ["Qwen3_5ForConditionalGeneration"],
        "text_config": {"model_type": "qwen3_5_text", "hidden_size": "wide", "rope_parameters": "none"},
    },
    "an encoder": {"model_type": "bert"},
    "a sequence to sequence model": {"model_type": "t5"},
}


def _weights() -> Iterator[tuple[str, dict[str, bytes | str]]]:
    shapes = tensors()
    without = {name: shape for name, shape in shapes.items() if "layers.1.mlp.up_proj" not in name}
    turned = shapes | {"model.layers.0.mlp.up_proj.weight": (64, 128)}
    index = {"metadata": {}, "weight_map": dict.fromkeys(shapes, "model-00001-of-00002.safetensors")}
    whole = safetensors(shapes)
    yield "no weights", {"model/model.safetensors": b""}
    yield "cut weights", {"model/model.safetensors": whole[:-1000]}
    yield "cut header", {"model/model.safetensors": whole[:20]}
    yield "longer than its header", {"model/model.safetensors": whole + b"\0" * 100}
    yield "header of garbage", {"model/model.safetensors": (50).to_bytes(8, "little") + b"x" * 100}
    yield "header of 100 GB", {"model/model.safetensors": (10**11).to_bytes(8, "little") + b"{}"}
    yield "git LFS pointer", {"model/model.safetensors": "version https://git-lfs.example/spec/v1\nsize 1\n"}
    yield "a page instead", {"model/model.safetensors": "<!DOCTYPE html><html>404</html>"}
    yield "missing tensor", {"model/model.safetensors": safetensors(without)}
    yield "turned tensor", {"model/model.safetensors": safetensors(turned)}
    yield "not numbers", {"model/model.safetensors": safetensors(shapes, value=float("nan"))}
    yield "infinite numbers", {"model/model.safetensors": safetensors(shapes, value=float("inf"))}
    yield "packed integers", {"model/model.safetensors": safetensors(shapes, dtype="U8")}
    yield "index of missing shards", {"model/model.safetensors.index.json": json.dumps(index)}
    yield "index of garbage", {"model/model.safetensors.index.json": "{"}
    yield (
        "index that leaves the folder",
        {
            "model/model.safetensors.index.json": json.dumps(
                {"weight_map": dict.fromkeys(shapes, "../other.safetensors")}
            )
        },
    )


def cases() -> Iterator[Case]:
    for name, changes in CONFIGS.items():
        yield _case(f"model, {name}", folder(**changes))
    for name, files in _weights():
        base = folder()
        if "index" in name:
            base.pop("model/model.safetensors")
        yield _case(f"model, {name}", {**base, **files})
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        yield _case(
            f"model without {name}", {key: text for key, text in folder().items() if not key.endswith(f"/{name}")}
        )
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        for what, text in (("cut", '{"a": '), ("a list", "[1]"), ("binary", b"\xff\xfe\0"), ("deep", "[" * 100_000)):
            yield _case(f"model, {name} is {what}", {**folder(), f"model/{name}": text})
    yield _case("model in pickles", {"model/config.json": json.dumps(CONFIG), "model/pytorch_model.bin": b"PK\3\4"})
    yield _case("model as gguf", {"model/model.gguf": b"GGUF" + b"\0" * 100})
    yield _case("model as onnx", {"model/model.onnx": b"\x08\x07", "model/genai_config.json": "{}"})
    yield _case("an adapter, no model", {"model/adapter_config.json": json.dumps({"peft_type": "LORA"})})
    yield _case(
        "template of a wrong syntax", {**folder(), "model/chat_template.jinja": "{% for m in messages %}"}, "render"
    )
    yield _case(
        "template that never ends",
        {
            **folder(),
            "model/chat_template.jinja": "{% for a in range(99999) %}" * 2 + "x" + "{% endfor %}" * 2,
        },
        "render",
    )
    yield _case(
        "template that reaches out",
        {**folder(), "model/chat_template.jinja": "{{ ''.__class__.__mro__[1].__subclasses__() }}"},
        "render",
    )
    yield _case("template that prints nothing", {**folder(), "model/chat_template.jinja": ""}, "render")


def _case(name: str, files: dict[str, bytes | str], verb: str = "plan") -> Case:
    return Case(name=name, arguments=(verb, "wrong.yaml"), files={**files, "wrong.yaml": RECIPE})


def right() -> Case:
    """The folder that all others are made from: it is taken."""
    return _case("model, right", folder())
