"""Collects what a diagnosis is made from: records, journal, dataset and kept artifacts, which are only read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from olivepress.core.artifact import Manifest, read_manifest
from olivepress.core.child.run import run_task
from olivepress.core.errors import JobError, OlivepressError, RecipeError, ReportError, UsageError
from olivepress.core.hub import local_directory
from olivepress.core.jsonl import read_json_lines
from olivepress.core.layout import TRAINING, dataset_dir, job_dir, journal, stored_reports, training_records
from olivepress.core.progress import Progress
from olivepress.data.store.dataset import is_prepared
from olivepress.recipe.methods import METHODS, four_bit_base
from olivepress.recipe.schema import Recipe
from olivepress.report.device_report import DeviceReport, read_report
from olivepress.report.training_record import TrainingStep, not_finite, shipped_step, training_steps
from olivepress.run.interpreters import family_python
from olivepress.run.journal import events
from olivepress.track.curves import steps_of
from olivepress.track.record import read_lines
from olivepress.track.runs import TrackedRun, all_runs
from olivepress.train.base_text import TextSpec, text_pair
from olivepress.train.evidence import Evidence, MemoryUse, RowFacts, RowLosses, TextChange
from olivepress.train.rows_seen import RowsSpec, row_facts, row_losses
from olivepress.workflow.model import resolve_model

__all__ = ["RunFiles", "evidence_of", "files_of"]


@dataclass(frozen=True, kw_only=True)
class RunFiles:
    """A fine-tune, and what is left of it: ``manifest`` None where its artifact was replaced or there is none."""

    run: TrackedRun
    recipe: Recipe
    output: Path
    manifest: Manifest | None
    is_last: bool

    @property
    def dataset(self) -> Path:
        facts = self.run.facts
        return dataset_dir(facts.dataset or "", facts.dataset_version or "")

    @property
    def trained_model(self) -> dict[str, Any]:
        """The model as it was trained, as fields of a spec: the weights themselves, or an adapter on the base."""
        settings = self.recipe.finetune
        if not METHODS[settings.method].adapter:
            return {"model_dir": self.output / "model"}
        four_bit = four_bit_base(settings.method, settings.torch_dtype)
        return {"model_dir": self.base_dir, "adapter_dir": self.output / "adapter", "four_bit": four_bit}

    @property
    def base_dir(self) -> Path:
        """JobError where it is not here."""
        return local_directory(resolve_model(self.recipe).path, self.run.facts.base_revision)

    @property
    def python(self) -> Path | None:
        return family_python(resolve_model(self.recipe).family)


def files_of(run: TrackedRun) -> RunFiles:
    """UsageError for a run of another job than a fine-tune, RecipeError for settings of a later olivepress."""
    if run.started.kind != "finetune":
        raise UsageError(
            f"{run.name}: is a run of {run.started.kind}, expected a fine-tune",
            next_step=f"name the recipe, {run.started.recipe}, for its last fine-tune",
        )
    try:
        recipe = Recipe.model_validate_json(json.dumps(run.started.settings))
    except ValueError as error:
        reason = str(error).split("\n")[0]
        raise RecipeError(
            f"{run.name}: its recorded recipe cannot be read by this version ({reason})",
            next_step="run it again, or use the version that recorded it",
        ) from error
    output = job_dir(run.started.recipe, run.started.job)
    try:
        manifest = read_manifest(output)
    except ReportError:
        manifest = None
    others = [each for each in all_runs(run.started.recipe) if each.started.job == run.started.job]
    return RunFiles(
        run=run,
        recipe=recipe,
        output=output,
        manifest=manifest if manifest is not None and manifest.sha256 == run.sha256 else None,
        is_last=max(each.started.number for each in others) == run.started.number,
    )


def evidence_of(
    files: RunFiles, *, rows: int | None = None, text: Path | None = None, progress: Progress = lambda *_: None
) -> Evidence:
    """``rows``: the loss of as many training rows is computed, 0: of all; ``text``: its perplexity before and after.

    Both need the artifact: JobError without it.
    """
    run, missing = files.run, dict[str, str]()
    lines = list(_training_lines(files))
    steps = training_steps(lines) or _recorded_steps(run)
    facts = _row_facts(files, missing)
    return Evidence(
        run=run.name,
        recipe=files.recipe,
        status=run.status,
        reason=run.reason,
        steps=steps,
        shipped=shipped_step(lines),
        not_finite=not_finite(lines),
        rows=facts,
        row_losses=_row_losses(files, rows, missing, progress),
        text=_text(files, text, missing, progress),
        memory=_memory(files),
        missing=missing,
    )


def _training_lines(files: RunFiles) -> Iterator[Any]:
    """Of its artifact; of a run without one what its process has written, as long as no later run has."""
    if files.manifest is not None:
        yield from read_json_lines(files.output / TRAINING)
    elif files.is_last and files.run.sha256 is None:
        records = sorted(
            training_records(files.run.started.recipe, files.run.started.job), key=lambda path: path.stat().st_mtime
        )
        yield from read_json_lines(records[-1]) if records else ()


def _recorded_steps(run: TrackedRun) -> tuple[TrainingStep, ...]:
    """Of the curves in the run's record, which stay when its artifact is replaced."""
    read = read_lines(run.path)
    return () if read is None else steps_of(read[1])


