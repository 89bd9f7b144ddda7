"""On the device: a bundle is unpacked, checked and measured, and its report packed to be carried back."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path

from olivepress.bundle.archive import Source, extract, hash_of, write_archive
from olivepress.bundle.contents import ARTIFACT, DATASET, IDS, TEXT, Bundle, CarriedReport, read_ids
from olivepress.core.artifact import MANIFEST, hash_file, read_manifest
from olivepress.core.errors import DataError, ReportError, UsageError
from olivepress.core.layout import OPENED_BUNDLES
from olivepress.core.progress import JobProgress, Progress
from olivepress.data.store.reader import read_split
from olivepress.pipeline.bench import Overrides, bench_artifact, settings_of
from olivepress.registry.signatures import key_id, secret_key, sign
from olivepress.report.device_report import DeviceReport
from olivepress.runtimes.artifact_safety import GENAI_CONFIG, OPENVINO_DEVICE, check_artifact

__all__ = ["OpenedBundle", "SigningKey", "bench_bundle", "open_bundle", "pack_report"]

NO_ROWS = "the bundle has no test rows: it was made with --ids-only"


@dataclass(frozen=True, kw_only=True)
class SigningKey:
    """The secret key of this machine, with its password ("" for none)."""

    file: Path
    password: str = field(default="", repr=False)

    @property
    def id(self) -> str:
        """Its id, as the report and the signature name it. UsageError as ``secret_key``."""
        with secret_key(self.file, self.password) as key:
            return key_id(bytes(key.get_public_key()))

    def sign(self, file: Path) -> Path:
        return sign(file, self.file, self.password, trusted=False)


@dataclass(frozen=True, kw_only=True)
class OpenedBundle:
    """A bundle unpacked in ``directory`` and compared with its index; ``sha256`` is that of the zip file."""

    directory: Path
    sha256: str
    contents: Bundle


def open_bundle(path: Path, *, root: Path = OPENED_BUNDLES, on_progress: Progress = lambda *_: None) -> OpenedBundle:
    """Unpack a bundle into ``<root>/<start of its sha256>/``; a folder with the same content is kept.

    Raises what ``extract`` raises, and ReportError for an artifact that is not the one of the index, or that would make
    the runtime load code or files from elsewhere.
    """
    if not path.is_file():
        raise ReportError(f"{path}: no such bundle", next_step="create one with olivepress bundle")
    sha256 = hash_file(path).sha256
    directory = root / sha256[:16]
    contents = extract(path, Bundle, directory, on_progress)
    artifact = directory / ARTIFACT
    manifest = read_manifest(artifact)
    inside = f"{ARTIFACT}/"
    files = {name.removeprefix(inside): file for name, file in contents.files.items() if name.startswith(inside)}
    if (manifest.sha256, manifest.recipe, manifest.job) != (contents.artifact_sha256, contents.recipe, contents.job):
        raise ReportError(f"{path}: its artifact is not the one that {Bundle.INDEX} names", next_step=Bundle.NEXT_STEP)
    if {**manifest.files, MANIFEST: files.get(MANIFEST)} != files:
        raise ReportError(
            f"{path}: the files of its artifact are not those of its {MANIFEST}", next_step=Bundle.NEXT_STEP
        )
    _check_no_code(artifact, files, path, manifest.execution_provider)
    return OpenedBundle(directory=directory, sha256=sha256, contents=contents)


def _check_no_code(artifact: Path, names: Collection[str], path: Path, execution_provider: str | None = None) -> None:
    """No program or library in the artifact, and nothing from elsewhere in what the runtime is asked to open."""
    if not {GENAI_CONFIG, OPENVINO_DEVICE} & set(names):
        raise ReportError(f"{path}: neither {GENAI_CONFIG} nor {OPENVINO_DEVICE} in it", next_step=Bundle.NEXT_STEP)
    check_artifact(artifact, provider=execution_provider, where=path)


def bench_bundle(
    path: Path,
    *,
    data: Path | None,
    out: Path | None,
    overrides: Overrides,
    key: SigningKey | None = None,
    on_progress: JobProgress = lambda *_: None,
) -> tuple[Path, ...]:
    """Measure a bundle as its recipe asks. Returns the device report, the file to carry back, and its signature where
    there is a ``key``.

    ``data`` is the dataset's directory on the device, for a bundle that has only its ids; DataError for another
    dataset. Raises what ``open_bundle``, ``bench`` and ``sign`` raise; a key that cannot be used before anything else.
    """
    signing_key = key.id if key else None
    opened = open_bundle(path, on_progress=lambda done, total: on_progress(path.name, "unpack", done, total))
    contents, directory = opened.contents, opened.directory
    if not contents.ids_only and data is not None:
        raise UsageError("--data: this bundle contains its test split", next_step=f"olivepress bench {path}")
    if data is not None:
        _check_dataset(data, directory / IDS)
    dataset_dir = data if contents.ids_only else directory / DATASET
    if overrides.text is None and TEXT in contents.files:
        overrides = replace(overrides, text=directory / TEXT)
    settings = replace(
        settings_of(contents.benchmark, overrides),
        bundle_sha256=opened.sha256,
        signing_key=signing_key,
        no_data=NO_ROWS,
    )
    report, report_path = bench_artifact(
        directory / ARTIFACT,
        dataset_dir=dataset_dir,
        reference_dir=None,
        out=None,
        settings=settings,
        outcomes=contents.outcomes,
        on_progress=on_progress,
    )
    carried = out or Path(f"{report.recipe}-{report.job}-{report.machine.id}.report.zip")
    pack_report(report, report_path, carried)
    return (report_path, carried, key.sign(carried)) if key else (report_path, carried)


def _check_dataset(data: Path, ids_file: Path) -> None:
    """DataError unless ``data`` has the test split of the ids."""
    ids = read_ids(ids_file)
    split = read_split(data, ids.split)
    same = split.version == ids.version and tuple(row.id for row in split.rows) == ids.ids
    if not same or hash_of(data / f"{ids.split}.jsonl").sha256 != ids.sha256:
        raise DataError(
            f"{data}: not the dataset of the bundle, {ids.name} {ids.version[:12]}", next_step="give that one"
        )


def pack_report(report: DeviceReport, report_path: Path, out: Path) -> Path:
    """The report and its answers in one file. Raises what ``write_archive`` raises."""
    names = [report_path.name, *([report.examples_file] if report.examples_file else [])]
    sources: dict[str, Source] = {name: report_path.with_name(name) for name in sorted(names)}
    files = {name: hash_of(source) for name, source in sources.items()}
    contents = CarriedReport(report=report_path.name, files=files)
    write_archive(out, contents, sources, lambda *_: None)
    return out
