"""Checks a model folder before any runtime opens it: artifacts are untrusted input.

Native code can enter a process by a library named in a settings file, by a model that refers to files elsewhere, and by
files with a misleading name. Therefore settings may contain only what ``config_rules`` allows, models may refer only to
files of the folder, no file may be code or a pickle, and no link may lead out of the folder.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from olivepress.core.artifact import MANIFEST
from olivepress.core.bounded import CONFIG, parse_json, read_json, read_text
from olivepress.core.errors import JobError, OlivepressError, ReportError
from olivepress.core.strict_json import strict_hooks
from olivepress.runtimes.config_rules import device_problems, genai_problems, is_inside
from olivepress.runtimes.native_code import code_in
from olivepress.runtimes.onnx_references import read_references

__all__ = ["GENAI_CONFIG", "OPENVINO_DEVICE", "check_artifact", "check_before_opening", "check_settings"]

GENAI_CONFIG, OPENVINO_DEVICE = "genai_config.json", "openvino_device.json"
STOP = "do not open it; if you built it yourself, export it again"
MOST_FILES = 100_000
_HOOKS = strict_hooks("is not a number")
# Earlier settings of a tuned artifact, restored by ``tune --reset``, so they are checked like the present ones.
_UNTUNED = "genai_config.untuned.json"


class _UnreadableModelError(ReportError):
    """A file with the name of a model that is not one; it fails the job in the process that would open it."""


def check_artifact(directory: Path, *, provider: str | None = None, where: Path | None = None) -> None:
    """Refuse a folder that contains code, leads out of itself, or has settings that olivepress does not write.

    ``provider`` is the execution provider of the artifact, by default the manifest's; ``where`` is the name shown to
    the user, such as a bundle's. ReportError with the file, the key, and what was expected.
    """
    shown = where or directory
    _check_files(directory, shown)
    _check_settings(directory, shown, provider or _provider_of(directory), None)
    _check_models(directory, shown)


def check_before_opening(directory: Path, *, profile: str | None = None) -> None:
    """Check settings and models in the process that opens the folder, which may consist of links to an artifact.

    ``profile`` as in ``check_settings``. ReportError, or JobError for a model that cannot be read at all.
    """
    check_settings(directory, profile=profile)
    try:
        _check_models(directory, directory)
    except _UnreadableModelError as error:
        raise JobError(error.message, next_step="export the model again") from None


def check_settings(directory: Path, *, profile: str | None = None) -> None:
    """Check only the settings, which is fast: right before a library reads them. ReportError.

    ``profile`` is the prefix of the profiles that the settings may ask to be written.
    """
    _check_settings(directory, directory, _provider_of(directory), profile)


def _refuse(shown: Path, what: str) -> ReportError:
    return ReportError(f"{shown}: {what}", next_step=STOP)


def _check_files(directory: Path, shown: Path) -> None:
    for number, path in enumerate(sorted(directory.rglob("*"))):
        name = path.relative_to(directory).as_posix()
        printed = ascii(name)[1:-1][:100]
        if number >= MOST_FILES:
            raise _refuse(shown, f"more than {MOST_FILES} files")
        if path.is_symlink() and not _stays_inside(path, directory):
            raise _refuse(shown, f"{printed} is a link that leads out of it")
        try:
            mode = path.stat().st_mode
            if stat.S_ISDIR(mode):
                continue
            reason = code_in(path) if stat.S_ISREG(mode) else "a pipe, a device or a socket"
        except OSError as error:
            raise _refuse(shown, f"{printed} cannot be read ({error.strerror})") from None
        if reason is not None:
            words = reason if reason.startswith(("code", "a pipe")) else f"code: {reason}"
            raise _refuse(shown, f"{printed} is {words}; an artifact has none")


def _stays_inside(path: Path, directory: Path) -> bool:
    """Whether a link ends in the folder, or in the blobs of the Hub's cache that the folder is a snapshot of."""
    target, home = path.resolve(), directory.resolve()
    blobs = home.parent.parent / "blobs"
    return target.is_relative_to(home) or (home.parent.name == "snapshots" and target.parent == blobs)


def _provider_of(directory: Path) -> str | None:
    """The execution provider of the folder's manifest; None without a manifest that names one."""
    try:
        manifest = read_json(directory / MANIFEST)
    except (OlivepressError, OSError, ValueError):
        return None
    provider = manifest.get("execution_provider") if isinstance(manifest, dict) else None
    return provider if isinstance(provider, str) else None


def _check_settings(directory: Path, shown: Path, provider: str | None, profile: str | None) -> None:
    for name in (GENAI_CONFIG, _UNTUNED, OPENVINO_DEVICE):
        if not (directory / name).exists():
            continue
        try:
            # Strict: readers differ in which of two equal keys they use.
            config = parse_json(read_text(directory / name, CONFIG, ReportError), **_HOOKS)
        except ReportError as error:  # not a regular file, or too large
            raise _refuse(shown, error.message.removeprefix(f"{directory}{os.sep}")) from None
        except (OSError, ValueError) as error:
            raise _refuse(shown, f"{name} cannot be read as settings ({error})") from None
        if name == OPENVINO_DEVICE:
            problems = device_problems(config)
        else:
            problems = genai_problems(config, provider=provider, profile=profile)
        if problems:
            raise _refuse(shown, f"{name}, {problems[0]}")


def _check_models(directory: Path, shown: Path) -> None:
    for path in sorted(directory.rglob("*")):
        if path.suffix.lower() != ".onnx" or not path.is_file():
            continue
        name = path.relative_to(directory).as_posix()
        try:
            references = read_references(path)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise _UnreadableModelError(f"{shown}: {name} cannot be read ({reason})", next_step=STOP) from None
        for operator in sorted(references.operators):
            raise _refuse(shown, f"{name} has an operator that runs code, {ascii(operator)[1:-1][:80]}")
        for reference in _outside(references.files, path.parent):
            raise _refuse(shown, f"{name} names a file that is not part of the artifact, {ascii(reference)[:80]}")


def _outside(names: frozenset[str], folder: Path) -> Iterator[str]:
    for name in sorted(names):
        if not is_inside(name) or not (folder / name).is_file():
            yield name
