"""Zip files that travel: the same content gives the same bytes, and what comes back is treated as untrusted input.

Members are stored, not deflated: quantized weights do not get smaller, deflated bytes differ between versions of zlib,
and an archive of stored members cannot unpack to more than its own size.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import re
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import IO, Annotated, ClassVar, Literal, TypeVar

from pydantic import Field, ValidationError

from olivepress.core.artifact import FileHash, hash_file
from olivepress.core.errors import OlivepressError, ReportError, SetupError
from olivepress.core.files import new_directory, new_file
from olivepress.core.progress import Progress
from olivepress.core.strict_json import strict_hooks
from olivepress.core.yaml_document import Record

__all__ = ["Contents", "Name", "Sha256", "Source"]
__all__ += ["extract", "hash_of", "read_archive", "read_index", "stored_zip", "write_archive"]

Source = Path | bytes
ContentsType = TypeVar("ContentsType", bound="Contents")
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

MOST_MEMBERS = 4096
LARGEST_INDEX = 64 * 1024 * 1024
SPARE = 256 * 1024 * 1024  # bytes of the disk that stay free
_BLOCK = 4 * 1024 * 1024
_HOOKS = strict_hooks("is not a number")
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,99}")
_WINDOWS_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_NOT_WHOLE = "not a complete zip file: damaged in transit?"
_DAMAGED = (
    zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError,
    ValueError, OverflowError,
)  # fmt: skip


class Contents(Record):
    """The index of an archive: sha256 and size of every other member. ``INDEX`` is its name; ``NEXT_STEP`` is shown for
    an archive that is refused."""

    INDEX: ClassVar[str]
    NEXT_STEP: ClassVar[str]

    schema_version: Literal[1] = 1
    files: dict[str, FileHash]


def hash_of(source: Source) -> FileHash:
    """sha256 and size of a file or of bytes."""
    if isinstance(source, Path):
        return hash_file(source)
    return FileHash(sha256=hashlib.sha256(source).hexdigest(), bytes=len(source))


def stored_zip(members: Mapping[str, bytes]) -> bytes:
    """A small zip in memory, the same bytes every time."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            with archive.open(_info(name, len(data)), "w") as member:
                member.write(data)
    return buffer.getvalue()


def write_archive(path: Path, contents: Contents, sources: Mapping[str, Source], on_progress: Progress) -> str:
    """Write the index and ``sources`` in one step. Returns the sha256 of the file.

    ReportError for a name that not every system would unpack, or a file that is no longer the one ``contents`` names;
    SetupError when the disk does not take it.
    """
    _check_names([contents.INDEX, *sources], path, contents.NEXT_STEP)
    with new_file(path) as partial:
        with zipfile.ZipFile(partial, "w") as archive:
            _write_members(archive, contents, sources, on_progress)
        return hash_file(partial).sha256


def _write_members(
    archive: zipfile.ZipFile, contents: Contents, sources: Mapping[str, Source], on_progress: Progress
) -> None:
    index = json.dumps(contents.model_dump(mode="json"), indent=1, sort_keys=True).encode() + b"\n"
    done, total = 0, sum(file.bytes for file in contents.files.values())
    for name, source in {contents.INDEX: index, **sources}.items():
        expected = hash_of(index) if name == contents.INDEX else contents.files[name]
        digest = hashlib.sha256()
        with (
            archive.open(_info(name, expected.bytes), "w") as member,
            source.open("rb") if isinstance(source, Path) else io.BytesIO(source) as file,
        ):
            while block := file.read(_BLOCK):
                member.write(block)
                digest.update(block)
                done += len(block)
                on_progress(done, total)
        if digest.hexdigest() != expected.sha256:
            raise ReportError(f"{name}: changed while it was packed", next_step=contents.NEXT_STEP)


def _info(name: str, size: int) -> zipfile.ZipInfo:
    """A stored member without a time; its size decides whether it needs ZIP64."""
    info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    info.create_system, info.external_attr, info.file_size = 3, (stat.S_IFREG | 0o644) << 16, size
    return info


