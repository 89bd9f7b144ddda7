"""Newest versions of an environment's packages, asked of the package index by uv."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

from olivepress.core.errors import SetupError
from olivepress.core.yaml_document import Record
from olivepress.environments.create import UNREACHABLE
from olivepress.environments.lookup import Environment, canonical, read_pins

__all__ = ["Newer", "newer", "newest", "resolved", "uv"]

_PROJECT = Path(__file__).parents[2] / "pyproject.toml"


class Newer(Record):
    """A package that has a newer version than the locked one. ``resolved``: what the newest set takes of it, where all
    of its packages can be installed together; None where they cannot."""

    package: str
    locked: str
    newest: str
    resolved: str | None


def newest(environment: Environment) -> dict[str, str]:
    """Version by name of each package by itself. Raises SetupError where the index does not answer."""
    return _compile([_name(pin) for pin in environment.packages], "--no-deps")


def resolved(environment: Environment) -> dict[str, str] | None:
    """The newest versions that can be installed together, with everything that they and olivepress need; None where
    none can."""
    base: list[str] = tomllib.loads(_PROJECT.read_text(encoding="utf-8"))["project"]["dependencies"]
    names = [_name(pin) for pin in environment.packages]
    try:
        return _compile([*base, *names, *environment.also], overrides=environment.overrides)
    except _ConflictError:
        return None


def newer(locked: dict[str, str], latest: dict[str, str], together: dict[str, str] | None) -> list[Newer]:
    """The packages of ``locked`` that have another version now, by name."""
    return [
        Newer(package=name, locked=version, newest=latest[name], resolved=(together or {}).get(name))
        for name, version in sorted(locked.items())
        if name in latest and latest[name] != version
    ]


def uv() -> Path:
    """The uv beside this Python. Raises SetupError where there is none."""
    path = Path(sys.executable).with_name("uv.exe" if sys.platform == "win32" else "uv")
    if not path.is_file():
        raise SetupError("uv is not installed beside this Python", next_step="make install")
    return path


class _ConflictError(SetupError):
    """The packages exclude each other."""


def _name(pin: str) -> str:
    return pin.partition("==")[0]


def _compile(wanted: Sequence[str], *options: str, overrides: Sequence[str] = ()) -> dict[str, str]:
    command = [
        *(str(uv()), "pip", "compile", "--quiet", "--no-header", "--no-annotate", "--only-binary", ":all:"),
        *("--python-version", f"{sys.version_info.major}.{sys.version_info.minor}", *options, "-"),
    ]
    wanted = [*(each for each in wanted if canonical(each) not in read_pins("\n".join(overrides))), *overrides]
    done = subprocess.run(command, input="\n".join(wanted), capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return read_pins(done.stdout)
    reason = " ".join(done.stderr.split())[:300]
    if "No solution found" in done.stderr:
        raise _ConflictError(f"the newest versions exclude each other: {reason}")
    if UNREACHABLE.search(done.stderr) or "error sending request" in done.stderr:
        raise SetupError("no package index can be reached", next_step="check the network and uv's index")
    raise SetupError(f"uv cannot resolve the packages: {reason}", next_step="run the command again with network")
