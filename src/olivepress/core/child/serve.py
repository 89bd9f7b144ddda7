"""The child's side: ``python -P -m olivepress.core.child.serve``, on each line of standard input a task to run.

A line is ``{"task": "MODULE:FUNCTION", "spec": {...}}`` as JSON. The function takes a spec record and a progress
callback and returns a result record; both types are those of its signature. What it prints goes to standard error:
standard output is for messages alone.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import IO, Any

from pydantic import BaseModel

from olivepress.core.child.messages import error_message
from olivepress.core.process import peak_memory_bytes
from olivepress.core.progress import Progress

__all__ = ["main"]

Task = Callable[..., BaseModel]


def main() -> int:
    """Run the tasks that are asked for until there are no more."""
    channel = _take_standard_output()

    def send(message: Mapping[str, Any]) -> None:
        channel.write(json.dumps(message) + "\n")
        channel.flush()

    for line in sys.stdin:
        try:
            send(_result(json.loads(line), lambda done, total: send({"done": done, "total": total})))
        except Exception as error:
            traceback.print_exc()  # for the log; the parent shows one line
            send(error_message(error).model_dump())
    return 0


def _result(request: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    task = _task(request["task"])
    spec = _spec_type(task).model_validate(request["spec"], strict=False)
    return {"result": task(spec, progress).model_dump(mode="json"), "peak_memory_bytes": peak_memory_bytes()}


def _take_standard_output() -> IO[str]:
    """Messages go to what standard output was; from now on it is standard error, for native libraries too."""
    channel = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    sys.stdout.flush()
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return channel


def _task(name: str) -> Task:
    module, _, function = name.partition(":")
    task: Task = getattr(importlib.import_module(module), function)
    return task


def _spec_type(task: Task) -> type[BaseModel]:
    spec: type[BaseModel] = next(iter(inspect.signature(task, eval_str=True).parameters.values())).annotation
    return spec


if __name__ == "__main__":
    sys.exit(main())
