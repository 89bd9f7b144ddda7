"""How a recipe fine-tunes: the method, its schedule, and how the checkpoint that ships is chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, create_model, field_validator, model_validator

from olivepress.core.yaml_document import Record
from olivepress.recipe.methods import METHODS
from olivepress.report.task_metrics import TASK_METRICS

__all__ = ["LOSS", "EarlyStopping", "Finetune", "FinetuneChanges", "Monitor", "OwnLoss", "Seed"]

Seed = Annotated[int, Field(ge=0, lt=2**32)]  # what numpy and torch take
Weight = Annotated[float, Field(gt=0, le=1.0e6)]
_OF_START = ("r", "alpha", "target_modules")
LOSS = "loss"  # the metric of a checkpoint that needs no answers
# The metrics of free answers: an evaluation does not score every label.
_METRICS = tuple(name for name in TASK_METRICS if name != "label_accuracy_constrained")


class EarlyStopping(Record):
    """Stop a training that no longer improves on the validation split."""

    metric: str = Field(LOSS, description="loss, or a metric of the task, which finetune.eval_answers asks for")
    patience: int = Field(3, ge=1, le=10_000, description="evaluations without an improvement before it stops")
    min_delta: float = Field(0.0, ge=0, le=1.0e6, description="an improvement is more than this")

    @field_validator("metric")
    @classmethod
    def _known_metric(cls, metric: str) -> str:
        if metric not in (LOSS, *_METRICS):
            raise ValueError(f"{LOSS} or a metric of the task ({', '.join(_METRICS)})")
        return metric


class Monitor(Record):
    """Watch what the model is worth while it trains, on validation rows that are the same every time."""

    every: int = Field(ge=1, le=10**8, description="steps from one look to the next")
    rows: int = Field(32, ge=2, le=1000, description="validation rows that the model answers at each look")
    on_alert: Literal["warn", "fail"] = Field(
        "warn", description="when a number falls 10 % below its best: fail ends the run with an error"
    )


class OwnLoss(Record):
    """A loss function of one's own, in a file of the project."""

    module: str = Field(
        pattern=r"^(?:[A-Za-z0-9_][A-Za-z0-9_.-]*/)*[A-Za-z0-9_][A-Za-z0-9_.-]*\.py:[A-Za-z_][A-Za-z0-9_]*$",
        description="FILE.py:FUNCTION, below the project's root; it runs with --trust-targets only",
    )


