"""Makes what a run made again, in a folder of its own, and compares: identical, within the noise of seeds, or why not.

The folder is a project with the recorded recipe, in which the same command runs; data, models and environments are
those of this project.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from olivepress.core.errors import JobError, RecipeError, UsageError, whole_message
from olivepress.core.files import link_folder, write_text
from olivepress.core.layout import DATASETS, ENVIRONMENTS, MODELS, RUNS, TRAINING, run_records
from olivepress.core.privacy import child_environment
from olivepress.core.process import BEFORE_EXEC, exclusive
from olivepress.recipe.schema import RECIPES, load_recipe, recipe_files
from olivepress.track.checklist import runs_of_other_seeds
from olivepress.track.difference import Change, input_changes
from olivepress.track.facts import flat_keys
from olivepress.track.figures import is_of_the_machine
from olivepress.track.runs import Curve, TrackedRun, read_run

__all__ = ["Reproduction", "reproduce"]

_SCRATCH = RUNS / ".reproduce"
_KINDS = ("finetune", "merge", "export")
# What most often explains another result comes first.
_SUSPICION = ("package", "data", "seed", "recipe", "base model", "code", "machine", "environment", "parent")
_ENOUGH_SEEDS = 3
_ABOVE = "above"  # a folder that stands for the one that ".." leads to
_LONGEST_PATH, _LONGEST_NAME = 1000, 255
_NOT_RECIPE = ("schema_version", "description", "promote", "tracking")


@dataclass(frozen=True, kw_only=True)
class Noise:
    """The last loss of runs that differ in nothing but their seed, and that of the run that was made again."""

    seeds: int
    lowest: float
    highest: float
    again: float

    @property
    def contains(self) -> bool:
        return self.lowest <= self.again <= self.highest


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """``different`` files have another hash or are there once only; ``suspects`` is what differs in what went in, the
    likeliest reason first; ``since`` is what the recipe of that name has changed since the run, and was not used."""

    run: str
    verdict: Literal["identical", "within the noise", "different"]
    same: int
    different: tuple[str, ...]
    suspects: tuple[Change, ...]
    since: tuple[Change, ...]
    noise: Noise | None
    folder: Path


def reproduce(
    run: TrackedRun,
    *,
    recipe: Path | None = None,
    keep: bool = False,
    trust_targets: bool = False,
    on_job: Callable[[str], None] = lambda _: None,
) -> Reproduction:
    """Make the artifact of ``run`` again and compare. ``recipe`` is used instead of the recorded one; ``trust_targets``
    as in ``run``.

    The folder stays with ``keep`` and when the result is different. Raises UsageError for a run without an artifact or
    of a package of adapters, JobError when a job fails.
    """
    settings = _settings(run, recipe)
    since = tuple(_since(run, settings))
    options = ["--trust-targets"] if trust_targets else []
    folder = _SCRATCH / f"{run.started.recipe}-{run.started.job}"
    folder.mkdir(parents=True, exist_ok=True)
    with exclusive(folder):
        for old in (folder / "project", folder / _ABOVE):
            shutil.rmtree(old, ignore_errors=True)
        project = folder / Path(*[_ABOVE] * _levels_above(settings), "project")
        name = _prepare(project, settings)
        for job in _jobs(run):
            on_job(job)
            _run_job(project, name, job, *options)
        again = _remade(project, str(settings["name"]), run.started.job)
        result = _compare(run, again, since, project)
    if not keep and result.verdict != "different":
        shutil.rmtree(folder, ignore_errors=True)
    return result


def _jobs(run: TrackedRun) -> list[str]:
    """The job and what it is made from, in the order they run: an export of a merge, or of trained weights."""
    before = {"finetune": [], "merge": ["finetune"], "export": ["finetune"]}[run.started.kind]
    if run.started.kind == "export" and run.facts.parent not in (None, "finetune"):
        before.append(str(run.facts.parent))
    return [*before, run.started.job]


def _settings(run: TrackedRun, recipe: Path | None) -> dict[str, Any]:
    if not run.files or not run.started.settings:
        raise UsageError(f"{run.name}: has no artifact to compare with", next_step="olivepress runs list")
    if run.started.kind not in _KINDS:
        message = f"{run.name}: a package of adapters cannot be made again alone"
        raise UsageError(message, next_step="reproduce the fine-tunes of its adapters")
    if recipe is not None:
        return load_recipe(recipe).model_dump(mode="json")
    if run.started.settings.get("name") != run.started.recipe:  # the name becomes that of a file
        raise UsageError(f"{run.name}: its recorded recipe has another name", next_step="--recipe FILE names one")
    return dict(run.started.settings)


def _prepare(project: Path, settings: Mapping[str, Any]) -> str:
    """A project with the recipe; returns its path there. Relative paths of the recipe lead to the same files."""
    project.mkdir(parents=True)
    for directory in (DATASETS, MODELS):
        directory.mkdir(exist_ok=True)
    for source in filter(None, map(_own_code, _texts(settings))):
        (project / source).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, project / source)
    places = {DATASETS, MODELS, ENVIRONMENTS, *filter(None, map(_outermost, _texts(settings)))}
    places |= {RUNS / recipe for recipe in _started_from(settings)}
    for place in sorted(places):
        if place.exists() and place not in (RECIPES, RUNS, RUNS / str(settings["name"])):
            (project / place).parent.mkdir(parents=True, exist_ok=True)
            _link(project / place, place)
    recipes = project / RECIPES
    recipes.mkdir(exist_ok=True)
    for other in RECIPES.glob("*") if RECIPES.is_dir() else ():
        if other.suffix not in (".yaml", ".yml"):
            _link(recipes / other.name, other)
    file = RECIPES / f"{settings['name']}.yaml"
    write_text(project / file, json.dumps(_set_keys(settings), indent=1) + "\n")  # JSON is YAML
    return file.as_posix()


def _started_from(settings: Mapping[str, Any]) -> Iterator[str]:
    """The recipe whose adapter was trained further, where it is named as one."""
    start = (settings.get("finetune") or {}).get("start_from")
    if start and "/" not in start:
        yield start


def _levels_above(settings: Mapping[str, Any]) -> int:
    """How many folders above the project the recipe's paths lead: there are as many, within the scratch folder."""
    places = filter(None, map(_outermost, _texts(settings)))
    return max((place.parts.count("..") for place in places if place.exists()), default=0)


