"""The time of the answers by which an export is judged, and of those in Olive's own metrics."""

from __future__ import annotations

from olivepress.workflow.machine_rates import machine_rates
from olivepress.workflow.olive_config.jobs import evaluated_rows
from olivepress.workflow.plan import Job, Plan
from olivepress.workflow.row_lengths import asked_lengths
from olivepress.workflow.sizes import ANSWER_ROWS, ANSWER_WORK, PROMPT_SHARE

__all__ = ["answer_seconds"]

# Of the float32 rate, a token at a time: 111 tokens/s of 300 M parameters on two cores, with onnxruntime-genai in 4
# bits and with PyTorch in batches of 16.
_DECODE_SHARE = 0.6
_SECONDS_A_LAYER, _BATCH = 3.0e-4, 16  # of PyTorch, whatever the width: what a step takes of a small model


def answer_seconds(plan: Plan, job: Job, multiplied: int, layers: int, *, prompt_flops: float) -> float:
    """Of an export or a package. ``multiplied`` are the parameters that every token is multiplied with, in a prompt at
    ``prompt_flops`` operations a second.

    The merged model's answers are counted with the first export that needs them: others find them.
    """
    prompt, answer = asked_lengths(plan)
    rates = machine_rates()

    def seconds(rows: float, flops: float) -> float:
        return 2.0 * multiplied * rows * (prompt / flops + answer / (_DECODE_SHARE * rates.float32_flops))

    evaluated = seconds(evaluated_rows(plan, job), prompt_flops)
    if not _is_asked(plan, job):
        return evaluated
    rows = _asked_rows(plan, answer + prompt / PROMPT_SHARE)
    judged = seconds(rows, prompt_flops)
    if next(other for other in plan.jobs if _is_asked(plan, other)).id == job.id:
        judged += seconds(rows, rates.float32_flops) + rates.start * layers * _SECONDS_A_LAYER * rows * answer / _BATCH
    return evaluated + judged


def _asked_rows(plan: Plan, work: float) -> float:
    """How many rows are answered, of so many tokens each (``run.verify.task``)."""
    limits, available = plan.recipe.limits, len(plan.dataset.splits["validation"])
    if limits.rows is not None:
        return min(available, limits.rows)
    return min(available, ANSWER_ROWS, ANSWER_WORK / plan.model.facts.parameters / max(work, 1.0))


def _is_asked(plan: Plan, job: Job) -> bool:
    """Whether the answers of a job's artifact decide, as far as that is known before (``run.limits``)."""
    if job.target is None or job.parent is None or job.target.precision == "fp32":
        return False
    return not plan.model.random_weights and plan.recipe.limits.rows != 0
