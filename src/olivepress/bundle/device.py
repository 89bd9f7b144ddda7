"""On the device: a bundle is unpacked, checked and measured, and its report packed to be carried back."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from olivepress.bundle.archive import Source, extract, hash_of, write_archive
from olivepress.bundle.contents import ARTIFACT, DATASET, IDS, TEXT, Bundle, CarriedReport, read_ids
from olivepress.core.artifact import MANIFEST, hash_file, read_manifest
from olivepress.core.errors import DataError, ReportError, UsageError
from olivepress.core.progress import JobProgress, Progress
from olivepress.data.split_reader import read_split
from olivepress.pipeline.bench import Overrides, bench_artifact, settings_of
from olivepress.report.device_report import DeviceReport
from olivepress.runtimes.artifact_safety import GENAI_CONFIG, OPENVINO_DEVICE, check_artifact

__all__ = ["Opened", "bench_bundle", "open_bundle", "pack_report"]

OPENED = Path(".bundles")
STAYED = "the test split stayed at home: the bundle was made with --ids-only"


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A bundle that lies unpacked in ``directory`` and is what its index says; ``sha256`` is that of the zip file."""

    directory: Path
    sha256: str
    contents: Bundle


def open_bundle(path: Path, *, root: Path = OPENED, tell: Progress = lambda *_: None) -> Opened:
    """Unpack a bundle into ``<root>/<start of its sha256>/``; what lies there whole is kept.

    Raises what ``extract`` raises, and ReportError for an artifact that is not the one of the index, or that would make
    the runtime load code or files from elsewhere.
    """
    if not path.is_file():
        raise ReportError(f"{path}: no such bundle", next_step="olivepress bundle makes one")
    sha256 = hash_file(path).sha256
    directory = root / sha256[:16]
    contents = extract(path, Bundle, directory, tell)
    artifact = directory / ARTIFACT
    manifest = read_manifest(artifact)
    inside = f"{ARTIFACT}/"
    held = {name.removeprefix(inside): hashed for name, hashed in contents.files.items() if name.startswith(inside)}
    if (manifest.sha256, manifest.recipe, manifest.job) != (contents.artifact_sha256, contents.recipe, contents.job):
        raise ReportError(f"{path}: holds another artifact than its {Bundle.INDEX} says", next_step=Bundle.AGAIN)
    if {**manifest.files, MANIFEST: held.get(MANIFEST)} != held:
        raise ReportError(f"{path}: files of its artifact are not those of its {MANIFEST}", next_step=Bundle.AGAIN)
    _check_no_code(artifact, held, path, manifest.execution_provider)
    return Opened(directory=directory, sha256=sha256, contents=contents)


def _check_no_code(artifact: Path, names: Collection[str], path: Path, execution_provider: str | None = None) -> None:
    """No program or library in the artifact, and nothing from elsewhere in what the runtime is asked to open."""
    if not {GENAI_CONFIG, OPENVINO_DEVICE} & set(names):
        raise ReportError(f"{path}: neither {GENAI_CONFIG} nor {OPENVINO_DEVICE} in it", next_step=Bundle.AGAIN)
    check_artifact(artifact, provider=execution_provider, where=path)


def bench_bundle(
    path: Path, *, data: Path | None, out: Path | None, overrides: Overrides, tell: JobProgress = lambda *_: None
) -> tuple[Path, Path]:
    """Measure a bundle as its recipe asks. Returns the device report and the file to carry back.

    ``data`` is the dataset's directory on the device, for a bundle that has only its ids; DataError when it is not that
    dataset. Raises what ``open_bundle`` and ``bench`` raise.
    """
    opened = open_bundle(path, tell=lambda done, total: tell(path.name, "unpack", done, total))
    contents, directory = opened.contents, opened.directory
    if not contents.ids_only and data is not None:
        raise UsageError("--data: this bundle brings its test split", next_step=f"olivepress bench {path}")
    dataset_dir = _checked(data, directory / IDS) if data else None if contents.ids_only else directory / DATASET
    if overrides.text is None and TEXT in contents.files:
        overrides = replace(overrides, text=directory / TEXT)
    settings = replace(settings_of(contents.benchmark, overrides), bundle_sha256=opened.sha256, no_data=STAYED)
    report, report_path = bench_artifact(
        directory / ARTIFACT,
        dataset_dir=dataset_dir,
        reference_dir=None,
        out=None,
        settings=settings,
        outcomes=contents.outcomes,
        on_progress=tell,
    )
    carried = out or Path(f"{report.recipe}-{report.job}-{report.machine.id}.report.zip")
    return report_path, pack_report(report, report_path, carried)


def _checked(data: Path, ids_file: Path) -> Path:
    ids = read_ids(ids_file)
    split = read_split(data, ids.split)
    same = split.version == ids.version and tuple(row.id for row in split.rows) == ids.ids
    if not same or hash_of(data / f"{ids.split}.jsonl").sha256 != ids.sha256:
        raise DataError(
            f"{data}: not the dataset of the bundle, {ids.name} {ids.version[:12]}", next_step="name that one"
        )
    return data


def pack_report(report: DeviceReport, report_path: Path, out: Path) -> Path:
    """The report and its answers in one file. Raises what ``write_archive`` raises."""
    names = [report_path.name, *([report.examples_file] if report.examples_file else [])]
    sources: dict[str, Source] = {name: report_path.with_name(name) for name in sorted(names)}
    files = {name: hash_of(source) for name, source in sources.items()}
    contents = CarriedReport(report=report_path.name, files=files)
    write_archive(out, contents, sources, lambda *_: None)
    return out
