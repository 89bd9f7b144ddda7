"""The record of an execution provider: everything that olivepress knows of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Literal

from olivepress.catalog.session_axes import Axis
from olivepress.catalog.value_rules import Rule

__all__ = ["Emulation", "Provider", "Requirement"]


@dataclass(frozen=True, kw_only=True)
class Emulation:
    """Where the provider computes in software what another device would: its numbers are evidence, its speed is not.

    ``processors``: ``platform.machine()`` in lower case where its library is an emulator. ``absent``: patterns below
    /dev; on Linux it is emulated where none of them matches. ``devices`` that are emulated. ``environment``: variables
    that the emulation needs. ``by_token``: it computes a prompt correctly only one token at a time.
    """

    devices: tuple[Literal["gpu", "npu"], ...]
    processors: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    by_token: bool = False


@dataclass(frozen=True, kw_only=True)
class Requirement:
    """A device that no package can bring: ``text`` names it, one of the others says how to recognize it.

    ``npu_driver`` is a kernel driver of /dev/accel, ``system`` a ``platform.system()``; ``fix`` what to do about it.
    """

    text: str
    nvidia_gpu: bool = False
    npu_driver: str = ""
    system: str = ""
    fix: str = ""


@dataclass(frozen=True, kw_only=True)
class Provider:
    """``name`` as ONNX Runtime spells it, ``genai_name`` as ONNX Runtime GenAI does in genai_config.json.

    ``plugin``: the module that brings it as a package beside ONNX Runtime, with ``get_library_path()``; empty where it
    is built into an ``onnxruntime`` package. ``runtime_packages``: the distributions that contain it and fill the
    folder ``onnxruntime``; ``genai_package``: the distribution of GenAI for it, where it has its own.
    ``hides_absence``: GenAI runs on the CPU without an error where the provider is missing. ``in_model_builder``:
    GenAI's model builder knows it. ``remote``: it calls a hosted service and is never tried.
    ``options``: what an artifact's settings may say to it, all else is refused. ``libraries``: files of its own package
    that an option may name. ``axes``: what tuning tries, in this order; none: it is not tuned.
    ``quantized_probe``: it is tried with the quantized model; ``probe_options``: (plugin's module or None) → options.
    ``repair``: ``platform.system()``, or "" for the others → what to do when it does not work; none: install it again.
    """

    name: str
    genai_name: str
    plugin: str = ""
    runtime_packages: tuple[str, ...] = ()
    genai_package: str = ""
    hides_absence: bool = False
    in_model_builder: bool = False
    remote: bool = False
    options: Mapping[str, Rule] = field(default_factory=dict)
    libraries: tuple[str, ...] = ()
    axes: Mapping[str, Axis] = field(default_factory=dict)
    quantized_probe: bool = False
    probe_options: Callable[[ModuleType | None], dict[str, str]] = lambda module: {}
    emulation: Emulation | None = None
    requires: Requirement | None = None
    repair: Mapping[str, str] = field(default_factory=dict)
