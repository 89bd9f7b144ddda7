"""Creates an environment from its lock files, and removes it."""

from __future__ import annotations

import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

from olivepress.core.errors import SetupError
from olivepress.core.files import write_text
from olivepress.core.layout import ENVIRONMENTS
from olivepress.core.privacy import child_environment
from olivepress.core.process import BEFORE_EXEC, exclusive, in_turn
from olivepress.core.progress import StageProgress
from olivepress.environments.lookup import (
    MARKER,
    ONNX_RUNTIMES,
    Environment,
    canonical,
    check_platform,
    environment,
    is_created,
    key_of,
    locks,
    python_of,
    read_lock,
)

__all__ = ["UNREACHABLE", "create", "remove"]

_LIST = "import importlib.metadata as m, json; print(json.dumps({d.name: d.version for d in m.distributions()}))"
_PIP = ("-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--no-deps", "--progress-bar", "off")
UNREACHABLE = re.compile(r"NewConnectionError|NameResolutionError|ConnectTimeout|ProxyError|Network is unreachable")


class _NotOnIndexError(SetupError):
    """The index does not have a locked file."""


def create(name: str, *, on_progress: StageProgress) -> Path:
    """Create the environment ``name`` (or that of the target ``name``) and return its interpreter; a complete one is
    kept.

    An incomplete one is created again. Raises UsageError: an unknown name; SetupError: no packages for this machine or
    this Python, no index reachable, a file other than the locked one, a runtime that does not load; JobError: another
    process creates one for an hour.
    """
    env = environment(name)
    here = check_platform(env)
    groups = locks(env, here)
    _check_python(groups[0][0], env)
    groups = [[lock for lock in group if _python_here() in _pythons(lock)] for group in groups]
    with in_turn(ENVIRONMENTS, on_progress):
        if is_created(env):
            return python_of(env)
        directory, log = ENVIRONMENTS / env.name, ENVIRONMENTS / f"{env.name}.log"
        _remove(directory)
        log.unlink(missing_ok=True)
        on_progress("an empty environment", 0, 0)
        _run([sys.executable, "-I", "-m", "venv", str(directory)], log, env)
        expected: dict[str, str] = {}
        for group in groups:
            expected |= _install_first(env, group, log, on_progress)
        on_progress("olivepress itself", 0, 0)
        _run([str(python_of(env)), "-I", *_PIP, *_this_olivepress()], log, env)
        on_progress("checking", 0, 0)
        _verify(env, expected, log)
        write_text(directory / MARKER, json.dumps({"name": env.name, "key": key_of(env)}))
    return python_of(env)


def remove(name: str) -> bool:
    """Delete an environment; False when it was not created. Raises UsageError: an unknown name."""
    directory = ENVIRONMENTS / environment(name).name
    if not directory.is_dir():
        return False
    with exclusive(ENVIRONMENTS):
        _remove(directory)
        directory.with_suffix(".log").unlink(missing_ok=True)
    return True


def _remove(directory: Path) -> None:
    """The marker goes first: without it the folder does not count as an environment."""
    (directory / MARKER).unlink(missing_ok=True)
    if directory.is_dir():
        shutil.rmtree(directory)


def _check_python(lock: Path, env: Environment) -> None:
    """SetupError unless the lock has wheels for this Python: its first line lists the versions."""
    pythons, here = _pythons(lock), _python_here()
    if here not in pythons:
        raise SetupError(
            f"environment {env.name} is locked for Python {', '.join(pythons)}, this is {here}",
            next_step=f"olivepress under Python {pythons[0]}",
        )


def _pythons(lock: Path) -> list[str]:
    return lock.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# Python ").split(", ")


def _python_here() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def _install_first(env: Environment, group: Sequence[Path], log: Path, on_progress: StageProgress) -> dict[str, str]:
    """Install the first lock of ``group``; the next one only when the index does not have its files."""
    for number, lock in enumerate(group, start=1):
        try:
            return _install(env, lock, log, on_progress)
        except _NotOnIndexError:
            if number == len(group):
                raise
    raise AssertionError("a group is never empty")