def extract(
    path: Path, kind: type[ContentsType], destination: Path, on_progress: Progress = lambda *_: None
) -> ContentsType:
    """Unpack an archive into ``destination`` and return its index; a folder that has exactly this content is kept.

    ReportError, and nothing unpacked, for what ``write_archive`` would not have written: a damaged file, names that
    lead elsewhere or collide, links, members that are compressed, encrypted, missing, extra or different from the
    index. SetupError when the disk is too small.
    """
    if not path.is_file():
        raise ReportError(f"{path}: no such file", next_step=kind.NEXT_STEP)
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            members = _members(archive, path, kind, path.stat().st_size)
            text, contents = _index(archive, members, path, kind)
            _check_sizes(contents, members, path)
            if not _is_unpacked(destination, contents, text):
                _unpack(archive, contents, text, destination, path, on_progress)
    except OlivepressError:
        raise
    except OSError as error:
        if error.errno == errno.EINVAL:  # offsets that lead nowhere
            raise _refused(path, _NOT_WHOLE, kind) from error
        reason = error.strerror or type(error).__name__
        raise SetupError(f"{path}: cannot be unpacked ({reason})", next_step="check disk and rights") from error
    except _DAMAGED as error:
        reason = f"not a complete zip file ({type(error).__name__}): damaged in transit?"
        raise _refused(path, reason, kind) from error
    return contents


def read_index(path: Path, kind: type[ContentsType]) -> ContentsType:
    """The index of an archive alone: no other member is read. ReportError as ``extract``."""
    if not path.is_file():
        raise ReportError(f"{path}: no such file", next_step=kind.NEXT_STEP)
    with path.open("rb") as file:
        return _opened(file, path, kind, path.stat().st_size)[0]


def read_archive(data: bytes, path: Path, kind: type[ContentsType]) -> tuple[ContentsType, dict[str, bytes]]:
    """Index and members of an archive that is in memory; ``path`` names it in errors. ReportError as ``extract``."""
    contents, members = _opened(io.BytesIO(data), path, kind, len(data), read=True)
    for name, expected in contents.files.items():
        if hash_of(members[name]) != expected:
            raise _refused(path, f"{name} is not the file that {kind.INDEX} names: changed", kind)
    return contents, members


def _opened(
    file: IO[bytes], path: Path, kind: type[ContentsType], size: int, *, read: bool = False
) -> tuple[ContentsType, dict[str, bytes]]:
    try:
        with zipfile.ZipFile(file) as archive:
            members = _members(archive, path, kind, size)
            contents = _index(archive, members, path, kind)[1]
            _check_sizes(contents, members, path)
            return contents, {name: archive.read(name) for name in contents.files} if read else {}
    except OlivepressError:
        raise
    except (OSError, *_DAMAGED) as error:
        reason = f"not a complete zip file ({type(error).__name__}): damaged in transit?"
        raise _refused(path, reason, kind) from error


def _members(archive: zipfile.ZipFile, path: Path, kind: type[Contents], size: int) -> dict[str, zipfile.ZipInfo]:
    infos = archive.infolist()
    if len(infos) > MOST_MEMBERS:
        raise _refused(path, f"{len(infos)} members, at most {MOST_MEMBERS} are allowed", kind)
    # The name as it is in the file: zipfile cuts it at NUL and changes the system's separators.
    _check_names([info.orig_filename for info in infos], path, kind.NEXT_STEP)
    for info in infos:
        mode = info.external_attr >> 16
        shown = info.filename
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG) or info.external_attr & 0x10:
            raise _refused(path, f"{shown} is a link, a folder or a device, not a file", kind)
        if info.flag_bits & 0x1:
            raise _refused(path, f"{shown} is encrypted", kind)
        if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
            reason = f"{shown} is compressed, which olivepress never does: packed again by another tool?"
            raise _refused(path, reason, kind)
    if sum(info.file_size for info in infos) > size:
        raise _refused(path, "its members are larger than the file itself", kind)
    return {info.filename: info for info in infos}


def _check_names(names: Iterable[str], where: Path, next_step: str) -> None:
    """ReportError unless all are plain relative names on every system, none twice, none a folder of another."""
    seen: set[str] = set()
    for name in names:
        parts = name.split("/")
        plain = all(_PART.fullmatch(p) and p[-1] != "." and not _WINDOWS_DEVICE.fullmatch(p) for p in parts)
        if not plain or len(name) > 200:
            raise ReportError(f"{where}: {ascii(name)[:80]} is not a plain relative name", next_step=next_step)
        if name.casefold() in seen:
            raise ReportError(f"{where}: {name} is in it twice, except for capitals", next_step=next_step)
        seen.add(name.casefold())
    folders = {str(parent) for name in seen for parent in PurePosixPath(name).parents}
    if both := sorted(folders & seen):
        raise ReportError(f"{where}: {both[0]} is a file and a folder", next_step=next_step)


