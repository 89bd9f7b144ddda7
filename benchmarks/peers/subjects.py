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

    mix: Literal["q4_0", "q4_k_m", "q8_0"]


@dataclass(frozen=True, kw_only=True)
class OliveCli:
    """What ``olive`` makes when it is called with these arguments."""

    arguments: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Catalog:
    """A target of olivepress's catalog, its passes run by ``olive run``.

    ``changes`` are laid over the passes' keys (None takes a key, or a pass, out); ``calibrated`` over these where the
    weights are trained: calibrating on random weights takes minutes and gives the same graph. ``fused`` joins gate and
    up; ``every_position`` runs Olive's own graph although the target has one for the last position.
    """

    target: str
    changes: Mapping[str, Mapping[str, Any] | None] = field(default_factory=dict)
    calibrated: Mapping[str, Mapping[str, Any] | None] = field(default_factory=dict)
    fused: bool = False
    every_position: bool = False


@dataclass(frozen=True, kw_only=True)
class Subject:
    """``session`` goes into genai_config.json's session options; ``runtime`` is a module of ``peers.children``."""

    name: str
    title: str
    runtime: Literal["llama_cpp", "openvino_genai", "onnx_genai", "torch_eager"]
    role: Literal["peer", "ours", "attempt"]
    build: AsIs | Gguf | OliveCli | Catalog
    session: Mapping[str, Any] = field(default_factory=dict)


def _gptq(target: str = "cpu-int4", *, embedding: Mapping[str, Any] | None = None,
          build: Mapping[str, Any] | None = None, fused: bool = False, every_position: bool = False,
          calibrated: str = "CalibratedGptq", **quantize: Any) -> Catalog:  # fmt: skip
    """A target that calibrates, with keys of its passes changed; on random weights Rtn stands in for GPTQ."""
    changes = {
        "quantize": {"type": "Rtn", "data_config": None, **quantize},
        "embedding": embedding or {}, "build": build or {},
    }  # fmt: skip
    with_rows = {"quantize": {"type": calibrated, "data_config": "calibration"}}
    return Catalog(target=target, changes=changes, calibrated=with_rows, fused=fused, every_position=every_position)


def _ours(name: str, title: str, build: Catalog, role: Literal["ours", "attempt"] = "ours",
          session: Mapping[str, Any] = TWO_THREADS) -> Subject:  # fmt: skip
    return Subject(name=name, title=title, runtime="onnx_genai", role=role, build=build, session=session)


AUTO_OPT = OliveCli(arguments=("auto-opt", "--precision", "int4", "--use_model_builder"))
SUBJECTS: tuple[Subject, ...] = (
    Subject(name="llama-q4_0", title="llama.cpp Q4_0", runtime="llama_cpp", role="peer", build=Gguf(mix="q4_0")),
    Subject(name="llama-q4_k_m", title="llama.cpp Q4_K_M", runtime="llama_cpp", role="peer",
            build=Gguf(mix="q4_k_m")),
    Subject(name="llama-q8_0", title="llama.cpp Q8_0", runtime="llama_cpp", role="peer", build=Gguf(mix="q8_0")),
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
    _ours("cpu-int4", "olivepress cpu-int4, not tuned", _gptq(), session={}),
    _ours("cpu-int4-2t", "olivepress cpu-int4, 2 threads", _gptq()),
    _ours("cpu-int4-compact", "olivepress cpu-int4-compact, 2 threads", _gptq("cpu-int4-compact")),
    _ours("cpu-int4-rtn", "olivepress cpu-int4-rtn, 2 threads", Catalog(target="cpu-int4-rtn")),
    _ours("every-position", "cpu-int4, logits of every position", _gptq(every_position=True), "attempt"),
    _ours("fused", "cpu-int4, gate and up as one product", _gptq(fused=True), "attempt"),
    _ours("groups-128", "cpu-int4, groups of 128",
          _gptq(group_size=128, embedding={"group_size": 128}, build={"int4_block_size": 128}), "attempt"),
    _ours("head-4", "cpu-int4, 4-bit head", _gptq(lm_head=True, embedding={"lm_head": False}), "attempt"),
    _ours("asymmetric", "cpu-int4, with zero points",
          _gptq(sym=False, embedding={"sym": False}, build={"int4_is_symmetric": False}), "attempt"),
    _ours("olive-gptq", "cpu-int4, by Olive's own Gptq", _gptq(calibrated="Gptq"), "attempt"),
    _ours("int8", "olivepress cpu-int8, 2 threads", Catalog(target="cpu-int8"), "attempt"),
    _ours("no-spinning", "cpu-int4, threads do not spin", _gptq(), "attempt",
          TWO_THREADS | {"session.intra_op.allow_spinning": "0"}),
    _ours("dynamic-blocks", "cpu-int4, session.dynamic_block_base 4", _gptq(), "attempt",
          TWO_THREADS | {"session.dynamic_block_base": "4"}),
)  # fmt: skip


def chosen(names: list[str] | None) -> tuple[Subject, ...]:
    """The subjects called so, in their own order; SystemExit naming the known ones."""
    known = {subject.name for subject in SUBJECTS}
    if unknown := sorted(set(names or ()) - known):
        raise SystemExit(f"unknown subject {unknown[0]!r}; known: {', '.join(sorted(known))}")
    return tuple(subject for subject in SUBJECTS if not names or subject.name in names)
