"""For every target of the catalog: can it be built here, can it run here, and what is missing."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from olivepress.doctor.packages import Packages
from olivepress.doctor.providers import install_command
from olivepress.doctor.records import Hardware, TargetState
from olivepress.doctor.rules import ImportProbe, build_command, builder_works, genai_command
from olivepress.measure.plugins import PLUGINS
from olivepress.measure.probe import ProviderProbe

if TYPE_CHECKING:
    from olivepress.catalog import Target

__all__ = ["Here", "target_states"]

Need = tuple[str, str | None]  # what is missing, and the command that gets it


@dataclass(frozen=True)
class Here:
    """What the probes found: ``imports`` by module, ``providers`` by name."""

    packages: Packages
    imports: Mapping[str, ImportProbe]
    providers: Mapping[str, ProviderProbe]
    hardware: Hardware


def target_states(targets: Iterable[Target], here: Here) -> tuple[TargetState, ...]:
    """One for each target, in the catalog's order."""
    return tuple(_state(target, here) for target in targets)


def _state(target: Target, here: Here) -> TargetState:
    build, run = _build_needs(target, here), _run_needs(target, here)
    needs = dict.fromkeys([*build, *run])
    return TargetState(
        target=target.target,
        execution_provider=target.execution_provider,
        builds=not build,
        runs=not run,
        needs=tuple(f"to build: {what}" if (what, fix) in build else what for what, fix in needs),
        fixes=tuple(dict.fromkeys(fix for _, fix in needs if fix)),
    )


def _build_needs(target: Target, here: Here) -> list[Need]:
    """Any desk with Olive and its builder will do, unless the target names another environment to build in."""
    # What is installed and does not work has its fix among the findings.
    if not here.imports["olive"][0]:
        if here.packages.has("olive-ai"):
            return [("an Olive that can be imported", None)]
        return [("Olive", build_command(here.packages))]
    environment = getattr(target, "build_environment", "build")
    if environment != "build":
        return [] if _works(target.execution_provider, here) else [(f"the environment {environment}", None)]
    if not here.imports["onnxruntime_genai"][0] or not builder_works(here.packages):
        return [("onnxruntime-genai below 0.15", None)]
    return []


def _run_needs(target: Target, here: Here) -> list[Need]:
    provider = target.execution_provider
    if not here.imports["onnxruntime"][0] and getattr(target, "runtime", "") != "openvino":
        broken = any(folder.name == "onnxruntime" for folder in here.packages.folders)
        return [(f"ONNX Runtime with {provider}", None if broken else install_command(provider))]
    if getattr(target, "runtime", "onnxruntime-genai") == "openvino":
        return [] if here.packages.has("openvino-genai") else [("openvino-genai", "pip install openvino-genai")]
    needs: list[Need] = []
    device = _device(provider, here.hardware)
    if device:
        needs.append((device, None))
    if not _works(provider, here):
        tried = here.providers.get(provider)
        what = f"{provider} that works" if tried else f"the plugin of {provider}" if provider in PLUGINS else provider
        needs.append((what, None if tried else install_command(provider)))
    elif not here.imports["onnxruntime_genai"][0]:
        needs.append(("onnxruntime-genai", genai_command(here.packages)))
    return needs


def _device(provider: str, hardware: Hardware) -> str | None:
    """What no package can bring."""
    if provider in ("CUDAExecutionProvider", "NvTensorRTRTXExecutionProvider") and not hardware.gpus:
        return "an NVIDIA GPU with its driver"
    if provider == "DmlExecutionProvider" and platform.system() != "Windows":
        return "Windows"
    if provider == "VitisAIExecutionProvider" and "amdxdna" not in hardware.npus:
        return "an AMD Ryzen AI NPU with AMD's software"
    return None


def _works(provider: str, here: Here) -> bool:
    probe = here.providers.get(provider)
    return probe is not None and probe.works
