"""Where this machine trains, and what a recipe asks of the training that only a GPU can do."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from olivepress.core.errors import SetupError
from olivepress.recipe.methods import METHODS
from olivepress.report.machine import fingerprint
from olivepress.workflow.plan import Plan

__all__ = [
    "check_training_device",
    "gpu_memory",
    "memory_to_train_on",
    "needs_cuda",
    "training_device",
    "training_place",
]

_CPU_BUILD, _CUDA_BUILD = "+cpu", "+cu"  # of PyTorch


@lru_cache(maxsize=1)
def training_device() -> Literal["cuda", "cpu"]:
    """``cuda`` with an NVIDIA driver and a PyTorch that is built for it. PyTorch is not imported for this."""
    try:
        torch = version("torch")
    except PackageNotFoundError:
        return "cpu"
    # PyPI has the CUDA build for Linux and the CPU build for Windows, both without a suffix.
    built = _CUDA_BUILD in torch if sys.platform == "win32" else not torch.endswith(_CPU_BUILD)
    return "cuda" if fingerprint().drivers and built else "cpu"


@lru_cache(maxsize=1)
def gpu_memory() -> tuple[int, ...]:
    """Bytes of each NVIDIA GPU, in order; empty where that is not known, or where only some of them are used."""
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return ()
    query = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, errors="replace", timeout=5, check=False)
        return tuple(int(line) << 20 for line in done.stdout.split()) if done.returncode == 0 else ()
    except (OSError, ValueError, subprocess.SubprocessError):
        return ()


def memory_to_train_on(plan: Plan) -> int | None:
    """Bytes of the GPU that all weights are trained on, or of those that adapters are, of several that share a batch of
    the smallest; None where it is not known."""
    cards, shared = gpu_memory(), plan.recipe.finetune.gpus
    if not cards:
        return None
    if shared > 1:
        return min(cards[:shared])
    return sum(cards) if METHODS[plan.recipe.finetune.method].adapter else cards[0]


def training_place(plan: Plan) -> str:
    """Where the fine-tune runs, in words.

    Of several GPUs an adapter takes all, its base's layers spread over them; what trains all weights takes the first.
    With ``finetune.gpus`` as many processes share each batch.
    """
    if training_device() == "cpu":
        return "the CPU"
    settings = plan.recipe.finetune
    if settings.gpus > 1:
        part = settings.batch_size // settings.gpus
        return f"{settings.gpus} GPUs, {part} of the {settings.batch_size} rows of a batch on each,"
    cards = len(gpu_memory())
    if cards < 2:
        return "the GPU"
    if METHODS[plan.recipe.finetune.method].adapter:
        return f"all {cards} GPUs, the layers spread over them,"
    return f"the first of {cards} GPUs"


def needs_cuda(plan: Plan) -> bool:
    """Whether only a GPU can do what the recipe asks of the training."""
    settings = plan.recipe.finetune
    return settings.optim != "adamw_torch" or settings.torch_dtype == "float16"


def check_training_device(plan: Plan) -> None:
    """Raise SetupError for an optimizer, a number format or GPUs that this machine does not have."""
    settings, where = plan.recipe.finetune, f"recipe {plan.recipe.name}: finetune"
    if training_device() == "cuda":
        if (cards := len(gpu_memory())) and settings.gpus > cards:
            message = f"{where}.gpus is {settings.gpus}, this machine has {cards}"
            raise SetupError(message, next_step=f"set gpus: {cards}, or use a machine with as many")
        return
    if settings.gpus > 1:
        message = f"{where}.gpus is {settings.gpus}, which needs as many CUDA GPUs; this machine trains on the CPU"
        raise SetupError(message, next_step="remove gpus, or use a machine with them")
    if settings.optim != "adamw_torch":
        message = f"{where}.optim is {settings.optim}, which needs a CUDA GPU; this machine trains on the CPU"
        raise SetupError(message, next_step="set optim: adamw_torch, or use a machine with one")
    if settings.torch_dtype == "float16":
        message = f"{where}.torch_dtype is float16, which needs a CUDA GPU; this machine trains on the CPU"
        raise SetupError(message, next_step="set torch_dtype: bfloat16, or use a machine with one")
