"""A trained adapter, and a merge that contains it: checked by their tensors, without running a model."""

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
_ROUNDINGS = 4  # units in the last place that rounding alone may change
_MAGNITUDE = "lora_magnitude_vector"


def adapter_checks(adapter_dir: Path, method: str, start: Path | None = None) -> Iterator[Check]:
    """Every tensor finite, every module that is adapted moved, and for DoRA every magnitude there and positive.

    ``start``: the adapter that was trained further, which has to be another one now.
    """
    path, chosen = adapter_dir / "adapter_model.safetensors", METHODS[method]
    broken = [name for name, tensor in read_tensors(path) if not bool(tensor.isfinite().all())]
    yield Check(name="finite", passed=not broken, detail=broken[0] if broken else "every tensor of the adapter")
    if start is not None:
        yield _moved(path, start / path.name)
        return
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


def _moved(path: Path, start: Path) -> Check:
    """An adapter that is trained further has left zero before: what counts is that each of its tensors changed."""
    before = dict(read_tensors(start))
    after = dict(read_tensors(path))
    still = [name for name, tensor in after.items() if name not in before or _is_same(before[name], tensor)]
    missing = sorted(before.keys() - after.keys())
    problem = f"{missing[0]} is missing" if missing else ""
    if still and not problem:
        problem = f"{still[0]} is that of the adapter that was trained further"
    return Check(
        name="adapter_trained",
        passed=bool(after) and not problem,
        value=float(len(after) - len(still)),
        limit=float(len(before)),
        detail=problem or f"tensors that differ from those of {start.parent.as_posix()}",
    )


def _is_same(before: Any, after: Any) -> bool:
    return before.shape != after.shape or bool((before.to(after.dtype) == after).all())


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
    match = _TENSOR.match(name)
    return match["tensor"] if match else ""


def adapted_modules(adapter_dir: Path, base: Weights) -> list[str]:
    """Modules with tensors in the adapter's file, and modules of the base that its config names.

    Both, so that a lost tensor and one whose name fits no module are detected. JobError when it cannot be read.
    """
    config = _config(adapter_dir)
    matches = (_TENSOR.match(name) for name in tensor_names(adapter_dir / "adapter_model.safetensors"))
    stored = {match["module"].removeprefix(_PREFIX) for match in matches if match}
    targets = config.get("target_modules") or []
    if isinstance(targets, str):  # a pattern, or all-linear: only the file lists the modules
        return sorted(stored)
    modules = [name.removesuffix(".weight") for name in base if name.endswith(".weight")]
    # As peft reads a list: the whole name of a module, or the end of it after a dot.
    named = {module for module in modules for target in targets if f".{module}".endswith(f".{target}")}
    return sorted(stored | named)


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

    The base is rounded to the merge's dtype first: that alone is not a change by an adapter. Nor is scaling a row to
    its own length and rounding it, as merging an empty DoRA does in bfloat16. Comparing what base + adapter and the
    merged model compute does not detect an adapter that neither of them loaded.
    """
    base, merged = Weights(base_dir), Weights(merged_dir)
    modules = adapted_modules(adapter_dir, base)
    reasons = {module: reason for module in modules if (reason := _unchanged(f"{module}.weight", base, merged))}
    first = next(iter(reasons), None)
    return Check(
        name="weight_delta",
        passed=bool(modules) and first is None,
        value=float(len(modules) - len(reasons)),
        limit=float(len(modules)),
        detail=f"{first}: {reasons[first]}" if first else "adapted modules whose merged weight is not the base's",
    )


def _unchanged(name: str, base: Weights, merged: Weights) -> str | None:
    """The reason why a weight does not count as changed; None when it does."""
    if name not in base or name not in merged:
        return f"no such weight in the {'merged model' if name in base else 'base'}"
    before, after = base.read(name), merged.read(name)
    if before.shape != after.shape:
        return f"its shape is {tuple(after.shape)}, the base's {tuple(before.shape)}"
    return None if _is_changed(before.to(after.dtype), after) else "its merged weight is the base's"


def _is_changed(before: Any, after: Any) -> bool:
    """Whether some element differs by more than rounding: an adapter changes small ones most."""
    import torch

    rounding = _ROUNDINGS * torch.finfo(after.dtype).eps
    return bool(((after.float() - before.float()).abs() > rounding * before.float().abs()).any())
