"""The devices of a recipe that this machine has."""

from __future__ import annotations

from pathlib import Path

from olivepress.catalog import choices, targets
from olivepress.catalog.provider import CPU, provider
from olivepress.doctor.hardware import read_hardware
from olivepress.doctor.records import Hardware
from olivepress.report.machine import fingerprint

__all__ = ["devices_of", "devices_of_this_machine"]


def devices_of_this_machine() -> tuple[str, ...]:
    """Those that a recipe for this machine names, ``cpu`` first. Takes less than a second and loads no runtime."""
    return devices_of(read_hardware(fingerprint(), Path()))


def devices_of(hardware: Hardware) -> tuple[str, ...]:
    """The CPU, and each device whose provider needs hardware that is there; of several for one piece of hardware the
    first of the catalog (``cuda``, not ``trt-rtx``). Whether its packages are installed is not asked."""
    chosen = {"": "cpu"}
    for device, names in choices().items():
        record = provider(targets()[names[0]].execution_provider)
        if record is not CPU and record.requires is not None and hardware.meets(record.requires):
            chosen.setdefault(record.requires.text, device)
    return tuple(chosen.values())
