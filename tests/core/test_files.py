"""A file or a folder is complete or not there, whatever happens while it is written."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from olivepress.core import files
from olivepress.core.errors import SetupError
from olivepress.core.files import (
    copy_file,
    is_partial,
    link_folder,
    new_directory,
    new_file,
    write_bytes,
    write_secret,
    write_text,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_files_are_replaced(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    write_text(path, "ä\r\n")
    assert path.read_bytes() == "ä\r\n".encode()
    write_bytes(path, b"b")
    copy_file(path, tmp_path / "new" / "b.txt")
    assert (tmp_path / "new" / "b.txt").read_bytes() == b"b" and names(tmp_path / "new") == ["a.txt", "b.txt"]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_text(path, "old")
    with pytest.raises(KeyboardInterrupt), new_file(path) as partial:
        partial.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "old" and names(tmp_path) == ["a"]
    full = r"a: cannot be written \(No space left on device\); next: free disk space"
    with pytest.raises(SetupError, match=full), new_file(path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert path.read_text() == "old" and names(tmp_path) == ["a"]


def test_a_file_where_a_folder_must_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file" / "a", tmp_path / "file" / "b" / "c"):
        with pytest.raises(SetupError, match="file: is a file, expected a directory; next: move it away"):
            write_text(path, "x")


def test_a_folder_under_another_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "place").mkdir()
    (tmp_path / "place" / "file").write_text("x")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    link_folder(tmp_path / "elsewhere" / "link", Path("place"))
    assert (tmp_path / "elsewhere" / "link" / "file").read_text() == "x"


def test_a_folder_takes_the_place_of_another(tmp_path: Path) -> None:
    path = tmp_path / "model"
    for text in ("one", "two"):
        with new_directory(path) as folder:
            (folder / "sub").mkdir()
            (folder / "sub" / f"{text}.txt").write_text(text)
    assert names(path / "sub") == ["two.txt"] and names(tmp_path) == ["model"]


def test_a_folder_that_fails_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "model"
    with new_directory(path) as folder:
        (folder / "a").write_text("old")
    with pytest.raises(ValueError, match="stop"), new_directory(path) as folder:
        (folder / "a").write_text("new")
        raise ValueError("stop")
    assert (path / "a").read_text() == "old" and names(tmp_path) == ["model"]


def test_a_folder_that_cannot_be_put_in_place_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, replace = tmp_path / "model", os.replace
    with new_directory(path) as folder:
        (folder / "a").write_text("old")

    def failing(source: Path, target: Path) -> None:
        if str(source).endswith(".partial"):
            raise PermissionError(errno.EACCES, "in use")
        replace(source, target)

    monkeypatch.setattr(files.os, "replace", failing)
    with pytest.raises(SetupError, match="in use"), new_directory(path) as folder:
        (folder / "a").write_text("new")
    assert (path / "a").read_text() == "old" and names(tmp_path) == ["model"]


KILLED = """
import os, signal, sys
from pathlib import Path
from olivepress.core import files
step, path = sys.argv[1], Path(sys.argv[2])
whole = getattr(os, step)
def dies(*arguments):
    if sys.argv[3] == "after":
        whole(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(files.os, step, dies)
if sys.argv[4] == "file":
    files.write_text(path, "new")
else:
    with files.new_directory(path) as folder:
        (folder / "content").write_text("new")
"""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_kill_leaves_the_old_or_the_new_one_whole(tmp_path: Path, kind: str, step: str, when: str) -> None:
    path = tmp_path / "a"
    command = [sys.executable, "-c", KILLED, step, str(path), when, kind]
    for old in (None, "old"):
        if old and kind == "file":
            write_text(path, old)
        elif old:
            with new_directory(path) as folder:
                (folder / "content").write_text(old)
        assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
        content = path if kind == "file" else path / "content"
        was_there = content.is_file()
        # A folder's old content is moved aside first, and that is where the second kill finds it.
        assert not was_there or content.read_text() in {old, "new"}
        assert was_there or old is None or (kind == "folder" and (step, when) == ("replace", "after"))
        with new_directory(path) if kind == "folder" else new_file(path) as again:
            (again / "content" if kind == "folder" else again).write_text("new")
        assert content.read_text() == "new"
    left = [name for name in names(tmp_path) if name != "a"]
    assert all(is_partial(tmp_path / name) for name in left) and (kind == "file" or left == [])


def test_names_of_what_is_not_finished() -> None:
    assert is_partial(Path("x", ".model.onnx.123.partial")) and is_partial(Path(".model.123.old"))
    assert not is_partial(Path("model.partial")) and not is_partial(Path(".hidden")) and not is_partial(Path("a.old"))


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such rights")
@pytest.mark.parametrize("links", [True, False])
def test_a_secret_is_never_open_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    modes = list[int]()
    sync = files._sync_file

    def look(path: Path) -> None:
        modes.append(path.stat().st_mode & 0o777)
        sync(path)

    def no_links(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(files, "_sync_file", look)
    if not links:
        monkeypatch.setattr(os, "link", no_links)
    old = os.umask(0)
    try:
        path = tmp_path / "new" / "secret"
        write_secret(path, b"one\r\n")
    finally:
        os.umask(old)
    assert modes == [0o600] and path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError, match="secret"):
        write_secret(path, b"two")
    assert path.read_bytes() == b"one\r\n" and names(path.parent) == ["secret"]


def test_a_secret_that_cannot_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files, "_sync_file", full)
    with pytest.raises(SetupError, match=r"secret: cannot be written .*; next: free disk space"):
        write_secret(tmp_path / "secret", b"x")
    assert names(tmp_path) == []
    (tmp_path / "file").write_text("x")
    with pytest.raises(SetupError, match="file: is a file, expected a directory"):
        write_secret(tmp_path / "file" / "secret", b"x")
