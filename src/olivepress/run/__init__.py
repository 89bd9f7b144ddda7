"""Plan → artifacts: journal, resume, verification."""

from olivepress.run.make import JobOutcome, Reporter
from olivepress.run.runner import run_plan

__all__ = ["JobOutcome", "Reporter", "run_plan"]
