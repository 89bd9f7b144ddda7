"""The files of a job between project, store and worker: what it reads is uploaded, what it wrote is put in place."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from pydantic import ValidationError

from olivepress.core.artifact import MANIFEST, Manifest, artifact_hash, read_manifest
from olivepress.core.errors import ReportError, SetupError
from olivepress.core.files import is_partial, new_directory
from olivepress.core.hash_cache import cached_sha256
from olivepress.core.layout import CLUSTER_HASHES
from olivepress.run.executors.specs import FileRef, Outcome
from olivepress.run.executors.store import Damaged, Store

__all__ = ["inputs_of", "outputs_of", "put_artifact", "put_files", "receive", "send"]


def inputs_of(paths: Iterable[Path]) -> tuple[FileRef, ...]:
    """The files at and below ``paths``, which are relative to the project; those that are not there are left out.

    Raises SetupError for a path outside of the project: a worker has a copy of the project, and nothing else; for a
    name that not every system can have; and for a file that cannot be read.
    """
    listed = list(paths)
    for path in listed:
        if path.is_absolute() or ".." in path.parts:
            raise SetupError(
                f"{path}: lies outside of the project, which is all that workers get a copy of",
                next_step="move it into the project's folder, or link to it from there",
            )
    return _refs({file.as_posix(): file for file in _files_at(listed)}, CLUSTER_HASHES)


def outputs_of(folder: Path, outputs: Iterable[str]) -> tuple[FileRef, ...]:
    """The files at and below ``outputs`` of a job that ran in ``folder``; a link may lead out of it and is no file."""
    files = (file for file in _files_at(folder / output for output in outputs) if not file.is_symlink())
    return _refs({file.relative_to(folder).as_posix(): file for file in files}, None)


def _files_at(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        for file in [path] if path.is_file() else path.rglob("*"):
            if file.is_file() and not is_partial(file):
                yield file


def _refs(files: Mapping[str, Path], cache: Path | None) -> tuple[FileRef, ...]:
    try:
        hashes = cached_sha256(files, cache)
    except OSError as error:
        raise SetupError(
            f"{error.filename}: cannot be read ({error.strerror})", next_step="check its rights"
        ) from error
    return tuple(_ref(name, *hashes[name]) for name in sorted(files))


def _ref(name: str, sha256: str, size: int) -> FileRef:
    """SetupError for a name that not every system can have."""
    try:
        return FileRef(path=name, sha256=sha256, bytes=size)
    except ValidationError:
        raise SetupError(
            f"{ascii(name)[1:-1]}: has a name that not every machine can have", next_step="rename it, or move it away"
        ) from None


def send(store: Store, refs: Sequence[FileRef], *, root: Path = Path(), again: Sequence[str] = ()) -> None:
    """Upload from below ``root`` what is not in the store; ``again`` are hashes to be uploaded in any case."""
    for ref in refs:
        store.put(root / ref.path, ref, again=ref.sha256 in again)


def receive(store: Store, ref: FileRef, target: Path) -> None:
    """A file that a worker sent. Damaged when it did not arrive whole: then it leaves the store as well, so that no
    result with it counts any more and the job is done again."""
    try:
        store.get(ref, target)
    except Damaged:
        store.discard(ref)
        raise


def put_artifact(store: Store, outcome: Outcome, output: Path, key: str) -> Manifest:
    """Put the artifact of a job in its place in one step, when every file of it has arrived and is what its manifest
    names.

    Raises Damaged for a file that has not; ReportError for an artifact that is not this job's.
    """
    below = PurePosixPath(output.as_posix())
    mine = [ref for ref in outcome.files if below in PurePosixPath(ref.path).parents]
    with new_directory(output) as partial:
        for ref in mine:
            receive(store, ref, partial / PurePosixPath(ref.path).relative_to(below))
        manifest = read_manifest(partial)
        sent = {PurePosixPath(ref.path).relative_to(below).as_posix(): ref for ref in mine}
        wrong = [name for name, file in manifest.files.items() if name not in sent or sent[name].sha256 != file.sha256]
        wrong += [name for name in sent if name not in manifest.files and PurePosixPath(name).name != MANIFEST]
        if manifest.key != key or wrong or artifact_hash(manifest.files) != manifest.sha256:
            raise ReportError(
                f"{output}: {outcome.machine} sent another artifact than the one that its {MANIFEST} names",
                next_step="run the same command again",
            )
    return manifest


def put_files(store: Store, outcome: Outcome, places: Sequence[Path]) -> None:
    """Put what else a job wrote (its log) in place, as far as it arrived: nothing depends on it."""
    for ref in outcome.files:
        path = PurePosixPath(ref.path)
        for place in places:
            below = PurePosixPath(place.as_posix())
            if path == below or below in path.parents:
                with contextlib.suppress(Damaged, SetupError):
                    receive(store, ref, Path(ref.path))
