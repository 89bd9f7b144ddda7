"""Archives by an enemy's hand: each is refused in one line, and nothing of it lies on the disk afterwards."""

from __future__ import annotations

import json
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

from olivepress.bundle import archive as archive_module
from olivepress.bundle.archive import Contents, Source, extract, hash_of, write_archive
from olivepress.core.errors import OlivepressError, ReportError, SetupError

GOOD = {"a.txt": b"first", "folder/b.bin": bytes(5000)}


class Box(Contents):
    INDEX: ClassVar[str] = "box.json"
    NEXT_STEP: ClassVar[str] = "pack it again"


def write(path: Path, members: dict[str, bytes] = GOOD, **changes: Any) -> str:
    files = {name: hash_of(data) for name, data in members.items()} | changes
    sources: dict[str, Source] = dict(members)
    return write_archive(path, Box(files=files), sources, lambda *_: None)


Entry = tuple[zipfile.ZipInfo | str, bytes]


def by_hand(path: Path, entries: list[Entry], named: dict[str, bytes] = GOOD, **more: Any) -> None:
    """A zip with an index of ``named`` and these members, as any other program might write it."""
    index = {"schema_version": 1, "files": {n: hash_of(d).model_dump() for n, d in named.items()}} | more
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("box.json", json.dumps(index))
        for info, data in entries:
            file.writestr(info, data)


def items(members: dict[str, bytes] = GOOD) -> list[Entry]:
    return list(members.items())


def link() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("a.txt")
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return info


def device() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("a.txt")
    info.create_system, info.external_attr = 3, (stat.S_IFCHR | 0o666) << 16
    return info


