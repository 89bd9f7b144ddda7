"""llama.cpp by the C functions that xllamacpp's binary exports (llama.h), without a server in between."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from peers.children.protocol import main

POINTER = ctypes.c_void_p
BATCH = 512  # llama.cpp's own n_ubatch


class Opaque(ctypes.Structure):
    """A struct of settings, longer than any version's: it is passed by value, and the callee reads its own length."""

    _fields_ = (("words", ctypes.c_uint32 * 256),)


class Batch(ctypes.Structure):
    """llama_batch of llama.h."""

    _fields_ = (
        ("n_tokens", ctypes.c_int32), ("token", ctypes.POINTER(ctypes.c_int32)), ("embd", POINTER),
        ("pos", ctypes.POINTER(ctypes.c_int32)), ("n_seq_id", ctypes.POINTER(ctypes.c_int32)),
        ("seq_id", ctypes.POINTER(ctypes.POINTER(ctypes.c_int32))), ("logits", ctypes.POINTER(ctypes.c_int8)),
    )  # fmt: skip


class LlamaCpp:
    """A GGUF file opened with ``threads`` threads; flash attention and repacking are at llama.cpp's defaults."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.c = library()
        self.c.llama_backend_init()
        model = self.c.llama_model_load_from_file(str(job["model"]).encode(), self.c.llama_model_default_params())
        if not model:
            raise SystemExit(f"llama.cpp cannot open {Path(job['model']).name}")
        settings = self.c.llama_context_default_params()
        # n_ctx, n_batch, n_ubatch come first since llama.h has a context; their defaults prove the places.
        if settings.words[1:3] != [2048, BATCH]:
            raise SystemExit(f"llama_context_params has another layout: {settings.words[:4]}")
        settings.words[0] = job["context"]
        self.context = POINTER(self.c.llama_init_from_model(POINTER(model), settings))
        self.c.llama_set_n_threads(self.context, job["threads"], job["threads"])
        self.memory = POINTER(self.c.llama_get_memory(self.context))
        self.vocabulary = self.c.llama_vocab_n_tokens(POINTER(self.c.llama_model_get_vocab(POINTER(model))))
        self.batch = self.c.llama_batch_init(job["context"], 0, 1)

    def decode(self, ids: Sequence[int], start: int, *, everywhere: bool = False) -> None:
        batch = self.batch
        batch.n_tokens = len(ids)
        for index, token in enumerate(ids):
            batch.token[index], batch.pos[index], batch.n_seq_id[index] = token, start + index, 1
            batch.seq_id[index][0] = 0
            batch.logits[index] = everywhere or index == len(ids) - 1
        if code := self.c.llama_decode(self.context, batch):
            raise SystemExit(f"llama_decode returned {code}")

    def likeliest(self) -> int:
        return int(np.ctypeslib.as_array(self.c.llama_get_logits_ith(self.context, -1), (self.vocabulary,)).argmax())

    def generate(self, prompt: Sequence[int], tokens: int) -> tuple[float, float]:
        self.c.llama_memory_clear(self.memory, True)
        began = time.perf_counter()
        self.decode(prompt, 0)
        token = self.likeliest()
        first = time.perf_counter()
        for index in range(tokens):
            self.decode([token], len(prompt) + index)
            token = self.likeliest()
        return first - began, time.perf_counter() - first

    def logits(self, token_ids: Sequence[int]) -> np.ndarray:
        self.c.llama_memory_clear(self.memory, True)
        self.decode(token_ids, 0, everywhere=True)
        rows = np.ctypeslib.as_array(self.c.llama_get_logits(self.context), (len(token_ids), self.vocabulary))
        return rows.copy()


def library() -> ctypes.CDLL:
    import xllamacpp

    (binary,) = Path(xllamacpp.__file__).parent.glob("xllamacpp*.so")
    c = ctypes.CDLL(str(binary))
    c.llama_model_default_params.restype = c.llama_context_default_params.restype = Opaque
    c.llama_model_load_from_file.argtypes = [ctypes.c_char_p, Opaque]
    c.llama_init_from_model.argtypes = [POINTER, Opaque]
    for name in ("llama_model_load_from_file", "llama_init_from_model", "llama_get_memory", "llama_model_get_vocab"):
        getattr(c, name).restype = POINTER
    c.llama_memory_clear.argtypes = [POINTER, ctypes.c_bool]
    c.llama_batch_init.restype = Batch
    c.llama_decode.argtypes = [POINTER, Batch]
    c.llama_get_logits_ith.argtypes = [POINTER, ctypes.c_int32]
    c.llama_get_logits.restype = c.llama_get_logits_ith.restype = ctypes.POINTER(ctypes.c_float)
    return c


def features() -> list[str]:
    """The processor's instructions that this build uses, by its own word."""
    c = library()
    c.llama_print_system_info.restype = ctypes.c_char_p
    said = c.llama_print_system_info().decode().removeprefix("CPU :").split("|")
    return [part.split("=")[0].strip() for part in said if part.strip().endswith("= 1")]


if __name__ == "__main__":
    main(LlamaCpp)
