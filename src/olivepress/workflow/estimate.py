"""What a job will take, estimated before it runs: peak memory, disk, and time at the rate of this machine.

Each estimate adds up what can be counted (bytes of tensors, operations) and a few constants that were fitted on
measurements. ``make estimates`` measures again and writes benchmarks/estimates.md; a test holds every estimate of
memory to within 1.3 times of what was measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from olivepress.catalog import Target
from olivepress.measure.quality.horizon import horizon
from olivepress.recipe.finetune import Finetune
from olivepress.recipe.methods import METHODS
from olivepress.runtimes.pytorch import LARGE
from olivepress.workflow.answer_time import answer_seconds
from olivepress.workflow.evaluation import evaluation_of, monitor_looks
from olivepress.workflow.machine_rates import machine_rates
from olivepress.workflow.olive_config.jobs import CALIBRATION_ROWS
from olivepress.workflow.olive_plugin.passes import CALIBRATED, QUANTIZERS
from olivepress.workflow.plan import Job, Plan
from olivepress.workflow.row_lengths import RowLengths, row_lengths
from olivepress.workflow.sizes import (
    LEAST_PROMPTS,
    LOGIT_BYTES,
    REFERENCE_PROMPTS,
    REFERENCE_TOKENS,
    artifact_bytes,
    reference_bytes,
)
from olivepress.workflow.training_memory import (
    Shape,
    computed_bytes,
    finetune_memory,
    moment_bytes,
    trained_parameters,
    weight_bytes,
)

__all__ = [
    "Need",
    "Shape",
    "export_memory",
    "finetune_memory",
    "gpu_bytes",
    "merge_memory",
    "need",
    "needs",
    "reference_tokens",
    "total",
]

_GB = 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class Need:
    """What a job will take, estimated before it runs; seconds at ``machine_rates``. It leaves ``kept_bytes`` on disk of
    the ``disk_bytes`` that it takes at most."""

    memory_bytes: int
    disk_bytes: int
    seconds: float
    kept_bytes: int = 0


def needs(plan: Plan) -> dict[str, Need]:
    """Of every job of the plan, by id."""
    return {job.id: need(plan, job) for job in plan.jobs}


def need(plan: Plan, job: Job) -> Need:
    """Memory, high-water mark of disk and seconds of ``job`` with its checks, on this machine."""
    shape, settings = Shape.of(plan.model.facts), plan.recipe.finetune
    width = weight_bytes(settings)
    if job.kind == "finetune":
        rows = row_lengths(plan)
        memory, seconds = finetune_memory(shape, settings, rows), finetune_seconds(shape, settings, rows)
        seconds += _evaluation_seconds(plan, shape, rows)
        # Olive writes the base model again beside the adapter, in its cache and in its output.
        disk = 2.0 * shape.parameters * width
        kept = 4.0 * settings.r * shape.projections
        if job.id == plan.trained:
            # Checkpoints with the moments of their optimizer: the best, the last, and the next before one is removed.
            # Two are left when Olive saves; then come the logits of two models.
            kept = float(width * shape.parameters) + 2.0 * reference_bytes(shape.vocabulary)
            checkpoint = width * shape.parameters + moment_bytes(settings) * trained_parameters(shape, settings)
            disk = max(disk + 2.0 * checkpoint, 3.0 * checkpoint)
            memory = max(memory, merge_memory(shape, settings))
            seconds += merge_seconds(shape, settings, _tokens(plan, shape))
    elif job.kind == "merge":
        memory, seconds = merge_memory(shape, settings), merge_seconds(shape, settings, _tokens(plan, shape))
        # First Olive's cache beside its output; then, without the cache, the logits of two models that stay and of one
        # more that they are compared with.
        logits = reference_bytes(shape.vocabulary)
        disk = float(width * shape.parameters) + max(float(width * shape.parameters), 3.0 * logits)
        kept = float(width * shape.parameters) + 2.0 * logits
    else:
        assert job.target is not None
        memory = export_memory(shape, job.target, width)
        seconds = export_seconds(shape, job.target, _tokens(plan, shape), row_lengths(plan))
        flops = _prompt_rate(job.target)
        seconds += answer_seconds(plan, job, shape.multiplied, shape.layers, prompt_flops=flops)
        # The quantized PyTorch model, the ONNX model in the cache, and the artifact.
        kept = artifact_bytes(plan.model.facts, job.target)
        disk = 3.0 * kept
    return Need(memory_bytes=int(memory), disk_bytes=int(disk), seconds=seconds, kept_bytes=int(kept))


def gpu_bytes(plan: Plan) -> int:
    """Memory of the fine-tune alone, where it is trained on a GPU: counted as on the CPU. Of several that share a batch
    it is that of one."""
    settings = plan.recipe.finetune
    part = settings.model_copy(update={"batch_size": settings.batch_size // settings.gpus})
    of_one = replace(plan, recipe=plan.recipe.model_copy(update={"finetune": part}))
    return int(finetune_memory(Shape.of(plan.model.facts), part, row_lengths(of_one)))


def _tokens(plan: Plan, shape: Shape) -> int:
    rows = len(plan.dataset.splits["validation"])
    return reference_tokens(shape, plan.model.facts.config, rows, row_lengths(plan).mean)


def total(jobs: Mapping[str, Need]) -> Need:
    """Of jobs that run one after another: the most of memory, the sum of the seconds, and the most of disk that is
    taken at once, by a job and what those before it left."""
    left = most = 0
    for job in jobs.values():
        most = max(most, left + job.disk_bytes)
        left += job.kept_bytes
    return Need(
        memory_bytes=max(job.memory_bytes for job in jobs.values()),
        disk_bytes=most,
        seconds=sum(job.seconds for job in jobs.values()),
        kept_bytes=left,
    )


# --- fine-tuning -----------------------------------------------------------------------------------------------------

_TIMES_ANSWERED = 4  # as long as its row takes when it is not generated
# Seconds on the machine of the benchmarks: Olive's imports and those of the check.
_START = {"finetune": 12.0, "merge": 17.0, "export": 15.0}
_SECONDS_A_GB = {"finetune": 2.0, "merge": 10.0}  # of weights: read, written beside, hashed, looked through, loaded


def finetune_seconds(shape: Shape, settings: Finetune, rows: RowLengths) -> float:
    """Four operations for each multiplied parameter and token, forward and back through frozen weights, and two more
    for each that is trained itself; another two with checkpointing, which computes the forward pass twice."""
    a_step = settings.batch_size * settings.gradient_accumulation_steps
    examples = settings.max_steps * a_step if settings.max_steps else rows.rows * settings.epochs
    each = (6.0 if settings.gradient_checkpointing else 4.0) * _multiplied(shape, rows)
    if not METHODS[settings.method].adapter:
        each += 2.0 * max(0, trained_parameters(shape, settings) - shape.head) * rows.mean
    if METHODS[settings.method].pairs:
        each *= 2  # about: the rejected answers are taken to be as long as the chosen ones
    operations = each * examples
    if settings.method == "dpo":
        operations += 2 * 2.0 * _multiplied(shape, rows) * rows.rows  # the reference, once
    files = _files("finetune", weight_bytes(settings) * shape.parameters)
    return _start("finetune") + files + operations / _rate(computed_bytes(settings))


def _multiplied(shape: Shape, rows: RowLengths) -> float:
    """Parameters that the tokens of a mean row are multiplied with, one after another."""
    return (shape.multiplied - shape.head) * rows.mean + shape.head * rows.mean_logits


def _evaluation_seconds(plan: Plan, shape: Shape, rows: RowLengths) -> float:
    """Two operations for each multiplied parameter and token of the validation rows; an answer counts as its row a few
    times over, as its tokens come one at a time."""
    settings, splits = plan.recipe.finetune, plan.dataset.splits
    validation = len(splits["validation"])
    evaluation = evaluation_of(settings, train_rows=len(splits["train"]), validation_rows=validation)
    looked_at = 0.0
    if evaluation is not None:
        answers = min(settings.eval_answers, evaluation.rows)
        sides = 2 if METHODS[settings.method].pairs else 1
        looked_at = evaluation.count * (sides * evaluation.rows + _TIMES_ANSWERED * answers)
    if settings.monitor is not None:
        watched = min(settings.monitor.rows, validation) * (1 + _TIMES_ANSWERED)
        looked_at += monitor_looks(settings, len(splits["train"])) * watched
    return 2.0 * _multiplied(shape, rows) * looked_at / _rate(computed_bytes(settings))


_WIDENED = 0.8  # of the rate of float32 that products with widened weights reach


def _rate(width: int) -> float:
    """Operations a second that a model of that many bytes a parameter, which are not trained, reaches in PyTorch: in
    bfloat16 by the faster of two ways (runtimes.float32_products)."""
    rates = machine_rates()
    return rates.float32_flops if width == 4 else max(rates.bfloat16_flops, _WIDENED * rates.float32_flops)


def _start(kind: str) -> float:
    return _START[kind] * machine_rates().start


def _files(kind: str, size: float) -> float:
    return _SECONDS_A_GB[kind] * machine_rates().files * size / _GB


# --- merging ---------------------------------------------------------------------------------------------------------

_OPENS = 0.65 * _GB  # a process with torch, transformers and, in the export, Olive


def merge_memory(shape: Shape, settings: Finetune) -> float:
    """Bytes at the peak: Olive with the base in the dtype of training, or the check with a parent computed in float32
    (bfloat16 above a billion parameters), its file mapped while it is converted, and the logits of one row."""
    width = weight_bytes(settings)
    computed = _computed(shape)
    mapped = width if computed != width else 0
    logits = 4 * REFERENCE_TOKENS * shape.vocabulary * 3
    return _OPENS + max(float(shape.parameters * width), float(shape.parameters * (computed + mapped) + logits))


def _computed(shape: Shape) -> int:
    """Bytes of a parameter of the parent that exports are compared with."""
    return 4 if shape.parameters <= LARGE else 2


def merge_seconds(shape: Shape, settings: Finetune, tokens: int) -> float:
    """``tokens`` of the reference and the long row, by three models: merged, base with adapter, base."""
    operations = 3 * 2.0 * shape.multiplied * tokens
    weights = _files("merge", weight_bytes(settings) * shape.parameters)
    return _start("merge") + weights + operations / _rate(_computed(shape))


def reference_tokens(shape: Shape, config: Mapping[str, Any], rows: int, mean: float) -> int:
    """Tokens of a reference, of at most so many rows and as many as their logits' bytes allow, and of the long row."""
    most = max(LOGIT_BYTES // (4 * shape.vocabulary), LEAST_PROMPTS * mean)
    of_rows = min(rows, REFERENCE_PROMPTS) * min(mean, REFERENCE_TOKENS)
    return round(min(of_rows, most)) + horizon(config, shape.parameters).length


# --- exports ---------------------------------------------------------------------------------------------------------

_QUANTIZED_EMBEDDING = 12.65  # bytes of each of its parameters: its copies in float32, the packed ones, the head's
_BUILT = 8.3  # bytes a parameter of a model that ModelBuilder builds without quantization


def export_memory(shape: Shape, target: Target, width: int) -> float:
    """Bytes at the peak of the target's passes: the weights and their packed copies, the embedding several times, and
    for GPTQ three matrices of the widest projection's inputs squared (Hessian, its inverse, a factor)."""
    if not _quantized(target):
        return _OPENS + _BUILT * shape.parameters
    hessians = 3 * 4 * shape.inner**2 if _calibrated(target) else 0
    embedding = _QUANTIZED_EMBEDDING * shape.head
    return _OPENS + (width + 0.3) * shape.parameters + embedding + hessians


def _quantized(target: Target) -> bool:
    return any(settings["type"] in QUANTIZERS for settings in target.passes.values())


def _calibrated(target: Target) -> bool:
    return any(settings["type"] in CALIBRATED for settings in target.passes.values())


_QUANTIZED = 1.86  # times the rate of a float32 model that MatMulNBits reached on a prompt, with instructions for it
_SECONDS_A_PARAMETER = 2.0e-8  # quantized, built, saved, copied, hashed
# Of a weight whose scale is searched and which is rounded then, and of a column of them, which waits for the last one.
_SECONDS_A_WEIGHT, _SECONDS_A_COLUMN = 8.4e-8, 2.6e-5


def export_seconds(shape: Shape, target: Target, tokens: int, rows: RowLengths) -> float:
    """Passes, some calibrated by ``rows``, and ``tokens`` computed by the export when it is compared with its parent,
    the long row twice."""
    checks = 2.0 * shape.multiplied * tokens / _prompt_rate(target)
    made = machine_rates().start * _SECONDS_A_PARAMETER * shape.parameters
    if _calibrated(target):
        made += _gptq_seconds(shape, min(CALIBRATION_ROWS, rows.rows) * rows.mean)
    return _start("export") + made + checks


def _prompt_rate(target: Target) -> float:
    """Operations a second of the target's export on a prompt."""
    rates = machine_rates()
    bits = [settings.get("bits", 4) for settings in target.passes.values() if settings["type"] in QUANTIZERS]
    if not bits:
        return _rate(4)
    return (rates.int8_flops if min(bits) == 8 else rates.int4_flops) or _QUANTIZED * _rate(4)


def _gptq_seconds(shape: Shape, tokens: float) -> float:
    """Of the projections [out, in] of every layer: two passes of the calibration's ``tokens`` and a product of inputs
    for each Hessian; two Cholesky factors and an inverse of it, 4/3 in³ operations; out · in² for the columns behind
    each block; and what is done for each weight and column by itself."""
    projections = shape.of_layer
    weights = shape.layers * sum(outputs * inputs for outputs, inputs in projections)
    columns = shape.layers * sum(inputs for _, inputs in projections)
    calibration = 2.0 * tokens * (2 * weights + shape.layers * sum(inputs**2 for _, inputs in projections))
    rounding = shape.layers * sum((4 / 3 * inputs + outputs) * inputs**2 for outputs, inputs in projections)
    alone = machine_rates().start * (_SECONDS_A_WEIGHT * weights + _SECONDS_A_COLUMN * columns)
    return (calibration + rounding) / _rate(4) + alone