def _outermost(text: str) -> Path | None:
    """Of a relative path the first part that is no ``..``, with those before it; of what runs made its recipe's."""
    parts = Path(text).parts if len(text) < _LONGEST_PATH and "\n" not in text else ()
    count = next((number for number, part in enumerate(parts) if part != ".."), None)
    if count is None or Path(text).is_absolute() or any(len(part.encode()) > _LONGEST_NAME for part in parts):
        return None
    return Path(*parts[: count + (2 if parts[0] == str(RUNS) else 1)])


def _own_code(text: str) -> Path | None:
    """The file of ``FILE.py:FUNCTION``, which must lie in the project and not behind a link."""
    name, _, function = text.partition(":")
    inside = _outermost(name)
    is_code = function.isidentifier() and name.endswith(".py") and inside is not None and ".." not in Path(name).parts
    return Path(name) if is_code and Path(name).is_file() else None


def _link(link: Path, place: Path) -> None:
    """``link`` leads to ``place``. Windows lets not everybody make symbolic links: there a junction, or a copy.

    Where a copied file lies already, in a folder of its own, what else is in ``place`` is linked beside it.
    """
    if link.is_dir() and place.is_dir() and not link.is_symlink():
        for each in place.iterdir():
            _link(link / each.name, each)
    elif link.exists():
        return
    elif place.is_dir():
        link_folder(link, place)
    elif sys.platform == "win32":
        shutil.copyfile(place, link)
    else:
        link.symlink_to(place.absolute())


