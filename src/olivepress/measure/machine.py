"""The machine a report was measured on: enough to compare like with like, nothing that names a person or a host."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from pydantic import BaseModel, ConfigDict

__all__ = ["Machine", "fingerprint", "machine_slug", "package_versions", "peak_rss_bytes"]

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
NOISE = re.compile(r"\((?:r|tm|c)\)|@.*$|\b(?:cpu|processor|with radeon graphics|\d+-core)\b", re.IGNORECASE)


class Machine(BaseModel):
    """One machine. ``id`` is the slug that names its results folder; memory in bytes; ``packages`` name → version."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    id: str
    cpu: str
    architecture: str
    physical_cores: int | None
    logical_cores: int
    memory_bytes: int
    os: str
    python: str
    packages: dict[str, str]


def fingerprint() -> Machine:
    """Describe this machine. No host name, no user name, no paths."""
    import psutil

    cpu, cores = _cpu_model(), usable_cores()
    return Machine(
        id=machine_slug(platform.machine(), cpu, cores),
        cpu=cpu,
        architecture=platform.machine(),
        physical_cores=psutil.cpu_count(logical=False),
        logical_cores=cores,
        memory_bytes=int(psutil.virtual_memory().total),
        os=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        packages=package_versions(),
    )


def usable_cores() -> int:
    """Logical cores this process may run on: in a container fewer than the box has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def machine_slug(architecture: str, cpu: str, cores: int) -> str:
    """``x86_64-intel-xeon-2c``: architecture, at most three words of the CPU's name, usable cores."""
    words = re.findall(r"[a-z0-9]+", NOISE.sub(" ", cpu).lower())
    arch = re.sub(r"[^a-z0-9_]+", "", architecture.lower()) or "unknown"
    return "-".join([arch, *(words[:3] or ["cpu"]), f"{cores}c"])


def package_versions(names: Iterable[str] = PACKAGES) -> dict[str, str]:
    """Installed versions of the packages that can change a result; those not installed are left out."""
    found: dict[str, str] = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def peak_rss_bytes() -> int:
    """Peak resident set of this process in bytes: VmHWM on Linux, else ``ru_maxrss``, else psutil's peak working set.

    VmHWM comes first because ``ru_maxrss`` is inherited across fork+exec and would show the parent's peak.
    """
    status = Path("/proc/self/status")
    if status.exists():
        match = re.search(r"^VmHWM:\s+(\d+) kB", status.read_text(), re.MULTILINE)
        if match:
            return int(match.group(1)) * 1024
    try:
        import resource
    except ImportError:  # Windows
        import psutil

        info = psutil.Process().memory_info()
        return int(getattr(info, "peak_wset", info.rss))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if platform.system() == "Darwin" else peak * 1024)  # macOS counts bytes, Linux kilobytes


def _cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        match = re.search(r"^(?:model name|Model)\s*:\s*(.+)$", cpuinfo.read_text(), re.MULTILINE)
        if match:
            return match.group(1).strip()
    return platform.processor() or platform.machine() or "unknown"
