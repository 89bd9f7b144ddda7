"""An exported artifact and everything its device needs, packed into one zip file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from olivepress.bundle.archive import Source, hash_of, write_archive
from olivepress.bundle.contents import ARTIFACT, DATASET, IDS, TEXT, Bundle, Ids, LoggedBundle, log_bundle
from olivepress.bundle.install import INSTALL, environment_of, install_page, wheel
from olivepress.core.artifact import MANIFEST, Manifest
from olivepress.core.errors import DataError, ReportError, UsageError
from olivepress.core.layout import BUNDLES, dataset_dir
from olivepress.core.messages import next_command
from olivepress.core.progress import JobProgress
from olivepress.data.store.reader import LABELS, dataset_labels, read_split
from olivepress.measure.bench import Outcomes
from olivepress.measure.quality.reference_file import read_reference
from olivepress.pipeline.artifacts import read_export, unfinished
from olivepress.pipeline.reports import known_outcomes
from olivepress.recipe.schema import Benchmark
from olivepress.workflow.plan import Plan

__all__ = ["Packed", "bundle_artifact", "bundle_plan"]


@dataclass(frozen=True, kw_only=True)
class Packed:
    """A written bundle."""

    path: Path
    sha256: str
    job: str


def bundle_plan(
    plan: Plan,
    *,
    only: Collection[str] = (),
    ids_only: bool = False,
    out: Path = BUNDLES,
    on_progress: JobProgress = lambda *_: None,
) -> list[Packed]:
    """A bundle for each finished export of a recipe, or for those named in ``only``.

    Raises UsageError for a job that is no export, ReportError when one named, or every one, has no finished artifact.
    """
    exports = [job for job in plan.jobs if job.kind == "export"]
    for name in only:
        if plan.job(name).kind != "export":
            raise UsageError(f"{name}: not an export", next_step=f"--job {exports[0].id}")
    missing = unfinished(plan)
    for name in only:
        if name in missing:
            raise ReportError(f"{name}: {missing[name]}", next_step=next_command("run", plan.recipe.name))
    chosen = [job for job in exports if job.id not in missing and (not only or job.id in only)]
    if not chosen:
        raise ReportError(
            f"recipe {plan.recipe.name}: no artifact to bundle", next_step=next_command("run", plan.recipe.name)
        )
    outcomes = {} if ids_only else known_outcomes(plan)
    return [
        bundle_artifact(
            plan.output_dir(job),
            dataset_dir=plan.dataset.directory,
            benchmark=plan.recipe.benchmark,
            outcomes=outcomes,
            ids_only=ids_only,
            out=out,
            on_progress=on_progress,
        )
        for job in chosen
    ]


def bundle_artifact(
    directory: Path,
    *,
    dataset_dir: Path | None,
    benchmark: Benchmark | None = None,
    outcomes: Outcomes | None = None,
    ids_only: bool = False,
    out: Path = BUNDLES,
    on_progress: JobProgress = lambda *_: None,
) -> Packed:
    """Write ``<out>/<recipe>-<job>.zip`` and add it to ``runs/<recipe>/bundles.jsonl``.

    Without a ``benchmark`` it asks for what a recipe without one asks.
    Raises what ``read_export``, ``read_reference`` and ``read_split`` raise, DataError without a dataset or with
    another than the manifest's, and what ``write_archive`` raises.
    """
    manifest, benchmark = read_export(directory), benchmark or Benchmark()
    if (directory / "reference").is_dir():
        read_reference(directory / "reference")  # an older format would be refused on the device only
    name = f"{manifest.recipe}-{manifest.job}{'-ids-only' if ids_only else ''}.zip"
    on_progress(manifest.job, "hash", 0, 0)
    sources: dict[str, Source] = {f"{ARTIFACT}/{file}": directory / file for file in (MANIFEST, *manifest.files)}
    sources |= _data_files(manifest, dataset_dir, ids_only)
    if benchmark.text and not ids_only:
        sources[TEXT] = Path(benchmark.text)
    sources |= _install_files(manifest, name)
    contents = _contents(manifest, sources, benchmark, outcomes or {}, ids_only)
    members = {member: sources[member] for member in contents.files}
    sha256 = write_archive(
        out / name, contents, members, lambda done, total: on_progress(manifest.job, "pack", done, total)
    )
    log_bundle(_entry(contents, name, sha256))
    return Packed(path=out / name, sha256=sha256, job=manifest.job)


def _contents(
    manifest: Manifest, sources: Mapping[str, Source], benchmark: Benchmark, outcomes: Outcomes, ids_only: bool
) -> Bundle:
    known = {f"{ARTIFACT}/{name}": file for name, file in manifest.files.items()}
    return Bundle(
        recipe=manifest.recipe,
        job=manifest.job,
        artifact_sha256=manifest.sha256,
        execution_provider=str(manifest.execution_provider),
        dataset=manifest.dataset,
        dataset_version=manifest.dataset_version,
        ids_only=ids_only,
        # The text is in the bundle, and the price is that of another machine.
        benchmark=benchmark.model_copy(update={"text": None, "price_per_hour": None, "currency": None}),
        outcomes={role: dict(sorted(by_id.items())) for role, by_id in outcomes.items()},
        files={member: known.get(member) or hash_of(source) for member, source in sorted(sources.items())},
    )


def _entry(contents: Bundle, name: str, sha256: str) -> LoggedBundle:
    same = ("artifact_sha256", "recipe", "job", "dataset_version", "ids_only")
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return LoggedBundle(
        at=now, bundle=name, bundle_sha256=sha256, **{field: getattr(contents, field) for field in same}
    )


def _install_files(manifest: Manifest, name: str) -> dict[str, Source]:
    wheel_name, wheel_bytes = wheel()
    environment = environment_of(manifest)
    page = install_page(manifest, environment, bundle=name, wheel=wheel_name)
    files = {f"install/{file}": text.encode() for file, text in environment.lock_files.items()}
    return {INSTALL: page.encode(), f"install/{wheel_name}": wheel_bytes, **files}


def _data_files(manifest: Manifest, directory: Path | None, ids_only: bool) -> dict[str, Source]:
    """The test split with the dataset's facts, or its ids."""
    folder = dataset_dir(manifest.dataset, manifest.dataset_version)
    if directory is None:
        raise DataError(f"{folder.as_posix()}: not here", next_step="olivepress prepare RECIPE, or --data DIR")
    test = read_split(directory, "test")
    if test.version != manifest.dataset_version:
        raise DataError(
            f"{directory}: not the dataset of the artifact, {folder.name}", next_step="give that one with --data"
        )
    rows = (directory / "test.jsonl").read_bytes()
    if ids_only:
        sha256 = hashlib.sha256(rows).hexdigest()
        ids = Ids(name=test.name, version=test.version, sha256=sha256, ids=tuple(row.id for row in test.rows))
        return {IDS: _json(ids.model_dump(mode="json"))}
    facts = json.loads((directory / "dataset.json").read_text(encoding="utf-8"))
    facts[LABELS] = list(dataset_labels(directory))
    return {f"{DATASET}/dataset.json": _json(facts), f"{DATASET}/test.jsonl": rows}


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=1, sort_keys=True).encode() + b"\n"
