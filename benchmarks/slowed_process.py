"""A latency process whose decode steps are lengthened by a busy wait: shows whether a known slowdown is reported.

Run as a program it is the child process: the spec of the latency measurement and the share of the slowdown come as JSON
on stdin, the result goes as JSON to the last line of stdout.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from olivepress.core.privacy import child_environment
from olivepress.measure.latency import latency
from olivepress.measure.latency.latency import LatencySpec, measure_process
from olivepress.runtimes.base import Generation, LanguageModel

__all__ = ["measured_slowed"]


def measured_slowed(spec: LatencySpec, share: float) -> dict[str, Any]:
    """The result of ``measure_process`` in a fresh process, every decode step taking ``share`` more time."""
    text = json.dumps({"spec": spec.model_dump(mode="json"), "share": share})
    command = [sys.executable, "-P", str(Path(__file__).resolve())]
    done = subprocess.run(
        command, input=text, stdout=subprocess.PIPE, text=True, check=True, env=child_environment(offline=True)
    )
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


class _Slowed:
    """A language model whose generations take longer steps; everything else is the model's own."""

    def __init__(self, model: LanguageModel, share: float) -> None:
        self._model, self._share = model, share

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def generation(self, longest: int, *, shortest: int = 0) -> Generation:
        generation = self._model.generation(longest, shortest=shortest)
        if self._share:
            generation.step = _slowed(generation.step, self._share)
        return generation


def _slowed(step: Callable[[], object], share: float) -> Callable[[], object]:
    clock = time.perf_counter_ns

    def slowed() -> None:
        begin = clock()
        step()
        end = clock()
        until = end + share * (end - begin)
        while clock() < until:
            pass

    return slowed


def main() -> None:
    """Measure what stdin describes."""
    message = json.loads(sys.stdin.read())
    load_runtime = latency.load_runtime

    def load_slowed(model_dir: Path) -> Callable[[Path], LanguageModel]:
        opened = load_runtime(model_dir)
        return lambda folder: _Slowed(opened(folder), message["share"])  # type: ignore[return-value]

    latency.load_runtime = load_slowed
    print(json.dumps(measure_process(LatencySpec.model_validate(message["spec"]))), flush=True)


if __name__ == "__main__":
    main()
