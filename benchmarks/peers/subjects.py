"""What is compared: how each subject is made from the same safetensors, and which runtime measures it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["SUBJECTS", "THREADS", "AsIs", "Catalog", "Gguf", "OliveCli", "Subject", "chosen"]

THREADS = 2
TWO_THREADS = {"intra_op_num_threads": THREADS}


@dataclass(frozen=True, kw_only=True)
class AsIs:
    """The Hugging Face folder itself, loaded in ``dtype``."""

    dtype: str


@dataclass(frozen=True, kw_only=True)
class Gguf:
    """A GGUF file, its types mixed as llama-quantize does for ``mix``."""

    mix: Literal["q4_0", "q4_k_m"]


@dataclass(frozen=True, kw_only=True)
class OliveCli:
    """What ``olive`` makes when it is called with these arguments."""

    arguments: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Catalog:
    """A target of olivepress's catalog, its passes run by ``olive run``.

    ``changes`` are laid over the passes' keys (None takes a key, or a pass, out); ``calibrated`` over these where the
    weights are trained: calibrating on random weights takes minutes and gives the same graph. ``fused`` joins gate and
    up.
    """

    target: str
    changes: Mapping[str, Mapping[str, Any] | None] = field(default_factory=dict)
    calibrated: Mapping[str, Mapping[str, Any] | None] = field(default_factory=dict)
    fused: bool = False


@dataclass(frozen=True, kw_only=True)
class Subject:
    """``session`` goes into genai_config.json's session options; ``runtime`` is a module of ``peers.children``."""

    name: str
    title: str
    runtime: Literal["llama_cpp", "openvino_genai", "onnx_genai", "torch_eager"]
    role: Literal["peer", "ours", "attempt"]
    build: AsIs | Gguf | OliveCli | Catalog
    session: Mapping[str, Any] = field(default_factory=dict)


def _int4(group: int, symmetric: bool = False, mixed: str | None = None, head_bits: int = 8,
          fused: bool = False) -> Catalog:  # fmt: skip
    """The target cpu-int4-gptq with other groups and another head; on random weights Rtn stands in for GPTQ."""
    shape = {"group_size": group, "sym": symmetric}
    changes: dict[str, Mapping[str, Any] | None] = {
        "quantize": {"type": "Rtn", "data_config": None, "lm_head": head_bits == 4, **shape},
        "embedding": {"lm_head": head_bits == 8, **shape},
        "build": {"int4_block_size": group, "int4_is_symmetric": symmetric},
    }
    if mixed:
        changes = {
            "select": {"type": "SelectiveMixedPrecision", "algorithm": mixed, "bits": 4, "high_bits": 8}
        } | changes
    calibrated = {"quantize": {"type": "Gptq", "data_config": "calibration"}}
    return Catalog(target="cpu-int4-gptq", changes=changes, calibrated=calibrated, fused=fused)


def _ours(name: str, title: str, build: Catalog, role: Literal["ours", "attempt"] = "ours",
          session: Mapping[str, Any] = TWO_THREADS) -> Subject:  # fmt: skip
    return Subject(name=name, title=title, runtime="onnx_genai", role=role, build=build, session=session)


AUTO_OPT = OliveCli(arguments=("auto-opt", "--precision", "int4", "--use_model_builder"))
SUBJECTS: tuple[Subject, ...] = (
    Subject(name="llama-q4_0", title="llama.cpp Q4_0", runtime="llama_cpp", role="peer", build=Gguf(mix="q4_0")),
    Subject(name="llama-q4_k_m", title="llama.cpp Q4_K_M", runtime="llama_cpp", role="peer",
            build=Gguf(mix="q4_k_m")),
    Subject(name="openvino-int4", title="OpenVINO GenAI int4, groups of 128", runtime="openvino_genai", role="peer",
            build=Catalog(target="openvino-cpu-int4")),
    Subject(name="torch-bf16", title="transformers, bfloat16 (of the float32 file)", runtime="torch_eager", role="peer",
            build=AsIs(dtype="bfloat16")),
    Subject(name="torch-fp32", title="transformers, float32", runtime="torch_eager", role="peer",
            build=AsIs(dtype="float32")),
    Subject(name="olive-optimize", title="stock Olive: olive optimize --precision int4", runtime="onnx_genai",
            role="peer", build=OliveCli(arguments=("optimize", "--precision", "int4"))),
    Subject(name="olive-int4", title="stock Olive: olive auto-opt, ModelBuilder int4", runtime="onnx_genai",
            role="peer", build=AUTO_OPT),
    Subject(name="olive-int4-2t", title="the same, told 2 threads", runtime="onnx_genai", role="peer",
            build=AUTO_OPT, session=TWO_THREADS),
    _ours("cpu-int4", "olivepress cpu-int4, as it comes", Catalog(target="cpu-int4"), session={}),
    _ours("cpu-int4-2t", "olivepress cpu-int4, 2 threads", Catalog(target="cpu-int4")),
    _ours("gptq-256", "olivepress tuned: GPTQ, groups of 256, 8-bit head, 2 threads", _int4(256)),
    _ours("gptq-256-mixed", "olivepress tuned, the same with k_quant_mixed", _int4(256, mixed="k_quant_mixed")),
    _ours("fused", "tuned, gate and up as one product", _int4(256, fused=True), "attempt"),
    _ours("symmetric", "tuned, symmetric", _int4(256, symmetric=True), "attempt"),
    _ours("head-4", "tuned, 4-bit head", _int4(256, head_bits=4), "attempt"),
    _ours("groups-128", "tuned, groups of 128", _int4(128), "attempt"),
    _ours("no-spinning", "tuned, threads do not spin", _int4(256), "attempt",
          TWO_THREADS | {"session.intra_op.allow_spinning": "0"}),
    _ours("dynamic-blocks", "tuned, session.dynamic_block_base 4", _int4(256), "attempt",
          TWO_THREADS | {"session.dynamic_block_base": "4"}),
)  # fmt: skip


def chosen(names: list[str] | None) -> tuple[Subject, ...]:
    """The subjects called so, in their own order; SystemExit naming the known ones."""
    known = {subject.name for subject in SUBJECTS}
    if unknown := sorted(set(names or ()) - known):
        raise SystemExit(f"unknown subject {unknown[0]!r}; known: {', '.join(sorted(known))}")
    return tuple(subject for subject in SUBJECTS if not names or subject.name in names)
