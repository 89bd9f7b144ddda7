"""One job: its artifact, checks and files, its log, and the text of a file that the manifest names."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from olivepress.core.artifact import MANIFEST, Manifest, read_manifest
from olivepress.core.layout import RUNS, job_dir, job_log
from olivepress.ui.jobs import JobView, recipe_view
from olivepress.ui.places import NotHereError, inside, is_plain
from olivepress.ui.progress import trained_run
from olivepress.ui.texts import FILE_BYTES, LOG_BYTES, Tail, tail_of
from olivepress.ui.training_figures import training_figures

__all__ = ["FileLine", "artifact_file", "job_page", "log_page"]

_EXCERPT = 16 * 1024
_TEXTS = frozenset({".json", ".jsonl", ".jinja", ".md", ".txt", ".yaml", ".yml", ".csv", ".log", ".xml"})


@dataclass(frozen=True, kw_only=True)
class FileLine:
    """A file of an artifact; ``state`` is "" for one that has the size of the manifest, else what is wrong."""

    name: str
    size: int
    sha256: str
    state: str
    readable: bool


def job_page(recipe: str, name: str) -> dict[str, Any]:
    """What the page of a job shows. NotHereError for a job that the recipe has not."""
    view = _job(recipe, name)
    run = view.progress.run if view.progress else trained_run(recipe, name)
    return {
        "recipe": recipe,
        "job": view,
        "figures": training_figures(recipe, name, run, running=view.progress is not None),
        "files": _files(job_dir(recipe, name), view.manifest) if view.manifest else [],
        "log": log_page(recipe, name, limit=_EXCERPT) if view.has_log else None,
    }


def log_page(recipe: str, name: str, *, limit: int = LOG_BYTES) -> Tail:
    """The end of a job's log. NotHereError for a job that the recipe has not."""
    view = _job(recipe, name)
    path = job_log(recipe, view.name)
    try:
        inside(RUNS, *path.relative_to(RUNS).parts)
    except NotHereError:
        return Tail(text="", size=0, reason="is not there")
    return tail_of(path, limit)


def artifact_file(recipe: str, job: str, name: str) -> Tail:
    """A text file of an artifact, if it is small. NotHereError for a name that the manifest does not have."""
    view = _job(recipe, job)
    directory = job_dir(recipe, view.name)
    inside(RUNS, recipe, view.name)
    names = {MANIFEST, *read_manifest(directory).files}
    if name not in names or not is_text_name(name):
        raise NotHereError("the artifact has no text file of that name")
    path = inside(directory, *name.split("/"))
    tail = tail_of(path, FILE_BYTES)
    if tail.left_out:
        return replace(tail, text="", reason=f"is larger than {FILE_BYTES // 1024} kB")
    return tail


def is_text_name(name: str) -> bool:
    """Whether a file of that name is shown when it is small."""
    return Path(name).suffix in _TEXTS and all(map(is_plain, name.split("/")))


def _job(recipe: str, name: str) -> JobView:
    job = next((job for job in recipe_view(recipe).jobs if job.name == name), None)
    if job is None:
        raise NotHereError(f"recipe {recipe} has no job of that name")
    return job


def _files(directory: Path, manifest: Manifest) -> list[FileLine]:
    lines = []
    for name, file in sorted(manifest.files.items()):
        state = _state(directory, name, file.bytes)
        readable = not state and is_text_name(name) and file.bytes <= FILE_BYTES
        lines.append(FileLine(name=name, size=file.bytes, sha256=file.sha256, state=state, readable=readable))
    return lines


def _state(directory: Path, name: str, size: int) -> str:
    """By size alone: hashing gigabytes is for ``olivepress run``, which does it before it keeps an artifact."""
    try:
        path = directory / name
        if not path.resolve(strict=True).is_relative_to(RUNS.resolve()):
            return "outside of the project"
        return "" if path.stat().st_size == size else "changed since"
    except (OSError, RuntimeError, ValueError):
        return "missing"
