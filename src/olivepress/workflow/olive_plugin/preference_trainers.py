"""TRL's trainers of preferences, given pairs that are tokenized already.

Theirs would tokenize texts anew, by other rules than those of inference here, and cut what is too long. They are plain
``transformers.Trainer`` otherwise, so that the training monitor works with them as with any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import transformers
from trl import DPOConfig, DPOTrainer
from trl.experimental.orpo import ORPOConfig, ORPOTrainer

__all__ = ["make_trainer"]

# No mixed precision: the base is loaded in its dtype and the adapter is float32, as Olive's LoRA trains them.
_AS_OLIVE = {"bf16": False, "max_length": None}
_REFERENCE = "ref"  # TRL's name of the adapter that is as the trained one was


class _Dpo(DPOTrainer):
    """DPO whose reference is computed once, before the first step, by the model as it is then.

    Without it TRL keeps a second adapter, which transformers (4.57.6) would resume alone from a checkpoint.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        if _REFERENCE in self.model.peft_config:
            self.model.delete_adapter(_REFERENCE)

    def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
        return dataset

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        transformers.Trainer._save_checkpoint(self, model, trial)  # without a model card


class _Orpo(ORPOTrainer):
    """ORPO: cross entropy of prompt and chosen answer, as in the paper's code, and the odds of the two answers."""

    def tokenize_row(self, feature: Mapping[str, Any], model: Any = None) -> dict[str, Any]:
        """The columns that TRL's collator pads."""
        prompt = list(feature["prompt_ids"])
        row: dict[str, Any] = {"prompt_input_ids": prompt, "prompt_attention_mask": [1] * len(prompt)}
        for side in ("chosen", "rejected"):
            answer = list(feature[f"{side}_ids"])
            row[f"{side}_input_ids"] = [*prompt, *answer]
            row[f"{side}_attention_mask"] = [1] * (len(prompt) + len(answer))
            row[f"{side}_labels"] = [-100] * len(prompt) + answer
        return row

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        transformers.Trainer._save_checkpoint(self, model, trial)  # without a model card


def make_trainer(
    objective: str, model: Any, tokenizer: Any, fields: Mapping[str, Any], *, pairs: tuple[Any, Any | None]
) -> transformers.Trainer:
    """The trainer of an ``objective``, ``dpo`` or ``orpo``, with ``fields`` of its arguments.

    ``pairs``: the datasets to train on and to evaluate on, with the columns of ``tokenized_pairs``.
    """
    for dataset in filter(None, pairs):
        dataset.reset_format()  # to lists, which the collators join
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    options = {
        "model": model,
        "processing_class": tokenizer,
        "train_dataset": pairs[0],
        "eval_dataset": pairs[1],
    }
    if objective == "orpo":
        return _Orpo(args=ORPOConfig(**fields, **_AS_OLIVE, remove_unused_columns=False), **options)
    return _Dpo(args=DPOConfig(**fields, **_AS_OLIVE, precompute_ref_log_probs=True), **options)
