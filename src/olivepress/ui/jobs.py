"""The state of every job of a recipe, read from its journal, manifests and the messages of the process that runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from olivepress.core.artifact import MANIFEST, Manifest, read_manifest
from olivepress.core.errors import OlivepressError
from olivepress.core.layout import CONFIGS, RESULTS, RUNS, job_dir, journal, recipe_runs
from olivepress.core.process import process_in
from olivepress.core.timestamps import parse_timestamp
from olivepress.run.journal import events
from olivepress.ui.places import inside, is_plain, names_in
from olivepress.ui.progress import JobProgress, Usage, progress_of, usage_of

__all__ = ["Estimated", "JobView", "RecipeView", "State", "recipe_view", "recipes"]

State = Literal["running", "finished", "failed", "stopped", "passed over", "removed", "not run", "unreadable"]

_KINDS = ("finetune", "merge", "base-", "export-", "package-")  # in the order in which they run
_ENDED: Mapping[str, State] = {"failed": "failed", "interrupted": "stopped", "passed over": "passed over"}


@dataclass(frozen=True, kw_only=True)
class Estimated:
    """What ``run`` expected of a job when it started it: seconds and bytes."""

    seconds: float
    memory_bytes: float
    disk_bytes: float


@dataclass(frozen=True, kw_only=True)
class JobView:
    """One job. ``manifest`` is that of its artifact; ``reason`` is why it has none, as far as that is recorded.

    ``stopped`` was interrupted or killed and resumes with the next run; ``removed`` finished and its artifact is gone.
    ``progress`` and ``usage`` are those of a running one.
    """

    recipe: str
    name: str
    state: State
    reason: str = ""
    manifest: Manifest | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    estimated: Estimated | None = None
    progress: JobProgress | None = None
    usage: Usage | None = None

    @property
    def has_log(self) -> bool:
        return self.state != "not run"


@dataclass(frozen=True, kw_only=True)
class RecipeView:
    """All jobs of a recipe, in the order in which they run; ``running`` says whether ``olivepress run`` works on it."""

    name: str
    jobs: tuple[JobView, ...]
    running: bool
    measuring: bool

    @property
    def finished(self) -> int:
        return sum(job.state == "finished" for job in self.jobs)

    @property
    def active(self) -> JobView | None:
        return next((job for job in self.jobs if job.state == "running"), None)

    @property
    def failed(self) -> int:
        return sum(job.state in ("failed", "unreadable") for job in self.jobs)

    @property
    def latest(self) -> datetime | None:
        times = [time for job in self.jobs for time in (job.started_at, job.ended_at) if time is not None]
        return max(times, default=None)


def recipes() -> list[str]:
    """The recipes that something was run of."""
    return [name for name in names_in(RUNS) if journal(name).is_file() or _artifacts(name)]


def recipe_view(recipe: str) -> RecipeView:
    """Its jobs as they are now. NotHereError for a recipe that was never run here."""
    folder = inside(RUNS, recipe)
    process = process_in(folder)
    last = _last_events(_events(recipe))
    names = sorted({*last, *_artifacts(recipe), *_rendered(recipe)}, key=_order)
    jobs = tuple(_job_view(recipe, name, last.get(name, {}), process is not None) for name in names)
    measuring = any(process_in(path) for path in RESULTS.glob(f"*/{recipe}/.bench-session-*"))
    return RecipeView(name=recipe, jobs=jobs, running=process is not None, measuring=measuring)


def _order(job: str) -> tuple[int, str]:
    return next((place for place, kind in enumerate(_KINDS) if job.startswith(kind)), len(_KINDS)), job


def _artifacts(recipe: str) -> list[str]:
    return [name for name in names_in(recipe_runs(recipe)) if (job_dir(recipe, name) / MANIFEST).is_file()]


def _rendered(recipe: str) -> list[str]:
    """The jobs that were rendered and perhaps not run yet."""
    names = [path.stem for path in (CONFIGS / recipe).glob("*.yaml")]
    return [name for name in names if is_plain(name) and name.startswith(_KINDS)]


def _events(recipe: str) -> list[dict[str, Any]]:
    try:
        return events(journal(recipe))
    except (OSError, OlivepressError):
        return []


def _last_events(every: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Job → its last event, with the start of that try and what was estimated then."""
    last: dict[str, dict[str, Any]] = {}
    for event in every:
        job = event["job"]
        if not isinstance(job, str) or not is_plain(job):
            continue
        if event["event"] == "started":
            last[job] = {**event, "started_at": event.get("at")}
        else:
            of_try = last.get(job, {})
            last[job] = {**event, **{key: of_try.get(key) for key in ("started_at", "estimated")}}
    return last


def _job_view(recipe: str, name: str, last: Mapping[str, Any], alive: bool) -> JobView:
    directory = job_dir(recipe, name)
    manifest, problem = _manifest(directory)
    state = _state(last, alive, manifest is not None, problem)
    running = state == "running"
    began = _time(last.get("started_at"))
    return JobView(
        recipe=recipe,
        name=name,
        state=state,
        reason=problem or (str(last.get("reason", "")) if state in ("failed", "passed over") else ""),
        manifest=None if running else manifest,
        started_at=began,
        ended_at=None if running or last.get("event") == "started" else _time(last.get("at")),
        estimated=_estimated(last.get("estimated")),
        progress=progress_of(recipe, name, began) if running else None,
        usage=usage_of(recipe) if running else None,
    )


def _state(last: Mapping[str, Any], alive: bool, has_manifest: bool, problem: str) -> State:
    event = last.get("event")
    if event == "started" and alive:
        return "running"
    if problem:
        return "unreadable"
    if has_manifest:
        return "finished"
    if event == "started":
        return "stopped"
    if event == "finished":
        return "removed"
    return _ENDED.get(str(event), "not run")


def _manifest(directory: Path) -> tuple[Manifest | None, str]:
    path = directory / MANIFEST
    if not path.is_file():
        return None, ""
    try:
        inside(RUNS, *path.relative_to(RUNS).parts)
        status = path.stat()
        return _read(directory, status.st_mtime_ns, status.st_size), ""
    except OlivepressError as error:
        return None, error.message
    except OSError:  # removed meanwhile
        return None, ""


@lru_cache(maxsize=512)
def _read(directory: Path, changed: int, size: int) -> Manifest:
    """Read once for each state of the file: a page is read again every two seconds."""
    return read_manifest(directory)


def _time(value: Any) -> datetime | None:
    try:
        return parse_timestamp(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _estimated(value: Any) -> Estimated | None:
    fields = ("seconds", "memory_bytes", "disk_bytes")
    if not isinstance(value, dict) or not all(isinstance(value.get(field), int | float) for field in fields):
        return None
    return Estimated(**{field: float(value[field]) for field in fields})
