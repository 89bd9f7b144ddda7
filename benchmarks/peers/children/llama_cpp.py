"""llama.cpp by the C functions that xllamacpp's binary exports (llama.h), without a server in between."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from peers.children.protocol import common_start, main

POINTER = ctypes.c_void_p
BATCH, TOKENS = 512, 2048  # llama.cpp's own n_ubatch and n_batch: tokens computed, and tokens given, at once
SLOTS = 16  # rows answered side by side


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


@dataclass
class Slot:
    """A sequence in llama.cpp's cache: ``kept`` tokens are in it, ``waiting`` ones come next; ``row`` is answered."""

    row: int | None = None
    kept: list[int] = field(default_factory=list)
    waiting: list[int] = field(default_factory=list)
    answer: list[int] = field(default_factory=list)


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
        if settings.words[1:4] != [TOKENS, BATCH, 1]:
            raise SystemExit(f"llama_context_params has another layout: {settings.words[:4]}")
        sequences = SLOTS if job["task"] == "answers" else 1
        settings.words[0], settings.words[3] = job["context"] * sequences, sequences
        self.slots = [Slot() for _ in range(sequences)]
        self.context = POINTER(self.c.llama_init_from_model(POINTER(model), settings))
        self.c.llama_set_n_threads(self.context, job["threads"], job["threads"])
        self.memory = POINTER(self.c.llama_get_memory(self.context))
        self.vocab = POINTER(self.c.llama_model_get_vocab(POINTER(model)))
        self.vocabulary = self.c.llama_vocab_n_tokens(self.vocab)
        self.batch = self.c.llama_batch_init(max(job["context"], TOKENS), 0, 1)

    def decode(self, ids: Sequence[int], start: int, *, everywhere: bool = False) -> None:
        self.batch.n_tokens = 0
        self.add(ids, start, sequence=0, everywhere=everywhere)
        self.run()

    def add(self, ids: Sequence[int], start: int, *, sequence: int, everywhere: bool = False) -> int:
        """Put tokens of a sequence into the batch, the logits of the last one to be kept. Returns its place."""
        batch, first = self.batch, self.batch.n_tokens
        for index, token in enumerate(ids, start=first):
            batch.token[index], batch.pos[index], batch.n_seq_id[index] = token, start + index - first, 1
            batch.seq_id[index][0] = sequence
            batch.logits[index] = everywhere or index == first + len(ids) - 1
        batch.n_tokens = first + len(ids)
        return int(batch.n_tokens) - 1

    def run(self) -> None:
        if code := self.c.llama_decode(self.context, self.batch):
            raise SystemExit(f"llama_decode returned {code}")

    def likeliest(self, place: int = -1) -> int:
        row = self.c.llama_get_logits_ith(self.context, place)
        return int(np.ctypeslib.as_array(row, (self.vocabulary,)).argmax())

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

    def answers(self, prompts: Sequence[Sequence[int]], tokens: int, ends: set[int]) -> Iterator[tuple[int, list[int]]]:
        """Rows side by side, each in a sequence of its own that keeps what the next prompt begins with as well."""
        left = list(range(len(prompts)))[::-1]
        while left or any(slot.row is not None for slot in self.slots):
            self.batch.n_tokens, places = 0, {}
            for number, slot in enumerate(self.slots):
                if slot.row is None and left:
                    self._begin(number, slot, left.pop(), prompts)
                if slot.row is not None and self.batch.n_tokens + len(slot.waiting) <= TOKENS:
                    places[number] = self.add(slot.waiting, len(slot.kept), sequence=number)
                    slot.kept += slot.waiting
                    slot.waiting = []
            self.run()
            for number, place in places.items():
                slot, token = self.slots[number], self.likeliest(place)
                if token not in ends:
                    slot.answer.append(token)
                    slot.waiting = [token]
                if token in ends or len(slot.answer) == tokens:
                    assert slot.row is not None
                    yield slot.row, slot.answer
                    slot.row = None

    def _begin(self, number: int, slot: Slot, row: int, prompts: Sequence[Sequence[int]]) -> None:
        """Give the slot a row; of what is in its cache the beginning stays that the prompt has as well."""
        prompt = list(prompts[row])
        if len(prompt) > TOKENS:
            raise SystemExit(f"a prompt of {len(prompt)} tokens; at most {TOKENS} fit a batch")
        kept = min(common_start(slot.kept, prompt), len(prompt) - 1)
        if not self.c.llama_memory_seq_rm(self.memory, number, kept, -1):
            raise SystemExit("llama_memory_seq_rm: this cache cannot forget the end of a sequence")
        slot.row, slot.kept, slot.waiting, slot.answer = row, prompt[:kept], prompt[kept:], []

    def encode(self, text: str) -> list[int]:
        """By the tokenizer in the file, which adds nothing; control tokens are read as such."""
        data = text.encode()
        out = (ctypes.c_int32 * (len(data) + 8))()
        count = self.c.llama_tokenize(self.vocab, data, len(data), out, len(out), False, True)
        return list(out[:count])


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
    c.llama_memory_seq_rm.argtypes = [POINTER, ctypes.c_int32, ctypes.c_int32, ctypes.c_int32]
    c.llama_memory_seq_rm.restype = ctypes.c_bool
    c.llama_tokenize.argtypes = [POINTER, ctypes.c_char_p, ctypes.c_int32, ctypes.POINTER(ctypes.c_int32),
                                 ctypes.c_int32, ctypes.c_bool, ctypes.c_bool]  # fmt: skip
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
