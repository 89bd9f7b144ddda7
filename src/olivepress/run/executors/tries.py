"""What was tried of a job that runs: which workers it is left to, with which devices, and what came back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pydantic import ValidationError

from olivepress.core.child.messages import ErrorMessage, error_of
from olivepress.core.errors import JobError, OlivepressError
from olivepress.run.executors.cluster import Ended, Seen
from olivepress.run.executors.needs import Announcement, Needs, any_can, missing, with_preferred
from olivepress.run.executors.specs import MOST_TEXT, JobSpec, Outcome

__all__ = ["Tries", "failure", "outcome_of"]


@dataclass
class Tries:
    """``asked`` is what the job needs and prefers, ``needs`` what it takes of the workers that are left: all but those
    at ``without``, which could not. ``only`` are the addresses that it was submitted to, all when empty;
    ``alone_since`` is when the last worker that can run it went."""

    spec: JobSpec
    asked: Needs
    needs: Needs = field(default_factory=Needs)
    count: int = 0
    without: list[str] = field(default_factory=list)
    only: list[str] = field(default_factory=list)
    last: str = ""
    alone_since: float | None = None

    def left(self, workers: Sequence[Seen]) -> list[Announcement]:
        """The workers that it may still be given to."""
        return [seen.announcement for seen in workers if seen.announcement and seen.address not in self.without]

    def fit(self, workers: Sequence[Seen]) -> bool:
        """Take what it prefers as far as a worker that is left has it; False when none of them can run it."""
        self.needs = with_preferred(self.asked, self.left(workers))
        self.spec = self.spec.model_copy(update={"gpus": self.needs.devices.get("cuda", 0)})
        return any_can(self.needs, self.left(workers))

    def is_stranded(self, workers: Sequence[Seen]) -> bool:
        """Whether none of the workers that it was submitted to can run it any more: Dask waits for these addresses."""
        if not self.only:
            return False
        able = {seen.address for seen in workers if seen.announcement and not missing(self.needs, seen.announcement)}
        return able.isdisjoint(self.only)


def outcome_of(ended: Ended, spec: JobSpec) -> Outcome | None:
    """What a worker returned; None when it is not an outcome of this very job."""
    if ended.error or len(ended.text) > MOST_TEXT:
        return None
    try:
        outcome = Outcome.model_validate_json(ended.text)
    except ValidationError:
        return None
    return outcome if (outcome.id, outcome.key) == (spec.id, spec.key) else None


def failure(outcome: Outcome) -> OlivepressError:
    """The error of a failed job as it was raised on its worker."""
    kind = str(outcome.fields.get("kind", JobError.__name__))
    return error_of(ErrorMessage(error=outcome.error, kind=kind, next_step=outcome.next_step))
