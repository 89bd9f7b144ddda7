"""The record of a run: a file of JSON lines, only appended to, which stays when the artifact is replaced.

The first line says what ran and with what; then come the points of its curves, how it ended, and what devices measured
of its artifact, possibly months later. ``runs list``, ``show`` and ``diff`` read these files and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from olivepress.core.errors import OlivepressError
from olivepress.core.jsonl import read_json_lines

__all__ = [
    "Ended",
    "Facts",
    "Figure",
    "Files",
    "Line",
    "Measured",
    "Points",
    "Resumed",
    "Started",
    "Status",
    "parse_line",
    "read_lines",
]

LARGEST_RECORD = 256 * 1024 * 1024
Status = Literal["finished", "failed", "interrupted", "killed"]
Milliseconds = Annotated[int, Field(ge=0, lt=2**53)]
FOLDER_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}"  # of a recipe or a job: a record or a report may come from elsewhere
FolderName = Annotated[str, Field(pattern=rf"^{FOLDER_NAME}$")]


class Part(BaseModel):
    """Base of what stands in a record: keys of a later olivepress are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Figure(Part):
    """A number with its 95 % interval where it has one, over ``n`` observations."""

    value: float
    unit: str = ""
    ci_low: float | None = None
    ci_high: float | None = None
    n: int | None = None


class Facts(Part):
    """What a result depends on, and where it was made. ``environment`` are variables that change arithmetic."""

    dataset: str | None = None
    dataset_version: str | None = None
    rows: dict[str, int] = {}
    synthetic_data: bool = False
    base_model: str | None = None
    base_revision: str | None = None
    random_weights: bool = False
    parent: str | None = None
    parent_sha256: str | None = None
    workflow_sha256: str | None = None
    loss_sha256: str | None = None
    seed: int | None = None
    git_commit: str | None = None
    git_dirty: bool | None = None
    machine: str | None = None
    hardware: dict[str, str] = {}
    python: str | None = None
    versions: dict[str, str] = {}
    environment: dict[str, str] = {}


class Started(Part):
    """``id`` is unique everywhere; ``store`` is the MLflow store that the run belongs to, None where none was used."""

    type: Literal["start"] = "start"
    at: Milliseconds
    id: str = Field(min_length=8, max_length=64)
    recipe: FolderName
    job: FolderName
    number: int = Field(ge=1)
    kind: str
    key: str | None = None
    store: str | None = None
    params: dict[str, str] = {}
    settings: dict[str, Any] = {}
    """The whole recipe, to make it again; it stays on this machine."""
    facts: Facts = Facts()

    @property
    def name(self) -> str:
        """What a person types: ``tickets/finetune.3``."""
        return f"{self.recipe}/{self.job}.{self.number}"


class Resumed(Part):
    """The same run goes on after a kill or Ctrl-C: from its last checkpoint."""

    type: Literal["resume"] = "resume"
    at: Milliseconds


class Point(Part):
    step: int = Field(ge=0, lt=2**53)
    at: Milliseconds
    values: dict[str, float]


class Points(Part):
    """Points of curves; a step that was recorded before is never recorded again."""

    type: Literal["points"] = "points"
    points: tuple[Point, ...]


class Ended(Part):
    """``sha256`` is that of the artifact. ``versions`` are those of the environment that it was made in."""

    type: Literal["end"] = "end"
    at: Milliseconds
    status: Status
    reason: str = ""
    sha256: str | None = None
    metrics: dict[str, Figure] = {}
    versions: dict[str, str] = {}
    files: dict[str, str] = {}
    """File → sha256; it stays on this machine."""


class Measured(Part):
    """A device report: ``metrics`` by name, those of a workload as ``workload/metric``."""

    type: Literal["report"] = "report"
    at: Milliseconds
    machine: str
    job: str
    report_sha256: str
    artifact_sha256: str
    metrics: dict[str, Figure]


class Files(Part):
    """Files to keep with the run, by their paths from the project's root: a page, figures."""

    type: Literal["files"] = "files"
    at: Milliseconds
    files: tuple[str, ...]


Line = Started | Resumed | Points | Ended | Measured | Files
_LINE: TypeAdapter[Line] = TypeAdapter(Annotated[Line, Field(discriminator="type")])


def parse_line(value: Any) -> Line | None:
    """None for what is no line of a record, or of a later olivepress."""
    if not isinstance(value, Mapping):
        return None
    try:
        return _LINE.validate_python(value)
    except ValidationError:
        return None


def read_lines(path: Path) -> tuple[Started, list[Line | None]] | None:
    """The first line and all of them, in order; None for a file that does not begin as a record does."""
    try:
        lines = [parse_line(value) for value in read_json_lines(path, LARGEST_RECORD)]
    except (OSError, OlivepressError):
        return None
    if not lines or not isinstance(lines[0], Started):
        return None
    return lines[0], lines
