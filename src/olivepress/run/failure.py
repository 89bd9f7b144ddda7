"""What remains of a job that failed: an error with the setting to change, and the files to look at."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from olivepress.catalog import Target, choices, targets
from olivepress.core.artifact import MANIFEST, Check
from olivepress.core.child.process import Usage
from olivepress.core.child.run import ChildDied
from olivepress.core.errors import JobError, OlivepressError
from olivepress.core.files import bytes_below
from olivepress.core.layout import job_dir
from olivepress.report.values import format_value
from olivepress.run.olive_log import read_log
from olivepress.workflow.plan import Job, Plan
from olivepress.workflow.sizes import artifact_bytes

__all__ = [
    "ChecksFailed",
    "DiskFull",
    "KeptFiles",
    "OutOfMemory",
    "check_error",
    "disk_full",
    "failed_dir",
    "job_error",
    "keep_failed",
    "killed",
    "other_targets",
    "refused_memory",
    "with_log",
]

_FULL_BYTES = 256 * 1024
_MORE_MEMORY = "free memory, or run on a larger machine; a fine-tune resumes from its last checkpoint"
# What PyTorch and Python say of an allocation that fails.
_REFUSED = ("out of memory", "can't allocate memory", "MemoryError")
_KILLED = -9  # by SIGKILL; Windows has no signals

# Check → what sets its limit: a key of the recipe, or of the target's file. The other checks have one limit for all.
_LIMIT_KEYS = {
    "keeps_task": "limits.margin",
    "kl_answer": "limits.max_kl_divergence",
    "kl_per_answer": "limits.margin",
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
    "rows_trained", "weights_trained", "weights_frozen",
)  # fmt: skip


class ChecksFailed(JobError):
    """An artifact does not pass its checks: ``checks`` are all of them, the verdict by the task among them."""

    def __init__(self, message: str, *, checks: Sequence[Check], next_step: str | None = None) -> None:
        super().__init__(message, next_step=next_step)
        self.checks = tuple(checks)


class DiskFull(JobError):
    """A job ended because the disk was full."""


class OutOfMemory(JobError):
    """A job's process was killed from outside, or was refused memory; ``peak_memory_bytes`` is what it had by then."""

    def __init__(self, message: str, *, peak_memory_bytes: int, next_step: str | None = None) -> None:
        super().__init__(message, next_step=next_step)
        self.peak_memory_bytes = peak_memory_bytes


def failed_dir(output: Path) -> Path:
    """Where the files of a job that failed are kept: beside its output, under a name that no job has."""
    return output.with_name(f"{output.name}.failed")


@dataclass(frozen=True, kw_only=True)
class KeptFiles:
    """The files of a job that failed, and their bytes."""

    directory: Path
    size: int

    @property
    def text(self) -> str:
        where = f"{self.directory} ({format_value('bytes', self.size)})"
        return f"its files are kept in {where} until it succeeds or fails again; they are not an artifact"


def keep_failed(output: Path) -> KeptFiles | None:
    """Move the files of a failed job to where they can be looked at, in place of those of an earlier failure.

    Without a manifest they are not an artifact. None when there are no files.
    """
    if not output.is_dir() or not any(output.iterdir()):
        return None
    directory = failed_dir(output)
    shutil.rmtree(directory, ignore_errors=True)
    (output / MANIFEST).unlink(missing_ok=True)
    output.replace(directory)
    return KeptFiles(directory=directory, size=bytes_below(directory))


def with_log(message: str, next_step: str | None, log: Path, kind: type[JobError] = JobError) -> JobError:
    """A job's error, which names its log."""
    return kind(f"{message} ({log})", next_step=next_step or f"read {log}")


def disk_full(log: Path, text: str) -> JobError | None:
    """The error when there is no space left: then the log itself may be cut."""
    full = shutil.disk_usage(log.parent).free < _FULL_BYTES
    if full or "No space left on device" in text or "os error 28" in text:
        return DiskFull(f"disk full while the job ran ({log})", next_step="free disk space and run the same command")
    return None


