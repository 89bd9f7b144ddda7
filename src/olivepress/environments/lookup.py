"""Which packages each execution provider runs with, and the interpreter that has them.

Packages of different providers overwrite each other's ``onnxruntime`` folder, so every provider has an environment of
its own, made by ``environment_setup`` from committed lock files, and whatever needs it runs there as a child process.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib.metadata
import platform
import re
import sys
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from olivepress import __version__
from olivepress.catalog import targets
from olivepress.catalog.provider import PROVIDERS
from olivepress.core.bounded import CONFIG, read_json
from olivepress.core.errors import RecipeError, SetupError, UsageError
from olivepress.core.yaml_document import Record, read_record

__all__ = [
    "ENVIRONMENTS",
    "MARKER",
    "ONNX_RUNTIMES",
    "Environment",
    "canonical",
    "check_platform",
    "environment",
    "environments",
    "interpreter",
    "is_created",
    "key_of",
    "locks",
    "platform_here",
    "python_of",
    "read_lock",
    "satisfied_here",
]

ENVIRONMENTS = Path(".environments")  # below the project's root
MARKER = "olivepress-environment.json"  # written last: a folder without it is redone
# Distributions that fill the same ``onnxruntime`` folder.
ONNX_RUNTIMES = frozenset(package for record in PROVIDERS.values() for package in record.runtime_packages)
_CATALOG = Path(__file__).parents[1] / "catalog" / "environments"
_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==([^\s;\\]+)", re.MULTILINE)
_SYSTEMS = {"linux": "linux", "win32": "windows", "darwin": "macos"}

Pin = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*(\[[a-z0-9,]+\])?==[0-9][0-9a-z.]*$")]


class Environment(Record):
    """What is installed together to build for, or run on, one execution provider."""

    name: str
    description: str
    packages: tuple[Pin, ...] = Field(description="what makes it this environment; the locks hold all that these need")
    also: tuple[str, ...] = Field((), description="requirements that a package has and does not declare")
    overrides: tuple[str, ...] = Field((), description="for the resolver, instead of what a package asks for")
    forbidden: tuple[str, ...] = Field((), description="must not be installed beside them")
    needs: tuple[str, ...] = Field((), description="what no lock can bring, in words")
    platforms: tuple[str, ...] = Field(description="one lock file each")
    elsewhere: str = Field(description="why there is none for other platforms")

    @model_validator(mode="after")
    def _whole(self) -> Environment:
        if self.platforms and not self.packages:
            raise ValueError("'packages' when there are 'platforms'")
        return self

    @property
    def pins(self) -> dict[str, str]:
        """Version by canonical name."""
        return read_pins("\n".join(self.packages))


def canonical(name: str) -> str:
    """A distribution's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_pins(text: str) -> dict[str, str]:
    """Version by canonical name of every ``name==version`` line."""
    return {canonical(name): version for name, version in _PIN.findall(text)}


def read_lock(path: Path) -> dict[str, str]:
    """All that a lock file installs. Raises SetupError when it is not there."""
    try:
        return read_pins(path.read_text(encoding="utf-8"))
    except OSError:
        raise SetupError(f"{path.name}: this lock is missing", next_step="install olivepress again") from None


@lru_cache
def environments() -> dict[str, Environment]:
    """All environments by name. Raises RecipeError: a file that is not one, or not called like what it holds."""
    found: dict[str, Environment] = {}
    for path in sorted(_CATALOG.glob("*.yaml")):
        one = read_record(path, Environment)
        if one.name != path.stem:
            raise RecipeError(f"{path}: 'name' is {one.name!r}, expected the file's own name {path.stem!r}")
        found[one.name] = one
    return found


def environment(name: str) -> Environment:
    """The environment called ``name``, or the one of the target called so. Raises UsageError naming the known ones."""
    known = environments()
    if name not in known:
        target = targets().get(name)
        name = target.environment if target else name
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
    raise UsageError(f"{name!r} is no environment and no target; {hint}", next_step="olivepress env list")


