"""Where a token's time goes: ONNX Runtime's own profile, by kernel."""

from __future__ import annotations

import json
import shutil
import tempfile
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from peers.rounds import Job, run_job

__all__ = ["kernel_shares", "prefill_runs", "profile"]

PARTS = ("qkv_proj", "q_proj", "k_proj", "v_proj", "o_proj", "gate_up_proj", "gate_proj", "up_proj", "down_proj",
         "lm_head")  # fmt: skip
LEAST = 0.01  # shares below are added up


def prefill_runs(tokens: int, repeats: int) -> set[int]:
    """Which runs of the model are prompts: one to warm up with 8 tokens after it, then ``repeats`` with ``tokens``."""
    warm = min(8, tokens)
    return {0} | {1 + warm + number * (1 + tokens) for number in range(repeats)}


def kernel_name(event: Mapping[str, Any]) -> str:
    """The operator, and of a product which projection it is."""
    operator = str(event["args"].get("op_name", "?"))
    part = next((part for part in PARTS if part in event["name"]), "")
    return f"{operator} {part}" if part and operator.startswith("MatMul") else operator


def kernel_shares(events: Iterable[Mapping[str, Any]], prompts: set[int]) -> dict[str, Any]:
    """Of prefill and decode: ms a run, and each kernel's share of it; the first prompt and answer are left out."""
    held = list(events)
    runs = sorted((e for e in held if e.get("name") == "model_run"), key=lambda e: e["ts"])
    starts, warm = [e["ts"] for e in runs], sorted(prompts)[1] if len(prompts) > 1 else 0
    counted: dict[str, Counter[str]] = {"prefill": Counter(), "decode": Counter()}
    for event in held:
        if event.get("cat") != "Node" or not str(event.get("name", "")).endswith("_kernel_time"):
            continue
        index = bisect_right(starts, event["ts"]) - 1
        if index >= warm and event["ts"] <= starts[index] + runs[index]["dur"]:
            counted["prefill" if index in prompts else "decode"][kernel_name(event)] += event["dur"]
    found: dict[str, Any] = {}
    for phase, kernels in counted.items():
        mine = [
            run["dur"] for index, run in enumerate(runs) if index >= warm and (index in prompts) == (phase == "prefill")
        ]
        found[phase] = {
            "ms_per_run": sum(mine) / len(mine) / 1000,
            "n": len(mine),
            "share": _shares(kernels, sum(mine)),
        }
    return found


def _shares(kernels: Counter[str], total: float) -> dict[str, float]:
    shares = {name: value / total for name, value in kernels.most_common() if value / total >= LEAST}
    rest = sum(kernels.values()) / total - sum(shares.values())
    return shares | {"other kernels": rest, "between kernels": 1 - sum(shares.values()) - rest}


def profile(job: Job, tokens: int, repeats: int) -> dict[str, Any]:
    """Run the subject once with profiling on. Profiling itself slows it: shares are told, not speed."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "model"
        folder.mkdir()
        model = Path(job.spec["model"])
        for file in model.iterdir():
            if file.name != "genai_config.json":
                (folder / file.name).symlink_to(file.resolve())
        config = json.loads((model / "genai_config.json").read_text(encoding="utf-8"))
        config["model"]["decoder"]["session_options"]["enable_profiling"] = str(Path(scratch) / "profile")
        (folder / "genai_config.json").write_text(json.dumps(config), encoding="utf-8")
        run_job(job, model=str(folder), tokens=tokens, repeats=repeats)
        (file,) = Path(scratch).glob("profile*.json")
        events: Sequence[Mapping[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
        shutil.rmtree(folder)
    return kernel_shares(events, prefill_runs(tokens, repeats))
