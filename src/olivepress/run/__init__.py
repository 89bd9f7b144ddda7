"""Plan → artifacts: journal, resume, verification."""

from olivepress.run.outcome import JobObserver, JobOutcome, Reporter
from olivepress.run.outlook import Outlook, base_of_finished, outlooks
from olivepress.run.preflight.preflight import check_tokenizers
from olivepress.run.runner import run_plan

__all__ = [
    "JobObserver",
    "JobOutcome",
    "Outlook",
    "Reporter",
    "base_of_finished",
    "check_tokenizers",
    "outlooks",
    "run_plan",
]
