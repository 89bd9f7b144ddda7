"""What a rendered workflow imports inside Olive: seeding, data components, the training monitor, the evaluator.

Registered when the workflow is parsed, by its ``user_script``; plain ``olive run`` needs nothing else.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from olive.data.registry import Registry as DataRegistry
from olive.evaluator.metric_result import MetricResult
from olive.evaluator.olive_evaluator import OliveEvaluator
from olive.evaluator.registry import Registry as EvaluatorRegistry
from olive.passes.onnx.graph_surgeries import ProtoSurgeon
from transformers.integrations import integration_utils

from olivepress.adapters import add_lora_inputs
from olivepress.core.child.messages import report_progress, reports_errors
from olivepress.core.errors import DataError, JobError
from olivepress.data.store.examples import Example
from olivepress.data.store.reader import dataset_labels, read_split
from olivepress.measure.importers.olive_metrics import ROWS
from olivepress.measure.quality.accuracy import measure_exported
from olivepress.report.registry import METRICS
from olivepress.report.task_metrics import Answers, task_metrics
from olivepress.workflow.olive_plugin.row_counts import RowCounts, row_problem, row_summary
from olivepress.workflow.olive_plugin.supervision import TrainOn, pack, short_rows, supervise
from olivepress.workflow.olive_plugin.tensorboard import BesideCheckpoints

__all__ = ["activate", "separate_documents"]


def activate(*, seed: int) -> None:
    """Seed everything (Olive makes the adapter before any seed is set) and register the training monitor."""
    transformers.set_seed(seed)
    torch.manual_seed(seed)
    # Named by ``report_to: [olivepress]``: the only way to a callback in Olive's trainer.
    integration_utils.INTEGRATION_TO_CALLBACK["olivepress"] = TrainingMonitor
    if "logging_dir" not in transformers.TrainingArguments.__dataclass_fields__:
        integration_utils.INTEGRATION_TO_CALLBACK["tensorboard"] = BesideCheckpoints


class _Rows(torch.utils.data.Dataset):  # type: ignore[type-arg]
    """A list as the torch dataset that Olive's containers expect."""

    def __init__(self, items: list[Any]) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Any:
        return self.items[index]


@DataRegistry.register_dataset("olivepress_dataset")
@reports_errors
def load_split(directory: str, split: str) -> _Rows:
    """Data component: the rows of one split of a prepared dataset."""
    return _Rows(list(read_split(Path(directory), split).rows))


@DataRegistry.register_pre_process("olivepress_supervised")
@reports_errors
def supervise_rows(
    dataset: _Rows,
    model_path: str,
    max_length: int,
    revision: str | None = None,
    packing: bool = False,
    train_on: TrainOn = "answer",
) -> _Rows:
    """Data component: rows → unpadded ``input_ids``, ``attention_mask`` and ``labels`` (answers only), 1-D int64.

    Unpadded, so that Olive's collator pads each batch to its own longest row. With ``packing`` the mask numbers the
    examples of a sequence, and ``separate_documents`` keeps them apart: Olive's collator passes nothing else on.
    """
    rows: list[Example] = dataset.items
    examples = supervise(
        rows, model_path, max_length=max_length, revision=revision, train_on=train_on, on_counts=_report_rows
    )
    if packing:
        packed = pack(examples, max_length)
        print(f"olivepress: {len(examples)} rows packed into {len(packed)} sequences, attention kept apart")
        return _Rows(
            [({"input_ids": list(p.input_ids), "attention_mask": list(p.documents)}, list(p.labels)) for p in packed]
        )
    return _Rows(
        [
            (
                {"input_ids": list(example.input_ids), "attention_mask": [1] * len(example.input_ids)},
                list(example.labels),
            )
            for example in examples
        ]
    )


def _report_rows(counts: RowCounts) -> None:
    """Print and report the counts. DataError when most of the data would not be trained on."""
    print(f"olivepress: {row_summary(counts) or f'all {counts.rows} rows are trained on'}")
    report_progress(0, 0, rows=counts.model_dump())
    if problem := row_problem(counts):
        raise DataError(problem, next_step=f"set data.max_length: {counts.enough} in the recipe, or shorten the rows")


