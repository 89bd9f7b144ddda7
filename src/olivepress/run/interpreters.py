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
    """``how`` an export is verified, with the Python ``interpreter`` (None: this one), ``why`` not better, and what to
    type for that."""

    how: Verified
    interpreter: Path | None
    why: str = ""
    fix: str | None = None

    @property
    def runs_here(self) -> bool:
        """Whether its own provider, or an emulation of it, runs models on this machine."""
        return self.how in ("native", "emulated")


def place_of(target: Target) -> Place:
    """Native or emulated where the target's environment is here and its provider runs a model; else a copy on the CPU,
    where that computes the same graph; else the structure alone."""
    try:
        found = interpreter(target.environment)
    except SetupError as error:
        return _without(target, error.message, error.next_step)
    python = None if found == Path(sys.executable) else found
    if target.runtime == "openvino":
        return _openvino(target, python)
    provider = target.execution_provider
    if provider == QNN and target.device == "gpu" and is_emulated(provider):
        return _without(target, "only Qualcomm's NPU is emulated here, its GPU is not")
    probe = try_provider(python, provider)
    if probe.works:
        return Place(how="emulated" if probe.state == "emulated" else "native", interpreter=python)
    return _without(target, f"{provider}: {probe.state}" + (f" ({probe.detail})" if probe.detail else ""))


def _without(target: Target, why: str, fix: str | None = None) -> Place:
    return Place(how="cpu-copy" if target.cpu_copy else "structure", interpreter=None, why=why, fix=fix)


def _openvino(target: Target, python: Path | None) -> Place:
    """The same IR runs on OpenVINO's CPU, and its NPU plugin can run its own graphs there."""
    device, here = target.device.upper(), openvino_devices_of(python)
    if not here:
        return Place(how="structure", interpreter=None, why="OpenVINO cannot be imported", fix="olivepress doctor")
    if device in here:
        return Place(how="native", interpreter=python)
    why = f"OpenVINO finds no {device} here"
    return Place(how="emulated" if device == "NPU" else "cpu-copy", interpreter=python, why=why)