def _install(env: Environment, lock: Path, log: Path, on_progress: StageProgress) -> dict[str, str]:
    wanted = read_lock(lock)
    begun = 0

    def watch(line: str) -> None:
        nonlocal begun
        if line.startswith("Collecting "):
            begun += 1
            on_progress(line.split()[1], begun, len(wanted))
        elif line.startswith("Installing collected"):
            on_progress("installing", len(wanted), len(wanted))

    options = ("--require-hashes", "--only-binary", ":all:", "--requirement", str(lock))
    _run([str(python_of(env)), "-I", *_PIP, *options], log, env, watch)
    return wanted


def _this_olivepress() -> list[str]:
    """Arguments for pip: the same olivepress as the running one. SetupError when this one is not installed."""
    try:
        distribution = importlib.metadata.distribution("olivepress")
    except importlib.metadata.PackageNotFoundError:
        raise SetupError(
            "this olivepress is not installed, only on the path", next_step="pip install olivepress"
        ) from None
    source = json.loads(distribution.read_text("direct_url.json") or "{}")
    url = str(source.get("url", ""))
    if not url:
        return [f"olivepress=={distribution.version}"]
    if url.startswith("file:"):
        folder = url2pathname(urlparse(url).path)
        return ["--editable", folder] if source.get("dir_info", {}).get("editable") else [folder]
    if version_control := source.get("vcs_info"):
        return [f"{version_control['vcs']}+{url}@{version_control['commit_id']}"]
    return [url]


def _verify(env: Environment, expected: dict[str, str], log: Path) -> None:
    """SetupError unless exactly the locked versions are installed, nothing forbidden is, and what runs there loads."""
    python = str(python_of(env))
    listed = json.loads(_run([python, "-I", "-c", _LIST], log, env))
    installed = {canonical(name): version for name, version in listed.items()}
    wrong = [name for name, version in expected.items() if installed.get(name) != version]
    if wrong:
        name = wrong[0]
        version = installed.get(name, "not installed")
        raise SetupError(f"environment {env.name}: {name} is {version}, the lock has {expected[name]} ({log})")
    if unwanted := set(env.forbidden) & set(installed):
        raise SetupError(f"environment {env.name} contains {min(unwanted)}, which breaks it ({log})")
    module = "onnxruntime" if ONNX_RUNTIMES & set(expected) else next(iter(env.pins))
    _run([python, "-I", "-c", f"import {module}"], log, env)


def _run(command: Sequence[str], log: Path, env: Environment, watch: Callable[[str], None] | None = None) -> str:
    """Run one step to its end, its output in the log. Raises SetupError with the reason in one line."""
    lines: list[str] = []
    environ = child_environment()
    with (
        log.open("a", encoding="utf-8") as file,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environ,
            text=True, encoding="utf-8", errors="replace", preexec_fn=BEFORE_EXEC,
        ) as child,
    ):  # fmt: skip
        assert child.stdout is not None
        try:
            for line in child.stdout:
                file.write(line)
                lines.append(line.rstrip())
                if watch:
                    watch(line)
        except BaseException:
            child.kill()
            raise
    if child.returncode:
        raise _failure(lines, log, env)
    return "\n".join(lines)


def _failure(lines: list[str], log: Path, env: Environment) -> SetupError:
    text = "\n".join(lines)
    again = f"olivepress env create {env.name}"
    if UNREACHABLE.search(text):
        return SetupError(
            "no package index can be reached", next_step=f"check the network and pip's index, then {again}"
        )
    if "No space left on device" in text:
        return SetupError(f"disk full while environment {env.name} was made", next_step=f"free some, then {again}")
    if "DO NOT MATCH THE HASHES" in text:
        name = next((line.split()[0] for line in lines if re.match(r"\s+\S+==\S+ from ", line)), "a package")
        return SetupError(
            f"{name}: the index has a different file than the locked one ({log})", next_step=f"read {log}"
        )
    last = next((line for line in reversed(lines) if line.startswith("ERROR: ")), (lines or ["no output"])[-1])
    message = f"environment {env.name}: {last.removeprefix('ERROR: ')} ({log})"
    kind = _NotOnIndexError if "No matching distribution" in text else SetupError
    return kind(message, next_step=f"read {log}")
