"""What a rendered workflow imports inside Olive: seeding, data components, the training monitor, the evaluator.

Registered when the workflow is parsed, by its ``user_script``; plain ``olive run`` needs nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
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
from olivepress.core.errors import DataError
from olivepress.data.store.examples import Example
from olivepress.data.store.reader import dataset_labels, read_split
from olivepress.data.store.tasks import labelled_by_task
from olivepress.measure.importers.olive_metrics import ROWS
from olivepress.measure.quality.accuracy import measure_exported
from olivepress.report.registry import METRICS
from olivepress.report.task_metrics import Answers, task_metrics
from olivepress.workflow.olive_plugin.monitor import TrainingMonitor
from olivepress.workflow.olive_plugin.pairs import tokenized_pairs
from olivepress.workflow.olive_plugin.quality import watch
from olivepress.workflow.olive_plugin.row_counts import RowCounts, row_problem, row_summary
from olivepress.workflow.olive_plugin.rows import Rows, as_inputs, spread
from olivepress.workflow.olive_plugin.supervision import TrainOn, pack, short_rows, supervise
from olivepress.workflow.olive_plugin.tensorboard import BesideCheckpoints
from olivepress.workflow.olive_plugin.validation import validation_rows as validation_rows

__all__ = ["activate"]


def activate(*, seed: int) -> None:
    """Seed everything (Olive makes the adapter before any seed is set) and register the training monitor.

    What a training computes in is the workflow's: transformers would take another precision from the environment, where
    an earlier training of the same process, or a shell of accelerate's, has left it.
    """
    os.environ.pop("ACCELERATE_MIXED_PRECISION", None)
    transformers.set_seed(seed)
    torch.manual_seed(seed)
    # Named by ``report_to: [olivepress]``: the only way to a callback in Olive's trainer.
    integration_utils.INTEGRATION_TO_CALLBACK["olivepress"] = TrainingMonitor
    if "logging_dir" not in transformers.TrainingArguments.__dataclass_fields__:
        integration_utils.INTEGRATION_TO_CALLBACK["tensorboard"] = BesideCheckpoints


@DataRegistry.register_dataset("olivepress_dataset")
@reports_errors
def load_split(directory: str, split: str) -> Rows:
    """Data component: the rows of one split of a prepared dataset."""
    return Rows(list(read_split(Path(directory), split).rows), Path(directory))


@DataRegistry.register_pre_process("olivepress_supervised")
@reports_errors
def supervise_rows(
    dataset: Rows,
    model_path: str,
    max_length: int,
    revision: str | None = None,
    packing: bool = False,
    train_on: TrainOn = "answer",
    label_weights: Mapping[str, float] | None = None,
    task_weights: Mapping[str, float] | None = None,
    monitor: Mapping[str, Any] | None = None,
) -> Rows:
    """Data component: rows → unpadded ``input_ids``, ``attention_mask`` and ``labels`` (answers only), 1-D int64.

    Unpadded, so that Olive's collator pads each batch to its own longest row. With ``packing`` the mask numbers the
    examples of a sequence, and ``separate_documents`` keeps them apart: Olive's collator passes nothing else on.
    ``monitor`` are the fields of ``Quality``: the training monitor looks at validation rows of the same dataset.
    """
    if monitor is not None:
        assert dataset.directory is not None
        watch(dataset.directory, model_path, monitor, max_length=max_length, revision=revision, train_on=train_on)
    rows: list[Example] = dataset.items
    if task_weights:
        rows = labelled_by_task(rows, dataset.directory)
    examples = supervise(
        rows, model_path, max_length=max_length, revision=revision, train_on=train_on, on_counts=_report_rows
    )
    if packing:
        packed = pack(examples, max_length)
        print(f"olivepress: {len(examples)} rows packed into {len(packed)} sequences, attention kept apart")
        return Rows(
            [({"input_ids": list(p.input_ids), "attention_mask": list(p.documents)}, list(p.labels)) for p in packed]
        )
    return as_inputs(examples, label_weights or task_weights)


@DataRegistry.register_pre_process("olivepress_pairs")
@reports_errors
def preference_rows(dataset: Rows, model_path: str, max_length: int, revision: str | None = None) -> Rows:
    """Data component: rows with a rejected answer → the columns of ``tokenized_pairs``, lists of int."""
    rows: list[Example] = dataset.items
    return tokenized_pairs(rows, model_path, max_length=max_length, revision=revision, on_counts=_report_rows)


def _report_rows(counts: RowCounts) -> None:
    """Print and report the counts. DataError when most of the data would not be trained on."""
    print(f"olivepress: {row_summary(counts) or f'all {counts.rows} rows are trained on'}")
    report_progress(0, 0, rows=counts.model_dump())
    if problem := row_problem(counts):
        raise DataError(problem, next_step=f"set data.max_length: {counts.enough} in the recipe, or shorten the rows")


@DataRegistry.register_pre_process("olivepress_calibration")
@reports_errors
def calibration_rows(
    dataset: Rows, model_path: str, max_length: int, max_rows: int, revision: str | None = None
) -> Rows:
    """Data component: ``max_rows`` rows spread over the split → whole texts as 1-D int64 tensors, one a batch.

    Others take the place of rows that are longer than ``max_length``; DataError when none is as short.
    """
    rows: list[Example] = dataset.items
    chosen = short_rows(
        [rows[index] for index in spread(len(rows), max_rows)],
        model_path,
        max_length=max_length,
        most=max_rows,
        revision=revision,
    )
    examples = supervise(chosen or rows, model_path, max_length=max_length, revision=revision)
    tokens = sum(len(example.input_ids) for example in examples)
    print(f"olivepress: calibrated on {len(examples)} of {len(rows)} rows, {tokens} tokens")
    return Rows([(_calibration_inputs(example.input_ids), torch.tensor(example.labels)) for example in examples])


def _calibration_inputs(token_ids: Sequence[int]) -> dict[str, torch.Tensor]:
    return {"input_ids": torch.tensor(token_ids), "attention_mask": torch.ones(len(token_ids), dtype=torch.int64)}


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
