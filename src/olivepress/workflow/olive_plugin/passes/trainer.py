"""The trainer of our own passes: what Olive's has no place for, and the same results where nothing of it is asked.

``train`` follows ``LoRA.train_and_save_new_model`` of Olive 0.13.0, which makes a plain ``transformers.Trainer``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
import transformers
from olive.passes.pass_config import PassConfigParam
from torch.utils.data import Sampler
from transformers.trainer_utils import get_last_checkpoint

from olivepress.core.errors import JobError
from olivepress.workflow.olive_plugin.own_loss import Loss, causal_loss, own_loss
from olivepress.workflow.olive_plugin.ranks import check_processes
from olivepress.workflow.olive_plugin.rows import WEIGHT

__all__ = ["OPTIONS", "OwnTrainer", "WeightedRows", "checkpoint_of", "load_rows", "tf32_as", "train"]

# What these passes take beside the parameters of Olive's own.
OPTIONS = {
    "loss": PassConfigParam(
        type_=dict,
        default_value=None,
        description="module (file.py:function) and sha256 of the file: see own_loss. None: cross entropy.",
    ),
    "weighted": PassConfigParam(
        type_=bool,
        default_value=False,
        description="Draw the rows of each epoch with replacement, by the weights that the data component gives them.",
    ),
    "processes": PassConfigParam(
        type_=int,
        default_value=1,
        description="Processes that share each batch, each on a GPU of its own: started by accelerate's launcher.",
    ),
}


class WeightedRows(Sampler[int]):
    """As many rows as there are, drawn with replacement by their weights: of each epoch from a seed of its own."""

    def __init__(self, weights: Sequence[float], seed: int) -> None:
        self._weights, self._seed, self._epoch = torch.tensor(weights, dtype=torch.float64), seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Called by accelerate before an epoch, of a resumed run too."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self._seed + self._epoch)
        count = len(self._weights)
        yield from torch.multinomial(self._weights, count, replacement=True, generator=generator).tolist()

    def __len__(self) -> int:
        return len(self._weights)


class OwnTrainer(transformers.Trainer):
    """A Trainer with a loss of the user's own, None for the model's, and with weights of the rows, None for none."""

    own_loss: Loss | None = None
    weights: Sequence[float] | None = None

    def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **options: Any) -> Any:
        """The mean loss of a batch; in an evaluation too."""
        if self.own_loss is None:
            return super().compute_loss(model, inputs, return_outputs=return_outputs, **options)
        labels = inputs.pop("labels")
        outputs = model(**inputs)
        loss = causal_loss(self.own_loss, outputs.logits, labels)
        return (loss, {"loss": loss, "logits": outputs.logits}) if return_outputs else loss

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        if self.weights is None:
            return super()._get_train_sampler(train_dataset)
        seed = self.args.seed if self.args.data_seed is None else self.args.data_seed
        return WeightedRows(self.weights, int(seed))


def train(kind: Any, model: Any, tokenizer: Any, config: Any) -> None:
    """Train ``model`` by the settings of a pass of class ``kind``, from its last checkpoint where there is one."""
    arguments = config.training_args
    train_rows, validation_rows = load_rows(kind, config)
    checkpoint = checkpoint_of(arguments)
    if kind.get_torch_dtype(config.torch_dtype) == torch.float16:
        arguments.extra_args["fp16"] = True
    made = arguments.create_training_args()
    check_processes(made, config.processes)
    trainer = OwnTrainer(
        model=model,
        args=made,
        train_dataset=train_rows,
        eval_dataset=validation_rows,
        data_collator=partial(kind.collate_batch, tokenizer=tokenizer),
    )
    trainer.own_loss = own_loss(config.loss, int(model.config.vocab_size))
    trainer.weights = _weights(train_rows) if config.weighted else None
    with tf32_as(config.allow_tf32):
        trainer.train(resume_from_checkpoint=checkpoint)


def load_rows(kind: Any, config: Any) -> tuple[Any, Any | None]:
    """The rows to train on, and those to evaluate on; without these the arguments ask for no evaluation."""
    train_rows, validation_rows = kind.get_datasets(config)
    arguments = config.training_args
    arguments.eval_strategy = (arguments.eval_strategy or "steps") if validation_rows else "no"
    return train_rows, validation_rows


def checkpoint_of(arguments: Any) -> str | None:
    """The checkpoint that a training goes on from, as Olive's LoRA finds it. JobError without a folder for them."""
    if not arguments.output_dir:
        raise JobError("training_args without an output_dir", next_step="name a folder for the checkpoints")
    checkpoint: str | None = arguments.resume_from_checkpoint
    if checkpoint is None and Path(arguments.output_dir).is_dir() and not arguments.overwrite_output_dir:
        checkpoint = get_last_checkpoint(arguments.output_dir)
    return checkpoint


@contextmanager
def tf32_as(allowed: bool) -> Iterator[None]:
    """Matrices multiplied in TF32 or not, where there is a CUDA GPU; afterwards as before."""
    before = torch.backends.cuda.matmul.allow_tf32
    if torch.cuda.is_available():
        torch.backends.cuda.matmul.allow_tf32 = allowed
    try:
        yield
    finally:
        if torch.cuda.is_available():
            torch.backends.cuda.matmul.allow_tf32 = before


def _weights(rows: Any) -> list[float]:
    if WEIGHT not in rows.column_names:
        raise JobError(
            "weighted rows without weights", next_step="give the data component label_weights or task_weights"
        )
    return [float(weight) for weight in rows[WEIGHT]]
