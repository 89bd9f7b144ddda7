"""Back home: a device report is verified, held against the artifacts known here, and put where compare finds it."""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from olivepress.bundle.archive import extract
from olivepress.bundle.contents import CarriedReport, read_log
from olivepress.core.artifact import read_manifest
from olivepress.core.bounded import ANSWERS, read_bytes
from olivepress.core.errors import ReportError, UsageError
from olivepress.core.files import write_bytes
from olivepress.core.layout import RESULTS, bundle_logs, device_report, manifests
from olivepress.core.timestamps import parse_timestamp
from olivepress.measure.tuning.record import untuned_sha256
from olivepress.report.device_report import MAX_BYTES, DeviceReport, read_report
from olivepress.report.examples import forget_old_examples, read_examples

__all__ = ["Arrived", "import_report", "is_device_report"]

PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
ZIP = b"PK"
AGAIN = "olivepress bench on the device, and carry its .report.zip back"


@dataclass(frozen=True, kw_only=True)
class Arrived:
    """Where a report went; ``replaced`` is the time of the older one that lay there, ``answers`` whether they came."""

    path: Path
    replaced: str | None
    answers: bool


@dataclass(frozen=True, kw_only=True)
class _Known:
    """An artifact that was made here, and the bundles that it went away in."""

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


def import_report(path: Path, *, out: Path = RESULTS) -> Arrived:
    """Verify a report from a device and put it, byte by byte, into ``<out>/<machine>/<recipe>/<job>.json``.

    ReportError for one that was changed, is of no artifact or bundle known here, or has names that lead elsewhere;
    UsageError when a newer one lies there.
    """
    with _opened(path) as source:
        report = read_report(source)
        _check_origin(report, path)
        _check_names(report, path)
        answers = read_examples(report) is not None
        target = device_report(report.machine.id, report.recipe, report.job, root=out)
        replaced = _older(target, report)
        if answers:
            assert report.examples_file is not None
            given = read_bytes(source.with_name(report.examples_file), ANSWERS, ReportError)
            write_bytes(target.with_name(report.examples_file), given)
        write_bytes(target, read_bytes(source, MAX_BYTES, ReportError))
    forget_old_examples(read_report(target))
    return Arrived(path=target, replaced=replaced, answers=answers)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Path]:
    """The report's file, its answers beside it, as they lie there or unpacked from what was carried."""
    if not path.is_file():
        raise ReportError(f"{path}: no such report", next_step=AGAIN)
    with path.open("rb") as file:
        is_zip = file.read(len(ZIP)) == ZIP
    if not is_zip:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="olivepress-") as scratch:
        folder = Path(scratch, "report")
        contents = extract(path, CarriedReport, folder)
        if contents.report not in contents.files or len(contents.files) > 2:
            raise ReportError(f"{path}: expected a report and its answers", next_step=AGAIN)
        yield folder / contents.report


def _check_origin(report: DeviceReport, path: Path) -> None:
    """The report is of an artifact that was made here, under its own name, in a bundle that was made here if in any."""
    made = _known_artifacts()
    # Tuned on its device it has another hash there; its record says which artifact it was.
    known = made.get(report.artifact_sha256) or made.get(str(report.settings.get("untuned_sha256")))
    shown = ascii(report.artifact_sha256)[1:13]
    if known is None:
        raise ReportError(
            f"{path}: of an artifact that was not made here (sha256 {shown})",
            next_step="import it in the project that made the bundle",
        )
    if (report.recipe, report.job) != (known.recipe, known.job):
        raise ReportError(f"{path}: says it is of another job than {known.recipe} {known.job}", next_step=AGAIN)
    bundle = report.settings.get("bundle_sha256")
    if bundle is not None and bundle not in known.bundles:
        raise ReportError(
            f"{path}: measured from a bundle of {known.job} that was not made here",
            next_step="olivepress bundle, and measure that one",
        )


def _known_artifacts() -> dict[str, _Known]:
    """sha256 → what is known of every artifact below ``runs/`` and every one that went away in a bundle."""
    found: dict[str, _Known] = {}
    for manifest_file in manifests():
        with contextlib.suppress(ReportError):
            manifest = read_manifest(manifest_file.parent)
            before = untuned_sha256(manifest_file.parent)  # reports of it may be on their way
            for sha256 in (manifest.sha256, *([before] if before else [])):
                found[sha256] = _Known(recipe=manifest.recipe, job=manifest.job)
    for log in bundle_logs():
        for entry in read_log(log):
            bundles = getattr(found.get(entry.artifact_sha256), "bundles", frozenset[str]())
            found[entry.artifact_sha256] = _Known(
                recipe=entry.recipe, job=entry.job, bundles=bundles | {entry.bundle_sha256}
            )
    return found


def _check_names(report: DeviceReport, path: Path) -> None:
    """Its names become folders and files here: plain ones only, and answers that can take no report's place."""
    for name in (report.machine.id, report.recipe, report.job):
        if not PLAIN.fullmatch(name):
            raise ReportError(f"{path}: {ascii(name)[:60]} is no plain name", next_step=AGAIN)
    if report.examples_file is None:
        return
    start = re.escape((report.examples_sha256 or "")[:12])
    own = rf"{PLAIN.pattern}\.{start}\.examples\.jsonl"
    if len(start) != 12 or not re.fullmatch(own, report.examples_file):
        raise ReportError(f"{path}: {ascii(report.examples_file)[:60]} is no name of answers", next_step=AGAIN)


def _older(target: Path, report: DeviceReport) -> str | None:
    """The time of the report that lies there and is older; None when there is none, or it is the same one."""
    if not target.is_file():
        return None
    there = read_report(target)
    if there.report_sha256 == report.report_sha256:
        return None
    if parse_timestamp(there.created_at) >= parse_timestamp(report.created_at):
        raise UsageError(
            f"{target}: a newer report, of {there.created_at}, lies there", next_step="--out DIR, or remove it first"
        )
    return there.created_at
