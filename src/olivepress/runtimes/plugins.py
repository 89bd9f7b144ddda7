"""Execution providers that come as a package beside ONNX Runtime and have to be registered before a session is made."""

from __future__ import annotations

import importlib
import os
import platform
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["PLUGINS", "PROVIDERS", "QNN", "WEBGPU", "is_emulated", "plugin", "provider_name", "register"]

QNN, WEBGPU = "QNNExecutionProvider", "WebGpuExecutionProvider"
PROVIDERS: Mapping[str, str] = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "dml": "DmlExecutionProvider",
    "webgpu": WEBGPU,
    "qnn": QNN,
    "nvtensorrtrtx": "NvTensorRTRTXExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "vitisai": "VitisAIExecutionProvider",
}
"""genai's name in lower case → the execution provider."""
PLUGINS: Mapping[str, str] = {
    QNN: "onnxruntime_qnn",
    WEBGPU: "onnxruntime_ep_webgpu",
    "NvTensorRTRTXExecutionProvider": "onnxruntime_ep_nv_tensorrt_rtx",
}
"""Execution provider → the module that brings it; each has ``get_library_path()``."""

# Without it the plugin takes no software Vulkan, and ONNX Runtime has no device.
_SOFTWARE_WEBGPU = {"ORT_WEBGPU_EP_ALLOW_SOFTWARE_ADAPTER": "1"}
_GPU_NODES = ("dri/renderD*", "nvidia[0-9]*", "dxg")  # in /dev: any GPU's, NVIDIA's alone, Windows' beneath WSL


def provider_name(name: str) -> str:
    """The execution provider's full name for genai's short one: ``qnn`` → ``QNNExecutionProvider``."""
    short = name.removesuffix("ExecutionProvider")
    return PROVIDERS.get(short.lower(), f"{short}ExecutionProvider")


def plugin(name: str) -> ModuleType | None:
    """The module that brings the provider (either spelling); None when it is no plugin or not installed."""
    module = PLUGINS.get(provider_name(name))
    try:
        return importlib.import_module(module) if module else None
    except ImportError:
        return None


@cache
def register(runtime: Any, name: str) -> bool:
    """Tell ``runtime`` (the module onnxruntime or onnxruntime_genai) where the plugin's library is, once a process.

    False when the provider is no plugin or its package is not installed.
    """
    found = plugin(name)
    if found is None:
        return False
    if provider_name(name) == WEBGPU and is_emulated(WEBGPU):
        os.environ.update(_SOFTWARE_WEBGPU)
    runtime.register_execution_provider_library(provider_name(name), found.get_library_path())
    return True


def is_emulated(execution_provider: str) -> bool:
    """Whether the provider computes here what another device would: its numbers are evidence, its speed is not.

    Qualcomm's NPU library on x86-64 is an emulator; WebGPU without a GPU runs on Vulkan in software.
    """
    if execution_provider == QNN:
        return platform.machine().lower() in ("x86_64", "amd64")
    if execution_provider == WEBGPU and platform.system() == "Linux":
        return not any(path for pattern in _GPU_NODES for path in Path("/dev").glob(pattern))
    return False
