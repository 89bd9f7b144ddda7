"""Opens the PyTorch parent on the build machine. torch, transformers and peft are imported inside functions only."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from olivepress.catalog import count_parameters
from olivepress.core.errors import JobError, SetupError, whole_message
from olivepress.recipe.methods import FourBit
from olivepress.runtimes.float32_products import compute_in_float32

__all__ = ["LARGE", "SMALL", "load_parent", "opened_parent"]

SMALL = 30_000_000  # parameters below which one thread computes
LARGE = 1_000_000_000  # parameters above which the parent is computed in bfloat16: 3.8 B in float32 take 15 GB


def load_parent(
    model_dir: Path, *, adapter_dir: Path | None = None, four_bit: FourBit | None = None
) -> tuple[Any, Any]:
    """(model, tokenizer) of a Hugging Face folder on the CPU in eval mode, with an adapter when one is given.

    float32 up to 1 B parameters, so that an fp32 export can be compared at 1e-3; bfloat16 above, whose products are
    computed as ``float32_products`` says. With ``four_bit`` the
    base is quantized as while the adapter was trained on it. Safetensors only, no remote code, no network. SetupError
    when the build extra is missing; RecipeError when the folder has no weights; JobError when it cannot be loaded.
    """
    parameters = count_parameters(model_dir)
    large = parameters > LARGE
    try:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        quantized = _quantized(four_bit) if four_bit else {}
        torch.set_num_threads(_threads_for(parameters, _threads()))
    except ImportError as error:
        raise SetupError(
            f"torch/transformers missing ({error})", next_step="pip install 'olivepress[build]'"
        ) from error
    strict = {"trust_remote_code": False, "local_files_only": True}
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(model_dir), **strict)
        model = AutoModelForCausalLM.from_pretrained(
            str(model_dir),
            **{"dtype": torch.bfloat16 if large else torch.float32, "low_cpu_mem_usage": True, **quantized},
            use_safetensors=True,
            **strict,
        )
        if four_bit is not None:
            _compute_as_in_training(model)
        if adapter_dir is not None:
            from peft import PeftModel

            model = PeftModel.from_pretrained(model, str(adapter_dir))
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        reason = whole_message(error)
        raise JobError(
            f"{adapter_dir or model_dir}: cannot be loaded ({reason})", next_step="check the folder"
        ) from error
    if large and four_bit is None:
        compute_in_float32(model)
    return model.eval(), tokenizer


@functools.lru_cache(maxsize=1)
def opened_parent(model_dir: Path, adapter_dir: Path | None = None, four_bit: FourBit | None = None) -> tuple[Any, Any]:
    """As ``load_parent``, for measurements that follow each other in one process: the last model stays open."""
    return load_parent(model_dir, adapter_dir=adapter_dir, four_bit=four_bit)


@functools.cache
def _threads() -> int:
    """Threads that PyTorch has taken by itself, or from OMP_NUM_THREADS."""
    import torch

    return int(torch.get_num_threads())


def _threads_for(parameters: int, threads: int) -> int:
    """One for a small model: its products are so short that threads wait for each other longer than they compute, and
    where other programs have the processors, each wait is theirs too (40 rows of 77 labels with 2.6 M parameters: 590 s
    with two threads on a busy machine, 22 s with one)."""
    return 1 if parameters < SMALL else threads


def _quantized(four_bit: FourBit) -> dict[str, Any]:
    """The arguments with which Olive's QLoRA pass loads the base: compute dtype, quantized by bitsandbytes."""
    import bitsandbytes  # noqa: F401  (else transformers reports that it is missing)
    import torch
    from transformers import BitsAndBytesConfig

    dtype = getattr(torch, four_bit.compute_dtype)
    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=four_bit.quant_type,
        bnb_4bit_use_double_quant=four_bit.double_quant,
        bnb_4bit_compute_dtype=dtype,
    )
    return {"dtype": dtype, "device_map": "cpu", "quantization_config": config}


def _compute_as_in_training(model: Any) -> None:
    """Dequantize and multiply in the compute dtype, as in training.

    In eval mode bitsandbytes would use bfloat16, whatever the compute dtype, on CPUs with AVX512-BF16 only.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
