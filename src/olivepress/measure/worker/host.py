"""A measuring task by its name and the fields of its spec, for a bench that keeps what its processes returned."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from olivepress.core.child.run import Call, TaskProcess, call_task
from olivepress.core.privacy import child_environment
from olivepress.core.progress import Progress
from olivepress.measure.worker.tasks import TASKS

__all__ = ["run_child"]

_ONE_THREAD = ("ceiling",)  # it starts its own threads, each of which calls BLAS for its own part


def run_child(
    task: str,
    spec: Mapping[str, Any],
    *,
    interpreter: Path | None = None,
    progress: Progress | None = None,
    timeout_s: float | None = None,
    process: TaskProcess | None = None,
) -> dict[str, Any]:
    """Run a task of ``tasks.TASKS`` in a fresh process and return the fields of its result, ``peak_rss_bytes`` too.

    In ``process`` instead, if one is given, which then has an interpreter and a time limit of its own.
    Fields of ``spec`` that the task's record does not have only tell one call from another. Raises as ``run_task``.
    """
    function = TASKS[task]
    known = _spec_type(function).model_fields
    name, fields = f"{function.__module__}:{task}", {key: spec[key] for key in spec if key in known}
    call = Call(
        interpreter=interpreter,
        environment=child_environment(offline=True, threads=1 if task in _ONE_THREAD else None),
        on_progress=progress,
        timeout_s=timeout_s,
    )
    message, usage = process.run(name, fields, progress) if process else call_task(name, fields, call)
    return message.result | {"peak_rss_bytes": usage.peak_memory_bytes}


def _spec_type(function: Any) -> type[BaseModel]:
    spec: type[BaseModel] = next(iter(inspect.signature(function, eval_str=True).parameters.values())).annotation
    return spec
