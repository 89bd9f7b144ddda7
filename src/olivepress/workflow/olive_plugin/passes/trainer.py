"""The trainer of our own passes: what Olive's has no place for, and the same results where nothing of it is asked.

``train`` follows ``LoRA.train_and_save_new_model`` of Olive 0.13.0, which makes a plain ``transformers.Trainer``.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers.trainer_utils import get_last_checkpoint

from olivepress.core.errors import JobError

__all__ = ["PressTrainer", "train"]


class PressTrainer(transformers.Trainer):
    """A Trainer."""


def train(kind: Any, model: Any, tokenizer: Any, config: Any) -> None:
    """Train ``model`` by the settings of a pass of class ``kind``, from its last checkpoint where there is one."""
    arguments = config.training_args
    train_rows, validation_rows = kind.get_datasets(config)
    arguments.eval_strategy = (arguments.eval_strategy or "steps") if validation_rows else "no"
    if not arguments.output_dir:
        raise JobError("training_args without an output_dir", next_step="name a folder for the checkpoints")
    checkpoint = arguments.resume_from_checkpoint
    if checkpoint is None and Path(arguments.output_dir).is_dir() and not arguments.overwrite_output_dir:
        checkpoint = get_last_checkpoint(arguments.output_dir)
    if kind.get_torch_dtype(config.torch_dtype) == torch.float16:
        arguments.extra_args["fp16"] = True
    trainer = PressTrainer(
        model=model,
        args=arguments.create_training_args(),
        train_dataset=train_rows,
        eval_dataset=validation_rows,
        data_collator=partial(kind.collate_batch, tokenizer=tokenizer),
    )
    trainer.train(resume_from_checkpoint=checkpoint)
