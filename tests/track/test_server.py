"""A real MLflow server, in its own environment, which is killed and started again while a fine-tune runs."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from olivepress.core.privacy import child_environment
from olivepress.track.runs import find_run
from olivepress.track.server import ENVIRONMENT, server_command
from tests.track.conftest import forget_connections

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

RECIPE = """
name: lamp
model: {path: "embedded:tiny-phi"}
data: {demo: device-command, max_train_rows: 100, max_test_rows: 20}
finetune: {max_steps: STEPS, batch_size: 4, torch_dtype: float32, r: 4, alpha: 8}
targets: [cpu-int4]
"""
STEPS = 400


@pytest.fixture(scope="session")
def server_python(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The interpreter of the environment with MLflow's server, created once: that takes minutes."""
    from olivepress.environments.create import create

    here = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("environments"))
    try:
        yield create(ENVIRONMENT, on_progress=lambda stage, done, total: None)
    finally:
        os.chdir(here)


class Server:
    """``mlflow server`` on a port of its own."""

    def __init__(self, python: Path, store: str = "sqlite:///server.db") -> None:
        with closing(socket.create_server(("127.0.0.1", 0))) as free:
            self.port = free.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self.port}"
        self._command = server_command(self.port, python, store=store)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with Path("server.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command, env=child_environment(), stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + 300
        while not self._answers():
            assert time.monotonic() < deadline and self._process.poll() is None, Path("server.log").read_text()[-2000:]
            time.sleep(0.3)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def kill(self) -> None:
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


@pytest.mark.skipif(sys.platform == "win32", reason="kills a process group")
def test_every_record_is_there_once_although_the_server_was_killed(
    project: Path, server_python: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    server = Server(server_python)
    server.start()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    monkeypatch.setenv("OLIVEPRESS_TRACKING", "on")
    forget_connections()
    client = MlflowClient(server.uri)
    (project / "lamp.yaml").write_text(RECIPE.replace("STEPS", str(STEPS)))
    command = [sys.executable, "-m", "olivepress", "run", "lamp.yaml", "--job", "finetune", "--quiet"]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    restart = threading.Timer(20, server.start)
    try:
        while run.poll() is None and not _points(client):
            time.sleep(0.5)
        assert run.poll() is None, "the fine-tune was over before its first points arrived"
        server.kill()
        restart.start()
        _, errors = run.communicate(timeout=1200)
        restart.join()
        assert run.returncode == 0, errors
        assert sum("tracking: " in line for line in errors.splitlines()) <= 1
        send = [sys.executable, "-m", "olivepress", "runs", "send"]
        assert subprocess.run(send, check=False).returncode == 0
        points = _points(client)
        assert [step for step, _ in points] == list(range(1, STEPS + 1))
        tracked = find_run("lamp")
        assert points[-1][1] == tracked.curves["loss"].last
        (experiment,) = [each for each in client.search_experiments() if each.name == "olivepress"]
        names = sorted(each.info.run_name for each in client.search_runs([experiment.experiment_id]))
        assert names == ["lamp", "lamp/finetune.1"]
    finally:
        run.kill()
        server.kill()


def _points(client: object) -> list[tuple[int, float]]:
    """The loss curve of the fine-tune, as far as the server has it."""
    from mlflow import MlflowClient

    assert isinstance(client, MlflowClient)
    experiment = client.get_experiment_by_name("olivepress")
    if experiment is None:
        return []
    found = client.search_runs([experiment.experiment_id], "tags.`olivepress.job` = 'finetune'")
    if not found:
        return []
    (run,) = found
    return sorted((each.step, each.value) for each in client.get_metric_history(run.info.run_id, "loss"))
