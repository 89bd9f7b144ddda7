"""What a diagnosis says: plain records, nothing in them that names a person, a host or a path of this machine."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from olivepress.report.machine import Machine
from olivepress.runtimes.probe import ProviderProbe

__all__ = ["Diagnosis", "Finding", "Hardware", "TargetState"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Finding(_Frozen):
    """``problem``: something is broken; ``note``: it works, and there is something to know. ``fix`` is what to type."""

    level: Literal["ok", "note", "problem"]
    what: str
    detail: str
    fix: str | None = None


class Hardware(_Frozen):
    """Beside ``Machine``: what changes from hour to hour, and the devices. Bytes; lists are empty where there is none.

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


class TargetState(_Frozen):
    """Whether a target can be built here, and run here (or in emulation); ``verified`` is how far an export of it could
    be; ``needs`` is what it lacks, ``fixes`` what to type."""

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
