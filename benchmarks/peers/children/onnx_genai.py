"""ONNX Runtime GenAI; the threads are those of the folder's genai_config.json."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from peers.children.protocol import common_start, main


class OnnxGenai:
    """A folder with genai_config.json."""

    def __init__(self, job: dict[str, Any]) -> None:
        import onnxruntime_genai

        self.og = onnxruntime_genai
        self.model = self.og.Model(str(job["model"]))
        self.adapters: Any = None
        adapter = Path(job["model"]) / "adapter.onnx_adapter"  # of a package, the active one
        if adapter.is_file():
            self.adapters = self.og.Adapters(self.model)
            self.adapters.load(str(adapter), adapter.stem)

    def generator(self, length: int, *, ends: bool = False) -> Any:
        """Greedy, up to ``length`` tokens; an end token stops it only with ``ends``."""
        params = self.og.GeneratorParams(self.model)
        params.set_search_options(
            do_sample=False, num_beams=1, max_length=length, min_length=0 if ends else length, repetition_penalty=1.0
        )
        generator = self.og.Generator(self.model, params)
        if self.adapters is not None:
            generator.set_active_adapter(self.adapters, "adapter")
        return generator

    def generate(self, prompt: Sequence[int], tokens: int) -> tuple[float, float]:
        generator, ids = self.generator(len(prompt) + tokens + 2), np.asarray(prompt, dtype=np.int32)
        began = time.perf_counter()
        generator.append_tokens(ids)
        generator.generate_next_token()  # the first only picks from the prompt's logits
        first = time.perf_counter()
        for _ in range(tokens):
            generator.generate_next_token()
        return first - began, time.perf_counter() - first

    def logits(self, token_ids: Sequence[int]) -> np.ndarray:
        """One append of all; a model that was exported with the last position's logits only gets token after token."""
        generator = self.generator(len(token_ids) + 1)
        generator.append_tokens(np.asarray(token_ids, dtype=np.int32))
        rows = np.asarray(generator.get_output("logits")[0])
        if len(rows) == len(token_ids):
            return rows
        generator, found = self.generator(len(token_ids) + 1), []
        for token in token_ids:
            generator.append_tokens(np.asarray([token], dtype=np.int32))
            found.append(np.array(generator.get_output("logits")[0][-1]))
        return np.stack(found)

    def answers(self, prompts: Sequence[Sequence[int]], tokens: int, ends: set[int]) -> Iterator[tuple[int, list[int]]]:
        """Row after row; what a prompt has in common with the sequence before is not computed again."""
        generator, given = self.generator(max(map(len, prompts)) + tokens, ends=True), list[int]()
        for index, prompt in enumerate(prompts):
            kept = min(common_start(given, prompt), len(prompt) - 1)
            if given:
                generator.rewind_to(kept)
            generator.append_tokens(np.asarray(prompt[kept:], dtype=np.int32))
            answer = list[int]()
            while len(answer) < tokens:
                generator.generate_next_token()
                token = int(generator.get_next_tokens()[0])
                if token in ends:
                    break
                answer.append(token)
            given = [int(token) for token in generator.get_sequence(0)]
            yield index, answer

    def encode(self, text: str) -> list[int]:
        return [int(token) for token in self.og.Tokenizer(self.model).encode(text)]


if __name__ == "__main__":
    main(OnnxGenai)
