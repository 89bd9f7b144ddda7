"""The wheel as a new user gets it: in an environment of its own, used in an empty folder with what ``--help`` tells."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import pytest

from olivepress.recipe.schema import load_recipe
from tests.conftest import ROOT
from tests.end_to_end.conftest import built_once

Cli = Callable[..., subprocess.CompletedProcess[str]]

pytest.importorskip("torch", reason="the build extra is not installed")
SOURCES = ("src", "recipes", "pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE")
MAKE = re.compile(r"\bmake (run|bench|recipe|report|install|demo|doctor)\b")
ROWS = [f"message {number} about the card,card{number % 3}" for number in range(60)]


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``dist/``, the wheel built out of the source archive, and ``venv/``, which has it installed."""
    return built_once(tmp_path_factory, "wheel", _build_and_install)


def _build_and_install(folder: Path) -> None:
    source, venv = folder / "source", folder / "venv"
    for name in SOURCES:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(ROOT / name, source / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, source / name)
    uv = [sys.executable, "-m", "uv", "--quiet", "--offline", "--no-config"]
    python = ["--python", sys.executable]
    out_dir = ["--out-dir", str(folder / "dist")]
    _call([*uv, "build", "--no-build-isolation", *python, *out_dir, str(source)])
    _call([*uv, "venv", *python, str(venv)])
    (wheel,) = (folder / "dist").glob("*.whl")
    _call([*uv, "pip", "install", "--no-deps", "--python", str(venv / "bin" / "python"), str(wheel)])
    # The dependencies are those of this environment. A path in a .pth file runs no .pth files of that folder, so that
    # the checkout, which such a file adds here, is not seen.
    (packages,) = (venv / "lib").glob("python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")


def _call(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def binaries(installed: Path) -> Path:
    return installed / "venv" / "bin"


@pytest.fixture
def stranger(binaries: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The installed command; the current folder is empty, and so is the home."""
    folder, home = tmp_path / "a f\u00f6lder", tmp_path / "home"
    folder.mkdir()
    home.mkdir()
    monkeypatch.chdir(folder)
    environment = {"PATH": f"{binaries}{os.pathsep}{os.defpath}", "HOME": str(home), "OMP_NUM_THREADS": "1"}

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(binaries / "olivepress"), *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert "Traceback" not in done.stderr and not MAKE.search(done.stdout + done.stderr)
        return done

    return call


def test_the_archives_contain_all_of_the_package(installed: Path) -> None:
    (wheel,), (archive,) = (installed / "dist").glob("*.whl"), (installed / "dist").glob("*.tar.gz")
    package = ROOT / "src"
    expected = {
        path.relative_to(package).as_posix()
        for path in (package / "olivepress").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    recipes = {path.name for path in (ROOT / "recipes").glob("*.yaml")}
    assert len(expected) > 300 and len(recipes) > 10
    with ZipFile(wheel) as content:
        names = {name for name in content.namelist() if ".dist-info/" not in name}
    assert names == expected | {f"olivepress/recipes/{name}" for name in recipes}
    with tarfile.open(archive) as content:
        sources = {name.partition("/")[2] for name in content.getnames()}
    assert sources >= {f"src/{name}" for name in expected} | {f"recipes/{name}" for name in recipes} | set(SOURCES)


def test_what_ships_works_in_an_empty_folder(stranger: Cli, binaries: Path) -> None:
    where = [str(binaries / "python"), "-c", "import olivepress; print(olivepress.__file__)"]
    code = subprocess.run(where, capture_output=True, text=True, check=True).stdout
    assert Path(code).is_relative_to(binaries.parent)
    assert stranger("--version").returncode == 0
    assert "recipe phi: ships with olivepress\n" in stranger("recipes").stdout
    assert stranger("plan", "phi").returncode == 0
    written = [path.as_posix() for path in Path().rglob("*") if path.is_file()]
    assert written == ["runs/.machine-rates.json"], "looking writes nothing but how fast this machine is"
    rendered = stranger("render", "qwen")
    assert rendered.returncode == 0, rendered.stderr
    assert rendered.stdout.endswith("next: olivepress run qwen\n")
    assert {path.name for path in Path().iterdir()} == {"runs", "olive_configs", "datasets"}


def test_a_recipe_of_init_is_planned(stranger: Cli) -> None:
    Path("tickets.csv").write_text("\n".join(["text,category", *ROWS]) + "\n")
    for command in ("init qwen --data tickets.csv --target cuda-int4", "plan tickets"):
        done = stranger(*command.split())
        assert done.returncode == 0, done.stderr
    recipe = load_recipe(Path("recipes", "tickets.yaml"))
    assert recipe.targets[0] == "cpu" and "cuda-int4" in recipe.targets
    assert "recipe tickets: recipes/tickets.yaml\n" in stranger("recipes").stdout


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_a_stranger_goes_from_help_to_a_report(stranger: Cli) -> None:
    """All names are those that ``--help`` shows, and each command is the ``next:`` of the one before."""
    guide = stranger("--help").stdout
    assert "First steps: olivepress demo --short, then init, plan, run, bench, report." in guide
    assert "recipe demo-short" in " ".join(stranger("demo", "--help").stdout.split())
    written = stranger("init", "tiny-phi")
    assert written.stdout.splitlines() == ["recipes/my-tiny-phi.yaml", "next: olivepress plan my-tiny-phi"]
    planned = stranger("plan", "my-tiny-phi")
    assert "export-cpu-int4" in planned.stdout and "next: olivepress run my-tiny-phi" in planned.stdout
    demo = stranger("demo", "--short")
    assert demo.returncode == 0, demo.stderr
    assert "Ship cpu-int4 on " in demo.stdout and demo.stdout.splitlines()[-1].startswith("next: olivepress init MODEL")
    measured = stranger("bench", "demo-short")
    assert measured.returncode == 0, measured.stderr
    assert "next: olivepress report demo-short" in measured.stderr
    assert all(Path(line).is_file() for line in measured.stdout.splitlines())
    reported = stranger("report", "demo-short")
    assert reported.returncode == 0, reported.stderr
    page = Path("runs", "demo-short", "report", "report.html")
    assert str(page) in reported.stdout and re.search("ship (export-)?cpu-int4", reported.stdout, re.IGNORECASE)
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
