"""A device report is verified, compared with the artifacts of this project, and stored where compare reads it."""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from olivepress.bundle.archive import extract
from olivepress.bundle.contents import CarriedReport, read_bundle_log
from olivepress.core.artifact import read_manifest
from olivepress.core.bounded import ANSWERS, read_bytes
from olivepress.core.errors import ReportError, UsageError
from olivepress.core.files import write_bytes
from olivepress.core.layout import RESULTS, bundle_logs, device_report, manifests
from olivepress.core.timestamps import parse_timestamp
from olivepress.measure.tuning.record import untuned_sha256
from olivepress.report.device_report import MAX_BYTES, DeviceReport, read_report
from olivepress.report.examples import forget_old_examples, read_examples

__all__ = ["ImportedReport", "check_names", "import_report", "is_device_report"]

PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
ZIP = b"PK"
NEXT_STEP = "olivepress bench on the device, and copy its .report.zip back"


@dataclass(frozen=True, kw_only=True)
class ImportedReport:
    """Where a report was stored; ``replaced`` is the time of an older one in its place, ``answers`` whether it came
    with its answers."""

    path: Path
    replaced: str | None
    answers: bool


@dataclass(frozen=True, kw_only=True)
class _KnownArtifact:
    """An artifact that was made here, and the bundles it was packed into."""

    recipe: str
    job: str
    bundles: frozenset[str] = frozenset()


def is_device_report(path: Path) -> bool:
    """Whether a file is what ``bench`` writes, a carried report or a plain one, and not another tool's result."""
    with contextlib.suppress(OSError):
        if not path.is_file() or path.stat().st_size > MAX_BYTES:
            return path.name.endswith(".report.zip")
        data = path.read_bytes()
        return data.startswith(ZIP) or b'"report_sha256"' in data
    return False


def import_report(path: Path, *, out: Path = RESULTS) -> ImportedReport:
    """Verify a report from a device and put it, byte by byte, into ``<out>/<machine>/<recipe>/<job>.json``.

    ReportError for a report that was changed, belongs to no artifact or bundle of this project, or has names that lead
    elsewhere; UsageError when a newer one is there.
    """
    with _opened(path) as source:
        report = read_report(source)
        _check_origin(report, path)
        check_names(report, path)
        answers = read_examples(report) is not None
        target = device_report(report.machine.id, report.recipe, report.job, root=out)
        replaced = _time_of_older(target, report)
        if answers:
            assert report.examples_file is not None
            examples = read_bytes(source.with_name(report.examples_file), ANSWERS, ReportError)
            write_bytes(target.with_name(report.examples_file), examples)
        write_bytes(target, read_bytes(source, MAX_BYTES, ReportError))
    forget_old_examples(read_report(target))
    return ImportedReport(path=target, replaced=replaced, answers=answers)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Path]:
    """The report's file with its answers beside it, unpacked first if it is a carried zip file."""
    if not path.is_file():
        raise ReportError(f"{path}: no such report", next_step=NEXT_STEP)
    with path.open("rb") as file:
        is_zip = file.read(len(ZIP)) == ZIP
    if not is_zip:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="olivepress-") as scratch:
        folder = Path(scratch, "report")
        contents = extract(path, CarriedReport, folder)
        if contents.report not in contents.files or len(contents.files) > 2:
            raise ReportError(f"{path}: expected a report and its answers", next_step=NEXT_STEP)
        yield folder / contents.report


def _check_origin(report: DeviceReport, path: Path) -> None:
    """ReportError unless the artifact was made here, under that name, and in a bundle that was made here if in any."""
    artifacts = _known_artifacts()
    # Tuned on its device it has another hash there; its record names the one before.
    known = artifacts.get(report.artifact_sha256) or artifacts.get(str(report.settings.get("untuned_sha256")))
    shown = ascii(report.artifact_sha256)[1:13]
    if known is None:
        raise ReportError(
            f"{path}: its artifact was not made in this project (sha256 {shown})",
            next_step="import it in the project that made the bundle",
        )
    if (report.recipe, report.job) != (known.recipe, known.job):
        raise ReportError(f"{path}: it names another job than {known.recipe} {known.job}", next_step=NEXT_STEP)
    bundle = report.settings.get("bundle_sha256")
    if bundle is not None and bundle not in known.bundles:
        raise ReportError(
            f"{path}: it was measured from a bundle of {known.job} that was not made in this project",
            next_step="olivepress bundle, and measure that one",
        )


def _known_artifacts() -> dict[str, _KnownArtifact]:
    """sha256 → every artifact below ``runs/``, and every one that was packed into a bundle."""
    known: dict[str, _KnownArtifact] = {}
    for manifest_file in manifests():
        with contextlib.suppress(ReportError):
            manifest = read_manifest(manifest_file.parent)
            before = untuned_sha256(manifest_file.parent)  # devices may still measure it
            for sha256 in (manifest.sha256, *([before] if before else [])):
                known[sha256] = _KnownArtifact(recipe=manifest.recipe, job=manifest.job)
    for log in bundle_logs():
        for entry in read_bundle_log(log):
            bundles = getattr(known.get(entry.artifact_sha256), "bundles", frozenset[str]())
            known[entry.artifact_sha256] = _KnownArtifact(
                recipe=entry.recipe, job=entry.job, bundles=bundles | {entry.bundle_sha256}
            )
    return known


def check_names(report: DeviceReport, path: Path) -> None:
    """ReportError unless its names are plain: they become folders and files here, and answers must not replace a
    report."""
    for name in (report.machine.id, report.recipe, report.job):
        if not PLAIN.fullmatch(name):
            raise ReportError(f"{path}: {ascii(name)[:60]} is not a plain name", next_step=NEXT_STEP)
    if report.examples_file is None:
        return
    start = (report.examples_sha256 or "")[:12]
    stem = report.examples_file.removesuffix(f".{start}.examples.jsonl")
    if not re.fullmatch("[0-9a-f]{12}", start) or stem == report.examples_file or not PLAIN.fullmatch(stem):
        raise ReportError(f"{path}: {ascii(report.examples_file)[:60]} is not a name for answers", next_step=NEXT_STEP)


def _time_of_older(target: Path, report: DeviceReport) -> str | None:
    """The time of an older report at ``target``; None without one, or for the same report."""
    if not target.is_file():
        return None
    stored = read_report(target)
    if stored.report_sha256 == report.report_sha256:
        return None
    if parse_timestamp(stored.created_at) >= parse_timestamp(report.created_at):
        raise UsageError(
            f"{target}: it is newer than this report ({stored.created_at})", next_step="--out DIR, or remove it first"
        )
    return stored.created_at
