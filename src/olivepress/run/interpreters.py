"""Where an export can be opened: the strongest check that this machine can make of it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from olivepress.catalog import BUILD, Family, Target
from olivepress.catalog.provider import provider as find_provider
from olivepress.core.artifact import Verified
from olivepress.core.errors import SetupError
from olivepress.environments.lookup import interpreter
from olivepress.measure.worker.interpreters import openvino_devices_of, try_provider
from olivepress.runtimes.plugins import is_emulated
from olivepress.workflow.plan import Job, Plan

__all__ = ["Place", "family_python", "model_python", "olive_python", "place_of"]


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


def olive_python(plan: Plan, job: Job) -> Path | None:
    """The Python that the job's workflow runs in; None is this one. Raises SetupError when it is not here."""
    return model_python(plan) if job.target is None else _python(plan.environment_of(job))


def model_python(plan: Plan) -> Path | None:
    """The Python whose transformers knows the plan's model; None is this one, whatever it has. SetupError as above."""
    return family_python(plan.model.family)


def family_python(family: Family) -> Path | None:
    """The same for the models of a family."""
    name = family.build_environment
    return None if name == BUILD else _python(name)


def _python(environment: str) -> Path | None:
    python = interpreter(environment)
    return None if python == Path(sys.executable) else python


def place_of(target: Target) -> Place:
    """Native or emulated where the target's environment is here and its provider runs a model; else a copy on the CPU,
    where that computes the same graph; else the structure alone."""
    try:
        python = _python(target.environment)
    except SetupError as error:
        return _without(target, error.message, error.next_step)
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
    detail = f" ({probe.detail})" if probe.detail else ""
    return _without(target, f"{provider.name}: {probe.state}{detail}")


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
