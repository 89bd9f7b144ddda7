"""The devices that a new recipe names are those whose hardware is there."""

from __future__ import annotations

import platform

import pytest

from olivepress.doctor.devices import devices_of, devices_of_this_machine
from olivepress.doctor.records import Hardware

BARE = Hardware(memory_available_bytes=1, disk_free_bytes=1)


@pytest.mark.parametrize(
    ("system", "gpus", "devices"),
    [
        ("Linux", (), ("cpu",)),
        ("Linux", ("nvidia",), ("cpu", "cuda")),  # not trt-rtx, which needs the same GPU
        ("Windows", (), ("cpu", "directml")),
    ],
)
def test_a_device_is_named_where_its_hardware_is(
    system: str, gpus: tuple[str, ...], devices: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "system", lambda: system)
    assert devices_of(BARE.model_copy(update={"gpus": gpus})) == devices


def test_every_machine_has_a_cpu() -> None:
    assert devices_of_this_machine()[0] == "cpu"
