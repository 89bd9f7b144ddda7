"""The journal: one append-only file per recipe. What it lists as finished stays finished."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from olivepress.core.jsonl import append_json_line, read_json_lines

if TYPE_CHECKING:
    from olivepress.workflow.plan import Job, Plan

__all__ = ["Event", "append", "append_start", "events"]

Event = Literal["started", "finished", "failed", "interrupted", "passed over"]


def append(path: Path, event: Event, job: str, key: str, **facts: Any) -> None:
    """Add one line, on the disk before anything else happens."""
    at = datetime.now(UTC).isoformat(timespec="seconds")
    append_json_line(path, {"at": at, "event": event, "job": job, "key": key, **facts})


def append_start(path: Path, plan: Plan, job: Job, key: str) -> None:
    """Add the line of a job that starts, with what it is estimated to take."""
    from olivepress.workflow.estimate import need  # who only reads a journal has no plan

    append(path, "started", job.id, key, estimated=asdict(need(plan, job)))


def events(path: Path) -> list[dict[str, Any]]:
    """All whole lines; a line that a kill cut is not an event."""
    lines = read_json_lines(path)
    return [line for line in lines if isinstance(line, dict) and {"event", "job", "key"} <= line.keys()]
