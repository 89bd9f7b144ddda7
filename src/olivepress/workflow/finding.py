"""What lint reports of a workflow."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from olivepress.core.yaml_document import Record
from olivepress.workflow.rendered import Workflow

__all__ = ["Finding", "Level", "finding"]

Level = Literal["error", "pending", "note"]


class Finding(Record):
    """``error`` stops the run; ``pending`` is the output of an earlier job that has not run yet; ``note`` is what a
    person should know of the data before it is trained on."""

    level: Level
    path: Path
    key: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.key}: {self.message}"


def finding(workflow: Workflow, key: str, message: str, *, level: Level = "error") -> Finding:
    """A finding of this workflow; an error unless ``level`` says otherwise."""
    return Finding(level=level, path=workflow.path, key=key, message=message)
