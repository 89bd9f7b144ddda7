"""Environments: records and lock files agree with each other, and the right interpreter is found or asked for."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from olivepress.core.errors import RecipeError, SetupError, UsageError
from olivepress.environments import create as environment_setup
from olivepress.environments import lookup as environments
from olivepress.environments.lookup import (
    MARKER,
    ONNX_RUNTIMES,
    Environment,
    canonical,
    environment,
    interpreter,
    is_created,
    key_of,
    locks,
    platform_here,
    python_of,
    read_lock,
    satisfied_here,
)

ROOT = Path(__file__).parents[2]
LOCKS = ROOT / "src/olivepress/catalog/environments/locks"
ALL = environments.environments()
MADE = [(one.name, platform) for one in ALL.values() for platform in one.platforms]


def version_of(pin: str) -> str:
    return pin.split("+")[0]


def test_every_provider_has_one() -> None:
    assert {"cpu", "build", "qnn", "openvino", "webgpu", "cuda", "directml", "trt-rtx", "vitisai"} <= set(ALL)
    for one in ALL.values():
        assert one.elsewhere and one.description, one.name


def test_every_lock_belongs_to_an_environment() -> None:
    used = {path for name, platform in MADE for group in locks(ALL[name], platform) for path in group}
    assert used == set(LOCKS.glob("*.txt"))


@pytest.mark.parametrize(("name", "platform"), MADE)
def test_lock_holds_the_pins_and_one_runtime(name: str, platform: str) -> None:
    one = ALL[name]
    for group in locks(one, platform):
        for path in group:
            text = path.read_text(encoding="utf-8")
            assert "://" not in text and "-url" not in text and "@" not in text, "no address in a lock"
            assert re.fullmatch(r"# Python 3\.\d+(, 3\.\d+)*", text.splitlines()[0])
            requirements = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
            for requirement in requirements:
                assert re.fullmatch(r"\S+==\S+( \\\n    --hash=sha256:[0-9a-f]{64})+\n", requirement), requirement
    for choice in [[group[number % len(group)] for group in locks(one, platform)] for number in (0, 1)]:
        held = {package: version for path in choice for package, version in read_lock(path).items()}
        assert {package: version_of(held[package]) for package in one.pins} == one.pins
        assert len(ONNX_RUNTIMES & set(held)) == (0 if name == "tracking-ui" else 1)  # which runs no model
        assert not set(one.forbidden) & set(held)


@pytest.mark.parametrize(("name", "platform"), MADE)
def test_lock_agrees_with_the_desk_and_holds_the_base(name: str, platform: str) -> None:
    desk = environments.read_pins((ROOT / "requirements.lock").read_text(encoding="utf-8"))
    held = {
        package: version for group in locks(ALL[name], platform) for package, version in read_lock(group[0]).items()
    }
    shared = {p: desk[p] for p in held if p in desk} | ALL[name].pins  # its own pins may be of another release
    assert {p: version_of(v) for p, v in held.items() if p in shared} == shared
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {canonical(re.split(r"[<>=]", line)[0]) for line in project["dependencies"]} <= set(held)


def test_build_is_the_extra() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert environments.read_pins("\n".join(extras["cpu"])) == ALL["cpu"].pins
    pinned = environments.read_pins("\n".join(line for line in extras["build"] if ";" not in line))
    assert pinned | ALL["cpu"].pins == ALL["build"].pins
    assert all(item in ALL["build"].packages or item in extras["build"] for item in ALL["build"].also)


def test_build_next_moves_what_its_reason_names_and_nothing_else() -> None:
    here, there = ALL["build"].pins, ALL["build-next"].pins
    moved = {name for name in there if here.get(name) != there[name]}
    assert moved == {
        "onnxruntime", "onnxruntime-genai", "transformers", "huggingface-hub", "tokenizers", "datasets"
    }  # fmt: skip
    assert set(here) <= set(there) and ALL["build"].also == ALL["build-next"].also


def test_a_desk_runs_what_it_builds() -> None:
    """What runs an artifact on a device is a part of the desk that built it."""
    desks = [one for one in ALL.values() if one.runs]
    assert [one.name for one in desks] == ["build-next"]
    for one in desks:
        for device, instead in one.runs.items():
            assert ALL[instead].pins.items() <= one.pins.items() and ALL[instead].platforms == ALL[device].platforms


def made_up(**changes: Any) -> Environment:
    platforms = (platform_here(),)
    return Environment(**{"name": "own", "description": "d", "packages": ("numpy==9.9.9",), "platforms": platforms,
                          "elsewhere": "nobody makes them"} | changes)  # fmt: skip


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Environment]:
    """Put an environment of our own in place of the catalog; the test runs in an empty project."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(environments, "locks", lambda one, on: [])

    def put(**changes: Any) -> Environment:
        one = made_up(**changes)
        monkeypatch.setattr(environments, "environments", lambda: {one.name: one})
        return one

    return put


