"""Interleaved rounds: every subject once a round, in a process of its own, the order rotated; quiet moments only."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from olivepress.core.process import BEFORE_EXEC
from olivepress.measure.worker.host import run_child

__all__ = ["Job", "Rounds", "measure", "measure_round", "rotated", "run_job", "tried"]

QUIET = 0.05  # of the machine's cores that other processes may take while a subject is measured
TRIES = 3
PAUSE_S = 5.0
PATIENCE_S = 120.0  # of all disturbed measurements and pauses of one run; then the next one is kept whatever it is


@dataclass(frozen=True, kw_only=True)
class Job:
    """One subject's child: its interpreter, its module, and what it gets on standard input."""

    python: Path
    module: str
    spec: Mapping[str, Any]
    environment: Mapping[str, str]


@dataclass(kw_only=True)
class Rounds:
    """By subject, one result for each round; ``disturbed`` counts measurements thrown away, ``noisy`` those kept."""

    found: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    ceilings: list[dict[str, Any]] = field(default_factory=list)
    disturbed: int = 0
    noisy: int = 0
    waited_s: float = 0.0


def rotated(names: Sequence[str], number: int) -> list[str]:
    """The order of round ``number``: each subject stands in each place equally often over as many rounds."""
    start = number % len(names)
    return [*names[start:], *names[:start]]


def run_job(job: Job, **changes: Any) -> dict[str, Any]:
    """The child's last line. CalledProcessError with its errors when it failed."""
    done = subprocess.run(
        [str(job.python), "-m", job.module], input=json.dumps({**job.spec, **changes}), text=True,
        capture_output=True, env=dict(job.environment), check=False, preexec_fn=BEFORE_EXEC,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{job.module} on {Path(job.spec['model']).name}: {done.stderr.strip()[-400:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(jobs: Mapping[str, Job], rounds: int, threads: int, tell: Callable[[str], None]) -> Rounds:
    """All rounds. A measurement that other processes disturbed is made again, after a pause."""
    result = Rounds(found={name: [] for name in jobs})
    for number in range(rounds):
        measure_round(jobs, number, threads, tell, result)
    return result


def measure_round(
    jobs: Mapping[str, Job], number: int, threads: int, tell: Callable[[str], None], result: Rounds
) -> None:
    """One round, added to ``result``."""
    result.ceilings.append(run_child("ceiling", {"threads": threads}))
    for name in rotated(list(jobs), number):
        latest = _quiet(jobs[name], result)
        result.found.setdefault(name, []).append(latest)
        tell(f"round {number + 1} {name}: {latest['decode_tps']:.1f} decode, {latest['prefill_tps']:.1f} prefill")


def tried(jobs: Mapping[str, Job]) -> dict[str, str]:
    """Each subject once, not counted: its files are then in memory. Returns why those that failed did."""
    failures = {}
    for name, job in jobs.items():
        try:
            run_job(job, repeats=1, tokens=4)
        except RuntimeError as error:
            failures[name] = str(error)
    return failures


def _quiet(job: Job, result: Rounds) -> dict[str, float]:
    """The first quiet measurement, or the least disturbed of ``TRIES``."""
    tries: list[dict[str, float]] = []
    while True:
        began = time.monotonic()
        found = run_job(job)
        if found["foreign_share"] <= QUIET:
            return found
        tries.append(found)
        if len(tries) == TRIES or result.waited_s > PATIENCE_S:
            result.noisy += 1
            return min(tries, key=lambda one: one["foreign_share"])
        result.disturbed += 1
        result.waited_s += time.monotonic() - began + PAUSE_S
        time.sleep(PAUSE_S)
