"""What a worker announces of its machine."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from olivepress import __version__
from olivepress.core.errors import SetupError
from olivepress.doctor import announce as module
from olivepress.doctor.announce import announce
from olivepress.run.executors.gpus import own_gpus
from olivepress.run.executors.needs import Announcement

pytest.importorskip("distributed", reason="the extra cluster is not installed")
GB = 10**9
LIMITED = """
import resource, sys
from pathlib import Path
from olivepress.doctor.announce import announce

resource.setrlimit(resource.RLIMIT_RSS, (2 * 10**9, 2 * 10**9))
said, _ = announce(Path(sys.argv[1]), name=None, labels=(), slots=1, share_gpu=1, own=lambda known: known)
print(said.memory_bytes)
"""


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(module, "devices_of", lambda _: ("cpu", "cuda", "webgpu"))
    monkeypatch.setattr(module, "gpu_memory", lambda: [24 * GB, 24 * GB])
    yield


def said(folder: Path, locks: Path, *, share: int = 1) -> tuple[Announcement, tuple[str, ...]]:
    """As the worker in ``folder`` says it when it is started beside those that have the ``locks``."""
    with own_gpus(("0", "1"), locks) as own:
        return announce(folder, name="Lab 1", labels=("a", "a"), slots=2, share_gpu=share, own=lambda _: own)


def test_gpus_are_counted_and_shared_only_when_told(two_gpus: None, tmp_path: Path) -> None:
    announcement, gpus = said(tmp_path / "one", tmp_path / "locks")
    assert (announcement.version, announcement.machine, announcement.labels) == (__version__, "Lab-1", ("a",))
    assert announcement.devices == {"webgpu": 1, "cuda": 2} and gpus == ("0", "1")
    assert announcement.memory_bytes > GB and announcement.disk_bytes > 0 and announcement.platform
    shared, gpus = said(tmp_path / "one", tmp_path / "locks", share=2)
    assert shared.devices["cuda"] == 4 and gpus == ("0", "1", "0", "1")


def test_a_second_worker_of_a_machine_gets_the_gpus_that_are_left(two_gpus: None, tmp_path: Path) -> None:
    locks = tmp_path / "locks"
    with own_gpus(("0",), locks) as first:
        announcement, gpus = said(tmp_path / "two", locks)
        assert first == ("0",) and gpus == ("1",) and announcement.devices["cuda"] == 1
        with own_gpus(("1",), locks):
            announcement, gpus = said(tmp_path / "three", locks)
            assert gpus == () and announcement.devices == {"webgpu": 1}
    assert said(tmp_path / "two", locks)[1] == ("0", "1")  # they are free again
    (tmp_path / "file").write_text("no folder")
    assert said(tmp_path / "two", tmp_path / "file")[1] == ("0", "1")


def test_only_gpus_that_the_process_may_use(two_gpus: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    asked = list[str]()

    def own(known: object) -> tuple[str, ...]:
        asked.extend(known)  # type: ignore[call-overload]
        return tuple(asked)

    _, gpus = announce(tmp_path, name=None, labels=(), slots=1, share_gpu=1, own=own)
    assert asked == ["1"] and gpus == ("1",)


def test_a_folder_that_cannot_be_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(SetupError, match="--folder"):
        announce(tmp_path / "file", name=None, labels=(), slots=1, share_gpu=1, own=lambda known: known)


@pytest.mark.skipif(sys.platform == "win32", reason="there a process has no such limit")
def test_memory_is_what_the_worker_may_take(tmp_path: Path) -> None:
    """In a container it is less than the machine has: a job that needs more would be killed there, again and again."""
    done = subprocess.run([sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and int(done.stdout) == 2 * GB, done.stderr
