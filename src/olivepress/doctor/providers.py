"""Every provider that is listed or comes with an installed plugin, tested in a process of its own."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from importlib.util import find_spec

from olivepress.catalog import targets
from olivepress.catalog.provider import PROVIDERS, provider, short_provider
from olivepress.catalog.provider_record import Provider
from olivepress.core.child.run import run_task
from olivepress.core.errors import OlivepressError
from olivepress.doctor.records import Finding, Hardware
from olivepress.environments.lookup import Environment, canonical, environments, satisfied_here
from olivepress.measure.worker import tasks
from olivepress.measure.worker.interpreters import PROBE_LIMIT_S, try_provider
from olivepress.measure.worker.records import ImportSpec
from olivepress.runtimes.probe import ProviderProbe, plain_reason

__all__ = ["provider_findings", "try_import", "try_providers"]


PROBLEMS = {
    "fell back": "opens a session that runs on the CPU",
    "no session": "is listed and opens no session",
    "no device": "is installed, but ONNX Runtime finds no device for it",
    "wrong": "computes wrong numbers",
    "crashed": "ends its process",
}


def try_import(module: str) -> tuple[bool, str, tuple[str, ...]]:
    """Whether a child process can import it, its version or why not, and the providers that it lists."""
    try:
        package = run_task(tasks.import_package, ImportSpec(module=module), timeout_s=PROBE_LIMIT_S).result
    except OlivepressError as error:
        return False, plain_reason(error.message), ()
    return True, package.version, package.providers


def try_providers(listed: tuple[str, ...], on_progress: Callable[[str], None]) -> tuple[ProviderProbe, ...]:
    """A probe of each of ``listed`` and of each installed plugin; none when ``listed`` is empty: no ONNX Runtime."""
    wanted = dict.fromkeys(listed, False)
    for record in PROVIDERS.values():
        if listed and record.name not in wanted and record.plugin and find_spec(record.plugin):
            wanted[record.name] = True
    probes = []
    for name, plugin in wanted.items():
        on_progress(f"run a model on {name}")
        probes.append(try_provider(None, name, plugin=plugin))
    return tuple(probes)


def provider_findings(probes: tuple[ProviderProbe, ...], hardware: Hardware) -> Iterator[Finding]:
    """A provider that was installed and does not work is a problem; one that only came along (TensorRT) a note."""
    for probe in probes:
        if probe.works or probe.state == "remote":
            continue
        environment = _environment_of(probe.provider)
        detail = f"{probe.provider} {PROBLEMS[probe.state]}"
        yield Finding(
            level="problem" if environment else "note",
            what=f"{short_provider(probe.provider)}: {probe.state}",
            detail=f"{detail}: {probe.detail}" if probe.detail else detail,
            fix=_fix(probe, environment, hardware) if environment else None,
        )


def _environment_of(name: str) -> Environment | None:
    """The one that a target of the provider runs in; None for a provider that only came along, as TensorRT does."""
    target = next((target for target in targets().values() if target.execution_provider == name), None)
    environment = environments().get(target.environment) if target else None
    return environment if environment and environment.packages else None


def _fix(probe: ProviderProbe, environment: Environment, hardware: Hardware) -> str:
    record = provider(probe.provider)
    if probe.state not in ("crashed", "wrong"):
        if record.repair:
            return record.repair.get(platform.system(), record.repair[""])
        if record.requires and record.requires.fix and not hardware.meets(record.requires):
            return record.requires.fix
    return _reinstall(record, environment)


def _reinstall(record: Provider, environment: Environment) -> str:
    """The package that brings the provider once more, where this Python is its environment; else that environment."""
    if not satisfied_here(environment):
        return f"olivepress env create {environment.name}"
    module = canonical(record.plugin or "onnxruntime")
    package = next((pin for pin in environment.packages if pin.startswith(module)), environment.packages[0])
    return f"pip install --force-reinstall --no-deps {package}"
