"""The records of a diagnosis: nothing in them names a person, a host or a path of this machine."""

from __future__ import annotations

import platform
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from olivepress.catalog.provider_record import Requirement
from olivepress.report.machine import Machine
from olivepress.runtimes.probe import ProviderProbe

__all__ = ["Diagnosis", "Finding", "Hardware", "TargetState"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Finding(_Frozen):
    """``problem``: something is broken; ``note``: it works, and there is something to know. ``fix`` is what to type.

    ``packages``: those that the fix installs or removes; not in the JSON output.
    """

    level: Literal["ok", "note", "problem"]
    what: str
    detail: str
    fix: str | None = None
    packages: tuple[str, ...] = Field((), exclude=True)


class Hardware(_Frozen):
    """Beside ``Machine``: what changes from hour to hour, and the devices. Bytes; a list is empty where there is none.

    ``vulkan`` are the drivers that are installed, ``mesa`` the version of Mesa's; ``npus`` are kernel drivers of
    /dev/accel; ``render_nodes`` count /dev/dri/renderD*.
    """

    memory_available_bytes: int
    disk_free_bytes: int
    gpus: tuple[str, ...] = ()
    npus: tuple[str, ...] = ()
    render_nodes: int = 0
    vulkan: tuple[str, ...] = ()
    mesa: str | None = None

    def meets(self, requirement: Requirement) -> bool:
        """Whether the device that a provider needs is here."""
        if requirement.nvidia_gpu:
            return bool(self.gpus)
        if requirement.npu_driver:
            return requirement.npu_driver in self.npus
        return requirement.system in ("", platform.system())


class TargetState(_Frozen):
    """Whether a target can be built here, and run here (or in emulation); ``verified`` is the strongest check of an
    export of it; ``needs`` is what it lacks, ``fixes`` what to type."""

    target: str
    execution_provider: str
    builds: bool
    runs: bool
    verified: str
    needs: tuple[str, ...] = ()
    fixes: tuple[str, ...] = ()


class Diagnosis(_Frozen):
    machine: Machine
    hardware: Hardware
    packages: dict[str, str]
    providers: tuple[ProviderProbe, ...]
    targets: tuple[TargetState, ...]
    findings: tuple[Finding, ...]

    @property
    def problems(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.level == "problem")