class Finetune(Record):
    method: Literal["lora", "qlora", "dora", "loha", "lokr", "full", "dpo", "orpo"] = Field(
        "lora",
        description="qlora trains on a 4-bit base; adapters are merged into the unquantized one; full makes none; dpo "
        "and orpo train a LoRA on pairs of a chosen and a rejected answer",
    )
    start_from: str | None = Field(
        None,
        pattern=r"^(?:[A-Za-z0-9_.-]+/)*[A-Za-z0-9_.-]+$",
        max_length=400,
        description="with dpo and orpo: a recipe whose finished LoRA is trained further, or the folder of one; a new "
        "one when left out",
    )
    beta: float = Field(
        0.1, gt=0, le=100, description="of dpo: more stays closer to the start; of orpo: the weight of the pairs"
    )
    r: int = Field(16, ge=1, le=65536)
    alpha: float = Field(32.0, gt=0, le=1.0e6)
    lora_dropout: float = Field(0.0, ge=0, lt=1, description="not with loha and lokr")
    target_modules: tuple[str, ...] | None = Field(
        None, description="all projections of the family when left out; not with qlora, which takes every linear layer"
    )
    learning_rate: float = Field(2.0e-4, gt=0, le=10, description="2e-5 with dpo and orpo when left out")
    lr_scheduler_type: Literal["constant", "linear", "cosine", "constant_with_warmup"] = "cosine"
    warmup_ratio: float = Field(0.05, ge=0, lt=1)
    weight_decay: float = Field(0.0, ge=0, le=10)
    max_grad_norm: float = Field(1.0, gt=0, le=1.0e6)
    epochs: float = Field(3.0, gt=0, le=10_000)
    max_steps: int | None = Field(None, ge=1, le=10**8, description="overrides epochs")
    batch_size: int = Field(8, ge=1, le=65536)
    gpus: int = Field(
        1,
        ge=1,
        le=64,
        description="CUDA GPUs that share each batch, each with the whole model, by accelerate's launcher; with 1 an "
        "adapter's base is spread over all of them",
    )
    gradient_accumulation_steps: int = Field(1, ge=1, le=65536)
    gradient_checkpointing: bool = False
    train_on: Literal["answer", "all_turns"] = Field(
        "answer", description="the last answer of each conversation, or every turn of the assistant"
    )
    packing: bool = Field(False, description="several rows in a sequence of data.max_length, attention kept apart")
    torch_dtype: Literal["float32", "bfloat16", "float16"] = Field(
        "bfloat16",
        description="with method full what is computed in: its weights are float32; float16 for full only",
    )
    optim: Literal["adamw_torch", "adamw_8bit", "paged_adamw_8bit"] = Field(
        "adamw_torch", description="the 8-bit ones need a CUDA GPU and bitsandbytes"
    )
    freeze_layers: int = Field(
        0, ge=0, le=10_000, description="with method full: decoder layers from the first on that are not trained"
    )
    save_steps: int = Field(50, ge=1, le=10**8, description="an interrupted run resumes from the last checkpoint")
    eval_steps: int | None = Field(
        None,
        ge=0,
        le=10**8,
        description="steps between evaluations on the validation split; 10 a run when left out, 0: none",
    )
    eval_rows: int | None = Field(
        None, ge=2, description="validation rows of each evaluation; 32 to 256 by the length of the run when left out"
    )
    eval_answers: int = Field(
        0, ge=0, description="of these rows, how many the model answers, for the task's own metrics"
    )
    early_stopping: EarlyStopping | None = None
    keep: Literal["best", "last"] = Field("best", description="the checkpoint that ships, by early_stopping.metric")
    monitor: Monitor | None = Field(None, description="perplexity, exact match, format and variety while it trains")
    label_smoothing: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="of the probability, the share of all other tokens; in the validation loss too",
    )
    neftune_noise_alpha: float | None = Field(
        None, gt=0, le=1000, description="noise on the embeddings while training (NEFTune); 5 is usual"
    )
    loss: OwnLoss | None = Field(None, description="instead of cross entropy; in the validation loss too")
    label_weights: dict[str, Weight] = Field(
        {}, description="label → weight of its rows, which are then drawn with replacement; 1 where left out"
    )
    task_weights: dict[str, Weight] = Field(
        {}, description="of data that `olivepress data mix` made: name of a dataset in it → weight, as label_weights"
    )
    report_to: tuple[Literal["tensorboard", "mlflow"], ...] = Field(
        (),
        max_length=2,
        description="tensorboard: files in runs/<recipe>/logs; mlflow: the same as tracking: true",
    )
    seed: Seed = 0

    @model_validator(mode="after")
    def _rate_of_its_method(self) -> Finetune:
        """A LoRA's usual rate makes of preferences a model that answers nothing any more."""
        rate = METHODS[self.method].learning_rate
        if rate is not None and "learning_rate" not in self.model_fields_set:
            object.__setattr__(self, "learning_rate", rate)  # frozen from here on
        return self

    @model_validator(mode="after")
    def _method_takes_its_keys(self) -> Finetune:
        for key, reason in METHODS[self.method].ignores.items():
            if getattr(self, key) != type(self).model_fields[key].default:
                raise ValueError(f"no {key} with method {self.method}: {reason}")
        if self.start_from is not None:
            for key in _OF_START:
                if getattr(self, key) != type(self).model_fields[key].default:
                    raise ValueError(f"no {key} with start_from, whose adapter has its own; remove it")
        if self.torch_dtype == "float16" and METHODS[self.method].adapter:
            raise ValueError(f"torch_dtype bfloat16 or float32 with method {self.method}")
        return self

    @model_validator(mode="after")
    def _evaluated_where_needed(self) -> Finetune:
        stopping = self.early_stopping
        if self.eval_steps == 0:
            if stopping is not None or self.eval_answers:
                raise ValueError("no early_stopping and no eval_answers with eval_steps: 0, which evaluates nothing")
            if self.keep == "best":
                raise ValueError("keep: last with eval_steps: 0, as no checkpoint is known to be the best")
        if self.eval_rows is not None and self.eval_answers > self.eval_rows:
            raise ValueError(f"eval_answers of at most eval_rows, {self.eval_rows}, of which they are")
        if stopping is not None and stopping.metric != LOSS and not self.eval_answers:
            raise ValueError(f"eval_answers: rows to answer, which early_stopping.metric {stopping.metric} needs")
        return self

    @model_validator(mode="after")
    def _losses_that_go_together(self) -> Finetune:
        if self.loss is not None and self.label_smoothing:
            raise ValueError("no label_smoothing with a loss of your own, which replaces it")
        for key, of_rows in (("label_weights", "labels"), ("task_weights", "tasks")):
            if self.packing and getattr(self, key):
                raise ValueError(f"no packing with {key}: a sequence holds rows of several {of_rows}")
        if self.label_weights and self.task_weights:
            raise ValueError("label_weights or task_weights: a row is drawn by one of them")
        return self

    @model_validator(mode="after")
    def _batch_of_its_gpus(self) -> Finetune:
        if self.batch_size % self.gpus:
            raise ValueError(f"a batch_size of which each of gpus, {self.gpus}, takes as many rows")
        return self

    @property
    def draws_by_weight(self) -> bool:
        """Whether rows are drawn with replacement, by weights of their labels or tasks."""
        return bool(self.label_weights or self.task_weights)

    @property
    def groups_by_length(self) -> bool:
        """Whether the rows of a batch are about equally long, so that next to no time goes into padding."""
        return not self.draws_by_weight and not METHODS[self.method].pairs

    @property
    def weights_dtype(self) -> str:
        """Of the weights that are trained on, and of the model that comes out."""
        return self.torch_dtype if METHODS[self.method].adapter else "float32"

    @property
    def checkpoint_metric(self) -> str:
        """What checkpoints are compared by: ``loss``, or the name of a task's metric."""
        return self.early_stopping.metric if self.early_stopping else LOSS


if TYPE_CHECKING:
    FinetuneChanges = Record
else:
    # Every key of Finetune, each of them optional.
    FinetuneChanges = create_model(
        "FinetuneChanges",
        __base__=Record,
        **{
            name: (
                Annotated[(field.annotation, *field.metadata)] | None if field.metadata else field.annotation | None,
                Field(None, description=field.description),
            )
            for name, field in Finetune.model_fields.items()
        },
    )