def test_the_running_interpreter_is_enough_when_it_has_the_pins(own: Callable[..., Environment]) -> None:
    from importlib.metadata import version

    one = own(packages=(f"pydantic=={version('pydantic')}",))
    other = set(map(canonical, ("onnxruntime", "onnxruntime-gpu"))) & {canonical(n) for n in _installed()}
    assert satisfied_here(one) is not bool(other), "an ONNX Runtime that is not pinned is one too many"
    one = own(packages=(f"pydantic=={version('pydantic')}", *(f"{n}=={version(n)}" for n in other)))
    assert interpreter("own") == Path(sys.executable)
    assert not satisfied_here(made_up(packages=one.packages, forbidden=("pydantic",)))
    assert not satisfied_here(made_up(packages=(), platforms=()))


def _installed() -> set[str]:
    from importlib.metadata import distributions

    return {distribution.name for distribution in distributions()}


def test_what_is_not_created_is_asked_for(own: Callable[..., Environment]) -> None:
    one = own()
    with pytest.raises(SetupError, match=r"has not been created; next: olivepress env create own"):
        interpreter("own")
    python_of(one).parent.mkdir(parents=True)
    python_of(one).touch()
    marker = Path(".environments", "own", MARKER)
    marker.write_text(json.dumps({"key": key_of(one)}), encoding="utf-8")
    assert is_created(one) and interpreter("own") == python_of(one)
    own(forbidden=("torchvision",))
    with pytest.raises(SetupError, match="was created from other lock files"):
        interpreter("own")
    assert environment_setup.remove("own") and not environment_setup.remove("own")


def test_a_platform_without_packages_says_why(own: Callable[..., Environment]) -> None:
    own(platforms=("amiga-m68k",))
    with pytest.raises(SetupError, match=f"cannot be created on {platform_here()}: nobody makes them"):
        interpreter("own")


def test_names(monkeypatch: pytest.MonkeyPatch) -> None:
    target = type("Target", (), {"environment": "qnn"})()
    monkeypatch.setattr(environments, "targets", lambda: {"qnn-w4a16": target})
    assert environment("qnn-w4a16").name == "qnn"
    with pytest.raises(UsageError, match="did you mean 'openvino'"):
        environment("openvin")


def test_platforms_need_packages() -> None:
    with pytest.raises(ValueError, match="'packages' when there are 'platforms'"):
        made_up(packages=())


def test_a_file_must_be_called_like_what_it_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "{name: b, description: d, packages: [], platforms: [], elsewhere: e}"
    (tmp_path / "a.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(environments, "_CATALOG", tmp_path)
    with pytest.raises(RecipeError, match="expected the file's own name 'a'"):
        environments.environments.__wrapped__()


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (
            "WARNING: Retrying ... NewConnectionError('x')\nERROR: No matching distribution found for a",
            "no package index",
        ),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES\n    torch==2.13.0 from file:x:\n", "torch==2.13.0: the index"),
        ("OSError: [Errno 28] No space left on device", "disk full"),
        ("Collecting x\nERROR: No matching distribution found for x==1", "No matching distribution found for x==1"),
        ("", "no output"),
    ],
)
def test_a_failed_step_is_one_line(output: str, expected: str, tmp_path: Path) -> None:
    error = environment_setup._failure(output.splitlines(), tmp_path / "own.log", made_up())
    assert expected in str(error) and "\n" not in str(error)


def test_the_cpu_build_of_torch_is_tried_first() -> None:
    groups = locks(ALL["build"], "linux-x86_64")
    assert [path.name for path in groups[1]] == ["torch-cpu-linux-x86_64.txt", "torch-cuda-linux-x86_64.txt"]
    assert read_lock(groups[1][0]) == {"torch": "2.13.0+cpu"}
    assert len(locks(ALL["build"], "windows-amd64")) == 1


def test_env_list(olivepress: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    rows = json.loads(olivepress("env", "list", "--json").stdout)
    assert [row["name"] for row in rows] == list(ALL)
    assert "this interpreter" in {row["state"] for row in rows}
    refused = olivepress("env", "create", "vitisai")
    assert refused.returncode == 7 and "AMD's packages are on no public index" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1


@pytest.mark.slow
def test_the_cpu_environment_is_created_and_redone(project: Path) -> None:
    """Really: from the index, and again after a kill that left a half of it."""
    half = Path(".environments", "cpu", "lib")
    half.mkdir(parents=True)
    (half / "left").touch()
    told: list[str] = []
    python = environment_setup.create("cpu", on_progress=lambda what, done, total: told.append(what))
    assert not (half / "left").exists()
    assert "checking" in told and is_created(ALL["cpu"])
    command = [str(python), "-c", "from olivepress.cli.main import main; main()", "recipes", "--json"]
    assert "phi" in json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)["recipes"]
    told.clear()
    assert environment_setup.create("cpu", on_progress=lambda what, *_: told.append(what)) == python and not told


def test_cuda_is_the_last_runtime_that_its_genai_can_load() -> None:
    """genai-cuda 0.14.1 puts no upper bound on onnxruntime-gpu, and from 1.27 on that is CUDA 13."""
    cuda = environment("cuda")
    assert cuda.platforms
    for platform in cuda.platforms:
        lock = read_lock(locks(cuda, platform)[0][0])
        assert lock["onnxruntime-gpu"] == "1.26.0" and lock["onnxruntime-genai-cuda"] == "0.14.1"


def test_a_platform_without_locks_has_a_key() -> None:
    one, other = (made_up(platforms=("amiga-m68k",), forbidden=names) for names in ((), ("torchvision",)))
    assert len(key_of(one)) == 64 and key_of(one) != key_of(other)
