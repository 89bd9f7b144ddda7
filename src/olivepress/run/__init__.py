"""Plan → artifacts: journal, resume, verification."""

from olivepress.run.outcome import JobOutcome, Reporter
from olivepress.run.preflight.preflight import check_tokenizers
from olivepress.run.runner import run_plan

__all__ = ["JobOutcome", "Reporter", "check_tokenizers", "run_plan"]
