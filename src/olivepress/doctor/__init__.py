"""What this machine and this environment can do, tested and not looked up, and what is broken, with the fix.

Runs in the light base install too, and reports what is absent with what that costs. Everything that may crash is tested
in a process of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from olivepress.catalog import targets
from olivepress.doctor.devices import devices_of_this_machine
from olivepress.doctor.hardware import hardware_findings, read_hardware
from olivepress.doctor.packages import Packages, expected_versions, read_packages
from olivepress.doctor.providers import provider_findings, try_import, try_providers
from olivepress.doctor.readiness import target_states
from olivepress.doctor.records import Diagnosis, Finding, Hardware, TargetState
from olivepress.doctor.rules import NAMED, import_findings, package_findings
from olivepress.doctor.terminal import render_terminal
from olivepress.report.machine import fingerprint

__all__ = ["Diagnosis", "Finding", "Hardware", "TargetState", "devices_of_this_machine", "diagnose"]
__all__ += ["render_terminal"]

LEVELS = ("problem", "note", "ok")


def diagnose(root: Path = Path(), *, on_progress: Callable[[str], None] = lambda step: None) -> Diagnosis:
    """Test everything; ``on_progress`` receives each step. ``root`` is the project's folder, whose disk counts.

    Takes 10 to 20 s where Olive is installed, which is how long its import takes. OSError when ``root`` is no folder.
    """
    on_progress("look at packages")
    machine = fingerprint()
    hardware, packages, expected = read_hardware(machine, root), read_packages(), expected_versions()
    imports, listed = {}, tuple[str, ...]()
    for module in ("onnxruntime", "onnxruntime_genai", "olive"):
        on_progress(f"import {module}")
        works, outcome, providers = try_import(module)
        imports[module] = works, outcome
        listed += providers
    probes = try_providers(listed, on_progress)
    on_progress("ask every environment")
    findings = [
        *import_findings(packages, imports),
        *package_findings(packages, expected, gpu=bool(hardware.gpus)),
        *provider_findings(probes, hardware),
        *hardware_findings(machine, hardware),
    ]
    return Diagnosis(
        machine=machine,
        hardware=hardware,
        packages=_listed(packages, expected),
        providers=probes,
        targets=target_states(targets().values(), hardware),
        findings=tuple(sorted(findings, key=lambda finding: LEVELS.index(finding.level))),
    )


def _listed(packages: Packages, expected: dict[str, str]) -> dict[str, str]:
    """The pinned ones and those that a rule looks at; not everything that a person has installed."""
    wanted = {*expected, *NAMED}
    shown = {name: v for name, v in packages.versions.items() if name in wanted or name.startswith("onnxruntime")}
    return dict(sorted(shown.items()))
