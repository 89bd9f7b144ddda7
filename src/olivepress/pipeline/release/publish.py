"""Packs an artifact with its card and manifest for others: into a folder, or to the Hub."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import BinaryIO

from olivepress.core.artifact import MANIFEST, Manifest, artifact_hash, read_manifest, write_manifest
from olivepress.core.bounded import open_regular
from olivepress.core.errors import DataError, ReportError, SetupError, UsageError, whole_message
from olivepress.core.files import new_directory, write_text
from olivepress.core.layout import model_card
from olivepress.core.secret_text import PERSONAL_FOLDER, SECRET
from olivepress.pipeline.release.card import check_card
from olivepress.runtimes.artifact_safety import check_artifact

__all__ = ["Package", "Upload", "package_of", "publish", "repository_of", "upload_to_hub"]

HUB = "hub:"
CARD = "README.md"
PUBLISHED = "published.json"
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
# What is not published: the reference has tokens of the dataset's rows, and lines of JSON are logs.
_LEFT_OUT = ("reference/*", "*.jsonl", "*.log")
_VOCABULARIES = ("tokenizer.json", "vocab.json", "vocab.txt", "merges.txt")  # the base model's, of any text
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----")
_HEAD = 8192  # bytes; as git does, a file with a zero byte among them is no text
_PART, _OVERLAP = 16 * 1024 * 1024, 4096  # bytes that are searched at once; nothing that is looked for is longer

Upload = Callable[[Path, str, bool], str]
"""(folder, owner/name, private) → the address of what was uploaded."""


@dataclass(frozen=True, kw_only=True)
class Package:
    """What would be published: ``files`` by name, with their bytes. ``manifest`` has these files alone."""

    manifest: Manifest
    original_sha256: str
    files: Mapping[str, int]
    left_out: tuple[str, ...]
    card: Path


def package_of(directory: Path, card: Path | None = None) -> Package:
    """Check an artifact and its card, and say what would be published. Writes nothing.

    ReportError: files that are not those of the manifest, a card with holes; UsageError for an adapter or a package of
    adapters; DataError for a file that has what looks like a secret or a person's folder.
    """
    manifest = read_manifest(directory, verify=True)
    if manifest.kind not in ("export", "merge"):
        raise UsageError(f"{directory}: a {manifest.kind}, expected an export or a merged model")
    if manifest.kind == "export":
        check_artifact(directory, provider=manifest.execution_provider)
    path = card or model_card(manifest.recipe, manifest.job)
    checked = check_card(path)
    if checked.holes:
        raise ReportError(
            f"{path}: {len(checked.holes)} holes, the first: {checked.holes[0]}",
            next_step=f"olivepress card {path} lists them; complete it by hand",
        )
    kept = {name: file for name, file in manifest.files.items() if not _is_left_out(name)}
    published = manifest.model_copy(
        update={"files": kept, "sha256": artifact_hash(kept), "base_model": _public_name(manifest.base_model)}
    )
    _check_texts(directory, [*kept], path, published)
    return Package(
        manifest=published,
        original_sha256=manifest.sha256,
        files={name: file.bytes for name, file in kept.items()},
        left_out=tuple(name for name in manifest.files if name not in kept),
        card=path,
    )


def publish(
    directory: Path, destination: str, *, card: Path | None = None, private: bool = True, upload: Upload | None = None
) -> str:
    """Publish an artifact to a new folder, or to ``hub:owner/name``; returns where it is now.

    Errors as ``package_of``; UsageError for a folder that is there, SetupError when it cannot be written or uploaded.
    """
    repository = repository_of(destination)
    package = package_of(directory, card)
    if repository is None:
        target = Path(destination)
        if target.exists():
            raise UsageError(f"{target}: is there already", next_step="give a folder that does not exist")
        with new_directory(target) as folder:
            _fill(folder, directory, package, shutil.copyfile)
        return str(target)
    with TemporaryDirectory(prefix=".publish-", dir=directory.parent) as scratch:
        folder = Path(scratch, "package")
        folder.mkdir()
        _fill(folder, directory, package, _link)  # read by the client, and gone afterwards
        return (upload or upload_to_hub)(folder, repository, private)


def repository_of(destination: str) -> str | None:
    """owner/name of ``hub:owner/name``; None for a folder. UsageError for another id."""
    if not destination.startswith(HUB):
        return None
    repository = destination.removeprefix(HUB)
    if not _REPOSITORY.fullmatch(repository):
        raise UsageError(f"{destination}: expected hub:owner/name", next_step="olivepress publish --help")
    return repository


def upload_to_hub(folder: Path, repository: str, private: bool) -> str:
    """Upload with the Hub's own client and its own token. SetupError when that fails."""
    try:
        from huggingface_hub import HfApi
    except ImportError:
        raise SetupError("huggingface_hub is not installed", next_step="pip install 'olivepress[build]'") from None
    api = HfApi()
    try:
        api.create_repo(repository, repo_type="model", private=private, exist_ok=True)
        commit = api.upload_folder(
            repo_id=repository, repo_type="model", folder_path=str(folder), commit_message="Publish with olivepress"
        )
    except (OSError, ValueError) as error:  # HTTP errors and no connection are OSErrors
        reason = SECRET.sub("[hidden]", whole_message(error))
        raise SetupError(
            f"hub:{repository}: cannot be uploaded ({reason})",
            next_step="hf auth login, or publish to a folder and upload that",
        ) from error
    return str(getattr(commit, "commit_url", "") or commit)


