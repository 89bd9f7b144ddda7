"""What travels between the submitting side and a worker, as JSON: a job, its files by content, its outcome."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from olivepress.core.yaml_document import Record

__all__ = ["MOST_TEXT", "FileRef", "JobSpec", "Outcome", "TaskKind"]

MOST_TEXT = 64 * 1024 * 1024  # characters of a spec or an outcome
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
TaskKind = Literal["job", "echo", "bench"]


def _inside(path: str) -> str:
    """A path that stays below the folder that it is put into, on every system."""
    path.encode("utf-8")  # ValueError for other bytes, which JSON cannot have
    parts = PurePosixPath(path).parts
    if not path or not parts or path.startswith("/") or ".." in parts or any(sign in path for sign in "\\:\0\n"):
        raise ValueError(f"a relative path below the project, not {path!r}")
    return path


class FileRef(Record):
    """A file of a project by its content."""

    path: Annotated[str, AfterValidator(_inside)]
    sha256: Sha256
    bytes: int = Field(ge=0)


class JobSpec(Record):
    """A job as a worker gets it. ``key`` is the key of its result: the same job with other inputs has another one.

    ``seal`` is a secret of the project, by which a result in the store is known to be a worker's. ``task`` says what
    ``fields`` are for; ``store_id`` is of the store that ``store`` must lead to; ``topic`` is where its progress is
    reported; ``gpus`` are how many it may use.
    """

    version: str
    id: str
    key: Sha256
    task: TaskKind
    store: str
    store_id: str
    topic: str
    seal: str = Field("", max_length=128, repr=False)
    inputs: tuple[FileRef, ...] = ()
    fields: dict[str, Any] = Field({})
    gpus: int = Field(0, ge=0)


class Outcome(Record):
    """How a job ended on a worker, and its files in the store.

    ``failed`` is the job's own fault and the same everywhere; ``elsewhere``: this machine could not, another may;
    ``stopped``: it was told to. ``damaged`` are inputs that did not arrive as they were sent. ``reused``: an earlier
    try had finished it already.
    """

    id: str
    key: Sha256
    state: Literal["done", "failed", "elsewhere", "stopped"]
    machine: str
    seconds: float = Field(ge=0)
    fields: dict[str, Any] = Field({})
    files: tuple[FileRef, ...] = ()
    error: str = ""
    next_step: str | None = None
    damaged: tuple[Sha256, ...] = ()
    reused: bool = False
