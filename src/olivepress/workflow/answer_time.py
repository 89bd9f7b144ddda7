"""The time of the answers by which an export is judged: its own, and once those of the merged model."""

from __future__ import annotations

from collections.abc import Sequence

from olivepress.data.store.examples import Example
from olivepress.workflow.machine_rates import machine_rates
from olivepress.workflow.plan import Job, Plan
from olivepress.workflow.sizes import ANSWER_ROWS, ANSWER_WORK, PROMPT_SHARE

__all__ = ["answer_seconds"]

_LETTERS_A_TOKEN, _END_TOKENS = 4.3, 1
# Of the float32 rate, a token at a time: 111 tokens/s of 300 M parameters on two cores, with onnxruntime-genai in 4
# bits and with PyTorch in batches of 16.
_DECODE_SHARE = 0.6
_SECONDS_A_LAYER, _BATCH = 3.0e-4, 16  # of PyTorch, whatever the width: what a step takes of a small model


def answer_seconds(plan: Plan, job: Job, multiplied: int, layers: int) -> float:
    """Of an export or a package; 0 where its answers do not decide. ``multiplied`` are the parameters that every token
    is multiplied with.

    The merged model's answers are counted with the first export that needs them: others find them.
    """
    if not _is_asked(plan, job):
        return 0.0
    rows = plan.dataset.splits["validation"]
    count = min(len(rows), plan.recipe.limits.rows or ANSWER_ROWS)
    tokens = count * _answer_tokens([rows[index] for index in range(count)])
    if plan.recipe.limits.rows is None:
        tokens = min(tokens, ANSWER_WORK / plan.model.facts.parameters)
    rates = machine_rates()
    seconds = 2.0 * multiplied * tokens / (_DECODE_SHARE * rates.float32_flops)
    first = next(other for other in plan.jobs if _is_asked(plan, other))
    if first.id == job.id:
        seconds += seconds + rates.start * layers * _SECONDS_A_LAYER * tokens / _BATCH
    return seconds


def _is_asked(plan: Plan, job: Job) -> bool:
    """Whether the answers of a job's artifact decide, as far as that is known before (``run.limits``)."""
    if job.target is None or job.parent is None or job.target.precision == "fp32":
        return False
    return not plan.model.random_weights and plan.recipe.limits.rows != 0


def _answer_tokens(rows: Sequence[Example]) -> float:
    """The mean of what is expected of these rows, and of their prompts as far as they take time, by letters."""
    letters = 0.0
    for row in rows:
        *prompt, answer = (len(str(message.get("content") or "")) for message in row.messages)
        letters += answer + sum(prompt) / PROMPT_SHARE
    return letters / max(len(rows), 1) / _LETTERS_A_TOKEN + _END_TOKENS