def deflated(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


def named(name: str) -> Callable[[Path], None]:
    return lambda path: by_hand(path, [*items(), (name, b"x")], {**GOOD, name: b"x"})


HOSTILE: dict[str, tuple[Callable[[Path], None], str]] = {
    "parent folder": (named("../evil.txt"), "not a plain relative name"),
    "parent folder inside": (named("folder/../../evil.txt"), "not a plain relative name"),
    "absolute": (named("/tmp/evil.txt"), "not a plain relative name"),
    "backslash": (named("..\\evil.txt"), "not a plain relative name"),
    "drive": (named("C:evil.txt"), "not a plain relative name"),
    "Windows device": (named("folder/NUL.txt"), "not a plain relative name"),
    "trailing dot": (named("folder/evil."), "not a plain relative name"),
    "hidden": (named(".bashrc"), "not a plain relative name"),
    "other alphabet": (named("folder/\u0435vil.txt"), "not a plain relative name"),
    "terminal escape": (named("\x1b[31mevil"), "'\\x1b[31mevil'"),
    "folder entry": (named("folder/"), "not a plain relative name"),
    "too deep": (named("/".join("a" * 120)), "not a plain relative name"),
    "same but for capitals": (named("A.TXT"), "in it twice"),
    "file and folder": (named("a.txt/c"), "is a file and a folder"),
    "link": (lambda path: by_hand(path, [(link(), b"first"), items()[1]]), "is a link"),
    "device": (lambda path: by_hand(path, [(device(), b"first"), items()[1]]), "a device"),
    "compressed, a bomb": (
        lambda path: by_hand(path, [*items(), (deflated("bomb"), bytes(10**7))], {**GOOD, "bomb": bytes(10**7)}),
        "is compressed",
    ),
    "other bytes": (lambda path: by_hand(path, [("a.txt", b"other"), items()[1]]), "a.txt is not the file"),
    "other size": (lambda path: by_hand(path, [("a.txt", b"firsts"), items()[1]]), "a.txt has 6 bytes, not 5"),
    "missing": (lambda path: by_hand(path, items()[:1]), "'folder/b.bin' is missing"),
    "extra": (lambda path: by_hand(path, [*items(), ("c", b"")]), "c is in it, but not in its box.json"),
    "schema": (lambda path: by_hand(path, items(), schema_version=2), "schema version 2"),
    "unknown key": (lambda path: by_hand(path, items(), also=1), "also: Extra inputs"),
    "no object": (lambda path: zip_of(path, {"box.json": b"[]"}), "box.json is not JSON"),
    "nested": (lambda path: zip_of(path, {"box.json": b"[" * 100_000}), "box.json is not JSON"),
    "key twice": (
        lambda path: zip_of(path, {"box.json": b'{"schema_version": 1, "files": {}, "files": {}}'}),
        "box.json is not JSON",
    ),
    "no index": (lambda path: zip_of(path, GOOD), "no box.json in it"),
    "no zip": (lambda path: path.write_bytes(b"PK\x03\x04 and nothing") and None, "not a complete zip file"),
    "empty": (lambda path: path.write_bytes(b"") and None, "not a complete zip file"),
}


def zip_of(path: Path, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as file:
        for name, data in members.items():
            file.writestr(name, data)


def refused(path: Path, says: str, kind: type[OlivepressError] = ReportError) -> None:
    destination = path.parent / "opened" / "box"
    with pytest.raises(kind) as error:
        extract(path, Box, destination)
    assert says in str(error.value) and "\n" not in str(error.value) and "\x1b" not in str(error.value)
    assert error.value.next_step
    assert not list((path.parent / "opened").rglob("*"))
    assert {found.name for found in path.parent.iterdir()} <= {path.name, "opened"}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_refused(name: str, tmp_path: Path) -> None:
    make, says = HOSTILE[name]
    make(path := tmp_path / "box.zip")
    refused(path, says)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_twice(tmp_path: Path) -> None:
    by_hand(path := tmp_path / "box.zip", [*items(), ("a.txt", b"second")])
    refused(path, "a.txt is in it twice")


def test_a_name_with_nul(tmp_path: Path) -> None:
    by_hand(path := tmp_path / "box.zip", items({"a.txtX../b": b"first"}), {"a.txt": b"first"})
    path.write_bytes(path.read_bytes().replace(b"a.txtX../b", b"a.txt\x00../b"))
    refused(path, "not a plain relative name")


def test_a_huge_declared_size(tmp_path: Path) -> None:
    """The zip's directory promises 3 GB of a member, the file has 5 kB."""
    by_hand(path := tmp_path / "box.zip", items())
    size, huge = (5000).to_bytes(4, "little"), (3_000_000_000).to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(size, huge))
    refused(path, "larger than the file itself")


def test_members_that_overlap(tmp_path: Path) -> None:
    """Two entries of the directory that share one member's bytes: more comes out than went in."""
    twin = {"a.bin": bytes(5000), "b.bin": bytes(5000)}
    by_hand(path := tmp_path / "box.zip", items({"a.bin": bytes(5000)}), twin)
    with zipfile.ZipFile(path, "a") as file:
        copied = zipfile.ZipInfo("b.bin")
        first = file.getinfo("a.bin")
        for field in ("compress_size", "file_size", "CRC", "header_offset", "external_attr"):
            setattr(copied, field, getattr(first, field))
        file.filelist.append(copied)
        file.NameToInfo["b.bin"] = copied
        file._didModify = True  # type: ignore[attr-defined]
    refused(path, "larger than the file itself")


@pytest.mark.parametrize("keep", [0.999, 0.9, 0.5])
def test_cut_on_its_way(keep: float, tmp_path: Path) -> None:
    write(path := tmp_path / "box.zip")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    refused(path, "not a complete zip file")


def test_every_flipped_byte_is_found_or_harmless(tmp_path: Path) -> None:
    write(path := tmp_path / "box.zip", {"a.txt": b"first", "b": b"second"})
    data = path.read_bytes()
    for at in range(len(data)):
        path.write_bytes(data[:at] + bytes([data[at] ^ 0x20]) + data[at + 1 :])
        destination = tmp_path / "opened" / str(at)
        try:
            extract(path, Box, destination)
        except OlivepressError as error:
            assert "\n" not in str(error)
            assert not destination.exists()
        else:  # a flag or a time of the zip that says nothing about the content
            assert (destination / "a.txt").read_bytes() == b"first"
            assert (destination / "b").read_bytes() == b"second"


def test_the_disk_is_too_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(path := tmp_path / "box.zip")
    monkeypatch.setattr(archive_module, "SPARE", 2**60)
    refused(path, "are free", SetupError)


def test_too_many_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(path := tmp_path / "box.zip")
    monkeypatch.setattr(archive_module, "MOST_MEMBERS", 2)
    refused(path, "3 members, at most 2")


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    assert write(tmp_path / "one.zip") == write(tmp_path / "two.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.zip", "two.zip"]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write(path := tmp_path / "box.zip")
    seen: list[tuple[int, int]] = []
    contents = extract(path, Box, tmp_path / "box", lambda done, total: seen.append((done, total)))
    assert {name: (tmp_path / "box" / name).read_bytes() for name in contents.files} == GOOD
    assert seen[-1] == (5005, 5005)
    extract(path, Box, tmp_path / "box", lambda *_: pytest.fail("unpacked again"))
    (tmp_path / "box" / "a.txt").write_bytes(b"edited")
    extract(path, Box, tmp_path / "box")
    assert (tmp_path / "box" / "a.txt").read_bytes() == b"first"
    (tmp_path / "box" / "more").write_bytes(b"")
    extract(path, Box, tmp_path / "box")
    assert not (tmp_path / "box" / "more").exists()


def test_a_link_in_what_lies_there_is_not_followed(tmp_path: Path) -> None:
    write(path := tmp_path / "box.zip")
    extract(path, Box, tmp_path / "box")
    (outside := tmp_path / "outside").write_bytes(b"first")
    (tmp_path / "box" / "a.txt").unlink()
    (tmp_path / "box" / "a.txt").symlink_to(outside)
    extract(path, Box, tmp_path / "box")
    assert not (tmp_path / "box" / "a.txt").is_symlink() and outside.read_bytes() == b"first"


def test_what_no_system_could_unpack_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="not a plain relative name"):
        write(tmp_path / "box.zip", {"a b.txt": b""})
    with pytest.raises(ReportError, match="changed while it was packed"):
        write(tmp_path / "box.zip", **{"a.txt": hash_of(b"other")})
    assert not list(tmp_path.iterdir())


def test_more_than_four_gigabytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ZIP64, with the limit moved down instead of 4 GB on the disk."""
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 1000)
    write(path := tmp_path / "box.zip")
    contents = extract(path, Box, tmp_path / "box")
    assert (tmp_path / "box" / "folder" / "b.bin").stat().st_size == contents.files["folder/b.bin"].bytes
