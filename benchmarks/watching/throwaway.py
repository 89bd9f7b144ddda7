"""An environment of the newest versions, in a temporary folder, removed at the end."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from olivepress.core.errors import SetupError
from olivepress.environments.lookup import Environment
from watching.newest import uv

__all__ = ["newest_python"]

_ROOT = Path(__file__).parents[2]


@contextlib.contextmanager
def newest_python(environment: Environment, versions: Mapping[str, str]) -> Iterator[Path]:
    """The Python of a new environment with exactly these versions and this olivepress. Raises SetupError."""
    with tempfile.TemporaryDirectory(prefix="olivepress-canary-") as folder:
        place = Path(folder, environment.name)
        _run([sys.executable, "-I", "-m", "venv", "--without-pip", str(place)])
        python = place / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
        install = [str(uv()), "pip", "install", "--quiet", "--python", str(python), "--no-deps"]
        _run([*install, "--only-binary", ":all:", *(f"{name}=={version}" for name, version in versions.items())])
        _run([*install, "--editable", str(_ROOT)])
        yield python


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise SetupError(f"the environment of the newest versions cannot be made: {last[:300]}")
