"""A random model of real size, written by a child process so that its memory is measured on its own."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from olivepress.catalog import BUILD, ModelFacts, family_of_model_type
from olivepress.core.child.process import Usage
from olivepress.core.child.run import run_task
from olivepress.core.errors import OlivepressError
from olivepress.core.files import bytes_below, write_text
from olivepress.core.layout import job_log, journal, recipe_runs
from olivepress.core.progress import Progress
from olivepress.environments.lookup import interpreter
from olivepress.recipe.schema import Recipe
from olivepress.run.failure import job_error
from olivepress.run.journal import append, events
from olivepress.synthetic.task import RandomModelSpec, write_random_model

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
    note, directory = recipe_runs(recipe.name) / "model.json", Path(recipe.model.path)
    if not (note.is_file() and directory.is_dir()):
        append(journal(recipe.name), "started", _JOB, "model")
        usage = _run(facts, recipe, on_progress)
        write_text(note, json.dumps(asdict(usage) | {"seconds": round(usage.seconds, 1)}))
        append(journal(recipe.name), "finished", _JOB, "model")
    fields = json.loads(note.read_text(encoding="utf-8"))
    return Step(
        name="random model",
        size_bytes=bytes_below(directory),
        unfinished_tries=unfinished_tries(recipe.name, _JOB),
        **fields,
    )


def unfinished_tries(recipe: str, job: str) -> int:
    """How often the job was started and did not finish."""
    states = [event["event"] for event in events(journal(recipe)) if event["job"] == job]
    return states.count("started") - states.count("finished")


def _run(facts: ModelFacts, recipe: Recipe, on_progress: Progress) -> Usage:
    log = job_log(recipe.name, _JOB)
    log.unlink(missing_ok=True)
    spec = RandomModelSpec(config=dict(facts.config), directory=Path(recipe.model.path), seed=_SEED)
    try:
        done = run_task(
            write_random_model,
            spec,
            interpreter=_interpreter(facts, recipe),
            on_progress=on_progress,
            log=log,
            writes=(spec.directory,),
        )
        return done.usage
    except OlivepressError as error:
        raise job_error(error, log) from error


def _interpreter(facts: ModelFacts, recipe: Recipe) -> Path | None:
    """The Python whose transformers knows the model's type; None is this one."""
    family = family_of_model_type(facts.config["model_type"], recipe.model.path).for_model(facts.config)
    needed = family.build_environment
    return None if needed == BUILD else interpreter(needed)
