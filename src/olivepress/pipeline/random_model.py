"""A random model of real size, written by a child process so that its memory is measured on its own."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from olivepress.catalog import ModelFacts
from olivepress.core.errors import JobError
from olivepress.core.process import report_progress
from olivepress.core.progress import Progress
from olivepress.recipe.schema import Recipe
from olivepress.run.executor import ChildResult, child_environment, failure_in, run_child
from olivepress.run.journal import append, events

__all__ = ["Step", "make_once", "unfinished_tries"]

_JOB = "random-model"
_SEED = 0


@dataclass(frozen=True, kw_only=True)
class Step:
    """One line of the table: what it took, and how often it was killed or failed before it finished."""

    name: str
    seconds: float
    peak_memory_bytes: int | None
    peak_disk_bytes: int | None
    size_bytes: int | None
    unfinished_tries: int


def make_once(facts: ModelFacts, recipe: Recipe, on_progress: Progress) -> Step:
    """Write the recipe's model with random weights, unless it is there; its cost is noted beside the journal."""
    work, directory = Path("runs", recipe.name), Path(recipe.model.path)
    note, journal = work / "model.json", work / "journal.jsonl"
    if not (note.is_file() and directory.is_dir()):
        work.mkdir(parents=True, exist_ok=True)
        append(journal, "started", _JOB, "model")
        result = _run(facts, directory, work, on_progress)
        fields = {
            "seconds": round(result.seconds, 1),
            "peak_memory_bytes": result.peak_memory_bytes,
            "peak_disk_bytes": result.peak_disk_bytes,
        }
        note.write_text(json.dumps(fields), encoding="utf-8")
        append(journal, "finished", _JOB, "model")
    fields = json.loads(note.read_text(encoding="utf-8"))
    size = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
    return Step(name="random model", size_bytes=size, unfinished_tries=unfinished_tries(journal, _JOB), **fields)


def unfinished_tries(journal: Path, job: str) -> int:
    """How often the job was started and did not finish."""
    states = [event["event"] for event in events(journal) if event["job"] == job]
    return states.count("started") - states.count("finished")


def _run(facts: ModelFacts, directory: Path, work: Path, on_progress: Progress) -> ChildResult:
    spec, progress = work / "make-model.json", work / "model-progress.jsonl"
    log = work / "logs" / f"{_JOB}.log"
    spec.write_text(json.dumps({"config": facts.config, "out": str(directory)}), encoding="utf-8")
    log.unlink(missing_ok=True)
    progress.unlink(missing_ok=True)
    result = run_child(
        None,
        ["-m", "olivepress.pipeline.random_model", str(spec)],
        log=log,
        environment=child_environment(scratch=work, progress=progress, offline=True),
        progress=progress,
        on_progress=lambda done, total, _: on_progress(done, total),
    )
    if result.exit_code != 0:
        raise failure_in(log, result)
    return result


def main(arguments: Sequence[str]) -> int:
    """Entry of the child that writes the random model."""
    from olivepress.synthetic.model import make_random_model

    spec = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    last = 0.0

    def report(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last > 1.0:
            last = time.monotonic()
            report_progress(done, total)

    try:
        make_random_model(spec["config"], Path(spec["out"]), seed=_SEED, progress=report)
    except JobError as error:
        print(f"JobError: {error}")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