def killed(exit_code: int, usage: Usage, log: Path) -> JobError | None:
    """The error of a process that somebody else killed."""
    if exit_code != _KILLED:
        return None
    return OutOfMemory(
        f"the job was killed from outside, most likely for memory, at {usage.peak_memory_bytes / 1e9:.1f} GB ({log})",
        peak_memory_bytes=usage.peak_memory_bytes,
        next_step=_MORE_MEMORY,
    )


def refused_memory(message: str, usage: Usage, log: Path) -> JobError | None:
    """The error of a process that asked for more memory than there is, by what it printed last."""
    if not any(sign in message for sign in _REFUSED):
        return None
    text = f"{message} ({log})"
    return OutOfMemory(text, peak_memory_bytes=usage.peak_memory_bytes, next_step=_MORE_MEMORY)


def job_error(error: OlivepressError, log: Path) -> JobError:
    """What a task of a job raised in its process, as the job's error."""
    if full := disk_full(log, f"{error.message}\n{read_log(log)}"):
        return full
    if isinstance(error, ChildDied) and (outside := killed(error.exit_code, error.usage, log)):
        return outside
    return with_log(error.message, error.next_step, log)


def check_error(plan: Plan, job: Job, checks: Sequence[Check], log: Path) -> ChecksFailed | None:
    """The error of the first check that failed: value, limit, the key that sets it, and targets that may pass."""
    failed = [check for check in checks if not check.passed]
    if not failed:
        return None
    check, others = failed[0], ", ".join(check.name for check in failed[1:])
    also = f"; also failed: {others}" if others else ""
    steps = [step for step in (_change(plan, job, check), _alternatives(plan, job), f"read {log}") if step]
    message = f"{job.id}: check {check.name} failed{_measured(check)} ({check.detail}){also}"
    return ChecksFailed(message, checks=checks, next_step=", or ".join(steps))


def _measured(check: Check) -> str:
    if check.value is None or check.limit is None or check.task is not None:
        return ""
    wanted = "at least" if check.name.rpartition(": ")[2] in _LEAST else "at most"
    return f": {check.value:.3g}, limit {check.limit:.3g} ({wanted})"


def _change(plan: Plan, job: Job, check: Check) -> str:
    """The setting that sets the limit of a check, and where it is."""
    key = _LIMIT_KEYS.get(check.name.rpartition(": ")[2])
    if key is None:
        return ""
    if key.startswith("data."):
        return f"change {key} in the recipe"
    if job.target is None:
        return ""
    own = plan.recipe.limits.model_dump().get(key.removeprefix("limits."))
    if key.startswith("limits.") and (own is not None or job.target.precision != "fp32"):
        return f"change {key} in the recipe"
    return f"{key.removeprefix('limits.')} of target {job.target.target} sets this limit"


def _alternatives(plan: Plan, job: Job) -> str:
    if job.target is None:
        return ""
    listed = " or ".join(
        _with_cost(plan, job.target, other) for other in other_targets(plan, job.target)[:_MOST_OTHERS]
    )
    return f"take {listed} instead of {job.target.target}" if listed else ""


def _with_cost(plan: Plan, failed: Target, other: Target) -> str:
    """The target, its size, its cost in decode rate, which at batch 1 is bound by the bytes of weights that a token
    reads, and whether this recipe has a verified artifact of it."""
    size = format_value("bytes", artifact_bytes(plan.model.facts, other))
    times = other.bytes_per_parameter / failed.bytes_per_parameter
    is_verified = (job_dir(plan.recipe.name, f"export-{other.target}") / MANIFEST).is_file()
    verified = ", verified here" if is_verified else ""
    return f"{other.target} (about {size}, {times:.2g} times the bytes of a token{verified})"


def other_targets(plan: Plan, target: Target) -> list[Target]:
    """What to take instead, the smallest first: the choices of the same device after ``target``, or all that are not
    smaller where it is not a choice, as far as the model's family supports them."""
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
