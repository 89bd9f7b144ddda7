from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from olivepress.core.errors import DataError, JobError
from olivepress.measure.worker import host


def _python(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: str) -> None:
    """Let the child be a script of ours: crashes of native code cannot be ordered from a healthy runtime."""
    script = tmp_path / "python"
    script.write_text(f"#!{sys.executable}\nimport os, sys, time, json, signal\n{code}\n")
    script.chmod(0o755)
    monkeypatch.setattr(host.sys, "executable", str(script))


SPEC: dict[str, object] = {}


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "killed by SIGKILL"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "killed by SIGSEGV"),
        ("print('loading', file=sys.stderr); print('bad alloc', file=sys.stderr); sys.exit(3)", "code 3.*: bad alloc"),
        ("print('{\"result\": {}}'); sys.exit(2)", "exit code 2"),
        ("print('nothing useful')", "exit code 0 and no result"),
    ],
)
def test_how_it_ended_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: str, says: str) -> None:
    _python(monkeypatch, tmp_path, code)
    with pytest.raises(JobError, match=says):
        host.run_child("latency", SPEC)


def test_a_hanging_child_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _python(monkeypatch, tmp_path, "time.sleep(60)")
    begin = time.monotonic()
    with pytest.raises(JobError, match=r"ran past its limit of 0\.5 s"):
        host.run_child("latency", SPEC, timeout_s=0.5)
    assert time.monotonic() - begin < 10


def test_an_interrupt_ends_the_child(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mark = tmp_path / "survived"
    _python(
        monkeypatch,
        tmp_path,
        f"print(json.dumps({{'progress': [1, 2]}}), flush=True); time.sleep(1); open({str(mark)!r}, 'w').close()",
    )

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        host.run_child("latency", SPEC, progress=interrupt)
    time.sleep(1.5)
    assert not mark.exists()


def test_noise_on_stdout_and_progress(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _python(
        monkeypatch,
        tmp_path,
        "print('native noise'); print(7); print('{\"progress\": [1, 2]}'); print('{\"result\": {\"a\": 1}}')",
    )
    seen: list[tuple[int, int]] = []
    assert host.run_child("latency", SPEC, progress=lambda d, t: seen.append((d, t))) == {"a": 1}
    assert seen == [(1, 2)]


def test_an_error_keeps_its_class_and_next_step(tmp_path: Path) -> None:
    spec = {"model_dir": str(tmp_path), "runtime": "pytorch", "dataset_dir": str(tmp_path), "split": "x", "limit": None}
    with pytest.raises(DataError, match=r"x\.jsonl|dataset\.json") as caught:
        host.run_child("answers", spec)
    assert caught.value.next_step and "\n" not in str(caught.value)


def test_a_users_json_py_does_not_shadow_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('shadowed')")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError):
        host.run_child("answers", {"dataset_dir": "none", "split": "x", "limit": None})


def test_importing_measure_is_light() -> None:
    import subprocess

    code = (
        "import sys, olivepress.measure, olivepress.compare, olivepress.measure.quality.reference;"
        "heavy = {'torch', 'transformers', 'onnxruntime', 'onnxruntime_genai', 'olive', 'jinja2', 'rich'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
