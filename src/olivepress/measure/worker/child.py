"""Entry of a measuring process: ``python -m olivepress.measure.worker.child TASK``, the spec as JSON on stdin."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from olivepress.core.errors import OlivepressError, whole_message
from olivepress.measure.worker.tasks import TASKS
from olivepress.report.machine import peak_rss_bytes

__all__ = ["main"]

Spec = Mapping[str, Any]


def _check_model(task: str, spec: Spec) -> None:
    """The one door to every runtime: what a task would open is looked at before it is opened. ReportError."""
    if "model_dir" not in spec or spec.get("runtime") == "pytorch":
        return
    from olivepress.runtimes.artifact_safety import check_before_opening

    profile = None
    if task == "profile" and spec.get("folder"):
        from olivepress.measure.latency.kernel_profile import profile_prefix

        profile = profile_prefix(Path(spec["folder"]))
    check_before_opening(Path(spec["model_dir"]), profile=profile)


def main(arguments: list[str] | None = None) -> int:
    """Entry of the child. Returns 0 with ``{"result": …}`` as the last line, else 1 with ``{"error": …}``."""
    (task,) = sys.argv[1:] if arguments is None else arguments
    spec = json.loads(sys.stdin.read())

    def say(message: Mapping[str, Any]) -> None:
        print(json.dumps(message), flush=True)

    try:
        _check_model(task, spec)
        result = TASKS[task](spec, lambda done, total: say({"progress": [done, total]}))
    except Exception as error:
        # The full traceback goes to stderr for the log; the parent shows one line.
        traceback.print_exc()
        ours = isinstance(error, OlivepressError)
        message = whole_message(error.message if isinstance(error, OlivepressError) else error)
        say({
            "error": message if ours else f"{type(error).__name__}: {message}",
            "kind": type(error).__name__ if ours else "JobError",
            "next_step": error.next_step if isinstance(error, OlivepressError) else None,
        })  # fmt: skip
        return 1
    say({"result": result | {"peak_rss_bytes": peak_rss_bytes()}})
    return 0


if __name__ == "__main__":
    sys.exit(main())
