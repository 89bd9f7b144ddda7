"""Where an export can be opened: the strongest check that this machine can make of it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from olivepress.catalog import Target
from olivepress.catalog.provider import provider as find_provider
from olivepress.core.artifact import Verified
from olivepress.core.errors import SetupError
from olivepress.environments.lookup import interpreter
from olivepress.measure.worker.interpreters import openvino_devices_of, try_provider
from olivepress.runtimes.plugins import is_emulated

__all__ = ["Place", "place_of"]


@dataclass(frozen=True, kw_only=True)
class Place:
    """``how`` an export is verified, with the Python ``interpreter`` (None: this one), ``why`` not better, and what to
    type for that."""

    how: Verified
    interpreter: Path | None
    why: str = ""
    fix: str | None = None


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
    provider = find_provider(target.execution_provider)
    if is_emulated(provider.name) and provider.emulation and target.device not in provider.emulation.devices:
        emulated = " and ".join(provider.emulation.devices).upper()
        return _without(
            target, f"{provider.name}: only its {emulated} is emulated here, its {target.device.upper()} is not"
        )
    probe = try_provider(python, provider.name)
    if probe.works:
        return Place(how="emulated" if probe.state == "emulated" else "native", interpreter=python)
    return _without(target, f"{provider.name}: {probe.state}" + (f" ({probe.detail})" if probe.detail else ""))


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
