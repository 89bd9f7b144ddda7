"""A loss of the user's own: loaded from a file that the recipe names, and run on a tiny batch before anything else.

The function is given two tensors, aligned so that ``logits[:, i]`` predicts ``labels[:, i]``:

- ``logits``: float [rows, tokens, vocabulary]
- ``labels``: int64 [rows, tokens]; -100 marks a token that is not trained on

It returns the mean loss as a tensor without dimensions, from which the gradient is computed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from olivepress.core.errors import JobError
from olivepress.workflow.olive_plugin.supervision import IGNORE_INDEX

__all__ = ["Loss", "causal_loss", "load_loss", "own_loss"]

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
_ROWS, _TOKENS = 2, 5


def own_loss(settings: Mapping[str, Any] | None, vocabulary: int) -> Loss | None:
    """The function that a pass names, checked on a tiny batch; None where it names none. JobError as ``load_loss``."""
    if settings is None:
        return None
    loss = load_loss(settings["module"], settings["sha256"])
    _check(loss, settings["module"], vocabulary)
    return loss


def load_loss(module: str, sha256: str) -> Loss:
    """Import ``file.py:function``. JobError: a file that is not the one that was allowed, or no such function."""
    file, _, name = module.partition(":")
    try:
        content = Path(file).read_bytes()
    except OSError as error:
        raise JobError(f"loss {module}: {error.strerror}", next_step="correct finetune.loss.module") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise JobError(f"loss {module}: the file was changed since the workflow was rendered", next_step="render again")
    loaded = ModuleType("olivepress_own_loss")
    loaded.__file__ = file
    try:  # what was hashed, and no bytecode that lies beside it
        exec(compile(content, file, "exec", dont_inherit=True), loaded.__dict__)
    except Exception as error:
        raise _fails(module, error) from error
    function = getattr(loaded, name, None)
    if not callable(function):
        raise JobError(f"loss {module}: {file} has no function {name}", next_step="correct finetune.loss.module")
    loss: Loss = function
    return loss


def _fails(module: str, error: Exception) -> JobError:
    return JobError(f"loss {module}: raises {type(error).__name__}: {error}", next_step="correct the function")


def _check(loss: Loss, module: str, vocabulary: int) -> None:
    """JobError unless it gives one finite number with a finite gradient."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(_ROWS, _TOKENS, vocabulary, generator=generator, requires_grad=True)
    labels = torch.randint(0, vocabulary, (_ROWS, _TOKENS), generator=generator)
    labels[:, :2] = IGNORE_INDEX
    try:
        value = loss(logits, labels)
        problem = _problem(value)
        if not problem:
            value.backward()  # type: ignore[no-untyped-call]
            problem = _gradient_problem(logits)
    except Exception as error:
        raise _fails(module, error) from error
    if problem:
        expected = "expected the mean loss: a finite float tensor without dimensions, with a gradient"
        raise JobError(f"loss {module}: {problem} on a tiny batch, {expected}", next_step="correct the function")


def _problem(value: Any) -> str:
    if not isinstance(value, torch.Tensor):
        return f"returns {type(value).__name__}"
    if value.dim():
        return f"returns a tensor of shape {list(value.shape)}"
    if not value.is_floating_point() or not bool(torch.isfinite(value)):
        return f"returns {value.item()}"
    return "" if value.requires_grad else "returns a number that does not depend on the logits"


def _gradient_problem(logits: torch.Tensor) -> str:
    if logits.grad is None:
        return "returns a number that does not depend on the logits"
    return "" if bool(torch.isfinite(logits.grad).all()) else "has a gradient that is not finite"


def causal_loss(loss: Loss, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """``loss`` of a causal model: the logits at a token predict the next one."""
    return loss(logits[:, :-1].float(), labels[:, 1:].to(logits.device))
