"""Resolve every environment of the catalog into lock files with hashes, with uv: ``lock_environments.py [NAME…]``.

Versions of requirements.lock are kept, but for what an environment itself pins. Only wheels are locked, and of those
only the ones of a platform and of the Python versions in ``PYTHONS``. Nothing in a lock file says where the files come
from: that is pip's own configuration.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from olivepress.environments.lookup import Environment, canonical, environments, read_pins

LOCKS = Path("src", "olivepress", "catalog", "environments", "locks")
PYTHONS = ("3.11", "3.12", "3.13")
PLATFORMS = {
    "linux-x86_64": "x86_64-manylinux_2_35",
    "linux-aarch64": "aarch64-manylinux_2_35",
    "windows-amd64": "x86_64-pc-windows-msvc",
    "windows-arm64": "aarch64-pc-windows-msvc",
}
# PyTorch's own CPU build for Linux, which PyPI does not have: the file on PyTorch's CPU index.
TORCH_CPU = """\
# Python 3.11
torch==2.13.0+cpu \\
    --hash=sha256:6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b
"""
Locked = dict[str, tuple[str, set[str]]]  # name → version, hashes


def main(names: list[str]) -> int:
    """0 when every lock was written."""
    LOCKS.mkdir(parents=True, exist_ok=True)
    for one in environments().values():
        for platform in one.platforms if not names or one.name in names else ():
            found, pythons = _lock(one, platform)
            if "torch" in found and platform.startswith("linux"):
                cuda = {name for name in found if name in ("torch", "triton") or name.startswith(("nvidia-", "cuda-"))}
                _write(LOCKS / f"torch-cuda-{platform}.txt", {name: found.pop(name) for name in cuda}, pythons)
                (LOCKS / f"torch-cpu-{platform}.txt").write_text(TORCH_CPU, encoding="utf-8")
            _write(LOCKS / f"{one.name}-{platform}.txt", found, pythons)
            print(f"{one.name} on {platform}: {len(found)} packages, Python {', '.join(pythons)}")
    return 0


def _lock(one: Environment, platform: str) -> tuple[Locked, list[str]]:
    """The closure, the same for every Python version that has all wheels, and those versions."""
    merged: Locked = {}
    pythons: list[str] = []
    refused = ""
    for python in PYTHONS:
        try:
            found = _resolve(one, platform, python)
        except subprocess.CalledProcessError as error:
            refused = error.stderr
            continue
        for name, (version, hashes) in found.items():
            known = merged.setdefault(name, (version, set()))
            if known[0] != version:
                raise SystemExit(f"{one.name} on {platform}: {name} {known[0]} and, for Python {python}, {version}")
            known[1].update(hashes)
        pythons.append(python)
    if not pythons:
        raise SystemExit(f"{one.name} on {platform}: {refused}")
    return merged, pythons


def _resolve(one: Environment, platform: str, python: str) -> Locked:
    """One run of uv. Its pylock format, unlike requirements.txt, leaves the wheels of other platforms out."""
    base = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    overrides = [*one.overrides, *(f"{name}; python_version < '0'" for name in one.forbidden)]
    with tempfile.TemporaryDirectory() as scratch:
        wanted, instead, kept = (Path(scratch, f"{name}.in") for name in ("wanted", "overrides", "constraints"))
        wanted.write_text("\n".join([*base, *one.packages, *one.also]), encoding="utf-8")
        instead.write_text("\n".join(overrides), encoding="utf-8")
        kept.write_text("\n".join(_constraints(one)), encoding="utf-8")
        command = [
            *("uv", "pip", "compile", "--quiet", "--format", "pylock.toml", "--only-binary", ":all:"),
            *("--python-platform", PLATFORMS[platform], "--python-version", python),
            *("--constraint", str(kept), "--override", str(instead), str(wanted)),
        ]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return {
        canonical(package["name"]): (
            package["version"],
            {f"{kind}:{value}" for wheel in package["wheels"] for kind, value in wheel["hashes"].items()},
        )
        for package in tomllib.loads(text)["packages"]
    }


def _constraints(one: Environment) -> list[str]:
    """The versions of requirements.lock without the packages whose versions are the environment's own."""
    desk = read_pins(Path("requirements.lock").read_text(encoding="utf-8"))
    return [f"{name}=={version}" for name, version in desk.items() if name not in one.pins]


def _write(path: Path, found: Locked, pythons: list[str]) -> None:
    lines = [f"# Python {', '.join(pythons)}"]
    for name, (version, hashes) in sorted(found.items()):
        lines.append(" \\\n".join([f"{name}=={version}", *(f"    --hash={value}" for value in sorted(hashes))]))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
