"""What is left of a job that failed, for a person: a message that says what to change, and the files to look at."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from olivepress.catalog import Target, choices, targets
from olivepress.core.artifact import MANIFEST, Check
from olivepress.core.errors import JobError
from olivepress.workflow.plan import Job, Plan
from olivepress.workflow.sizes import artifact_bytes

__all__ = ["ChecksFailed", "check_error", "failed_dir", "keep_failed", "other_targets"]

# Check → what rules its limit: a key of the recipe, or of the target's file. The other checks have one limit for all.
_RULED_BY = {
    "keeps_task": "limits.margin",
    "kl_answer": "limits.max_kl_divergence",
    "kl_divergence": "limits.max_kl_divergence",
    "long_prompt": "limits.max_kl_divergence",
    "long_answer": "limits.max_kl_divergence",
    "kl_to_merged": "limits.max_kl_divergence",
    "top1_answer": "limits.min_top1_agreement",
    "top1_agreement": "limits.min_top1_agreement",
    "placed": "min_placed",
    "rows_trained": "data.max_length",
}
_MOST_OTHERS = 3
_LEAST = (
    "top1_answer", "top1_agreement", "placed", "adapter_kept", "adapter_trained", "weight_delta", "magnitudes",
    "rows_trained",
)  # fmt: skip


class ChecksFailed(JobError):
    """What a job made does not hold: ``checks`` are all of its checks, the verdict by the task among them."""

    def __init__(self, message: str, *, checks: Sequence[Check], next_step: str | None = None) -> None:
        super().__init__(message, next_step=next_step)
        self.checks = tuple(checks)


def failed_dir(output: Path) -> Path:
    """Where the files of a job that failed are kept: beside, under a name that is no job's."""
    return output.with_name(f"{output.name}.failed")


def keep_failed(output: Path) -> str | None:
    """Put what a failed job made where it can be looked at, in place of an earlier failure; no manifest: it is no
    artifact. Returns a sentence about it, None when there is nothing."""
    if not output.is_dir() or not any(output.iterdir()):
        return None
    place = failed_dir(output)
    shutil.rmtree(place, ignore_errors=True)
    (output / MANIFEST).unlink(missing_ok=True)
    output.rename(place)
    size = sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
    return f"what it made is kept in {place} ({size / 1e9:.2g} GB) until it succeeds or fails again; no artifact"


def check_error(plan: Plan, job: Job, checks: Sequence[Check], log: Path) -> ChecksFailed | None:
    """The error of the first check that failed: value, limit, the key that rules it, and targets that may hold."""
    failed = [check for check in checks if not check.passed]
    if not failed:
        return None
    check, others = failed[0], ", ".join(check.name for check in failed[1:])
    also = f"; failed too: {others}" if others else ""
    steps = [step for step in (_change(plan, job, check), _alternatives(plan, job), f"read {log}") if step]
    message = f"{job.id}: check {check.name} failed{_measured(check)} ({check.detail}){also}"
    return ChecksFailed(message, checks=checks, next_step=", or ".join(steps))


def _measured(check: Check) -> str:
    if check.value is None or check.limit is None or check.task is not None:
        return ""
    wanted = "at least" if check.name.rpartition(": ")[2] in _LEAST else "at most"
    return f" is {check.value:.3g}, limit {check.limit:.3g} ({wanted})"


def _change(plan: Plan, job: Job, check: Check) -> str:
    """The setting that rules a check, and where it stands."""
    key = _RULED_BY.get(check.name.rpartition(": ")[2])
    if key is None:
        return ""
    if job.target is None or key.startswith("data."):
        return f"change {key} in the recipe" if key.startswith("data.") else ""
    own = plan.recipe.limits.model_dump().get(key.removeprefix("limits."))
    if key.startswith("limits.") and (own is not None or job.target.precision != "fp32"):
        return f"change {key} in the recipe"
    return f"{key.removeprefix('limits.')} of target {job.target.target} is what it must hold"


def _alternatives(plan: Plan, job: Job) -> str:
    if job.target is None:
        return ""
    listed = " or ".join(
        _with_cost(plan, job.target, other) for other in other_targets(plan, job.target)[:_MOST_OTHERS]
    )
    return f"take {listed} instead of {job.target.target}" if listed else ""


def _with_cost(plan: Plan, failed: Target, other: Target) -> str:
    """The target, its size, its cost in decode rate, which at batch 1 is bound by the bytes of weights that a token
    reads, and whether this recipe has an artifact of it that holds its checks."""
    size, times = artifact_bytes(plan.model.facts, other) / 1e9, other.bytes_per_parameter / failed.bytes_per_parameter
    verified = (
        ", verified here" if (Path("runs", plan.recipe.name, f"export-{other.target}") / MANIFEST).is_file() else ""
    )
    return f"{other.target} (about {size:.2g} GB, {times:.2g} times the bytes of a token{verified})"


def other_targets(plan: Plan, target: Target) -> list[Target]:
    """What to take instead, the smallest first: of the choices of the same device those behind ``target``, or all that
    are not smaller where it is none of them, as far as the model's family takes them."""
    known, named = targets(), choices().get(target.file, ())
    behind = named[named.index(target.target) + 1 :] if target.target in named else named
    return [
        known[name]
        for name in behind
        if _keeps(known[name]) >= _keeps(target) and not plan.model.family.refusal(plan.model.facts.config, name)
    ]


def _keeps(target: Target) -> tuple[int, float]:
    """Bits of a weight, and bytes of one with its scales."""
    return _bits(target), target.bytes_per_parameter


def _bits(target: Target) -> int:
    """Of a weight: 4 of int4 and w4a16."""
    number = re.search(r"\d+", target.precision)
    return int(number[0]) if number else 0
