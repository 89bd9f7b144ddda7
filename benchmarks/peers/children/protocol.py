"""A job as JSON on standard input, what was found as the last line of standard output. Only numpy and the library."""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np


class Runtime(Protocol):
    """A loaded model. Greedy, batch 1, never stopped by an end token."""

    def generate(self, prompt: Sequence[int], tokens: int) -> tuple[float, float]:
        """(seconds to the logits of the whole prompt and the first token of them, seconds of ``tokens`` more)."""

    def logits(self, token_ids: Sequence[int]) -> np.ndarray:
        """float32 [tokens, vocabulary], the model being given exactly these tokens."""

    def answers(self, prompts: Sequence[Sequence[int]], tokens: int, ends: set[int]) -> Iterator[tuple[int, list[int]]]:
        """(index of the prompt, its greedy continuation), in any order: up to an id of ``ends``, at most ``tokens``."""

    def encode(self, text: str) -> list[int]:
        """The ids of a text by the runtime's own tokenizer, which adds none."""


def common_start(first: Sequence[int], second: Sequence[int]) -> int:
    """How many tokens two sequences have in common at their beginning."""
    for index, (one, other) in enumerate(zip(first, second, strict=False)):
        if one != other:
            return index
    return min(len(first), len(second))


def peak_bytes() -> int | None:
    """VmHWM: the largest resident set of this process so far, mapped files of weights included."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.is_file() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), None)


def busy_seconds() -> float:
    """Core seconds that were not idle, of all processes (/proc/stat: user, nice, system, idle, iowait, irq, …)."""
    file = Path("/proc/stat")
    ticks = [int(one) for one in file.read_text().split("\n", 1)[0].split()[1:9]] if file.is_file() else [0] * 8
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


def main(load: Callable[[dict[str, Any]], Runtime]) -> None:
    """``task`` speed: medians of ``repeats`` after one run to warm up; logits: one file for each text; answers: one
    JSON line for each prompt; tokenize: which texts have other ids than those given."""
    job: dict[str, Any] = json.loads(sys.stdin.read())
    runtime = load(job)
    found = {"speed": speed, "logits": logits, "answers": answers, "tokenize": tokenize}[job["task"]](runtime, job)
    print(json.dumps(found | {"peak_memory_bytes": peak_bytes()}), flush=True)


def speed(runtime: Runtime, job: dict[str, Any]) -> dict[str, float]:
    prompt, tokens = job["prompt"], job["tokens"]
    runtime.generate(prompt, min(8, tokens))
    # Each run another prompt: OpenVINO GenAI keeps the cache of prompts that it has seen.
    prompts = [[token + number for token in prompt] for number in range(1, job["repeats"] + 1)]
    busy, own, began = busy_seconds(), time.process_time(), time.monotonic()
    runs = [runtime.generate(one, tokens) for one in prompts]
    others = busy_seconds() - busy - (time.process_time() - own)
    return {
        "foreign_share": max(0.0, others) / (time.monotonic() - began) / (os.cpu_count() or 1),
        "prefill_tps": len(prompt) / statistics.median(first for first, _ in runs),
        "decode_tps": tokens / statistics.median(rest for _, rest in runs),
    }


def logits(runtime: Runtime, job: dict[str, Any]) -> dict[str, float]:
    for index, ids in enumerate(job["texts"]):
        np.save(Path(job["out"]) / f"{index:04d}.npy", runtime.logits(ids).astype(np.float32))
    return {}


def answers(runtime: Runtime, job: dict[str, Any]) -> dict[str, float]:
    """Appends ``[row id, token ids]`` to the file ``out``: what a killed run has finished is kept."""
    rows, began = job["rows"], time.monotonic()
    with Path(job["out"]).open("a", encoding="utf-8") as file:
        for index, ids in runtime.answers([row["prompt"] for row in rows], job["tokens"], set(job["ends"])):
            file.write(json.dumps([rows[index]["id"], [int(token) for token in ids]]) + "\n")
            file.flush()
    return {"seconds": time.monotonic() - began}


def tokenize(runtime: Runtime, job: dict[str, Any]) -> dict[str, Any]:
    return {"differ": [text for text, ids in job["texts"] if [int(one) for one in runtime.encode(text)] != list(ids)]}
