"""Shared fixtures: a project directory to run in, and small random models of every family."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.models.stand_in_hub import StandInHub
from tests.synthetic import tiny

# No test asks the Hub: those that need one have a stand-in (``hub``). Read by its client when it is imported.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

ROOT = Path(__file__).parents[1]
SHARED_DATA = ROOT.parent / "shared" / "data"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Two processes begin with half of the items each and take from each other's end: what takes longest comes first,
    in one process all that needs the project that is built once, so that the other does not wait for it."""
    built = [item for item in items if "made" in getattr(item, "fixturenames", ())]
    own = [item for item in items if "end_to_end" in item.nodeid and item not in built]
    others = [item for item in items if "end_to_end" not in item.nodeid and item not in built]
    half = max(0, len(items) // 2 - len(built))
    items[:] = [*built, *others[:half], *own, *others[half:]]


@pytest.fixture(autouse=True)
def unmeasured_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """``plan`` and long runs do not measure the machine, which takes seconds; tests of that do it themselves."""
    from olivepress.workflow import machine_rates

    monkeypatch.setattr(machine_rates, "is_measured", lambda *_: True)


@pytest.fixture(autouse=True)
def untracked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs are recorded and not sent to MLflow, which takes seconds; tests of that switch it on themselves."""
    monkeypatch.setenv("OLIVEPRESS_TRACKING", "off")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project root with the recipes that ship; the test runs in it."""
    shutil.copytree(ROOT / "recipes", tmp_path / "recipes")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def olivepress() -> Callable[..., subprocess.CompletedProcess[str]]:
    """The command as a user types it, in the current directory."""

    def run(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from olivepress.cli.main import main; main()", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, **{"timeout": 1800, **options})

    return run


@pytest.fixture
def olivepress_here(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The command in this process, which imports Olive once for all tests: that takes seconds."""
    from olivepress.cli.main import main

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        monkeypatch.setattr(sys, "argv", ["olivepress", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        out, errors = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, int(end.value.code or 0), out, errors)

    return run


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandInHub]:
    """A Hub on this machine with an empty cache and no token, for this process and its children."""
    from huggingface_hub import constants, file_download
    from huggingface_hub.utils._http import reset_sessions

    hub = StandInHub()
    server = hub.start()
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    template = f"{hub.endpoint}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    seen_here = {"ENDPOINT": hub.endpoint, "HF_HUB_OFFLINE": False}
    places = {"HF_HUB_CACHE": tmp_path / "hub-cache", "HF_TOKEN_PATH": tmp_path / "no-token"}
    for name, value in (seen_here | {name: str(path) for name, path in places.items()}).items():
        monkeypatch.setattr(constants, name, value)
    monkeypatch.setattr(file_download, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    for name, text in {"HF_ENDPOINT": hub.endpoint, "HF_HUB_OFFLINE": "0", "NO_PROXY": "127.0.0.1,localhost"}.items():
        monkeypatch.setenv(name, text)
    for name, path in places.items():
        monkeypatch.setenv(name, str(path))
    reset_sessions()
    yield hub
    server.shutdown()
    server.server_close()
    reset_sessions()


@pytest.fixture
def shared_data() -> Path:
    """The real data; absent, the test is skipped with a reason, or fails under ``make test-real``."""
    if not SHARED_DATA.is_dir():
        message = f"the real data is not at {SHARED_DATA.relative_to(ROOT.parent)} beside the project"
        if os.environ.get("OLIVEPRESS_REQUIRE_DATA"):
            pytest.fail(message)
        pytest.skip(message)
    return SHARED_DATA


# One small random model per session, exported once: about seven seconds that all tests share.
@pytest.fixture(scope="session")
def hf_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("torch", reason="the build extra is not installed")
    return tiny.make_model(tmp_path_factory.mktemp("hf"))


@pytest.fixture(scope="session")
def fp32_model(hf_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.export(hf_model, tmp_path_factory.mktemp("fp32"), "fp32", tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def int4_model(hf_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.export(hf_model, tmp_path_factory.mktemp("int4"), "int4", tmp_path_factory.mktemp("cache"))


@pytest.fixture
def make_dataset(tmp_path: Path) -> Callable[..., Path]:
    def make(rows: list[dict[str, object]], *, split: str = "test", name: str = "lamps") -> Path:
        folder = tmp_path / f"{name}-0123456789ab"
        folder.mkdir(exist_ok=True)
        (folder / "dataset.json").write_text(json.dumps({"name": name, "version": "ab" * 32}))
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        return folder

    return make
