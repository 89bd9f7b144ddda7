"""Which packages each execution provider runs with, and the interpreter that has them.

Packages of different providers overwrite each other's ``onnxruntime`` folder, so every provider has an environment of
its own, created by ``environments.create`` from committed lock files, and what needs it runs there as a child process.
"""

from __future__ import annotations

import difflib
import hashlib
import platform
import re
import sys
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from olivepress import __version__
from olivepress.catalog import BUILD, Family, Target, targets
from olivepress.catalog.provider import PROVIDERS
from olivepress.core.bounded import CONFIG, read_json
from olivepress.core.errors import RecipeError, SetupError, UsageError
from olivepress.core.layout import ENVIRONMENTS
from olivepress.core.yaml_document import Record, read_record
from olivepress.report.machine import package_versions

__all__ = [
    "MARKER",
    "ONNX_RUNTIMES",
    "Environment",
    "built_in",
    "canonical",
    "check_platform",
    "environment",
    "environments",
    "for_models_of",
    "interpreter",
    "is_created",
    "key_of",
    "locks",
    "platform_here",
    "python_of",
    "read_lock",
    "satisfied_here",
]

MARKER = "olivepress-environment.json"  # written last: a folder without it is incomplete
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
    packages: tuple[Pin, ...] = Field(description="what makes it this environment; the locks add what these need")
    also: tuple[str, ...] = Field((), description="requirements that a package has and does not declare")
    overrides: tuple[str, ...] = Field((), description="for the resolver, instead of what a package asks for")
    forbidden: tuple[str, ...] = Field((), description="must not be installed beside them")
    needs: tuple[str, ...] = Field((), description="what no lock can install, in words")
    runs: dict[str, str] = Field({}, description="environment of a target → the one that runs what is built here")
    platforms: tuple[str, ...] = Field(description="one lock file each")
    elsewhere: str = Field(description="why there is no lock for other platforms")

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
    """Everything that a lock file installs. Raises SetupError when the file is missing."""
    try:
        return read_pins(path.read_text(encoding="utf-8"))
    except OSError:
        raise SetupError(f"{path.name}: this lock is missing", next_step="install olivepress again") from None


@lru_cache
def environments() -> dict[str, Environment]:
    """All environments by name. Raises RecipeError: a file that cannot be read as one, or has another name."""
    by_name: dict[str, Environment] = {}
    for path in sorted(_CATALOG.glob("*.yaml")):
        env = read_record(path, Environment)
        if env.name != path.stem:
            raise RecipeError(f"{path}: 'name' is {env.name!r}, expected the file's own name {path.stem!r}")
        by_name[env.name] = env
    return by_name


def environment(name: str) -> Environment:
    """The environment ``name``, or that of the target ``name``. Raises UsageError, which lists the known ones."""
    known = environments()
    if name not in known:
        target = targets().get(name)
        name = target.environment if target else name
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
    raise UsageError(f"{name!r} is not an environment or a target; {hint}", next_step="olivepress env list")


def for_models_of(target: Target, build_environment: str) -> Target:
    """The target for models that are built in ``build_environment``, with the environment that runs them."""
    if build_environment == BUILD:
        return target
    runs = environment(build_environment).runs
    return target.built_in(build_environment, runs.get(target.environment, target.environment))


def built_in(family: Family, versions: Mapping[str, str]) -> str:
    """The environment that a model of the family was built in, by the package versions of its manifest.

    Where the family knows one environment it is that. Where it depends on the model, it is the one with the same
    transformers, whose first number tells the two sets apart.
    """
    for name in sorted({*family.build_environments.values()}):
        if _first(environment(name).pins.get("transformers")) == _first(versions.get("transformers")):
            return name
    return family.build_environment


def _first(version: str | None) -> str:
    return (version or "").partition(".")[0]


def platform_here() -> str:
    """This machine as the lock files call it, such as linux-x86_64 or windows-arm64."""
    return f"{_SYSTEMS.get(sys.platform, sys.platform)}-{platform.machine().lower()}"


def check_platform(env: Environment) -> str:
    """This machine's platform. Raises SetupError with the reason when the environment has no packages for it."""
    here = platform_here()
    if here not in env.platforms:
        where = f"a machine with {' or '.join(env.platforms)}" if env.platforms else None
        raise SetupError(f"environment {env.name} cannot be created on {here}: {env.elsewhere}", next_step=where)
    return here


def locks(env: Environment, on: str) -> list[list[Path]]:
    """The lock files of a platform: of each group the first that is available is installed.

    The one group with a choice is PyTorch on Linux: its CPU build, which PyPI does not have, or PyPI's with CUDA.
    """
    folder = _CATALOG / "locks"
    groups = [[folder / f"{env.name}-{on}.txt"]]
    if "torch" in env.pins:
        builds = [folder / f"torch-{build}-{on}.txt" for build in ("cpu", "cuda")]
        if available := [path for path in builds if path.is_file()]:
            groups.append(available)
    return groups


def satisfied_here(env: Environment) -> bool:
    """Whether the running interpreter has exactly the pinned packages, and no runtime that would overwrite theirs."""
    installed = package_versions(env.pins)
    if not env.packages or any(installed.get(name, "").split("+")[0] != pin for name, pin in env.pins.items()):
        return False
    return not package_versions((ONNX_RUNTIMES - set(env.pins)) | set(env.forbidden))


def python_of(env: Environment) -> Path:
    """Where the environment's interpreter is, or would be. Not resolved: only the link belongs to the environment."""
    inside = Path("Scripts", "python.exe") if sys.platform == "win32" else Path("bin", "python")
    return (ENVIRONMENTS / env.name / inside).absolute()


def key_of(env: Environment) -> str:
    """Hash of what it is created from: an environment with another key is out of date."""
    made_of = [__version__, platform.python_version(), *env.packages, *env.forbidden]
    digest = hashlib.sha256("\n".join(made_of).encode())
    here = platform_here()
    for group in locks(env, here) if here in env.platforms else ():
        for path in group:
            digest.update(path.read_bytes())
    return digest.hexdigest()


def is_created(env: Environment) -> bool:
    """Whether it was created completely, from these lock files."""
    try:
        marker = read_json((ENVIRONMENTS / env.name / MARKER), CONFIG, SetupError)
        return bool(marker["key"] == key_of(env)) and python_of(env).exists()
    except (OSError, ValueError, KeyError, TypeError):
        return False


def interpreter(name: str) -> Path:
    """The Python with an environment's (or a target's) packages: the running one if it has them, else the created one.

    Raises UsageError: an unknown name; SetupError: it cannot be created here, was not, or from other lock files.
    """
    env = environment(name)
    if satisfied_here(env):
        return Path(sys.executable)
    check_platform(env)
    if is_created(env):
        return python_of(env)
    for other in environments().values():
        # A build environment contains everything of its device's: openvino-build runs what openvino runs.
        if other.pins.items() >= env.pins.items() and is_created(other):
            return python_of(other)
    stale = (ENVIRONMENTS / env.name / MARKER).is_file()
    reason = "was created from other lock files" if stale else "has not been created"
    raise SetupError(f"environment {env.name} {reason}", next_step=f"olivepress env create {env.name}")
