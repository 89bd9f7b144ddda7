"""Plan → artifacts: journal, resume, verification."""

from olivepress.run.runner import JobOutcome, Reporter, run_plan

__all__ = ["JobOutcome", "Reporter", "run_plan"]
