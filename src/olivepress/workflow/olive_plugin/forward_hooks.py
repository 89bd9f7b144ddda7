"""What a model is given differently in training than the trainer gives it: hooks before its forward pass."""

from __future__ import annotations

import inspect
from typing import Any

import torch

from olivepress.workflow.olive_plugin.supervision import IGNORE_INDEX

__all__ = ["add_training_hooks", "separate_documents", "supervised_logits"]


def add_training_hooks(model: Any, *, of_labels: bool) -> None:
    """Register the hooks on a model, or on one with an adapter. ``of_labels``: the trainer gives the model labels for
    nothing but the loss; those of TRL compute with them and with every logit."""
    model.register_forward_pre_hook(separate_documents, with_kwargs=True)
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    if of_labels and "logits_to_keep" in inspect.signature(base.forward).parameters:
        model.register_forward_pre_hook(supervised_logits, with_kwargs=True)


def separate_documents(_module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Forward pre-hook of a model: a mask that numbers examples becomes positions that begin anew with each.

    transformers (4.53 and later) makes of such positions, when no mask is given, an attention that stays within each
    example; padding, number 0, is one more. A mask of zeros and ones passes unchanged.
    """
    documents = kwargs.get("attention_mask")
    if documents is None or documents.dim() != 2 or int(documents.max()) < 2:
        return args, kwargs
    places = torch.arange(documents.shape[1], device=documents.device).expand_as(documents)
    begins = torch.ones_like(documents, dtype=torch.bool)
    begins[:, 1:] = documents[:, 1:] != documents[:, :-1]
    first = torch.where(begins, places, 0).cummax(dim=1).values
    return args, {**kwargs, "attention_mask": None, "position_ids": places - first, "use_cache": False}


def supervised_logits(_module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Forward pre-hook of a causal model: no logits before the first token of the batch that is trained on.

    The loss, the mean over the labels, is the same; the head's arithmetic and the logits, 4 bytes x vocabulary for each
    token and several times that in the backward pass, are left out for the prompts. Without labels (a loss of one's
    own, label smoothing) the model computes every logit.
    """
    labels = kwargs.get("labels")
    if labels is None or kwargs.get("logits_to_keep"):
        return args, kwargs
    trained = (labels != IGNORE_INDEX).any(dim=0).nonzero()
    # The token before it predicts it. A first token has none before it, and is no label.
    first = max(int(trained[0]) - 1, 0) if len(trained) else 0
    if first == 0:
        return args, kwargs
    return args, {**kwargs, "labels": labels[:, first:], "logits_to_keep": labels.shape[1] - first}
