"""Memory, disk, threads and devices of this machine, and findings about them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from olivepress.doctor.records import Finding, Hardware
from olivepress.report.machine import Machine
from olivepress.runtimes.session import default_threads

__all__ = ["hardware_findings", "read_hardware"]

# The largest model rehearsed, Phi-4-mini: peak of an int4 export, and the high-water of disk in its merge.
BUILD_MEMORY, BUILD_DISK = 17.1e9, 15.4e9
FULL_DISK = 1e9
_FREE_DISK = "remove what runs left (runs/, datasets/, models/)"
VULKAN = tuple(Path(root) for root in ("/usr/share/vulkan/icd.d", "/usr/local/share/vulkan/icd.d", "/etc/vulkan/icd.d"))
ARCHITECTURE = re.compile(r"(_icd)?([._](x86_64|i686|aarch64))?\.json$")


def read_hardware(machine: Machine, root: Path) -> Hardware:
    """What is there now; ``root`` is a folder on the disk that counts."""
    import psutil

    vulkan = tuple(sorted({ARCHITECTURE.sub("", path.name) for path in _vulkan_drivers()}))
    return Hardware(
        memory_available_bytes=int(psutil.virtual_memory().available),
        disk_free_bytes=shutil.disk_usage(root).free,
        gpus=tuple(machine.drivers),
        npus=tuple(_npus(Path("/sys/class/accel"))),
        render_nodes=len(list(Path("/dev/dri").glob("renderD*"))),
        vulkan=vulkan,
        mesa=_mesa() if vulkan else None,
    )


def hardware_findings(machine: Machine, hardware: Hardware) -> Iterator[Finding]:
    """Too little disk is a problem, too little for the largest models a note, and so are idle threads."""
    memory, disk = machine.memory_bytes, hardware.disk_free_bytes
    if disk < FULL_DISK:
        yield Finding(
            level="problem",
            what="disk full",
            detail=f"{disk / 1e9:.1f} GB free here",
            fix=_FREE_DISK,
        )
    elif disk < BUILD_DISK:
        detail = f"{disk / 1e9:.1f} GB free; fine-tuning and merging Phi-4-mini takes {BUILD_DISK / 1e9:.1f} GB"
        yield Finding(level="note", what="little disk", detail=detail, fix=_FREE_DISK)
    if memory is not None and memory < BUILD_MEMORY:
        detail = f"{memory / 1e9:.1f} GB in all; exporting Phi-4-mini to int4 takes {BUILD_MEMORY / 1e9:.1f} GB"
        fix = "olivepress plan MODEL  (what your model needs)"
        yield Finding(level="note", what="little memory", detail=detail, fix=fix)
    logical = machine.logical_cores or 1
    if default_threads(logical) < logical:
        taken = f"genai takes {default_threads(logical)} of {logical} processors"
        detail = f"{taken} unless genai_config.json sets another number"
        fix = "olivepress tune ARTIFACT  (measures what is fastest here)"
        yield Finding(level="note", what="threads", detail=detail, fix=fix)


def _vulkan_drivers() -> list[Path]:
    """Manifests of installed drivers, as the Vulkan loader finds them; the variables replace its own search."""
    given = os.environ.get("VK_DRIVER_FILES") or os.environ.get("VK_ICD_FILENAMES")
    if given:
        return [Path(one) for one in given.split(os.pathsep) if Path(one).is_file()]
    return [path for root in VULKAN for path in root.glob("*.json")]


def _mesa() -> str | None:
    """From vulkaninfo, else from Debian's package; None when neither is available."""
    commands = (["vulkaninfo", "--summary"], ["dpkg-query", "-W", "-f", "Mesa ${Version}", "mesa-vulkan-drivers"])
    for command in commands:
        try:
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=10, check=False)
        except (OSError, subprocess.SubprocessError):
            continue
        match = re.search(r"\bMesa (\d+\.\d+(?:\.\d+)?)", done.stdout)
        if match:
            return match[1]
    return None


def _npus(folder: Path) -> Iterator[str]:
    """The kernel driver of each device of /dev/accel: ``intel_vpu``, ``amdxdna``, …"""
    for device in sorted(folder.glob("accel*")):
        driver = device / "device" / "driver"
        yield driver.resolve().name if driver.exists() else "unknown"
