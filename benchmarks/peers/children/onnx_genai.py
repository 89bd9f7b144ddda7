"""ONNX Runtime GenAI; the threads are those of the folder's genai_config.json."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from peers.children.protocol import main


class OnnxGenai:
    """A folder with genai_config.json."""

    def __init__(self, job: dict[str, Any]) -> None:
        import onnxruntime_genai

        self.og = onnxruntime_genai
        self.model = self.og.Model(str(job["model"]))

    def generator(self, length: int) -> Any:
        params = self.og.GeneratorParams(self.model)
        params.set_search_options(
            do_sample=False, num_beams=1, max_length=length, min_length=length, repetition_penalty=1.0
        )
        return self.og.Generator(self.model, params)

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


if __name__ == "__main__":
    main(OnnxGenai)