def _index(
    archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo], path: Path, kind: type[ContentsType]
) -> tuple[bytes, ContentsType]:
    info = members.get(kind.INDEX)
    if info is None:
        raise _refused(path, f"no {kind.INDEX} in it", kind)
    if info.file_size > LARGEST_INDEX:
        raise _refused(path, f"{kind.INDEX} is larger than {LARGEST_INDEX} bytes", kind)
    text = archive.read(info)
    try:
        fields = json.loads(text.decode("utf-8"), **_HOOKS)
        version = fields.get("schema_version")
        if version != 1:
            raise _refused(path, f"schema version {ascii(version)[:20]}, this olivepress reads 1", kind)
        return text, kind.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ascii(".".join(str(part) for part in first["loc"]))[1:-1][:80]
        raise _refused(path, f"{kind.INDEX}, {field}: {first['msg']}", kind) from error
    except (ValueError, AttributeError, RecursionError) as error:
        raise _refused(path, f"{kind.INDEX} is not JSON as olivepress writes it", kind) from error


def _check_sizes(contents: Contents, members: Mapping[str, zipfile.ZipInfo], path: Path) -> None:
    """ReportError unless the members are exactly those of the index, with its sizes."""
    present, named = set(members) - {contents.INDEX}, set(contents.files)
    if missing := sorted(named - present):
        raise _refused(path, f"{ascii(missing[0])[:80]} is missing", type(contents))
    if extra := sorted(present - named):
        raise _refused(path, f"{extra[0]} is in it, but not in its {contents.INDEX}", type(contents))
    for name, file in contents.files.items():
        if members[name].file_size != file.bytes:
            raise _refused(path, f"{name} has {members[name].file_size} bytes, not {file.bytes}", type(contents))


def _is_unpacked(destination: Path, contents: Contents, text: bytes) -> bool:
    """Whether an earlier call left exactly this here, and nobody changed it since."""
    files = {path.relative_to(destination).as_posix(): path for path in destination.rglob("*") if not path.is_dir()}
    if files.keys() != {contents.INDEX, *contents.files} or any(path.is_symlink() for path in files.values()):
        return False
    same = files[contents.INDEX].read_bytes() == text
    return same and all(hash_file(files[name]) == expected for name, expected in contents.files.items())


def _unpack(
    archive: zipfile.ZipFile, contents: Contents, text: bytes, destination: Path, path: Path, on_progress: Progress
) -> None:
    """Write every member and compare its sha256 with the index, then put the folder in place."""
    total = sum(file.bytes for file in contents.files.values())
    destination.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(destination.parent).free
    if total + SPARE > free:
        raise SetupError(
            f"{path}: needs {(total + SPARE) / 1e9:.1f} GB of disk here, {free / 1e9:.1f} GB are free",
            next_step="free disk space",
        )
    with new_directory(destination) as partial:
        (partial / contents.INDEX).write_bytes(text)
        done = 0
        for name, expected in contents.files.items():
            target = partial.joinpath(*name.split("/"))
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as file:
                digest = hashlib.sha256()
                for block in _blocks(archive, name, path, type(contents)):
                    file.write(block)
                    digest.update(block)
                    done += len(block)
                    on_progress(done, total)
            if digest.hexdigest() != expected.sha256:
                raise _refused(path, f"{name} is not the file that {contents.INDEX} names: changed", type(contents))


def _blocks(archive: zipfile.ZipFile, name: str, path: Path, kind: type[Contents]) -> Iterator[bytes]:
    """The content of a member. ReportError for an offset that lies outside the file."""
    try:
        with archive.open(name) as member:
            while block := member.read(_BLOCK):
                yield block
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        raise _refused(path, _NOT_WHOLE, kind) from error


def _refused(path: Path, reason: str, kind: type[Contents]) -> ReportError:
    return ReportError(f"{path}: {reason}", next_step=kind.NEXT_STEP)
