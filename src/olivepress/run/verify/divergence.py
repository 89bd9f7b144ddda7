"""The divergence of an export from its parent as checks: what is judged, and what is only reported beside it.

Where the task's own answers give a verdict (``verify.task``), they decide, and the divergence is reported. Where not,
the divergence of the tokens that were trained on has a limit. Where a whole answer is right or wrong, so has that of a
whole answer: of two exports with the same divergence a token, the one that writes longer answers loses more of them.
That of the prompts is reported: no training touched them, and nobody ships what a model makes of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from olivepress.core.artifact import Check, TaskVerdict
from olivepress.core.errors import JobError
from olivepress.report.device_report import Measurement
from olivepress.report.registry import METRICS

__all__ = ["divergence_checks"]

# Mean divergence of an answer, in nats, for each share of the parent's right answers that goes with it: on SmolLM2 a
# fifth to a sixth of them were lost at one nat (Banking77: 2.1 % at 0.10 nats; SNIPS: 4.6 % at 0.26, 11.3 % at 0.55).
_NATS_PER_LOSS = 6.0


def divergence_checks(
    metrics: Mapping[str, Measurement],
    reference_dir: str,
    *,
    limit: float,
    min_top1: float | None,
    on_answers: bool,
    verdict: TaskVerdict | None = None,
    before: str = "",
) -> Iterator[Check]:
    """KL and top-1 agreement on the answers, then KL on the prompts; or both on all tokens, where nothing was trained
    on or the reference knows no answers. ``before`` the names of a package's checks.

    JobError when the parent's full logits are not there.
    """
    if metrics["kl_divergence"].value is None:
        raise JobError(f"{reference_dir}: its full logits are not there", next_step="run the merge again")
    on_answers = on_answers and metrics["kl_answer"].value is not None
    kl, top1 = ("kl_answer", "top1_answer") if on_answers else ("kl_divergence", "top1_agreement")
    tokens = "tokens of the answers" if on_answers else "tokens"
    nats, share = f"nats a token, {metrics[kl].n} {tokens}", f"share of {metrics[top1].n} {tokens}"
    yield _check(before, kl, metrics[kl], nats, limit=limit, verdict=verdict, at_most=True)
    if min_top1 is None:
        yield _reported(before, top1, metrics[top1], f"{share}, not judged")
    else:
        yield _check(before, top1, metrics[top1], share, limit=min_top1, verdict=verdict, at_most=False)
    whole = metrics["kl_per_answer"]
    if on_answers and verdict is not None and METRICS[verdict.metric].score is None and whole.value is not None:
        nats, limit = (
            f"nats an answer, {whole.n} answers",
            _NATS_PER_LOSS * verdict.margin / (verdict.parent_value or 1.0),
        )
        yield _check(before, "kl_per_answer", whole, nats, limit=limit, verdict=verdict, at_most=True)
    prompt = metrics["kl_prompt"] if on_answers else None
    if prompt is not None and prompt.value is not None:
        detail = f"nats a token, {prompt.n} tokens of the prompts, not judged: not trained on"
        yield _reported(before, "kl_prompt", prompt, detail)


def _check(
    before: str,
    name: str,
    measurement: Measurement,
    detail: str,
    *,
    limit: float,
    verdict: TaskVerdict | None,
    at_most: bool,
) -> Check:
    value = measurement.value
    assert value is not None
    if verdict is not None and verdict.call != "cannot tell":
        inside = value <= limit if at_most else value >= limit
        beyond = "" if inside else f" (limit {limit:.3g})"
        return _reported(before, name, measurement, f"{detail}{beyond}, not judged: the task's answers decide")
    passed = value <= limit if at_most else value >= limit
    return _reported(before, name, measurement, detail).model_copy(update={"passed": passed, "limit": limit})


def _reported(before: str, name: str, measurement: Measurement, detail: str) -> Check:
    return Check(
        name=f"{before}{name}",
        passed=True,
        value=measurement.value,
        detail=detail,
        ci_low=measurement.ci_low,
        ci_high=measurement.ci_high,
        n=measurement.n,
    )
