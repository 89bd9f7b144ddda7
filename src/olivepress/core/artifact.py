"""The artifact of a finished job: its files, and the manifest with their hashes and where they came from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationError

from olivepress.core.bounded import CONFIG, parse_json, read_text
from olivepress.core.errors import ReportError
from olivepress.core.files import is_partial, write_text
from olivepress.core.hash_cache import cached_sha256
from olivepress.core.layout import hash_cache
from olivepress.core.messages import next_command
from olivepress.core.names import check_name
from olivepress.core.notebook import facts_html, record_html, table_html
from olivepress.core.timestamps import Timestamp
from olivepress.core.yaml_document import Record

__all__ = [
    "MANIFEST",
    "Check",
    "FileHash",
    "Manifest",
    "PlacedNodes",
    "Resources",
    "TaskCall",
    "TaskVerdict",
    "Verified",
    "artifact_hash",
    "changed_files",
    "hash_file",
    "hash_files",
    "read_manifest",
    "write_manifest",
]

Verified = Literal["native", "emulated", "cpu-copy", "structure"]
"""How far an export was verified, strongest first; docs/targets.md explains each."""

MANIFEST = "manifest.json"
SCHEMA_VERSION = 1


TaskCall = Literal["not inferior", "inferior", "cannot tell"]


class TaskVerdict(Record):
    """Whether an export keeps the task: its greedy answers beside the merged parent's on the same validation rows.

    ``difference`` = value - parent_value, with its 95 % interval; all are null where no row was asked. ``only_parent``
    and ``only_export`` count the rows that only one of them has right (in free text: better). ``rows`` were answered,
    of ``rows_available`` in the split; without a verdict ``rows_needed`` is how many it would take, and ``reason`` why
    it could not be reached. ``rows_limit`` is what the recipe asked for.
    """

    call: TaskCall
    metric: str
    margin: float
    rows: int
    rows_available: int
    rows_limit: int | None = None
    rows_needed: int | None = None
    value: float | None = None
    parent_value: float | None = None
    difference: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    only_parent: int | None = None
    only_export: int | None = None
    reason: str = ""


class PlacedNodes(Record):
    """Nodes of a graph that the execution provider took, of those that it was asked to take.

    ``fallback_ops`` are the operators that it left to the CPU. ``arithmetic`` counts nodes on the CPU that only compute
    with shapes and positions, which every provider leaves there.
    """

    execution_provider: str
    placed: int
    of: int
    fallback_ops: tuple[str, ...] = Field((), strict=False)
    arithmetic: int = 0

    @property
    def note(self) -> str:
        """What the provider left to the CPU; "" when it left nothing."""
        notes = [f"on the CPU: {', '.join(self.fallback_ops)}"] if self.fallback_ops else []
        if self.arithmetic:
            notes.append(f"and {self.arithmetic} of arithmetic on shapes")
        return "; ".join(notes)

    def __str__(self) -> str:
        text = f"{self.placed} of {self.of} nodes on {self.execution_provider}"
        return f"{text}; {self.note}" if self.note else text


class Check(Record):
    """One property compared with its limit; ``value`` is null where the check is yes or no, ``limit`` where it is
    reported and not judged. The interval is of 95 %, over ``n`` positions or rows. ``task`` has the numbers of a
    verdict by the task's answers."""

    name: str
    passed: bool
    value: float | None = None
    limit: float | None = None
    detail: str = ""
    ci_low: float | None = None
    ci_high: float | None = None
    n: int | None = None
    task: TaskVerdict | None = None
    placement: PlacedNodes | None = None


class FileHash(Record):
    sha256: str
    bytes: int


class Resources(Record):
    """What the job took: seconds, peak resident bytes of its process, disk high-water mark in bytes."""

    seconds: float
    peak_memory_bytes: int | None
    peak_disk_bytes: int | None