@DataRegistry.register_pre_process("olivepress_calibration")
@reports_errors
def calibration_rows(
    dataset: _Rows, model_path: str, max_length: int, max_rows: int, revision: str | None = None
) -> _Rows:
    """Data component: ``max_rows`` rows spread over the split → whole texts as 1-D int64 tensors, one a batch.

    Others take the place of rows that are longer than ``max_length``; DataError when none is as short.
    """
    rows: list[Example] = dataset.items
    chosen = short_rows(
        [rows[index] for index in _spread(len(rows), max_rows)],
        model_path,
        max_length=max_length,
        most=max_rows,
        revision=revision,
    )
    examples = supervise(chosen or rows, model_path, max_length=max_length, revision=revision)
    tokens = sum(len(example.input_ids) for example in examples)
    print(f"olivepress: calibrated on {len(examples)} of {len(rows)} rows, {tokens} tokens")
    return _Rows([(_calibration_inputs(example.input_ids), torch.tensor(example.labels)) for example in examples])


def _spread(count: int, most: int) -> Iterator[int]:
    """All of ``count`` indices: first ``most`` at equal distances, then the rest, from all parts too."""
    first = [index * count // most for index in range(most)] if most < count else list(range(count))
    yield from first
    step = max(count // most, 1)
    rest = sorted(set(range(count)).difference(first))
    for offset in range(step):
        yield from rest[offset::step]


def _calibration_inputs(token_ids: Sequence[int]) -> dict[str, torch.Tensor]:
    return {"input_ids": torch.tensor(token_ids), "attention_mask": torch.ones(len(token_ids), dtype=torch.int64)}


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


class TrainingMonitor(transformers.TrainerCallback):
    """Stops on the first number that is not finite, and writes progress and the loss curve as JSON lines."""

    def __init__(self) -> None:
        self.started = time.monotonic()

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        """Called once: packed sequences are kept apart from here on; others are left as they are."""
        model.register_forward_pre_hook(separate_documents, with_kwargs=True)

    @reports_errors
    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        """Called with every logged step: loss and gradient norm."""
        logs = logs or {}
        for name in ("loss", "grad_norm"):
            value = logs.get(name)
            if value is not None and not math.isfinite(float(value)):
                message = f"step {state.global_step}: {name} is {value}; the adapter would be worthless"
                raise JobError(message, next_step="lower learning_rate, or set torch_dtype: float32")
        if "loss" in logs:  # the last log is a summary, no step
            report_progress(state.global_step, state.max_steps, loss=logs["loss"], seconds=self._seconds())

    @reports_errors
    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        """Called after every optimizer step: a NaN in the adapter must not reach the merge."""
        if state.global_step != 1 and state.global_step != state.max_steps:
            return
        for name, parameter in model.named_parameters():
            if parameter.requires_grad and not torch.isfinite(parameter).all():
                raise JobError(f"step {state.global_step}: {name} is not finite", next_step="lower learning_rate")

    def _seconds(self) -> float:
        return round(time.monotonic() - self.started, 3)


class OlivepressLoraInputs(ProtoSurgeon):
    """Surgeon of Olive's GraphSurgeries, registered under its name: ``adapters.add_lora_inputs``."""

    @reports_errors
    def __call__(self, model: Any) -> Any:
        return add_lora_inputs(model)


@EvaluatorRegistry.register("olivepress_evaluator")
class OlivepressEvaluator(OliveEvaluator):
    """Answers the first rows of the test split with ONNX Runtime GenAI; our metrics in Olive's own ``metrics.json``.

    For those who run a rendered workflow with plain ``olive run``: a first look at the export, which says of how many
    ``rows`` it is. ``olivepress bench`` measures, with latency, memory and intervals. What was not measured is left
    out: Olive's values must be numbers.
    """

    def __init__(self, dataset: str, max_examples: int | None = None, **_: Any) -> None:
        super().__init__()
        self.dataset = Path(dataset)
        self.max_examples = max_examples

    @reports_errors
    def evaluate(self, model: Any, metrics: Any, device: Any = None, execution_providers: Any = None) -> MetricResult:
        """Measure the GenAI folder that ``model`` lies in. Raises JobError when it is none."""
        path = Path(model.model_path)
        data = read_split(self.dataset, "test", limit=self.max_examples)
        examples, _ = measure_exported(path if path.is_dir() else path.parent, data.rows, progress=report_progress)
        answers = Answers(examples=tuple(examples), labels=dataset_labels(self.dataset), json_schema=data.json_schema)
        result = {
            f"olivepress-{name}": {
                "value": measurement.value,
                "priority": -1,
                "higher_is_better": METRICS[name].direction == "higher",
            }
            for name, measurement in task_metrics(answers).items()
            if measurement.value is not None
        }
        rows = {"value": len(examples), "priority": -1, "higher_is_better": True}
        return MetricResult.model_validate(result | {ROWS: rows})
