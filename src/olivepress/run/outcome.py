"""How a job ended, and what is reported while it runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from olivepress.core.artifact import Check, Manifest, TaskVerdict
from olivepress.core.child.messages import ProgressMessage
from olivepress.core.errors import OlivepressError
from olivepress.core.notebook import facts_html, record_html
from olivepress.run.preflight.tokenizer_answers import TokenizerCheck
from olivepress.workflow.plan import Job, Plan
from olivepress.workflow.rendered import Workflow

__all__ = ["JobObserver", "JobOutcome", "Reporter"]


class Reporter(Protocol):
    """Is called with the progress of a run."""

    def fetching_model(self, what: str, done: int, total: int) -> None: ...
    def reading_model(self, done: int, total: int) -> None: ...
    def checking(self, what: str) -> None: ...  # before the first job
    def checked(self, result: str) -> None: ...
    def run_started(self, expected: Sequence[float]) -> None: ...  # seconds of each job, 0 where none runs
    def job_started(self, job: Job, number: int, total: int) -> None: ...
    def stage(self, job: Job, what: str) -> None: ...
    def note(self, job: Job, text: str) -> None: ...
    def job_progress(self, job: Job, step: ProgressMessage) -> None: ...
    def job_ended(self, outcome: JobOutcome) -> None: ...


class JobObserver(Protocol):
    """Is called when a job really starts, and when it has ended: what was finished before is not seen."""

    def job_begins(self, plan: Plan, job: Job, workflow: Workflow, key: str) -> None: ...
    def job_ends(
        self,
        status: Literal["finished", "failed", "interrupted"],
        *,
        manifest: Manifest | None = None,
        reason: str = "",
    ) -> None: ...


@dataclass(frozen=True, kw_only=True)
class JobOutcome:
    """``kept`` was finished before, ``verified`` as well, but could be checked better now; ``done`` ran now.

    ``left out`` cannot be built here, ``failed`` was tried: neither has a manifest, both have an ``error``. Of the jobs
    of one choice, ``passed over`` failed its checks, so the next was tried; ``not needed`` comes after one that passed
    them. ``checks`` are those of its artifact, or of the files that failed them. ``tokenizer`` is the comparison of the
    runtime's tokenizer before the first job, of jobs whose artifact runs on a device.
    """

    job: str
    state: Literal["done", "kept", "verified", "left out", "failed", "passed over", "not needed"]
    manifest: Manifest | None = None
    error: OlivepressError | None = None
    tokenizer: TokenizerCheck | None = None
    failed_checks: tuple[Check, ...] = ()

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        if self.manifest is not None:
            return self.manifest._repr_html_()
        return record_html(f"{self.job}: {self.state}", facts_html([("Reason", self.error)]))

    @property
    def checks(self) -> tuple[Check, ...]:
        return self.manifest.checks if self.manifest else self.failed_checks

    @property
    def verdicts(self) -> dict[str, TaskVerdict]:
        """Check → the verdict by the task's own answers: one of an export, of a package one for each adapter."""
        return {check.name: check.task for check in self.checks if check.task is not None}
