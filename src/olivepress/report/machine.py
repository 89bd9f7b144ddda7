"""The machine a report was measured on: enough to compare like with like, nothing that names a person or a host."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Iterable
from functools import cache
from importlib import metadata
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "LONGEST_NAME",
    "Conditions",
    "Machine",
    "bfloat16_instructions",
    "cpu_model",
    "driver_versions",
    "fingerprint",
    "machine_slug",
    "package_versions",
    "processors",
    "read_caches",
    "usable_cores",
]

PACKAGES = (
    "olivepress",
    "numpy",
    "onnxruntime",
    "onnxruntime-genai",
    "onnxruntime-gpu",
    "onnxruntime-genai-cuda",
    "onnxruntime-directml",
    "onnxruntime-genai-directml",
    "onnxruntime-openvino",
    "onnxruntime-qnn",
    "onnxruntime-ep-webgpu",
    "onnxruntime-ep-nv-tensorrt-rtx-cu12",
    "openvino",
    "openvino-genai",
    "openvino-tokenizers",
    "optimum-intel",
    "nncf",
    "olive-ai",
    "transformers",
    "peft",
    "torch",
    "optimum",
    "accelerate",
    "bitsandbytes",
    "datasets",
    "tokenizers",
    "safetensors",
    "onnx",
    "onnx-ir",
    "onnxscript",
)
# They change a metric, not an artifact: in the fingerprint, and in no job's key.
MEASURING = ("lm-eval", "sacrebleu", "jsonschema", "jinja2")
MOST_CORES = 65_536  # of one machine
LONGEST_NAME = 60  # of the letters that a person gives a machine
FIRST_CORE = Path("/sys/devices/system/cpu/cpu0")
NOISE = re.compile(r"\((?:r|tm|c)\)|@.*$|\b(?:cpu|processor|with radeon graphics|\d+-core)\b", re.IGNORECASE)


class Conditions(BaseModel):
    """What else happened on the machine while a process measured. Shares of all logical cores' time, 0 to 1.

    ``None`` where the system has no such counter. ``throttled`` counts thermal throttling events.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    seconds: float = Field(ge=0, le=1e9)
    other_load: float | None
    steal: float | None
    throttled: int | None = Field(ge=0, le=2**53)


class Machine(BaseModel):
    """One machine. ``id`` is the slug that names its results folder; memory in bytes; ``packages`` name → version.

    ``caches`` are bytes by level (``L1d``, ``L1i``, ``L2``, ``L3``) of the first core; ``drivers`` accelerator's name →
    version of its driver. ``name`` is what a person called it; it is shown in place of ``id`` and never guessed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    id: str
    cpu: str
    architecture: str
    physical_cores: int | None = Field(ge=0, le=MOST_CORES)
    logical_cores: int | None = Field(ge=0, le=MOST_CORES)
    memory_bytes: int | None = Field(ge=0, le=2**53)
    os: str
    python: str
    packages: dict[str, str]
    caches: dict[str, int] = {}
    governor: str | None = None
    drivers: dict[str, str] = {}
    name: str | None = Field(None, min_length=1, max_length=LONGEST_NAME)


def fingerprint() -> Machine:
    """Describe this machine. No host name, no user name, no paths."""
    import psutil

    cpu, cores = cpu_model(), usable_cores()
    return Machine(
        id=machine_slug(platform.machine(), cpu, cores),
        cpu=cpu,
        architecture=platform.machine(),
        physical_cores=psutil.cpu_count(logical=False),
        logical_cores=cores,
        memory_bytes=int(psutil.virtual_memory().total),
        os=_system(),
        python=platform.python_version(),
        packages=package_versions((*PACKAGES, *MEASURING)),
        caches=read_caches(),
        governor=_first_line(FIRST_CORE / "cpufreq" / "scaling_governor"),
        drivers=driver_versions(_first_line(Path("/proc/driver/nvidia/version")) or "", _nvidia_smi()),
    )


def usable_cores() -> int:
    """Logical cores this process may run on: in a container fewer than the box has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processors() -> tuple[int, ...]:
    """Numbers of the logical processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def machine_slug(architecture: str, cpu: str, cores: int) -> str:
    """``x86_64-intel-xeon-2c``: architecture, at most three words of the CPU's name, usable cores."""
    words = re.findall(r"[a-z0-9]+", NOISE.sub(" ", cpu).lower())
    arch = re.sub(r"[^a-z0-9_]+", "", architecture.lower()) or "unknown"
    return "-".join([arch, *(words[:3] or ["cpu"]), f"{cores}c"])