def platform_here() -> str:
    """This machine as the lock files call it, such as linux-x86_64 or windows-arm64."""
    return f"{_SYSTEMS.get(sys.platform, sys.platform)}-{platform.machine().lower()}"


def check_platform(one: Environment) -> str:
    """This machine's platform. Raises SetupError with the reason when the environment has no packages for it."""
    here = platform_here()
    if here not in one.platforms:
        where = f"a machine with {' or '.join(one.platforms)}" if one.platforms else None
        raise SetupError(f"environment {one.name} cannot be made on {here}: {one.elsewhere}", next_step=where)
    return here


def locks(one: Environment, on: str) -> list[list[Path]]:
    """The lock files of a platform: of each group the first that can be had is installed.

    The one group with a choice is PyTorch on Linux: its CPU build, which PyPI does not have, or PyPI's with CUDA.
    """
    folder = _CATALOG / "locks"
    groups = [[folder / f"{one.name}-{on}.txt"]]
    if "torch" in one.pins:
        builds = [folder / f"torch-{build}-{on}.txt" for build in ("cpu", "cuda")]
        groups += [found] if (found := [path for path in builds if path.is_file()]) else []
    return groups


def satisfied_here(one: Environment) -> bool:
    """Whether the running interpreter has exactly the pinned packages, and no runtime that would overwrite theirs."""
    installed = _installed()
    if not one.packages or any(installed.get(name, "").split("+")[0] != pin for name, pin in one.pins.items()):
        return False
    unwanted = (ONNX_RUNTIMES - set(one.pins)) | set(one.forbidden)
    return not unwanted & set(installed)


@lru_cache
def _installed() -> dict[str, str]:
    """Version by canonical name of everything that the running interpreter has."""
    distributions = importlib.metadata.distributions()
    # A folder that an interrupted pip left has no name.
    return {canonical(found.name): found.version for found in distributions if found.name}


def python_of(one: Environment) -> Path:
    """Where the environment's interpreter is, or would be. Not resolved: the link is what makes it that environment."""
    inside = Path("Scripts", "python.exe") if sys.platform == "win32" else Path("bin", "python")
    return (ENVIRONMENTS / one.name / inside).absolute()


def key_of(one: Environment) -> str:
    """Hash of what it is made from: an environment with another key is out of date."""
    made_of = [__version__, platform.python_version(), *one.packages, *one.forbidden]
    digest = hashlib.sha256("\n".join(made_of).encode())
    for group in locks(one, platform_here()):
        for path in group:
            digest.update(path.read_bytes())
    return digest.hexdigest()


def is_created(one: Environment) -> bool:
    """Whether it was made whole, from these lock files."""
    try:
        marker = read_json((ENVIRONMENTS / one.name / MARKER), CONFIG, SetupError)
        return bool(marker["key"] == key_of(one)) and python_of(one).exists()
    except (OSError, ValueError, KeyError, TypeError):
        return False


def interpreter(name: str) -> Path:
    """The Python that has an environment's (or a target's) packages: the running one when it has, else the created one.

    Raises UsageError: an unknown name; SetupError: it cannot be made here, or was not, or from other lock files.
    """
    one = environment(name)
    if satisfied_here(one):
        return Path(sys.executable)
    check_platform(one)
    # A desk's environment holds all of its device's: openvino-build runs what openvino runs.
    larger = (
        other for other in environments().values() if other.pins.items() >= one.pins.items() and is_created(other)
    )
    if (other := next(larger, None)) is not None and not is_created(one):
        return python_of(other)
    if not is_created(one):
        stale = (ENVIRONMENTS / one.name / MARKER).is_file()
        why = "was made from other lock files" if stale else "has not been created"
        raise SetupError(f"environment {one.name} {why}", next_step=f"olivepress env create {one.name}")
    return python_of(one)