def _set_keys(value: Any) -> Any:
    """Without the keys that are null: some may be left out and not be null."""
    if isinstance(value, Mapping):
        return {key: _set_keys(each) for key, each in value.items() if each is not None}
    return value


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, str) and value:
        yield value


def _run_job(project: Path, recipe: str, job: str, *options: str) -> None:
    """The command as a person types it. JobError with its last line when it fails."""
    command = [sys.executable, "-P", "-m", "olivepress", "run", recipe, "--job", job, "--quiet", *options]
    environment = child_environment(OLIVEPRESS_TRACKING="off")
    done = subprocess.run(
        command,
        cwd=project,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=BEFORE_EXEC,
    )
    if done.returncode:
        last = (done.stderr.strip().split("\n") or [""])[-1].removeprefix("olivepress: ")
        raise JobError(f"{job} could not be made again: {whole_message(last)}", next_step=f"look into {project}")


def _remade(project: Path, recipe: str, job: str) -> TrackedRun:
    paths = [project / path for path in _records_in(project, recipe, job)]
    again = read_run(paths[-1]) if paths else None
    if again is None or again.sha256 is None:
        raise JobError(f"{job}: was made again and has no record", next_step=f"look into {project}")
    return again


def _records_in(project: Path, recipe: str, job: str) -> Sequence[Path]:
    folder = next(iter(run_records(recipe, job)), None)
    name = folder.parent.name if folder else "records"
    return sorted(path.relative_to(project) for path in (project / RUNS / recipe / name).glob(f"{job}.*.jsonl"))


def _compare(run: TrackedRun, again: TrackedRun, since: tuple[Change, ...], project: Path) -> Reproduction:
    """By the hash of every file; the record of the training has times in it, so its steps and results count."""
    names = sorted({*run.files, *again.files} - {TRAINING})
    different = [name for name in names if run.files.get(name) != again.files.get(name)]
    if _results(run.curves) != _results(again.curves):
        different.append(TRAINING)
    noise = _noise(run, again)
    verdict: Literal["identical", "within the noise", "different"] = "identical"
    if different:
        verdict = "within the noise" if noise is not None and noise.contains else "different"
    suspects = sorted(input_changes(run, again), key=lambda change: _SUSPICION.index(change.kind))
    return Reproduction(
        run=run.name,
        verdict=verdict,
        same=len(names) - sum(name in names for name in different),
        different=tuple(different),
        suspects=tuple(suspects),
        since=since,
        noise=noise if different else None,
        folder=project,
    )


def _results(curves: Mapping[str, Curve]) -> dict[str, Curve]:
    return {name: curve for name, curve in curves.items() if not is_of_the_machine(name)}


def _noise(run: TrackedRun, again: TrackedRun) -> Noise | None:
    """None for fewer than three seeds, and without a loss."""
    losses = [each.curves["loss"].last for each in (run, *runs_of_other_seeds(run)) if "loss" in each.curves]
    if len(losses) < _ENOUGH_SEEDS or "loss" not in again.curves:
        return None
    return Noise(seeds=len(losses), lowest=min(losses), highest=max(losses), again=again.curves["loss"].last)


def _since(run: TrackedRun, used: Mapping[str, Any]) -> Iterator[Change]:
    """What the recipe of that name says now and the one that was used does not; nothing where it cannot be read."""
    try:
        path = recipe_files().get(run.started.recipe)
        present = None if path is None else load_recipe(path).model_dump(mode="json")
    except (RecipeError, OSError):
        return
    if present is None:
        return
    now, then = (flat_keys(_recipe_keys(each)) for each in (present, used))
    for name in sorted({*now, *then}):
        if now.get(name) != then.get(name):
            kind: Literal["seed", "recipe"] = "seed" if name.endswith("seed") else "recipe"
            yield Change(kind=kind, name=name, a=then.get(name), b=now.get(name))


def _recipe_keys(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key not in _NOT_RECIPE}
