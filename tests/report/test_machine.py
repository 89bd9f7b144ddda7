"""The fingerprint: what it reads from the system, and what it must never hold."""

from __future__ import annotations

import getpass
import platform
import socket
from pathlib import Path

import pytest

from olivepress.report.machine import Machine, driver_versions, fingerprint, read_caches


def core(folder: Path, caches: list[tuple[str, str, str]]) -> Path:
    for number, (level, kind, size) in enumerate(caches):
        index = folder / "cache" / f"index{number}"
        index.mkdir(parents=True)
        for name, text in (("level", level), ("type", kind), ("size", size)):
            (index / name).write_text(f"{text}\n")
    return folder


def test_caches_are_bytes_by_level(tmp_path: Path) -> None:
    found = core(
        tmp_path,
        [("1", "Data", "48K"), ("1", "Instruction", "32K"), ("2", "Unified", "1024K"), ("3", "Unified", "32M")],
    )
    assert read_caches(found) == {"L1d": 49152, "L1i": 32768, "L2": 1048576, "L3": 33554432}


@pytest.mark.parametrize("size", ["", "-1K", "lots", "32Q"])
def test_caches_that_make_no_sense_are_left_out(tmp_path: Path, size: str) -> None:
    assert read_caches(core(tmp_path, [("3", "Unified", size), ("", "Unified", "1K")])) == {}
    assert read_caches(tmp_path / "absent") == {}


@pytest.mark.parametrize(
    ("kernel_module", "smi", "expected"),
    [
        ("", "", {}),
        ("", "No devices were found\n", {}),
        ("", "NVIDIA H200, 550.90.07\nNVIDIA H200, 550.90.07\n", {"NVIDIA H200": "550.90.07"}),
        ("", "Odd, name, 31.0.15\n", {"Odd, name": "31.0.15"}),
        (
            "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023",
            "",
            {"nvidia": "535.104.05"},
        ),
        (
            "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  550.54.15  Release Build  (dvs-builder)",
            "",
            {"nvidia": "550.54.15"},
        ),
    ],
)
def test_drivers(kernel_module: str, smi: str, expected: dict[str, str]) -> None:
    assert driver_versions(kernel_module, smi) == expected


def test_the_fingerprint_is_stable_and_names_nobody() -> None:
    found = fingerprint()
    assert found == fingerprint() and Machine.model_validate_json(found.model_dump_json()) == found
    text = found.model_dump_json()
    assert socket.gethostname() not in text and str(Path.home()) not in text
    if getpass.getuser() != "root":  # "root" is too common a word to look for
        assert getpass.getuser() not in text
    assert found.os.startswith(f"{platform.system()} {platform.release()}")


def test_no_distribution_leaves_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> dict[str, str]:
        raise OSError

    monkeypatch.setattr(platform, "freedesktop_os_release", absent)
    assert fingerprint().os == f"{platform.system()} {platform.release()}"
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: {"NAME": "Debian GNU/Linux", "VERSION_ID": "12"})
    assert fingerprint().os.endswith("(Debian GNU/Linux 12)")
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: {"NAME": "Arch Linux"})
    assert fingerprint().os.endswith("(Arch Linux)")
