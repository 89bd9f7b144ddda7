"""Where an export can be opened: the strongest check that this machine can make of it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from olivepress.catalog import Target
from olivepress.core.artifact import Verified
from olivepress.core.errors import SetupError
from olivepress.environments.lookup import interpreter
from olivepress.measure.worker.interpreters import openvino_devices_of, try_provider
from olivepress.runtimes.plugins import QNN, is_emulated

__all__ = ["Place", "place_of"]


@dataclass(frozen=True, kw_only=True)
class Place:
    """``how`` an export is verified, with the Python ``interpreter`` (None: this one); the ``reason`` why not better,
    and what to type for that."""

    how: Verified
    interpreter: Path | None
    reason: str = ""
    next_step: str | None = None

    @property
    def runs_here(self) -> bool:
        """Whether its own provider, or an emulation of it, runs models on this machine."""
        return self.how in ("native", "emulated")


def place_of(target: Target) -> Place:
    """Native or emulated where the target's environment is here and its provider runs a model; else a copy on the CPU,
    where that computes the same graph; else the structure alone."""
    try:
        environment_python = interpreter(target.environment)
    except SetupError as error:
        return _without(target, error.message, error.next_step)
    python = None if environment_python == Path(sys.executable) else environment_python
    if target.runtime == "openvino":
        return _openvino(target, python)
    provider = target.execution_provider
    if provider == QNN and target.device == "gpu" and is_emulated(provider):
        return _without(target, "only Qualcomm's NPU is emulated here, its GPU is not")
    probe = try_provider(python, provider)
    if probe.works:
        return Place(how="emulated" if probe.state == "emulated" else "native", interpreter=python)
    detail = f" ({probe.detail})" if probe.detail else ""
    return _without(target, f"{provider}: {probe.state}{detail}")


def _without(target: Target, reason: str, next_step: str | None = None) -> Place:
    how: Verified = "cpu-copy" if target.cpu_copy else "structure"
    return Place(how=how, interpreter=None, reason=reason, next_step=next_step)


def _openvino(target: Target, python: Path | None) -> Place:
    """The same IR runs on OpenVINO's CPU, and its NPU plugin can run its own graphs there."""
    device, here = target.device.upper(), openvino_devices_of(python)
    if not here:
        reason = "OpenVINO cannot be imported"
        return Place(how="structure", interpreter=None, reason=reason, next_step="olivepress doctor")
    if device in here:
        return Place(how="native", interpreter=python)
    how: Verified = "emulated" if device == "NPU" else "cpu-copy"
    return Place(how=how, interpreter=python, reason=f"OpenVINO finds no {device} here")
