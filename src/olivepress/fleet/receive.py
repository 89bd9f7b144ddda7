"""``fleet import``: the signed reports of a folder into the fleet's index.

The folder is only read. Files that were read before are recognized by their size and times and are not opened again;
several imports may run at once, each takes chunks in an order of its own and skips what another has read.
"""

from __future__ import annotations

import hashlib
import os
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from olivepress.core.bounded import read_bytes
from olivepress.core.errors import ReportError, UsageError
from olivepress.core.progress import Progress
from olivepress.fleet.index import Index, Refusal, Seen
from olivepress.fleet.machines import Machine, by_key, read_machines
from olivepress.fleet.records import INDEX, MACHINES, Fleet, Release
from olivepress.fleet.verify import LARGEST, Accepted, RefusedError, check_report, machine_of
from olivepress.registry.signatures import LARGEST_SIGNATURE, signature_path

__all__ = ["Imported", "import_folder"]

SUFFIX = ".report.zip"
CHUNK = 64  # files of one transaction


@dataclass(frozen=True, kw_only=True)
class Imported:
    """``files`` are all reports of the folder, ``unchanged`` those that were read before, ``new`` the reports that
    count since, ``refused`` what was refused now, folders that cannot be read included."""

    files: int
    unchanged: int
    new: int
    refused: tuple[Refusal, ...]

    @property
    def kinds(self) -> Counter[str]:
        return Counter(refusal.kind for refusal in self.refused)


@dataclass(frozen=True, kw_only=True)
class _Desk:
    """What reports are checked with. ``mark`` changes when a machine, a key or a release does."""

    machines: Mapping[str, Machine]
    releases: Sequence[Release]
    now: datetime
    mark: str


def import_folder(fleet: Fleet, folder: Path, *, now: datetime, on_progress: Progress = lambda *_: None) -> Imported:
    """Read what is new in ``folder`` and below it. UsageError for a folder that is not there or has no report."""
    machines = by_key(read_machines(fleet.folder / MACHINES))
    desk = _Desk(machines=machines, releases=fleet.releases, now=now, mark=_mark(machines, fleet.releases))
    files, refused = _reports(folder)
    if not (files or refused):
        step = f"copy the {SUFFIX} files and their {SUFFIX}.minisig files there"
        raise UsageError(f"{folder}: no {SUFFIX} in it", next_step=step)
    chunks = [files[start : start + CHUNK] for start in range(0, len(files), CHUNK)]
    random.SystemRandom().shuffle(chunks)  # two imports at once shall not read the same files
    unchanged = new = done = 0
    with Index.opened(fleet.folder / INDEX) as index:
        for chunk in chunks:
            stamps = {_name(path): _stamp(path) for path in chunk}
            paths = dict(zip(stamps, chunk, strict=True))
            unread = index.unread(stamps, desk.mark)
            seen = [_seen(paths[name], name, stamps[name], desk) for name in unread]
            added, now_refused = index.add(seen) if seen else (0, [])
            unchanged, new, done = unchanged + len(chunk) - len(unread), new + added, done + len(chunk)
            refused += now_refused
            on_progress(done, len(files))
    refused.sort(key=lambda each: each.path)
    return Imported(files=len(files), unchanged=unchanged, new=new, refused=tuple(refused))


def _mark(machines: Mapping[str, Machine], releases: Sequence[Release]) -> str:
    parts = [*sorted(machines), *(release.bundle_sha256 for release in releases)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _reports(folder: Path) -> tuple[list[Path], list[Refusal]]:
    """All below a folder in order, without following links to other folders, and the folders that cannot be read."""
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder", next_step="name the folder where the reports arrive")
    closed = list[OSError]()
    walked = os.walk(folder.resolve(), onerror=closed.append)
    files = sorted(Path(directory, name) for directory, _, names in walked for name in names if name.endswith(SUFFIX))
    refused = [
        Refusal(path=_name(Path(error.filename)), kind="unreadable", reason=f"folder: {error.strerror}", machine=None)
        for error in closed
    ]
    return files, refused


def _name(path: Path) -> str:
    """A path as the index names it: from the project's root, in UTF-8, two paths never alike."""
    try:
        name = os.path.relpath(path)
    except ValueError:  # on another drive
        name = str(path)
    return Path(name).as_posix().replace("\\", "\\\\").encode("utf-8", "backslashreplace").decode("utf-8")


def _stamp(path: Path) -> str:
    """Size and time of the report and of its signature."""
    return " ".join(_state(each) for each in (path, signature_path(path)))


def _state(path: Path) -> str:
    try:
        status = path.lstat()
    except OSError:
        return "-"
    return f"{status.st_size}.{status.st_mtime_ns}"


def _seen(path: Path, name: str, stamp: str, desk: _Desk) -> Seen:
    result: Accepted | RefusedError
    try:
        signature = _read(signature_path(path), LARGEST_SIGNATURE, "not signed", f"no {path.name}.minisig beside it")
        machine_of(signature, desk.machines)  # before a large file is read for nothing
        data = _read(path, LARGEST, "unreadable", "it was removed while the folder was read")
        result = check_report(data, signature, path, machines=desk.machines, releases=desk.releases, now=desk.now)
    except RefusedError as error:
        result = error
    return Seen(path=name, stamp=stamp, fleet=desk.mark, result=result)


def _read(path: Path, limit: int, missing: str, reason: str) -> bytes:
    """RefusedError for what is no file of at most ``limit`` bytes; a link is none, it may lead anywhere."""
    try:
        if path.is_symlink():
            raise RefusedError("unreadable", f"{path.name} is a link")
        if path.lstat().st_size > limit:
            raise RefusedError("oversized", f"{path.name} is larger than {limit:,} bytes")
        return read_bytes(path, limit, ReportError)
    except FileNotFoundError:
        raise RefusedError("not signed" if missing == "not signed" else "unreadable", reason) from None
    except (OSError, ReportError) as error:
        raise RefusedError("unreadable", str(getattr(error, "strerror", None) or error)) from None
