"""A Dockerfile for each environment: exactly the packages of its lock, by their hashes, and olivepress beside them."""

from __future__ import annotations

from pathlib import Path

from olivepress import __version__
from olivepress.environments.lookup import Environment, environment, locks

__all__ = ["PLATFORM", "context_files", "dockerfile", "image_of"]

PLATFORM = "linux-x86_64"
_VOLUMES = ("/project", "/store", "/work", "/mlflow")
_DASK = "distributed==2026.8.0"  # of the extra cluster; a test compares it with pyproject.toml


def image_of(prefix: str, name: str) -> str:
    """The name of an environment's image."""
    return f"{prefix}-{name}:{__version__}"


def context_files(name: str, storage: str = "") -> dict[str, str]:
    """The files of the folder that an image is built in: the Dockerfile, and the lock files that it installs."""
    env = environment(name)
    files = {path.name: path.read_text(encoding="utf-8") for path in _locks(env)}
    return {"Dockerfile": dockerfile(name, storage), **files}


def dockerfile(name: str, storage: str = "") -> str:
    """The image of an environment, for x86-64. ``olivepress.whl`` is put beside it by who builds it; ``storage`` is the
    package of the store."""
    env = environment(name)
    names = [path.name for path in _locks(env)]
    installs = "\n".join(
        f"COPY {lock} ./\nRUN pip install --no-cache-dir --no-deps --require-hashes -r {lock}" for lock in names
    )
    pythons = names[0] if names else ""
    packages = " ".join([f"'{_DASK}'", "'fsspec>=2025.3'", *([storage] if storage else [])])
    version = _python(_locks(env)[0]) if pythons else "3.11"
    return f"""\
# Environment {name} of olivepress {__version__}, rendered by olivepress k8s render. Build it beside the wheel:
#   cp dist/olivepress-{__version__}-py3-none-any.whl . && docker build -t IMAGE .
FROM python:{version}-slim
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONUNBUFFERED=1 OMP_NUM_THREADS=1
# A volume takes the owner of the folder that it is mounted at.
RUN useradd --uid 1000 --create-home olivepress \\
 && install -d -o olivepress -g olivepress {" ".join(_VOLUMES)}
WORKDIR /opt/olivepress
{installs}
COPY olivepress-{__version__}-py3-none-any.whl ./
# What the lock pins stays as it is: only what it does not have is added.
RUN pip freeze > installed.txt \\
 && pip install --no-cache-dir -c installed.txt {packages} ./olivepress-{__version__}-py3-none-any.whl
USER olivepress
WORKDIR /project
"""


def _locks(env: Environment) -> list[Path]:
    """Of each group the last: for PyTorch the file that PyPI has, which runs on a CPU and on CUDA."""
    if PLATFORM not in env.platforms:
        return []
    return [group[-1] for group in locks(env, PLATFORM)]


def _python(lock: Path) -> str:
    """The first Python that a lock is for: its first line lists them."""
    first = lock.read_text(encoding="utf-8").partition("\n")[0]
    return first.removeprefix("# Python ").split(", ")[0]
