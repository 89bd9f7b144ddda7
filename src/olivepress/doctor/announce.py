"""What a worker announces of its machine: measured as ``doctor`` does, without a process for each provider."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from olivepress import __version__
from olivepress.catalog import BUILD
from olivepress.core.errors import OlivepressError, SetupError
from olivepress.core.files import write_text
from olivepress.core.names import slug
from olivepress.doctor.devices import devices_of
from olivepress.doctor.hardware import read_hardware
from olivepress.environments.lookup import environments, interpreter, platform_here
from olivepress.report.machine import LONGEST_NAME, fingerprint
from olivepress.run.executors.memory import usable_memory
from olivepress.run.executors.needs import Announcement
from olivepress.run.training_device import gpu_memory
from olivepress.workflow.lint import olive_installed

__all__ = ["announce"]

_ID = "id"


def announce(
    folder: Path,
    *,
    name: str | None,
    labels: tuple[str, ...],
    slots: int,
    share_gpu: int,
    own: Callable[[Sequence[str]], Sequence[str]],
) -> tuple[Announcement, tuple[str, ...]]:
    """What this machine has, with the free disk of ``folder``; and its GPUs as CUDA numbers them, each as often as it
    is shared. ``own``: of the GPUs those that are for this worker alone."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SetupError(f"--folder {folder}: {error.strerror}", next_step="give another folder") from error
    machine = fingerprint()
    hardware = read_hardware(machine, folder)
    devices = dict.fromkeys((device for device in devices_of(hardware) if device != "cpu"), 1)
    gpus = tuple(own(_gpus(len(hardware.gpus)))) * share_gpu if "cuda" in devices else ()
    devices.pop("cuda", None)
    if gpus:
        devices["cuda"] = len(gpus)
    announcement = Announcement(
        version=__version__,
        machine=slug(name)[:LONGEST_NAME] if name else f"{machine.id}-{_number(folder)}",
        kind=machine.id,
        slots=slots,
        memory_bytes=min(machine.memory_bytes or 0, usable_memory()),
        disk_bytes=shutil.disk_usage(folder).free,
        environments=_environments(),
        devices=devices,
        labels=tuple(dict.fromkeys(labels)),
        platform=platform_here(),
    )
    return announcement, gpus


def _gpus(drivers: int) -> tuple[str, ...]:
    """Those that this process may use."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return tuple(device.strip() for device in visible.split(",") if device.strip())
    return tuple(str(number) for number in range(len(gpu_memory()) or drivers))


def _environments() -> tuple[str, ...]:
    """Those that are created here or that this Python is; the one of most builds also where Olive is installed."""
    usable = [BUILD] if olive_installed() else []
    for name in environments():
        try:
            interpreter(name)
        except OlivepressError:
            continue
        usable.append(name)
    return tuple(dict.fromkeys(usable))


def _number(folder: Path) -> str:
    """Tells machines of one kind apart, without a name of the host."""
    path = folder / _ID
    if not path.is_file():
        write_text(path, secrets.token_hex(2))
    return path.read_text(encoding="utf-8").strip()[:8]
