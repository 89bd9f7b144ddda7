"""The store: files by their content in a folder or bucket that the submitting side and all workers reach.

``objects/<sha256>`` are the files, ``results/<key>.json`` what workers finished, ``references/<run>.json`` the objects
that a run still needs. An object that nobody refers to is removed once it is a day old.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from olivepress.core.bounded import parse_json
from olivepress.core.errors import JobError, OlivepressError, SetupError, UsageError
from olivepress.core.files import copy_file, new_file, take_free_name, write_text
from olivepress.run.executors.specs import FileRef

__all__ = ["Damaged", "Store", "check_url", "open_store", "package_of"]

GRACE_S = 24 * 3600.0  # what is younger may belong to an upload that is not referred to yet
_MARKER = "olivepress-store.json"
_MOST_RECORD = 64 * 1024 * 1024
_PACKAGES = {"s3": "s3fs", "s3a": "s3fs", "abfs": "adlfs", "abfss": "adlfs", "az": "adlfs", "gs": "gcsfs"}
# A password before the host, or parameters: signatures of access are among them. Secret keys of S3 contain slashes.
_CREDENTIALS = re.compile(r"://(?:[^@]*:[^@]*@|.*\?)")


class Damaged(JobError):
    """An object that is not what its name says, or is not there."""

    def __init__(self, ref: FileRef, reason: str) -> None:
        message = f"{ref.path}: {reason} in the store ({ref.sha256[:12]})"
        super().__init__(message, next_step="run the same command again")
        self.ref = ref


def package_of(url: str) -> str:
    """What has to be installed for a storage: the package of its kind, which brings fsspec; for a folder our extra."""
    return _PACKAGES.get(url.partition("://")[0], "olivepress[cluster]")


def check_url(url: str) -> None:
    """UsageError for a URL with a password or with parameters."""
    if any(map(_CREDENTIALS.search, url.split("::"))):  # the parts of a chained URL
        raise UsageError(
            "--store: the URL contains a password or parameters, which would travel with every job",
            next_step="leave it out, and give each machine its own credentials by the variables of the storage",
        )


def open_store(url: str, *, create: bool = False) -> Store:
    """The store at a folder or an fsspec URL; ``create`` begins one where there is none.

    Raises UsageError: a URL with a password, or of an unknown kind; SetupError: no store there, or not reachable.
    """
    check_url(url)
    protocol = url.partition("://")[0] if "://" in url else "file"
    try:
        from fsspec.core import url_to_fs

        files, root = url_to_fs(url, **({"auto_mkdir": True} if protocol in ("file", "local") else {}))
    except ImportError as error:
        raise SetupError(
            f"--store {url}: {error}", next_step=f"pip install '{package_of(url)}', on every machine"
        ) from error
    except ValueError as error:
        raise UsageError(f"--store {url}: {error}", next_step="a shared folder, s3://…, abfs://…") from error
    store = Store(url, files, str(root).rstrip("/"))
    try:
        store.open(create=create)
    except FileNotFoundError as error:  # the bucket itself
        raise SetupError(f"--store {url}: is not there", next_step="create the bucket first") from error
    return store


class Store:
    """``files`` is a file system of fsspec, ``root`` a path in it."""

    def __init__(self, url: str, files: Any, root: str) -> None:
        self.url, self._storage, self._root = url, files, root
        self._local = "file" in _protocols(files)
        self.id = ""
        self.uploaded = 0  # objects that were not there

    @contextlib.contextmanager
    def _files(self) -> Iterator[Any]:
        """The file system as it is now: those of buckets remember what they have listed, and others write there too.

        SetupError for what is wrong with it: each has errors of its own. That a file is not there, or is, passes.
        """
        self._storage.invalidate_cache()
        try:
            yield self._storage
        except (FileNotFoundError, FileExistsError, OlivepressError):
            raise
        except Exception as error:
            reason = str(error).split("\n")[0]
            raise SetupError(
                f"{self.url}: cannot be used ({type(error).__name__}: {reason})",
                next_step="check the storage and its credentials, then the same command again",
            ) from error

    def open(self, *, create: bool) -> None:
        """Read the store's id; SetupError where there is none and none is to be created."""
        try:
            text = self.read(_MARKER)
            if text is None and create:
                self._write_first(_MARKER, json.dumps({"id": uuid.uuid4().hex}))
                text = self.read(_MARKER)
            if text is None:
                raise SetupError(f"{self.url}: is no store of olivepress, or is not reachable from this machine")
            self.id = str(parse_json(text)["id"])
        except (ValueError, KeyError, TypeError) as error:
            raise SetupError(
                f"{self.url}: its {_MARKER} is damaged", next_step="empty the store while nothing runs, or name another"
            ) from error

    # --- objects -----------------------------------------------------------------------------------------------------

    def has(self, ref: FileRef) -> bool:
        """Whether the object is there and as large as it must be."""
        try:
            with self._files() as files:
                return int(files.info(self._object(ref.sha256))["size"]) == ref.bytes
        except FileNotFoundError:
            return False

    def put(self, path: Path, ref: FileRef, *, again: bool = False) -> None:
        """Upload a file, unless it is there; ``again`` replaces it."""
        if not again and self.has(ref):
            return
        place = self._object(ref.sha256)
        self.uploaded += 1
        if self._local:
            self._replace(Path(place), lambda other: copy_file(path, other))
        else:
            with self._files() as files:
                files.put_file(str(path), place)

    def get(self, ref: FileRef, target: Path) -> None:
        """Download to ``target``, which is complete and right or not there. Damaged when it is not what it must be: one
        of another size is not downloaded, it may be larger than the disk."""
        place = self._object(ref.sha256)
        with new_file(target) as partial:
            try:
                with self._files() as files:
                    if int(files.info(place)["size"]) != ref.bytes:
                        raise Damaged(ref, "is damaged")
                    files.get_file(place, str(partial))
            except FileNotFoundError:
                raise Damaged(ref, "is not") from None
            with partial.open("rb") as file:
                if partial.stat().st_size != ref.bytes or hashlib.file_digest(file, "sha256").hexdigest() != ref.sha256:
                    raise Damaged(ref, "is damaged")

    def discard(self, ref: FileRef) -> None:
        """Remove an object that is not what it must be: who has the file uploads it again."""
        self.remove(_object_name(ref.sha256))

    def _object(self, sha256: str) -> str:
        return f"{self._root}/{_object_name(sha256)}"

    # --- records -----------------------------------------------------------------------------------------------------

    def read(self, name: str) -> str | None:
        """A small file; None where there is none. ValueError for what is too large to be a record, or no text."""
        try:
            with self._files() as files:
                is_large = files.info(f"{self._root}/{name}")["size"] > _MOST_RECORD
                data = b"" if is_large else bytes(files.cat_file(f"{self._root}/{name}"))
        except FileNotFoundError:
            return None
        if is_large:
            raise ValueError(f"{name}: is too large")
        return data.decode("utf-8")

    def write(self, name: str, text: str) -> None:
        """A small file in one step."""
        if self._local:
            self._replace(Path(self._root, name), lambda other: write_text(other, text))
        else:
            with self._files() as files:
                files.pipe_file(f"{self._root}/{name}", text.encode("utf-8"))

    def _write_first(self, name: str, text: str) -> None:
        """As ``write``, but what another process has written there meanwhile stays."""
        place = f"{self._root}/{name}"
        if self._local:
            self._replace(Path(place), lambda other: write_text(other, text), put=take_free_name)
            return
        try:
            with contextlib.suppress(FileExistsError), self._files() as files:
                files.pipe_file(place, text.encode("utf-8"), mode="create")
        except SetupError:  # a storage that cannot do so
            self.write(name, text)

    def _replace(
        self, place: Path, write: Callable[[Path], None], *, put: Callable[[Path, Path], object] = Path.replace
    ) -> None:
        """In one step, under a name of its own until then: processes of two containers may have the same number."""
        other = place.with_name(f"{place.name}.{uuid.uuid4().hex}")
        try:
            write(other)
            put(other, place)
        finally:
            other.unlink(missing_ok=True)

    def remove(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError), self._files() as files:
            files.rm_file(f"{self._root}/{name}")

    def names(self, folder: str) -> list[str]:
        """The files of a folder, by their names in it."""
        try:
            with self._files() as files:
                listed = files.ls(f"{self._root}/{folder}", detail=False)
        except FileNotFoundError:
            return []
        return sorted(name for name in (str(path).rpartition("/")[2] for path in listed) if name[:1] not in ("", "."))

    # --- what is still needed ----------------------------------------------------------------------------------------

    def refer(self, run: str, objects: Iterable[str]) -> None:
        """The objects that a run needs from now on, in place of what it needed before."""
        self.write(f"references/{run}.json", json.dumps(sorted(set(objects))))

    def collect(self, *, grace_s: float = GRACE_S) -> int:
        """Remove objects that no run and no result refers to, unless they are younger; returns how many: none where a
        record that may refer to some cannot be read."""
        try:
            return self._collect(grace_s)
        except (ValueError, KeyError, TypeError, AttributeError):
            return 0

    def _collect(self, grace_s: float) -> int:
        needed = self._needed()
        unneeded = [
            (f"objects/{folder}/{name}", name)
            for folder in self.names("objects")
            for name in self.names(f"objects/{folder}")
            if name not in needed and self._age(f"objects/{folder}/{name}") >= grace_s
        ]
        # A run that began meanwhile has referred to what it needs before it looked whether it is there.
        needed = self._needed() if unneeded else needed
        unneeded = [(path, name) for path, name in unneeded if name not in needed]
        for path, _ in unneeded:
            self.remove(path)
        for folder in ("references", "results"):
            for name in self.names(folder):  # what a process that was killed left
                if not name.endswith(".json") and self._age(f"{folder}/{name}") >= grace_s:
                    self.remove(f"{folder}/{name}")
        return len(unneeded)

    def _needed(self) -> set[str]:
        needed = set[str]()
        for name in self._records("references"):
            listed = parse_json(self.read(name) or "[]")
            if not isinstance(listed, list):
                raise TypeError(f"{name}: no list")
            needed.update(listed)
        for name in self._records("results"):
            result = parse_json(self.read(name) or "{}")
            needed.update(str(file["sha256"]) for file in result.get("files", ()))
        return needed

    def _records(self, folder: str) -> list[str]:
        return [f"{folder}/{name}" for name in self.names(folder) if name.endswith(".json")]

    def _age(self, name: str) -> float:
        with contextlib.suppress(FileNotFoundError), self._files() as files:
            return time.time() - float(files.modified(f"{self._root}/{name}").timestamp())
        return 0.0


def _protocols(files: Any) -> tuple[str, ...]:
    named = files.protocol
    return (named,) if isinstance(named, str) else tuple(named)


def _object_name(sha256: str) -> str:
    """Where an object lies, below the root of the store."""
    return f"objects/{sha256[:2]}/{sha256}"
