"""OpenVINO GenAI's pipeline for speed, and the model below it for logits at every position."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from peers.children.protocol import main

CHUNK = 64  # rows given to the pipeline at once


class OpenvinoGenai:
    """An IR folder compiled for the CPU with ``threads`` threads, all else at OpenVINO's defaults."""

    def __init__(self, job: dict[str, Any]) -> None:
        import openvino
        import openvino_genai

        self.ov, self.genai, properties = openvino, openvino_genai, {"INFERENCE_NUM_THREADS": job["threads"]}
        if job["task"] == "speed":
            self.pipeline = openvino_genai.LLMPipeline(str(job["model"]), "CPU", **properties)
        elif job["task"] == "answers":
            scheduler = openvino_genai.SchedulerConfig()
            scheduler.cache_size, scheduler.enable_prefix_caching = 1, True  # GB
            self.pipeline = openvino_genai.ContinuousBatchingPipeline(
                str(job["model"]), scheduler, "CPU", properties, {}
            )
        elif job["task"] == "tokenize":
            # optimum-intel writes it beside the model, Olive into a folder of its own.
            (tokenizer,) = Path(job["model"]).rglob("openvino_tokenizer.xml")
            self.tokenizer = openvino_genai.Tokenizer(str(tokenizer.parent))
        else:
            self.compiled = openvino.Core().compile_model(f"{job['model']}/openvino_model.xml", "CPU", properties)

    def generate(self, prompt: Sequence[int], tokens: int) -> tuple[float, float]:
        settings = self.genai.GenerationConfig(max_new_tokens=tokens + 1, ignore_eos=True, do_sample=False)
        ids = self.ov.Tensor(np.asarray([prompt], dtype=np.int64))
        metrics = self.pipeline.generate(ids, settings).perf_metrics
        # The pipeline's own clock, in ms; TPOT is the mean over the tokens after the first.
        return metrics.get_ttft().mean / 1000, metrics.get_tpot().mean / 1000 * tokens

    def logits(self, token_ids: Sequence[int]) -> np.ndarray:
        request = self.compiled.create_infer_request()
        feed = {
            "input_ids": np.asarray([token_ids], dtype=np.int64),
            "attention_mask": np.ones((1, len(token_ids)), dtype=np.int64),
            "position_ids": np.arange(len(token_ids), dtype=np.int64)[None],
            "beam_idx": np.zeros(1, dtype=np.int32),
        }
        known = {name for port in self.compiled.inputs for name in port.get_names()}
        request.infer({name: value for name, value in feed.items() if name in known})
        return np.array(request.get_tensor("logits").data[0])

    def answers(self, prompts: Sequence[Sequence[int]], tokens: int, ends: set[int]) -> Iterator[tuple[int, list[int]]]:
        """By its continuous batching, with the beginnings of prompts kept: what LLMPipeline itself runs on a CPU."""
        settings = self.genai.GenerationConfig(max_new_tokens=tokens, do_sample=False, stop_token_ids=ends)
        for start in range(0, len(prompts), CHUNK):
            part = [self.ov.Tensor(np.asarray([prompt], dtype=np.int64)) for prompt in prompts[start : start + CHUNK]]
            for number, result in enumerate(self.pipeline.generate(part, [settings] * len(part))):
                ids = [int(token) for token in result.m_generation_ids[0]]
                end = next((place for place, token in enumerate(ids) if token in ends), len(ids))
                yield start + number, ids[:end]

    def encode(self, text: str) -> list[int]:
        return [int(token) for token in self.tokenizer.encode(text, add_special_tokens=False).input_ids.data[0]]


if __name__ == "__main__":
    main(OpenvinoGenai)
