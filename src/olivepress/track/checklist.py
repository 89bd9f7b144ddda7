"""What of a reproducibility checklist was recorded of a run, and what is missing.

The items are those of the checklists of machine learning conferences ("Improving Reproducibility in Machine Learning
Research", Pineau et al. 2021), as far as a program can answer them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from olivepress.core.layout import dataset_dir, run_records
from olivepress.core.messages import counted
from olivepress.track.runs import TrackedRun, all_runs, read_run

if TYPE_CHECKING:
    from olivepress.compare.document import ChecklistItem

__all__ = ["checklist", "runs_of_other_seeds"]

_SEEDS = 3
_THREADS = "OMP_NUM_THREADS"


def checklist(run: TrackedRun) -> list[ChecklistItem]:
    """Every item, those of what went in first."""
    return [*_data(run), *_model(run), *_code(run), *_machine(run), *_results(run)]


def _item(name: str, recorded: object, missing: str) -> ChecklistItem:
    from olivepress.compare.document import ChecklistItem

    text = str(recorded) if recorded else ""
    return ChecklistItem(name=name, recorded=text, missing="" if text else missing)


def _data(run: TrackedRun) -> Iterator[ChecklistItem]:
    facts = run.facts
    version = facts.dataset_version or ""
    yield _item("data version", f"{facts.dataset}, sha256 {version[:12]}" if version else "", "run the job again")
    rows = ", ".join(f"{count:,} {split}" for split, count in facts.rows.items())
    yield _item("data split", rows, "run the job again")
    folder = dataset_dir(facts.dataset, version) if facts.dataset and version else None
    here = folder is not None and folder.is_dir()
    yield _item("data is here", folder if here else "", f"prepare the data of this version again: {folder} is gone")


def _model(run: TrackedRun) -> Iterator[ChecklistItem]:
    facts = run.facts
    local = bool(facts.base_model) and facts.base_revision is None
    base = f"{facts.base_model} at {(facts.base_revision or '')[:12]}"
    if local:
        base = f"{facts.base_model}, by the hashes in the key {(run.started.key or '')[:12]}"
    yield _item("base model, revision", base if facts.base_model else "", "run the job again")
    keys = sum(name.startswith("finetune.") for name in run.started.params)
    yield _item("hyperparameters", f"{keys} keys of finetune, defaults included" if keys else "", "run the job again")
    seeds = ", ".join(f"{name} {value}" for name, value in run.started.params.items() if name.endswith("seed"))
    yield _item("seeds", seeds, "set finetune.seed in the recipe")


def _code(run: TrackedRun) -> Iterator[ChecklistItem]:
    facts = run.facts
    commit = facts.git_commit
    yield _item("commit", commit and commit[:12], "keep the project in git")
    clean = "yes" if commit and facts.git_dirty is False else ""
    yield _item("no uncommitted changes", clean, "commit before the run" if commit else "keep the project in git")
    yield _item("workflow", (facts.workflow_sha256 or "")[:12], "run the job again")
    yield _item("package versions", f"{len(run.versions)} packages" if run.versions else "", "run the job again")


def _machine(run: TrackedRun) -> Iterator[ChecklistItem]:
    facts = run.facts
    hardware = [facts.hardware.get(name, "") for name in ("cpu", "memory_gb")]
    shown = f"{hardware[0]}, {facts.hardware.get('cores', '?')} cores, {hardware[1]} GB" if hardware[0] else ""
    yield _item("hardware", shown, "run the job again")
    system = f"{facts.hardware.get('os', '')}, Python {facts.python}" if facts.python else ""
    yield _item("system", system.strip(", "), "run the job again")
    flags = ", ".join(f"{name}={value}" for name, value in facts.environment.items())
    missing = f"set {_THREADS}: the number of threads orders the sums"
    yield _item("determinism flags", flags, missing)


def _results(run: TrackedRun) -> Iterator[ChecklistItem]:
    yield _item("artifact hash", (run.sha256 or "")[:12], "finish the job")
    if run.started.kind == "finetune":
        losses = run.curves.get("loss")
        yield _item("training curve", f"{losses.points} steps" if losses else "", "run the job again")
        evaluated = [name for name in run.curves if name.startswith(("validation", "eval"))]
        yield _item("validation curve", ", ".join(evaluated), "evaluate while it trains")
    tested = _tested(run)
    yield _item("metrics of the test split", tested, f"olivepress bench {run.started.recipe}")
    baseline = "measured" if _has_baseline(run) else ""
    yield _item("baseline", baseline, f"olivepress bench {run.started.recipe}, which measures the base model too")
    seeds = 1 + len(runs_of_other_seeds(run))
    enough = f"{seeds} seeds" if seeds >= _SEEDS else ""
    yield _item("several seeds", enough, f"{seeds} of {_SEEDS}: run the recipe with another finetune.seed")


def _tested(run: TrackedRun) -> str:
    """Its own reports, or those of what was made of it: an adapter is measured as the merged model."""
    reports = list(run.reports)
    if run.started.kind == "finetune":
        made = [
            other for other in all_runs(run.started.recipe) if other.facts.parent_sha256 == run.sha256 and run.sha256
        ]
        reports += [report for other in made for report in other.reports]
    if not reports:
        return ""
    intervals = sum(figure.ci_low is not None for report in reports for figure in report.metrics.values())
    machines = len({report.machine for report in reports})
    return f"{counted(len(reports), 'report')} of {counted(machines, 'machine')}, {intervals} metrics with intervals"


def _has_baseline(run: TrackedRun) -> bool:
    records = [read_run(path) for path in run_records(run.started.recipe, "base")]
    return any(each is not None and each.reports for each in records)


def runs_of_other_seeds(run: TrackedRun) -> Sequence[TrackedRun]:
    """Finished runs of the same job that differ in nothing but ``finetune.seed``, one of each seed."""
    seeds = {run.started.params.get("finetune.seed"): run}
    for other in all_runs(run.started.recipe):
        seed = other.started.params.get("finetune.seed")
        if seed not in seeds and other.status == "finished" and _differs_by_seed(run, other):
            seeds[seed] = other
    return [other for other in seeds.values() if other is not run]


def _differs_by_seed(a: TrackedRun, b: TrackedRun) -> bool:
    one, other = ({k: v for k, v in run.started.params.items() if k != "finetune.seed"} for run in (a, b))
    return one == other and a.versions == b.versions and _went_in(a) == _went_in(b)


def _went_in(run: TrackedRun) -> tuple[str | None, ...]:
    facts = run.facts
    return run.started.job, facts.dataset_version, facts.base_revision, facts.loss_sha256
