"""The lock on a folder, and who holds it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from olivepress.core.errors import JobError
from olivepress.core.process import exclusive, in_turn, process_in


def test_the_process_that_holds_the_lock(tmp_path: Path) -> None:
    assert process_in(tmp_path) is None
    with exclusive(tmp_path):
        process = process_in(tmp_path)
        assert process is not None and process.pid == os.getpid()
        with pytest.raises(JobError, match="another olivepress is running"), exclusive(tmp_path):
            pass
        assert process_in(tmp_path) == process  # the second try has not erased it


def test_in_turn(tmp_path: Path) -> None:
    reported: list[str] = []
    waiting = threading.Event()

    def second() -> None:
        def on_progress(stage: str, done: int, total: int) -> None:
            reported.append(stage)
            waiting.set()

        with in_turn(tmp_path, on_progress):
            reported.append("locked")

    thread = threading.Thread(target=second)
    with in_turn(tmp_path, lambda stage, done, total: reported.append("nobody is before us")):
        thread.start()
        assert waiting.wait(60)
        time.sleep(0.2)
    thread.join(60)
    assert reported == ["wait for another olivepress that makes it", "locked"]


def test_no_longer_than_this(tmp_path: Path) -> None:
    began = time.monotonic()
    with exclusive(tmp_path):
        with pytest.raises(JobError, match="another olivepress is running"), exclusive(tmp_path, wait_s=0.3):
            pass
        assert 0.3 <= time.monotonic() - began < 60


def test_a_process_that_ended(tmp_path: Path) -> None:
    script = "import sys, pathlib, os; from olivepress.core.process import exclusive\n"
    script += "with exclusive(pathlib.Path(sys.argv[1])): os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    assert (tmp_path / ".lock").read_text().isdigit() and process_in(tmp_path) is None
    with exclusive(tmp_path):  # the kernel has released it
        assert process_in(tmp_path) is not None


def test_a_number_that_another_process_has_now(tmp_path: Path) -> None:
    lock = tmp_path / ".lock"
    lock.write_text(str(os.getpid()))
    assert process_in(tmp_path) is not None
    os.utime(lock, (1_000_000_000, 1_000_000_000))  # written long before this process began
    assert process_in(tmp_path) is None


@pytest.mark.parametrize("content", ["", "x", "-1", "9" * 19, "1" * 1000])
def test_no_number_of_a_process(tmp_path: Path, content: str) -> None:
    (tmp_path / ".lock").write_text(content)
    assert process_in(tmp_path) is None


def test_no_regular_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".lock")
    assert process_in(tmp_path) is None