class Manifest(Record):
    """Lineage of an artifact. No absolute path, no user or host name."""

    schema_version: Literal[1] = 1
    recipe: Annotated[str, AfterValidator(check_name)]  # a foreign manifest's names become names of reports
    job: Annotated[str, AfterValidator(check_name)]
    kind: Literal["finetune", "merge", "export", "package"]
    key: str
    """Hash of workflow, dataset, parent artifact and package versions: a job with the same key need not run again."""
    family: str
    base_model: str
    base_model_revision: str | None
    base_model_part: Literal["text"] | None = None
    """The part of a model of images and text that the artifact is of; None for a model that is text alone."""
    random_weights: bool
    target: str | None
    device: str | None
    execution_provider: str | None
    precision: str | None
    min_placed: float | None = None
    """Share of the graph's nodes that the target promises on its provider, and nodes that may stay elsewhere."""
    max_cpu_nodes: int | None = None
    parent: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")] | None
    parent_sha256: str | None
    dataset: str
    dataset_version: str
    synthetic_data: bool
    workflow_sha256: str
    versions: dict[str, str]
    seed: int
    git_commit: str | None
    verified: Verified
    checks: tuple[Check, ...]
    resources: Resources
    created_at: Timestamp
    sha256: str
    """Over names and hashes of all files."""
    files: dict[str, FileHash]

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        target = f"{self.target} ({self.execution_provider}, {self.precision})" if self.target else None
        size = sum(file.bytes for file in self.files.values())
        facts = [
            ("Target", target),
            ("Base model", f"the text part of {self.base_model}" if self.base_model_part else self.base_model),
            ("Made from", self.parent),
            ("Data", f"{self.dataset}, version {self.dataset_version[:12]}"),
            ("Verified", self.verified),
            ("Files", f"{len(self.files)}, {size / 1e6:,.1f} MB"),
            ("Time", f"{self.resources.seconds:,.0f} s"),
            ("sha256", self.sha256),
        ]
        checks = [(check.name, check.passed, check.value, check.limit, check.detail) for check in self.checks]
        table = table_html(("Check", "Passed", "Value", "Limit", "Detail"), checks)
        return record_html(f"Artifact {self.recipe}/{self.job}", facts_html(facts), table)


def hash_files(directory: Path) -> dict[str, FileHash]:
    """sha256 and size of every file below ``directory`` but the manifest, by POSIX relative path.

    Of an artifact in ``runs/`` what was hashed before is remembered (``hash_cache``), in ``runs/<recipe>/.hashes``.
    """
    paths = (path for path in sorted(directory.rglob("*")) if path.is_file())
    kept = (path for path in paths if path.name != MANIFEST and not is_partial(path))
    return _hashed(directory, {path.relative_to(directory).as_posix(): path for path in kept})


def _hashed(directory: Path, files: Mapping[str, Path]) -> dict[str, FileHash]:
    hashes = cached_sha256(files, hash_cache(directory))
    return {name: FileHash(sha256=sha256, bytes=size) for name, (sha256, size) in hashes.items()}


def hash_file(path: Path) -> FileHash:
    """sha256 and size of one file."""
    ((sha256, size),) = cached_sha256({path.name: path}, None).values()
    return FileHash(sha256=sha256, bytes=size)


def changed_files(directory: Path, files: Mapping[str, FileHash]) -> list[str]:
    """The names of ``files`` that are missing, or no longer have the hash of their manifest."""
    present = {name: directory / name for name, file in files.items() if _has_size(directory / name, file.bytes)}
    hashes = _hashed(directory, present)
    return [name for name, file in files.items() if hashes.get(name) != file]


def _has_size(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def artifact_hash(files: dict[str, FileHash]) -> str:
    """One hash over all names and contents."""
    lines = "".join(f"{name} {files[name].sha256}\n" for name in sorted(files))
    return hashlib.sha256(lines.encode()).hexdigest()


def write_manifest(manifest: Manifest, directory: Path) -> None:
    """Write it last and in one step: a directory without a manifest is not an artifact."""
    text = json.dumps(manifest.model_dump(mode="json"), indent=2, sort_keys=True) + "\n"
    write_text(directory / MANIFEST, text)


def read_manifest(directory: Path, *, verify: bool = False) -> Manifest:
    """Read the manifest; with ``verify`` every file is hashed again.

    Raises ReportError: no manifest, another schema version, damaged, changed by hand, or files other than those it
    names.
    """
    path = directory / MANIFEST
    try:
        text = read_text(path, CONFIG, ReportError)
    except FileNotFoundError:
        message = f"{directory}: no {MANIFEST}, so this is not a finished artifact"
        raise ReportError(message, next_step=next_command("run")) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ReportError(f"{path}: cannot be read ({error})", next_step="run the job again") from None
    try:
        fields = parse_json(text)
        version = fields.get("schema_version")
        if version != SCHEMA_VERSION:
            raise ReportError(f"{path}: schema version {version}, this olivepress reads {SCHEMA_VERSION}")
        manifest = Manifest.model_validate_json(text)
    except (ValueError, AttributeError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else "not complete JSON"
        raise ReportError(f"{path}: not a valid manifest ({reason})", next_step="run the job again") from None
    if manifest.sha256 != artifact_hash(manifest.files):
        raise ReportError(f"{path}: its sha256 is not that of the files it lists", next_step="run the job again")
    if verify:
        changed = changed_files(directory, manifest.files)
        if changed:
            raise ReportError(
                f"{directory}: {changed[0]} is not the file its manifest names",
                next_step="olivepress run, which makes it again",
            )
    return manifest
