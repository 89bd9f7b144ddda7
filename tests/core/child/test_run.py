"""A task in a process of its own: its result, its error, and every way in which it may end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from olivepress.core.child import run
from olivepress.core.child.run import Call, ChildDied, run_task, task_process
from olivepress.core.errors import DataError, JobError
from olivepress.core.progress import Progress
from olivepress.core.yaml_document import Record

_REMEMBERED: list[int] = []


class Given(Record):
    numbers: tuple[int, ...] = ()
    path: Path = Path("x")
    text: str = ""


class Returned(Record):
    total: int
    path: Path
    environment: dict[str, str] | None = None


def add(spec: Given, progress: Progress) -> Returned:
    print("noise on standard output")
    os.write(1, b"noise of a native library\n")
    for number in range(len(spec.numbers)):
        progress(number + 1, len(spec.numbers))
    return Returned(total=sum(spec.numbers), path=spec.path, environment=dict(os.environ))


def fail(spec: Given, progress: Progress) -> Returned:
    if spec.text == "ours":
        raise DataError("row 3: empty\nand more", next_step="check the row")
    try:
        raise KeyError("rope")
    except KeyError as error:
        raise RuntimeError("cannot load") from error


def remember(spec: Given, progress: Progress) -> Returned:
    """The sum of what all calls in this process were given."""
    _REMEMBERED.extend(spec.numbers)
    return Returned(total=sum(_REMEMBERED), path=spec.path)


def write(spec: Given, progress: Progress) -> Returned:
    """Three megabytes for half a second in its own folder, twenty beside it."""
    beside, own = spec.path.parent / "another process", spec.path / "deep" / "file"
    own.parent.mkdir()
    beside.write_bytes(bytes(20_000_000))
    own.write_bytes(bytes(3_000_000))
    time.sleep(0.5)
    own.unlink()
    return Returned(total=0, path=own)


def crash(spec: Given, progress: Progress) -> Returned:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def _python(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: str) -> None:
    """Let the child be a script of ours: crashes of native code cannot be ordered from a healthy runtime."""
    script = tmp_path / "python"
    script.write_text(f"#!{sys.executable}\nimport os, sys, time, json, signal\n{code}\n")
    script.chmod(0o755)
    monkeypatch.setattr(run.sys, "executable", str(script))


@pytest.fixture
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The child imports this very module."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))


@pytest.mark.usefixtures("importable")
def test_both_ways_are_records(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    spec = Given(numbers=(1, 2, 3), path=tmp_path)
    done = run_task(add, spec, on_progress=lambda done, total: seen.append((done, total)))
    assert (done.result.total, done.result.path) == (6, tmp_path)
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert done.usage.peak_memory_bytes > 10_000_000 and done.usage.seconds > 0
    assert done.result.environment and done.result.environment["HF_HUB_OFFLINE"] == "1"


@pytest.mark.usefixtures("importable")
def test_what_its_folder_grew_by_is_what_it_wrote(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "before").write_bytes(bytes(1_000_000))
    done = run_task(write, Given(path=own), writes=(own,))
    assert done.usage.peak_disk_bytes == 3_000_000
    assert run_task(add, Given()).usage.peak_disk_bytes == 0


@pytest.mark.usefixtures("importable")
def test_what_it_prints_is_in_its_log(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "job.log"
    for _ in range(2):
        run_task(add, Given(), log=log)
    lines = log.read_text().splitlines()
    assert lines.count("noise on standard output") == lines.count("noise of a native library") == 2


@pytest.mark.usefixtures("importable")
def test_an_error_keeps_its_class_and_next_step(tmp_path: Path) -> None:
    log = tmp_path / "job.log"
    with pytest.raises(DataError, match=r"^row 3: empty \| and more; next: check the row$"):
        run_task(fail, Given(text="ours"), log=log)
    with pytest.raises(JobError, match=r"^RuntimeError: cannot load, from KeyError: 'rope'$"):
        run_task(fail, Given(), log=log)
    assert log.read_text().count("Traceback") == 3


@pytest.mark.usefixtures("importable")
def test_a_process_runs_several_tasks(tmp_path: Path) -> None:
    """What one loaded the next one finds, an error costs one task, and a crash is told of the task it was in."""
    with task_process(Call(log=tmp_path / "log")) as process:

        def call(function: str, **fields: object) -> dict[str, object]:
            return process.run(f"{__name__}:{function}", fields, None)[0].result

        assert [call("remember", numbers=[n])["total"] for n in (1, 2)] == [1, 3]
        with pytest.raises(DataError, match="row 3"):
            call("fail", text="ours")
        assert call("remember", numbers=[4])["total"] == 7
        with pytest.raises(ChildDied, match="the crash process was killed by SIGKILL"):
            call("crash")
        with pytest.raises(ChildDied, match="the add process was killed by SIGKILL"):
            call("add")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "killed by SIGKILL"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "killed by SIGSEGV"),
        ("print('loading', file=sys.stderr); print('bad alloc', file=sys.stderr); sys.exit(3)", "code 3.*: bad alloc"),
        ("print('{\"result\": {}}'); sys.exit(2)", "exit code 2"),
        ("print('nothing useful')", "exit code 0 and no result"),
    ],
)
def test_an_end_without_a_result_is_explained(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: str, message: str
) -> None:
    _python(monkeypatch, tmp_path, code)
    with pytest.raises(ChildDied, match=message):
        run_task(add, Given())


def test_a_hanging_child_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _python(monkeypatch, tmp_path, "time.sleep(60)")
    begin = time.monotonic()
    with pytest.raises(JobError, match=r"the add process ran past its limit of 0\.5 s"):
        run_task(add, Given(), timeout_s=0.5)
    assert time.monotonic() - begin < 10


def test_an_interrupt_ends_the_child(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mark = tmp_path / "survived"
    _python(
        monkeypatch,
        tmp_path,
        f"print(json.dumps({{'done': 1, 'total': 2}}), flush=True); time.sleep(1); open({str(mark)!r}, 'w').close()",
    )

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_task(add, Given(), on_progress=interrupt)
    time.sleep(1.5)
    assert not mark.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a child outlives a killed parent")
def test_a_killed_parent_takes_its_children_along(tmp_path: Path) -> None:
    """The child and the one that it starts itself."""
    code = (
        "import os, subprocess, sys\n"
        "from pathlib import Path\n"
        "from olivepress.core.child.process import start_process\n"
        "from olivepress.core.privacy import child_environment\n"
        'inner = \'import os, time; open(os.environ["MARK"], "a").write(f"{os.getpid()}\\\\n"); time.sleep(60)\'\n'
        "outer = f'''\n"
        "import subprocess, sys\n"
        "from olivepress.core.child.process import start_process\n"
        "from olivepress.core.privacy import child_environment\n"
        "none = subprocess.DEVNULL\n"
        'with start_process([sys.executable, "-c", {inner!r}], child_environment(), stdin=none, stdout=none,'
        " stderr=none) as process:\n"
        "    process.wait()\n"
        "'''\n"
        "none = subprocess.DEVNULL\n"
        "with start_process([sys.executable, '-c', outer], child_environment(), stdin=none, stdout=none, stderr=none)"
        " as process:\n"
        "    process.wait()\n"
    )
    mark = tmp_path / "pids"
    parent = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "MARK": str(mark)})
    end = time.monotonic() + 60
    while not mark.is_file() or not mark.read_text().strip():
        assert parent.poll() is None and time.monotonic() < end
        time.sleep(0.05)
    parent.kill()
    parent.wait()
    (pid,) = (int(line) for line in mark.read_text().split())
    while _runs(pid):
        assert time.monotonic() < end
        time.sleep(0.05)


def _runs(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_noise_on_stdout_and_progress(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _python(
        monkeypatch,
        tmp_path,
        "print('native noise'); print(7); print('[1]'); print('{\"done\": 1, \"total\": 2}');"
        'print(\'{"result": {"total": 1, "path": "y"}}\')',
    )
    seen: list[tuple[int, int]] = []
    done = run_task(add, Given(), on_progress=lambda done, total: seen.append((done, total)))
    assert done.result == Returned(total=1, path=Path("y")) and seen == [(1, 2)]
