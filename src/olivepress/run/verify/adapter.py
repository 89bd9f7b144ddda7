"""An adapter that was trained, and a merge that has it: told from the tensors, without running a model."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from olivepress.core.artifact import Check
from olivepress.core.bounded import CONFIG, read_json
from olivepress.core.errors import JobError
from olivepress.recipe.methods import METHODS
from olivepress.run.verify.tensors import Weights, read_tensors, tensor_names

__all__ = ["adapted_modules", "adapter_checks", "starts_at_zero", "weight_delta"]

_PREFIX = "base_model.model."  # what peft puts before the names of the base's modules
_TENSOR = re.compile(r"^(?P<module>.+)\.(?P<tensor>(?:lora|hada|lokr)_\w+)(?:\.weight)?$")
_ROUNDINGS = 4  # units in the last place that are no adapter's doing
_MAGNITUDE = "lora_magnitude_vector"


def adapter_checks(adapter_dir: Path, method: str) -> Iterator[Check]:
    """Every tensor finite, every module that is adapted moved, and for DoRA every magnitude there and positive."""
    path, chosen = adapter_dir / "adapter_model.safetensors", METHODS[method]
    broken = [name for name, tensor in read_tensors(path) if not bool(tensor.isfinite().all())]
    yield Check(name="finite", passed=not broken, detail=broken[0] if broken else "every tensor of the adapter")
    zeros = {name for name in tensor_names(path) if starts_at_zero(name, method)}
    left = [name for name, tensor in read_tensors(path) if name in zeros and bool((tensor != 0).any())]
    still, which = sorted(zeros - set(left)), " or ".join(chosen.starts_at_zero)
    yield Check(
        name="adapter_trained",
        passed=0 < len(zeros) == len(left),
        value=float(len(left)),
        limit=float(len(zeros)),
        detail=f"{still[0]} is still zero" if still else f"{which} matrices that left zero",
    )
    if chosen.magnitudes:
        yield _magnitudes(path, len(zeros))


def starts_at_zero(name: str, method: str) -> bool:
    """Whether the tensor of that name, as peft saves it, is zero before the first step."""
    return _tensor(name) in METHODS[method].starts_at_zero


def _magnitudes(path: Path, modules: int) -> Check:
    """DoRA scales each row of a weight to a trained length: one that is not positive and finite breaks the row."""
    good = [
        bool((tensor > 0).all() and tensor.isfinite().all())
        for name, tensor in read_tensors(path)
        if _tensor(name) == _MAGNITUDE
    ]
    return Check(
        name="magnitudes",
        passed=len(good) == modules and all(good),
        value=float(sum(good)),
        limit=float(modules),
        detail="magnitude vectors of DoRA that are finite and positive",
    )


def _tensor(name: str) -> str:
    found = _TENSOR.match(name)
    return found["tensor"] if found else ""


def adapted_modules(adapter_dir: Path, base: Weights) -> list[str]:
    """Modules that the adapter's file holds tensors for, and modules of the base that its config says it adapts.

    Both, so that a tensor that was lost and one whose name fits nothing are found. JobError when it cannot be read.
    """
    config = _config(adapter_dir)
    found = (_TENSOR.match(name) for name in tensor_names(adapter_dir / "adapter_model.safetensors"))
    held = {match["module"].removeprefix(_PREFIX) for match in found if match}
    targets = config.get("target_modules") or []
    if isinstance(targets, str):  # a pattern, or all-linear: which modules that is, only the file says
        return sorted(held)
    modules = [name.removesuffix(".weight") for name in base if name.endswith(".weight")]
    # As peft reads a list: the whole name of a module, or the end of it after a dot.
    said = {module for module in modules for target in targets if f".{module}".endswith(f".{target}")}
    return sorted(held | said)


def _config(adapter_dir: Path) -> dict[str, Any]:
    path = adapter_dir / "adapter_config.json"
    try:
        config: dict[str, Any] = read_json(path, CONFIG, JobError)
    except (OSError, ValueError) as error:
        raise JobError(f"{path}: cannot be read as JSON ({error})", next_step="run the finetune again") from error
    return config


def weight_delta(base_dir: Path, merged_dir: Path, adapter_dir: Path) -> Check:
    """Every module that the adapter adapts has another weight after the merge than before; the first that has not is
    named.

    The base is rounded to the merge's dtype first: what that alone changes is no adapter. Nor is what scaling a row to
    its own length and rounding it changes, as merging a DoRA that holds nothing does in bfloat16. Comparing what
    base + adapter and the merged model compute does not see an adapter that neither of them loaded.
    """
    base, merged = Weights(base_dir), Weights(merged_dir)
    modules = adapted_modules(adapter_dir, base)
    reasons = {module: why for module in modules if (why := _unmoved(f"{module}.weight", base, merged))}
    first = next(iter(reasons), None)
    return Check(
        name="weight_delta",
        passed=bool(modules) and first is None,
        value=float(len(modules) - len(reasons)),
        limit=float(len(modules)),
        detail=f"{first}: {reasons[first]}" if first else "adapted modules whose merged weight is not the base's",
    )


def _unmoved(name: str, base: Weights, merged: Weights) -> str | None:
    """Why a weight cannot be called moved; None when it can."""
    if name not in base or name not in merged:
        return f"no such weight in the {'merged model' if name in base else 'base'}"
    before, after = base.read(name), merged.read(name)
    if before.shape != after.shape:
        return f"its shape is {tuple(after.shape)}, the base's {tuple(before.shape)}"
    return None if _moved(before.to(after.dtype), after) else "its merged weight is the base's"


def _moved(before: Any, after: Any) -> bool:
    """Whether some element differs by more than rounding makes of it: of the small ones an adapter changes most."""
    import torch

    rounding = _ROUNDINGS * torch.finfo(after.dtype).eps
    return bool(((after.float() - before.float()).abs() > rounding * before.float().abs()).any())