def _row_facts(files: RunFiles, missing: dict[str, str]) -> RowFacts | None:
    data = files.recipe.data
    if not is_prepared(files.dataset):
        missing["rows"] = f"{files.dataset} is not here any more"
        return None
    try:
        spec = _rows_spec(files, files.base_dir, instruction=data.instruction if data is not None else None)
        return run_task(row_facts, spec, interpreter=files.python).result
    except OlivepressError as error:
        missing["rows"] = error.message
        return None


def _rows_spec(files: RunFiles, model_dir: Path, **more: Any) -> RowsSpec:
    data, settings = files.recipe.data, files.recipe.finetune
    assert data is not None  # of a recipe of several adapters each has its own
    named: dict[str, Any] = {"model_dir": model_dir, "dataset": files.dataset, "max_length": data.max_length}
    return RowsSpec(**{**named, "train_on": settings.train_on, **more})


def _row_losses(files: RunFiles, rows: int | None, missing: dict[str, str], progress: Progress) -> RowLosses | None:
    if rows is None:
        missing["label noise"] = f"a pass of the model over the rows: olivepress diagnose {files.run.name} --rows 500"
        return None
    _need_artifact(files)
    if not is_prepared(files.dataset):
        raise JobError(f"{files.dataset}: is not here any more", next_step="prepare the same data again")
    spec = _rows_spec(files, most=rows or None, **files.trained_model)
    return run_task(row_losses, spec, interpreter=files.python, on_progress=progress).result


def _need_artifact(files: RunFiles) -> None:
    if files.manifest is None:
        raise JobError(
            f"{files.run.name}: its artifact is not here, or a later run has replaced it",
            next_step=f"olivepress run {files.run.started.recipe} --job {files.run.started.job}",
        )


def _text(files: RunFiles, text: Path | None, missing: dict[str, str], progress: Progress) -> TextChange | None:
    if text is not None:
        _need_artifact(files)
        window = files.recipe.benchmark.text_window
        spec = TextSpec(base_dir=files.base_dir, text=text, window=window, **files.trained_model)
        pair = run_task(text_pair, spec, interpreter=files.python, on_progress=progress).result
        return TextChange(**pair.model_dump())
    if (reported := _reported_text(files)) is None:
        missing["forgetting"] = (
            f"the perplexity of a text before and after: olivepress diagnose {files.run.name} --text FILE"
        )
    return reported


def _reported_text(files: RunFiles) -> TextChange | None:
    """What a bench measured of the base and of this run's artifact, of the same text on the same machine."""
    for path in stored_reports(files.run.started.recipe, files.run.started.job):
        try:
            after, before = read_report(path), read_report(path.with_name("base.json"))
        except ReportError:
            continue
        same = before.settings.get("text_sha256") == after.settings.get("text_sha256") is not None
        values = _perplexity(before), _perplexity(after)
        if same and after.artifact_sha256 == files.run.sha256 and values[0] and values[1]:
            count = after.metrics["perplexity"].n
            return TextChange(before=values[0], after=values[1], tokens=count or 0)
    return None


def _perplexity(report: DeviceReport) -> float | None:
    measurement = report.metrics.get("perplexity")
    return None if measurement is None else measurement.value


def _memory(files: RunFiles) -> MemoryUse:
    run = files.run
    figure = run.metrics.get("peak_memory_bytes")
    peak = int(figure.value) if figure is not None else None
    failed = _failed_for_memory(run)
    if failed is not None:
        peak = int(failed.get("peak_memory_bytes") or 0) or peak
    gigabytes = run.facts.hardware.get("memory_gb", "")
    try:
        machine = int(float(gigabytes) * 1e9)
    except ValueError:
        machine = None
    return MemoryUse(peak=peak, machine=machine, ended_by_it=failed is not None)


def _failed_for_memory(run: TrackedRun) -> Mapping[str, Any] | None:
    """The journal's event of this run that says so; None where it ended in another way."""
    if run.status != "failed":
        return None
    of_job = [each for each in events(journal(run.started.recipe)) if each["key"] == run.started.key]
    last = next((each for each in reversed(of_job) if each["event"] == "failed"), None)
    return last if last is not None and last.get("out_of_memory") is True else None
