"""transformers on torch, as its documentation runs it: eager, SDPA attention, its dynamic cache."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any

import numpy as np

from peers.children.protocol import common_start, main

BATCH = 32  # rows answered side by side


class TorchEager:
    """A Hugging Face folder in ``dtype``."""

    def __init__(self, job: dict[str, Any]) -> None:
        import torch
        from transformers import AutoModelForCausalLM

        self.torch = torch
        torch.set_num_threads(job["threads"])
        self.model = AutoModelForCausalLM.from_pretrained(job["model"], dtype=getattr(torch, job["dtype"])).eval()

    def generate(self, prompt: Sequence[int], tokens: int) -> tuple[float, float]:
        with self.torch.inference_mode():
            began = time.perf_counter()
            out = self.model(self.torch.tensor([list(prompt)]), use_cache=True, logits_to_keep=1)
            token = out.logits[:, -1:].argmax(-1)
            first = time.perf_counter()
            for _ in range(tokens):
                out = self.model(token, past_key_values=out.past_key_values, use_cache=True)
                token = out.logits[:, -1:].argmax(-1)
            return first - began, time.perf_counter() - first

    def logits(self, token_ids: Sequence[int]) -> np.ndarray:
        with self.torch.inference_mode():
            found = self.model(self.torch.tensor([list(token_ids)]), use_cache=False).logits[0].float()
        return np.asarray(found.numpy())

    def answers(self, prompts: Sequence[Sequence[int]], tokens: int, ends: set[int]) -> Iterator[tuple[int, list[int]]]:
        """Prompts of equal length side by side, so that none is padded; their common beginning is computed once."""
        start = prompts[0][:-1]
        for prompt in prompts:
            start = start[: min(common_start(start, prompt), len(prompt) - 1)]
        by_length = defaultdict[int, list[int]](list)
        for index, prompt in enumerate(prompts):
            by_length[len(prompt)].append(index)
        with self.torch.inference_mode():
            before = self.model(self.torch.tensor([list(start)]), use_cache=True).past_key_values if start else None
            for indices in by_length.values():
                for first in range(0, len(indices), BATCH):
                    rows = indices[first : first + BATCH]
                    ends_of = self._side_by_side([prompts[row][len(start) :] for row in rows], before, tokens, ends)
                    yield from zip(rows, ends_of, strict=True)

    def _side_by_side(
        self, prompts: Sequence[Sequence[int]], before: Any, tokens: int, ends: set[int]
    ) -> list[list[int]]:
        """Answers to prompts of equal length behind a common beginning."""
        cache = deepcopy(before)
        if cache is not None:
            cache.batch_repeat_interleave(len(prompts))
        answers, open_rows = [list[int]() for _ in prompts], set(range(len(prompts)))
        given = self.torch.tensor([list(prompt) for prompt in prompts])
        for _ in range(tokens):
            out = self.model(given, past_key_values=cache, use_cache=True, logits_to_keep=1)
            cache, given = out.past_key_values, out.logits[:, -1:].argmax(-1)
            for row in sorted(open_rows):
                token = int(given[row, 0])
                if token in ends:
                    open_rows.remove(row)
                else:
                    answers[row].append(token)
            if not open_rows:
                break
        return answers

    def encode(self, text: str) -> list[int]:
        raise NotImplementedError("its tokenizer is the one that the others are compared with")


if __name__ == "__main__":
    main(TorchEager)
