"""The limits of a job's checks, by its recipe, its target and its parent: for making and for resuming."""

from __future__ import annotations

from olivepress.catalog import Target
from olivepress.core.artifact import Verified, read_manifest
from olivepress.core.layout import parent_answers
from olivepress.report.answers import answer_metric
from olivepress.run.interpreters import Place
from olivepress.run.verify.task import TaskLimits, TaskSpec
from olivepress.runtimes.pytorch import LARGE
from olivepress.workflow.plan import Job, Plan
from olivepress.workflow.sizes import ANSWER_WORK

__all__ = ["judged_limits", "limit_of", "min_top1", "task_limits", "task_spec"]

# What bfloat16 loses when the adapter is added into the weights; float32 loses next to nothing.
_MERGE_LIMIT = {"float32": 1.0e-5, "bfloat16": 2.0e-2}
# A base that nothing was trained on is judged on whole texts. Rounded weights lose 6 to 15 times as much on prompts as
# on answers (SmolLM2 on Banking77, five targets: benchmarks/gain_retained.md), and the limits are of answers.
_TIMES_UNTRAINED = 10.0
_EMULATED = 16  # times as long as the processor itself, an emulator takes


def limit_of(plan: Plan, job: Job) -> float | None:
    """Nats of mean KL that the job's result may be away from its parent, where the divergence is what decides.

    On the tokens that were trained on; of fp32, of a merge and of a base alone on all tokens.
    """
    if job.kind == "merge":
        exact = plan.recipe.finetune.weights_dtype == "float32" and plan.model.facts.parameters <= LARGE
        return _MERGE_LIMIT["float32" if exact else "bfloat16"]
    if job.target is None:
        return None
    if job.target.precision == "fp32":
        return job.target.max_kl_divergence
    if plan.recipe.limits.max_kl_divergence is not None:
        return plan.recipe.limits.max_kl_divergence
    return job.target.max_kl_divergence * (1.0 if _is_tuned(job) else _TIMES_UNTRAINED)


def min_top1(plan: Plan, job: Job) -> float | None:
    """Share of positions whose likeliest token must be the parent's; None where it is reported and not judged."""
    assert job.target is not None
    if plan.model.random_weights:
        return None  # they prefer no token by much: which one is likeliest does not depend on the quantization
    own = plan.recipe.limits.min_top1_agreement
    if job.target.precision != "fp32" and (own is not None or not _is_tuned(job)):
        return own
    return job.target.min_top1_agreement


def _is_tuned(job: Job) -> bool:
    """Whether something was trained into what the job exports; its adapters, for a package."""
    return job.kind == "package" or job.parent is not None


def task_limits(plan: Plan, job: Job, how: Verified) -> TaskLimits | None:
    """The limits of the task's own answers; None where they are not asked for.

    With random weights they mean nothing; fp32 must be exact; and what is not opened here cannot be asked.
    """
    target, limits = job.target, plan.recipe.limits
    if target is None or not _is_tuned(job) or target.precision == "fp32" or how == "structure":
        return None
    if plan.model.random_weights or limits.rows == 0:
        return None
    emulated = how == "emulated"
    tokens = int(ANSWER_WORK / plan.model.facts.parameters / (_EMULATED if emulated else 1))
    return TaskLimits(
        metric=_metric(plan, job, target),
        margin=limits.margin,
        rows=limits.rows,
        tokens=tokens if emulated or limits.rows is None else None,
        max_length=plan.max_length,
    )


def task_spec(plan: Plan, job: Job, place: Place) -> TaskSpec | None:
    """What the answers of a merged export are compared with; None where they are not asked for (``task_limits``)."""
    limits = task_limits(plan, job, place.how)
    if limits is None or job.parent is None:
        return None
    parent = plan.output_dir(plan.job(job.parent))
    return TaskSpec(
        limits=limits,
        dataset=plan.dataset.directory.as_posix(),
        parent_model=(parent / "model").as_posix(),
        parent_sha256=read_manifest(parent).sha256,
        answers=parent_answers(plan.recipe.name, job.parent).as_posix(),
    )


def _metric(plan: Plan, job: Job, target: Target) -> str:
    budget = plan.recipe.budget
    given = [budget[name].limits for name in ("all", job.choice, target.target) if name in budget]
    return answer_metric({key: value for limits in given for key, value in limits.items()})


def judged_limits(plan: Plan, job: Job) -> dict[str, float | None]:
    """Check → the limit that it would be judged by now, of those that a recipe or a target's file rules."""
    assert job.target is not None
    limit, top1 = limit_of(plan, job), min_top1(plan, job)
    return {
        "kl_divergence": limit,
        "kl_answer": limit,
        "top1_agreement": top1,
        "top1_answer": top1,
        "keeps_task": -plan.recipe.limits.margin,
        "placed": job.target.min_placed,
    }
