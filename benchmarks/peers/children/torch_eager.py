"""transformers on torch, as its documentation runs it: eager, SDPA attention, its dynamic cache."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from peers.children.protocol import main


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


if __name__ == "__main__":
    main(TorchEager)