def _is_left_out(name: str) -> bool:
    return any(PurePosixPath(name).match(pattern) for pattern in _LEFT_OUT)


def _public_name(base_model: str) -> str:
    """Of a folder on this machine the name alone."""
    is_path = base_model.startswith(("/", ".", "~")) or "\\" in base_model or ":" in base_model[:2]
    return re.split(r"[/\\]", base_model.rstrip("/\\"))[-1] if is_path else base_model


def _check_texts(directory: Path, names: list[str], card: Path, manifest: Manifest) -> None:
    for name in names:
        path = directory / name
        if path.name.lower() not in _VOCABULARIES:
            _check_file(path)
    _check_text(card.read_text(encoding="utf-8", errors="replace"), card)
    _check_text(manifest.model_dump_json(), directory / MANIFEST)


def _check_file(path: Path) -> None:
    """Every file that is text, whatever it is called and however large; weights and graphs are not."""
    with open_regular(path, DataError) as file:
        if b"\0" in file.read(_HEAD):
            return
        file.seek(0)
        for part, line in _parts(file):
            _check_text(part.decode("utf-8", "replace"), path, line)


def _parts(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Parts of a file that overlap, each with the number of its first line."""
    kept, line = b"", 1
    while read := file.read(_PART):
        part = kept + read
        yield part, line
        kept = part[-_OVERLAP:]
        line += part.count(b"\n") - kept.count(b"\n")


def _check_text(text: str, path: Path, first_line: int = 1) -> None:
    for kind, pattern in (
        ("a secret", SECRET),
        ("a private key", _PRIVATE_KEY),
        ("a person's folder", PERSONAL_FOLDER),
    ):
        match = pattern.search(text)
        if match:
            line = text.count("\n", 0, match.start()) + first_line
            raise DataError(
                f"{path}:{line}: has what looks like {kind}; it is not published",
                next_step="remove it where it comes from, and build the artifact again",
            )


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _fill(folder: Path, directory: Path, package: Package, place: Callable[[Path, Path], object]) -> None:
    for name in package.files:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        place(directory / name, target)
    shutil.copyfile(package.card, folder / CARD)
    facts = {"artifact_sha256": package.original_sha256, "left_out": list(package.left_out)}
    write_text(folder / PUBLISHED, json.dumps(facts, indent=1) + "\n")
    write_manifest(package.manifest, folder)
