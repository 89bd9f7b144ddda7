"""Every provider that is listed or comes with an installed plugin, tried in a process of its own."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec

from olivepress.doctor.records import Finding, Hardware
from olivepress.errors import OlivepressError
from olivepress.measure.child import run_child
from olivepress.measure.elsewhere import try_provider
from olivepress.measure.plugins import PLUGINS
from olivepress.measure.probe import ProviderProbe, plain_reason

__all__ = ["provider_findings", "try_import", "try_providers"]

VULKAN = "apt-get install mesa-vulkan-drivers  (Mesa 25 or later; on Debian 12 with -t bookworm-backports)"
CUDA_LIBRARIES = "pip install 'onnxruntime-gpu[cuda,cudnn]==1.26.0'"
NO_GPU = "install NVIDIA's driver until nvidia-smi lists the GPU; without a GPU: pip install onnxruntime"
LIMIT_S = 180.0  # TensorRT builds an engine before it runs
Tell = Callable[[str], None]

# Execution provider → what to install for it, genai included where a build of genai belongs to it.
BRINGS: Mapping[str, str] = {
    "CPUExecutionProvider": "onnxruntime==1.31.1 onnxruntime-genai==0.14.1",
    "CUDAExecutionProvider": "'onnxruntime-gpu[cuda,cudnn]==1.26.0' onnxruntime-genai-cuda==0.14.1",
    "DmlExecutionProvider": "onnxruntime-directml==1.24.4 onnxruntime-genai-directml==0.14.1",
    "OpenVINOExecutionProvider": "onnxruntime-openvino==1.24.1",
    "QNNExecutionProvider": "onnxruntime-qnn==2.7.0",
    "WebGpuExecutionProvider": "onnxruntime-ep-webgpu==0.4.0",
    "NvTensorRTRTXExecutionProvider": "onnxruntime-ep-nv-tensorrt-rtx-cu12==0.5.0",
}
SAYS = {
    "fell back": "makes a session that runs on the CPU",
    "no session": "is listed and makes no session",
    "no device": "is installed, and ONNX Runtime finds no device for it",
    "wrong": "computes something else",
    "crashed": "ends its process",
}


def try_import(module: str) -> tuple[bool, str, tuple[str, ...]]:
    """Whether a child can import it, its version or why not, and the providers that it lists."""
    try:
        found = run_child("probe", {"module": module}, timeout_s=LIMIT_S)
    except OlivepressError as error:
        return False, plain_reason(error.message), ()
    return True, found["version"], tuple(found["providers"])


def try_providers(listed: tuple[str, ...], tell: Tell) -> tuple[ProviderProbe, ...]:
    """A probe of each of ``listed`` and of each installed plugin; none when ``listed`` is empty: no ONNX Runtime."""
    wanted = dict.fromkeys(listed, False)
    wanted |= {name: True for name, module in PLUGINS.items() if listed and name not in wanted and find_spec(module)}
    found = []
    for provider, plugin in wanted.items():
        tell(f"run a model on {provider}")
        found.append(try_provider(None, provider, plugin=plugin))
    return tuple(found)


def provider_findings(probes: tuple[ProviderProbe, ...], hardware: Hardware) -> Iterator[Finding]:
    """A provider that was installed and does not work is a problem; one that only came along (TensorRT) a note."""
    for probe in probes:
        if probe.works or probe.state == "remote":
            continue
        known = probe.provider in BRINGS
        yield Finding(
            level="problem" if known else "note",
            what=f"{probe.provider.removesuffix('ExecutionProvider')}: {probe.state}",
            detail=f"{probe.provider} {SAYS[probe.state]}" + (f": {probe.detail}" if probe.detail else ""),
            fix=_fix(probe, hardware) if known else None,
        )


def _fix(probe: ProviderProbe, hardware: Hardware) -> str:
    again = f"pip install --force-reinstall --no-deps {BRINGS[probe.provider].partition(' ')[0]}"
    if probe.state in ("crashed", "wrong"):
        return again
    if probe.provider == "WebGpuExecutionProvider":
        return VULKAN if platform.system() == "Linux" else "update the GPU's driver"
    if probe.provider == "CUDAExecutionProvider":
        return CUDA_LIBRARIES if hardware.gpus else NO_GPU
    if probe.provider == "QNNExecutionProvider":
        return "ldd --version  (the plugin needs glibc 2.35 or later; on a device Qualcomm's driver)"
    return again
