"""For every target of the catalog: can it be built here, can it run here, and what is missing."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from typing import TYPE_CHECKING

from olivepress.core.errors import SetupError
from olivepress.doctor.records import Hardware, TargetState
from olivepress.environments.lookup import interpreter
from olivepress.run.interpreters import place_of
from olivepress.runtimes.probe import plain_reason
from olivepress.workflow.lint import olive_installed

if TYPE_CHECKING:
    from olivepress.catalog import Target

__all__ = ["target_states"]


def target_states(targets: Iterable[Target], hardware: Hardware) -> tuple[TargetState, ...]:
    """One for each target, in the catalog's order. Asks every environment that is here, each once."""
    return tuple(_state(target, hardware) for target in targets)


def _state(target: Target, hardware: Hardware) -> TargetState:
    place = place_of(target)
    runs = place.runs_here
    needs: dict[str, str | None] = {}
    if not olive_installed():
        needs["to build: Olive, with this olivepress"] = "pip install 'olivepress[build]'"
    try:
        interpreter(target.build_environment)
    except SetupError as error:
        needs[f"to build: {plain_reason(error.message)}"] = error.next_step
    builds = not needs
    device = _device(target.execution_provider, hardware)
    if device:
        needs[device] = None
    why = plain_reason(place.reason)
    if not runs and f"to build: {why}" not in needs:
        needs[why] = place.next_step
    return TargetState(
        target=target.target,
        execution_provider=target.execution_provider,
        builds=builds,
        runs=runs,
        verified=place.how,
        needs=tuple(needs),
        fixes=tuple(dict.fromkeys(fix for fix in needs.values() if fix)),
    )


def _device(provider: str, hardware: Hardware) -> str | None:
    """What no package can bring."""
    if provider in ("CUDAExecutionProvider", "NvTensorRTRTXExecutionProvider") and not hardware.gpus:
        return "an NVIDIA GPU with its driver"
    if provider == "DmlExecutionProvider" and platform.system() != "Windows":
        return "Windows"
    if provider == "VitisAIExecutionProvider" and "amdxdna" not in hardware.npus:
        return "an AMD Ryzen AI NPU with AMD's software"
    return None
