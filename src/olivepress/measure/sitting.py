"""One bench of one artifact, kept on disk while it runs: what was measured before a kill is not measured again."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from olivepress.measure.child import Progress, run_child
from olivepress.measure.report import write_text

__all__ = ["Sitting"]


@dataclass(kw_only=True)
class Sitting:
    """``folder`` holds one JSON file per finished child process, named by what its result depends on.

    ``identity`` is that beside the child's own spec: artifact, dataset, package versions, machine. ``seconds`` and
    ``peak_memory_bytes`` add up what the children took, earlier tries included.
    """

    folder: Path
    identity: str
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
            found = run_child(task, full, progress=progress, timeout_s=timeout_s)
            found["seconds"] = round(time.monotonic() - began, 3)
            write_text(path, json.dumps(found))
        else:
            self.resumed = True
        self.seconds += float(found["seconds"])
        self.peak_memory_bytes = max(self.peak_memory_bytes, int(found["peak_rss_bytes"]))
        return found

    def end(self) -> None:
        """The report is written: away with the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _key(self, task: str, spec: Mapping[str, Any]) -> str:
        text = json.dumps([self.identity, task, dict(spec)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:24]


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and "seconds" in found else None
