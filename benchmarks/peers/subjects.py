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

    ``changes`` are laid over the passes' keys (null takes a key, or a pass, out). ``fused`` joins gate and up.
    """

    target: str
    changes: Mapping[str, Mapping[str, Any] | None] = field(default_factory=dict)
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


def _tuned(name: str, title: str, role: Literal["ours", "attempt"], session: Mapping[str, Any] | None = None,
           target: str = "cpu-int4", fused: bool = False, **changes: Mapping[str, Any] | None) -> Subject:  # fmt: skip
    build = Catalog(target=target, changes=changes, fused=fused)
    return Subject(name=name, title=title, runtime="onnx_genai", role=role, build=build,
                   session=TWO_THREADS | (session or {}))  # fmt: skip


SUBJECTS: tuple[Subject, ...] = (
    Subject(name="llama-q4_0", title="llama.cpp Q4_0", runtime="llama_cpp", role="peer", build=Gguf(mix="q4_0")),
    Subject(name="llama-q4_k_m", title="llama.cpp Q4_K_M", runtime="llama_cpp", role="peer",
            build=Gguf(mix="q4_k_m")),
    Subject(name="openvino-int4", title="OpenVINO GenAI int4, groups of 128", runtime="openvino_genai", role="peer",
            build=Catalog(target="openvino-cpu-int4")),
    Subject(name="torch-bf16", title="transformers, bfloat16", runtime="torch_eager", role="peer",
            build=AsIs(dtype="bfloat16")),
    Subject(name="torch-fp32", title="transformers, float32", runtime="torch_eager", role="peer",
            build=AsIs(dtype="float32")),
    Subject(name="olive-int4", title="stock Olive: olive optimize, int4", runtime="onnx_genai", role="peer",
            build=OliveCli(arguments=("optimize", "--precision", "int4"))),
    Subject(name="olive-int4-2t", title="stock Olive, told 2 threads", runtime="onnx_genai", role="peer",
            build=OliveCli(arguments=("optimize", "--precision", "int4")), session=TWO_THREADS),
    Subject(name="cpu-int4", title="olivepress cpu-int4", runtime="onnx_genai", role="ours",
            build=Catalog(target="cpu-int4")),
    _tuned("tuned", "olivepress cpu-int4, 2 threads", "ours"),
)  # fmt: skip


def chosen(names: list[str] | None) -> tuple[Subject, ...]:
    """The subjects called so, in their own order; SystemExit naming the known ones."""
    known = {subject.name for subject in SUBJECTS}
    if unknown := sorted(set(names or ()) - known):
        raise SystemExit(f"unknown subject {unknown[0]!r}; known: {', '.join(sorted(known))}")
    return tuple(subject for subject in SUBJECTS if not names or subject.name in names)
