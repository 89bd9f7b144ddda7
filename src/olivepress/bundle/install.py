"""What is installed from a bundle: INSTALL.md, the lock files of the target's environment, olivepress as a wheel."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

import olivepress
from olivepress.bundle.archive import stored_zip
from olivepress.catalog import BUILD, families, targets
from olivepress.core.artifact import Manifest
from olivepress.core.errors import SetupError
from olivepress.core.privacy import TELEMETRY_OFF
from olivepress.environments.lookup import built_in, environment, for_models_of, locks

__all__ = ["INSTALL", "Environment", "environment_of", "install_page", "wheel"]

INSTALL = "INSTALL.md"
_WHEEL = "Wheel-Version: 1.0\nGenerator: olivepress bundle\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
# Not `tar` or `unzip`: every device has Python, and the weights need not be unpacked twice.
_UNPACK = (
    "import zipfile; z = zipfile.ZipFile('{}'); "
    "z.extractall(members=[n for n in z.namelist() if n.startswith('install/')])"
)


@dataclass(frozen=True, kw_only=True)
class Environment:
    """The packages that run a target on its device.

    ``packages`` are the pinned ones; ``locks`` platform (``linux-x86_64``, ``windows-arm64``, …) → text of a pip
    requirements file with hashes of everything; ``needs`` is what pip does not install, ``elsewhere`` the reason why
    other platforms have no lock.
    """

    packages: tuple[str, ...] = ()
    locks: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    elsewhere: str = "no other platform has a lock file"

    @property
    def lock_files(self) -> dict[str, str]:
        """File name in the bundle's ``install/`` → text."""
        return {f"lock-{platform}.txt": text for platform, text in sorted(self.locks.items())}


def environment_of(manifest: Manifest) -> Environment:
    """The environment of an artifact's target; without packages where this olivepress knows none."""
    target, family = targets().get(manifest.target or ""), families().get(manifest.family)
    if target is None:
        return Environment()
    build = built_in(family, manifest.versions) if family else BUILD
    known = environment(for_models_of(target, build).environment)
    texts = {platform: locks(known, platform)[0][0].read_text(encoding="utf-8") for platform in known.platforms}
    return Environment(packages=known.packages, locks=texts, needs=known.needs, elsewhere=known.elsewhere)


def wheel() -> tuple[str, bytes]:
    """The olivepress that runs here, packed again: file name and bytes, the same every time.

    From the installed files and their metadata, so that it works for an editable install, a copy from an index and
    without a network; the device runs the same code that made the bundle. SetupError when the metadata is of another
    version.
    """
    name, distribution = "olivepress", metadata.distribution("olivepress")
    version = distribution.version
    if version != olivepress.__version__:
        raise SetupError(
            f"olivepress {olivepress.__version__} runs, {version} is installed",
            next_step="install olivepress again, then the same command",
        )
    package, info = Path(olivepress.__file__).parent, f"{name}-{version}.dist-info"
    files = {
        f"{name}/{path.relative_to(package).as_posix()}": path.read_bytes()
        for path in sorted(package.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }
    texts = {
        "METADATA": distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or "",
        "WHEEL": _WHEEL,
        "entry_points.txt": distribution.read_text("entry_points.txt") or "",
        "licenses/LICENSE": distribution.read_text("licenses/LICENSE") or "",
    }
    files |= {f"{info}/{file}": text.encode() for file, text in texts.items() if text}
    record = "".join(f"{file},sha256={_digest(data)},{len(data)}\n" for file, data in files.items())
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    return f"{name}-{version}-py3-none-any.whl", stored_zip(files)


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def install_page(manifest: Manifest, environment: Environment, *, bundle: str, wheel: str) -> str:
    """INSTALL.md: every line that a person types on the device, in order."""
    parts = [
        f"# {manifest.recipe}, {manifest.job}: measure it on its device\n",
        f"Runs on {manifest.execution_provider}. With the Python named in step 3 (64 bit), in the bundle's folder:\n",
        "1. Check that it arrived unchanged. Its sha256 must be the one that `olivepress bundle` printed. The hashes\n"
        "   inside show only that nothing was damaged, not who made it: open bundles only from people you trust.\n",
        _lines(f"sha256sum {bundle}", f"certutil -hashfile {bundle} SHA256   (on Windows)"),
        "2. Unpack what will be installed; the weights stay in the file (Windows: `py` for `python3`):\n",
        _lines(f'python3 -c "{_UNPACK.format(bundle)}"'),
        "3. Install:\n",
        *(f"   - {need} (pip does not install it)\n" for need in environment.needs),
        *_commands(environment, wheel),
        "   olivepress sends no telemetry, and turns off what ONNX Runtime sends by default. For other programs in\n"
        "   this environment (Windows: `set` for `export`):\n",
        _lines(*(f"export {name}={value}" for name, value in TELEMETRY_OFF.items())),
        "4. Measure. It is safe to interrupt; rerun to resume:\n",
        _lines(f"olivepress bench {bundle}"),
        "5. Copy the `.report.zip` that it names last back, and import it in the project:\n",
        _lines(f"olivepress import {manifest.recipe}-{manifest.job}-MACHINE.report.zip"),
    ]
    return "\n".join(parts)


def _lines(*lines: str) -> str:
    return "   ```\n" + "".join(f"   {line}\n" for line in lines) + "   ```\n"


def _commands(environment: Environment, wheel: str) -> list[str]:
    if not environment.locks:
        return [_unlocked(environment, wheel)]
    blocks = []
    for platform, lock in zip(sorted(environment.locks), environment.lock_files, strict=True):
        lines = [
            f"python -m pip install --require-hashes --no-deps -r install/{lock}",
            f"python -m pip install --no-deps install/{wheel}",
        ]
        python = environment.locks[platform].partition("\n")[0].removeprefix("# Python ").partition(",")[0]
        blocks.append(_block(platform, lines, windows=platform.startswith("windows"), python=python))
    return [*blocks, f"   Other platforms: {environment.elsewhere}.\n"]


def _unlocked(environment: Environment, wheel: str) -> str:
    """Without a lock: pip chooses what is not pinned."""
    if not environment.packages:
        return (
            "   This olivepress knows no tested packages for it. Install the wheel, then an ONNX Runtime GenAI with\n"
            f"   that provider: `python -m pip install install/{wheel}`.\n"
        )
    wanted = " ".join(f'"{package}"' for package in environment.packages)
    lines = [f"python -m pip install install/{wheel} {wanted}"]
    note = "(no lock file for this target: pip chooses the versions that are not named here)"
    return "\n".join([
        _block(f"Linux {note}", lines, windows=False, python="3.11"),
        _block(f"Windows {note}", lines, windows=True, python="3.11"),
    ])  # fmt: skip


def _block(title: str, lines: list[str], *, windows: bool, python: str) -> str:
    linux = (f"python{python} -m venv .venv", ". .venv/bin/activate")
    make = (f"py -{python} -m venv .venv", ".venv\\Scripts\\activate") if windows else linux
    return f"   {title}:\n\n{_lines(*make, *lines)}"
