"""A bench, kept on disk while it runs: what was measured before a kill is not measured again.

All artifacts of one bench share a folder, which goes away in one step when the last report is written: as long as one
report is missing, what was measured of the others is still there, and rounds of two benches are never mixed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from olivepress.core.bounded import CONFIG, read_json
from olivepress.core.errors import JobError
from olivepress.core.files import write_text
from olivepress.core.process import exclusive
from olivepress.core.progress import Progress
from olivepress.measure.worker.host import run_child

__all__ = ["Sitting", "code_sha256", "open_sitting"]

_MEASURING = ("measure", "report", "runtimes", "stats")  # the rooms whose code decides what a metric is


@dataclass(kw_only=True)
class Sitting:
    """``folder`` holds one JSON file per finished child process of one artifact, named by what its result depends on.

    ``identity`` is that beside the child's own spec: artifact, dataset, package versions, our code, machine.
    ``interpreter`` is the Python that measures it, None for this one. ``together`` is the same for all artifacts of
    one bench, and for no other. ``seconds`` and ``peak_memory_bytes`` add up what the children took, earlier tries
    included.
    """

    folder: Path
    identity: str
    interpreter: Path | None = None
    together: str = ""
    seconds: float = 0.0
    peak_memory_bytes: int = 0
    resumed: bool = False

    def run(
        self, task: str, spec: Mapping[str, Any], *, progress: Progress | None = None, timeout_s: float | None = None
    ) -> dict[str, Any]:
        """The child's result, from an earlier try when there is one. A failure is not kept: it is tried again.

        The child may keep what it has finished so far in files that begin with ``spec["partial"]``.
        Raises what ``run_child`` raises.
        """
        name = f"{task}-{self._key(task, spec)}"
        path = self.folder / f"{name}.json"
        found = _read(path)
        if found is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            began = time.monotonic()
            full = {**spec, "partial": str(self.folder / name)}
            found = run_child(task, full, interpreter=self.interpreter, progress=progress, timeout_s=timeout_s)
            found["seconds"] = round(time.monotonic() - began, 3)
            write_text(path, json.dumps(found))
        else:
            self.resumed = True
        self.seconds += float(found["seconds"])
        self.peak_memory_bytes = max(self.peak_memory_bytes, int(found["peak_rss_bytes"]))
        return found

    def _key(self, task: str, spec: Mapping[str, Any]) -> str:
        text = json.dumps([self.identity, task, dict(spec)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:24]


@contextlib.contextmanager
def open_sitting(identities: Mapping[Path, str]) -> Iterator[dict[Path, Sitting]]:
    """One Sitting for each report path (→ identity); the folder beside the first is removed when nothing was raised.

    Goes on with the folder of an earlier try for the same reports. JobError when another process is at it.
    """
    first = next(iter(identities))
    root = first.with_name(f".sitting-{_hash(*sorted(path.name for path in identities))[:16]}")
    with exclusive(root):
        together = _token(root / f"token-{_hash(*sorted(identities.values()))[:16]}")
        yield {
            path: Sitting(folder=root / path.stem, identity=identity, together=together)
            for path, identity in identities.items()
        }
        done = root.with_name(f"{root.name}.{os.getpid()}.done")
        if sys.platform == "win32":  # where no folder with an open file in it, its lock, can be renamed
            done = root
        else:
            root.rename(done)
    shutil.rmtree(done, ignore_errors=True)


def _token(path: Path) -> str:
    """A random name of this bench, kept over a kill; another set of artifacts, data or packages gets another."""
    if not path.is_file():
        write_text(path, os.urandom(8).hex())
    return path.read_text(encoding="utf-8").strip()


@lru_cache(maxsize=1)
def code_sha256() -> str:
    """Over the sources of what measures: a corrected metric must not take over what the wrong one measured."""
    folder = Path(__file__).parents[1]
    files = sorted(path for room in _MEASURING for path in (folder / room).rglob("*.py"))
    return _hash(*(f"{file.relative_to(folder).as_posix()} {file.read_text(encoding='utf-8')}" for file in files))


def _hash(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found = read_json(path, CONFIG, JobError)
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and "seconds" in found else None
