"""Execution providers that come as a package beside ONNX Runtime and have to be registered before a session is made."""

from __future__ import annotations

import importlib
import os
import platform
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from olivepress.catalog.provider import provider

__all__ = ["is_emulated", "plugin", "register", "register_library"]


def plugin(name: str) -> ModuleType | None:
    """The module that brings the provider (either spelling); None when it is no plugin or not installed."""
    module = provider(name).plugin
    if not module:
        return None
    try:
        return importlib.import_module(module)
    except ImportError:
        return None


@cache
def register(runtime: Any, name: str) -> bool:
    """Register the plugin's library with ``runtime`` (the module onnxruntime or onnxruntime_genai), once a process.

    False when the provider is no plugin or its package is not installed.
    """
    module = plugin(name)
    if module is None:
        return False
    register_library(runtime, provider(name).name, module)
    return True


def register_library(runtime: Any, name: str, module: ModuleType) -> None:
    """Register the library of a plugin's ``module`` as the provider ``name``, for software where there is no device."""
    emulation = provider(name).emulation
    if emulation is not None and is_emulated(name):
        os.environ.update(emulation.environment)
    runtime.register_execution_provider_library(name, module.get_library_path())


def is_emulated(name: str) -> bool:
    """Whether the provider computes here what another device would: its numbers are evidence, its speed is not."""
    emulation = provider(name).emulation
    if emulation is None:
        return False
    if platform.machine().lower() in emulation.processors:
        return True
    if not emulation.absent or platform.system() != "Linux":
        return False
    return not any(path for pattern in emulation.absent for path in Path("/dev").glob(pattern))