def package_versions(names: Iterable[str] = PACKAGES) -> dict[str, str]:
    """Installed versions of the packages that can change a result; those not installed are left out."""
    versions = {name: _version(name) for name in names}
    return {name: version for name, version in versions.items() if version is not None}


@cache
def _version(name: str) -> str | None:
    """Read once in a process: its metadata is a mail to be parsed, and a run asks for these names at every job."""
    try:
        return metadata.version(name) or None  # none in a folder that an interrupted pip left
    except (metadata.PackageNotFoundError, KeyError):
        return None


def read_caches(core: Path = FIRST_CORE) -> dict[str, int]:
    """Bytes of each cache that ``core`` (a folder of sysfs) reaches, by level; {} where it does not report them.

    Source: ``cache/index*/{level,type,size}`` (Linux, Documentation/ABI/testing/sysfs-devices-system-cpu).
    """
    found: dict[str, int] = {}
    for index in sorted(core.glob("cache/index*")):
        level, kind, size = (_first_line(index / name) or "" for name in ("level", "type", "size"))
        match = re.fullmatch(r"(\d+)([KMG]?)", size)
        if match and level.isdecimal():
            letter = {"Data": "d", "Instruction": "i"}.get(kind, "")
            found[f"L{level}{letter}"] = int(match[1]) * 1024 ** " KMG".index(match[2] or " ")
    return found


def driver_versions(kernel_module: str, smi: str) -> dict[str, str]:
    """GPU name → driver version from ``name, version`` lines of nvidia-smi, else ``nvidia`` → that of the module.

    ``kernel_module`` is the first line of /proc/driver/nvidia/version. {} when neither is available.
    """
    pairs = [line.rsplit(",", 1) for line in smi.splitlines() if "," in line]
    found = {name.strip(): version.strip() for name, version in pairs if re.match(r"\s*\d+[.\d]*\s*$", version)}
    match = re.search(r"Kernel Module.*?\s(\d+(?:\.\d+)+)", kernel_module)
    return found or ({"nvidia": match[1]} if match else {})


def bfloat16_instructions() -> bool:
    """Whether the processor multiplies bfloat16 by instructions of its own; False where Linux does not say it."""
    try:
        flags = set(Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split())
    except OSError:
        return False
    return bool(flags & {"avx512_bf16", "amx_bf16", "bf16"})


def cpu_model() -> str:
    """The name of the processor, as the system writes it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        match = re.search(r"^(?:model name|Model)\s*:\s*(.+)$", cpuinfo.read_text(), re.MULTILINE)
        if match:
            return match.group(1).strip()
    return platform.processor() or platform.machine() or "unknown"


def _system() -> str:
    """Kernel and, where there is one, the distribution: ``Linux 6.1.0 (Debian GNU/Linux 12)``."""
    kernel = f"{platform.system()} {platform.release()}"
    try:
        release = platform.freedesktop_os_release()
    except OSError:  # not Linux, or a container without os-release
        return kernel
    return f"{kernel} ({release.get('NAME', 'Linux')} {release.get('VERSION_ID', '')}".rstrip() + ")"


def _first_line(path: Path) -> str | None:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    return (lines[0].strip() or None) if lines else None


def _nvidia_smi() -> str:
    """Its ``name, driver version`` lines; empty where there is no such program, no driver, or no answer in 5 s."""
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        found = subprocess.run(query, capture_output=True, text=True, errors="replace", timeout=5, check=False)
    except (OSError, subprocess.SubprocessError):
        return ""
    return found.stdout if found.returncode == 0 else ""
