"""What a finished job leaves: files, and the manifest that says what they are and where they came from."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from olivepress.bounded import CONFIG, parse_json, read_text
from olivepress.errors import ReportError
from olivepress.timestamps import Timestamp
from olivepress.yaml_document import Record

__all__ = [
    "MANIFEST",
    "Check",
    "FileHash",
    "Manifest",
    "Resources",
    "Verified",
    "artifact_hash",
    "hash_file",
    "hash_files",
    "read_manifest",
    "write_manifest",
]

Verified = Literal["native", "emulated", "cpu-copy", "structure"]
"""How far an export was verified, strongest first; docs/targets.md says what each means."""

MANIFEST = "manifest.json"
SCHEMA_VERSION = 1


class Check(Record):
    """One thing that was held against its limit; ``value`` is null where the check is yes or no."""

    name: str
    passed: bool
    value: float | None = None
    limit: float | None = None
    detail: str = ""


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
    recipe: str
    job: str
    kind: Literal["finetune", "merge", "export", "package"]
    key: str
    """Hash of workflow, dataset, parent artifact and package versions: a job with the same key need not run again."""
    family: str
    base_model: str
    base_model_revision: str | None
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


def hash_files(directory: Path) -> dict[str, FileHash]:
    """sha256 and size of every file below ``directory`` but the manifest, by POSIX relative path."""
    found = {}
    for path in sorted(directory.rglob("*")):
        if path.is_file() and path.name != MANIFEST:
            found[path.relative_to(directory).as_posix()] = hash_file(path)
    return found


def hash_file(path: Path) -> FileHash:
    """sha256 and size of one file."""
    with path.open("rb") as file:
        return FileHash(sha256=hashlib.file_digest(file, "sha256").hexdigest(), bytes=path.stat().st_size)


def artifact_hash(files: dict[str, FileHash]) -> str:
    """One hash over all names and contents."""
    lines = "".join(f"{name} {files[name].sha256}\n" for name in sorted(files))
    return hashlib.sha256(lines.encode()).hexdigest()


def write_manifest(manifest: Manifest, directory: Path) -> None:
    """Write it last and in one step: a directory without a manifest is no artifact."""
    partial = directory / f".{MANIFEST}.partial"
    with partial.open("w", encoding="utf-8") as file:
        file.write(json.dumps(manifest.model_dump(mode="json"), indent=2, sort_keys=True) + "\n")
        file.flush()
        os.fsync(file.fileno())
    partial.replace(directory / MANIFEST)  # rename refuses a file that is there, on Windows


def read_manifest(directory: Path, *, verify: bool = False) -> Manifest:
    """Read the manifest; with ``verify`` every file is hashed again.

    Raises ReportError: no manifest, another schema version, damaged, changed by hand, or files that are not the ones it
    names.
    """
    path = directory / MANIFEST
    try:
        text = read_text(path, CONFIG, ReportError)
    except FileNotFoundError:
        raise ReportError(f"{directory}: no {MANIFEST}, so no finished artifact", next_step="make run") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ReportError(f"{path}: cannot be read ({error})", next_step="run the job again") from None
    try:
        fields = parse_json(text)
        version = fields.get("schema_version")
        if version != SCHEMA_VERSION:
            raise ReportError(f"{path}: schema version {version}, this olivepress reads {SCHEMA_VERSION}")
        manifest = Manifest.model_validate_json(text)
    except (ValueError, AttributeError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else "not whole JSON"
        raise ReportError(f"{path}: cannot be believed ({reason})", next_step="run the job again") from None
    if manifest.sha256 != artifact_hash(manifest.files):
        raise ReportError(f"{path}: its sha256 is not that of the files it lists", next_step="run the job again")
    if verify:
        found = hash_files(directory)
        changed = [name for name, held in manifest.files.items() if found.get(name) != held]
        if changed:
            raise ReportError(f"{directory}: {changed[0]} is not the file its manifest names", next_step="run again")
    return manifest
