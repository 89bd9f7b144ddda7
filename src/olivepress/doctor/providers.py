"""Every provider that is listed or comes with an installed plugin, tried in a process of its own."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from importlib.util import find_spec

from olivepress.catalog import targets
from olivepress.core.child.run import run_task
from olivepress.core.errors import OlivepressError
from olivepress.doctor.records import Finding, Hardware
from olivepress.environments.lookup import Environment, canonical, environments, satisfied_here
from olivepress.measure.worker import tasks
from olivepress.measure.worker.interpreters import PROBE_LIMIT_S, try_provider
from olivepress.measure.worker.records import ImportSpec
from olivepress.runtimes.plugins import PLUGINS
from olivepress.runtimes.probe import ProviderProbe, plain_reason

__all__ = ["provider_findings", "try_import", "try_providers"]

VULKAN = "apt-get install mesa-vulkan-drivers  (Mesa 25 or later; on Debian 12 with -t bookworm-backports)"
NO_GPU = "install NVIDIA's driver until nvidia-smi lists the GPU; without a GPU: olivepress env create cpu"
Tell = Callable[[str], None]

SAYS = {
    "fell back": "makes a session that runs on the CPU",
    "no session": "is listed and makes no session",
    "no device": "is installed, and ONNX Runtime finds no device for it",
    "wrong": "computes something else",
    "crashed": "ends its process",
}


def try_import(module: str) -> tuple[bool, str, tuple[str, ...]]:
    """Whether a child can import it, its version or why not, and the providers that it lists."""
    try:
        package = run_task(tasks.import_package, ImportSpec(module=module), timeout_s=PROBE_LIMIT_S).result
    except OlivepressError as error:
        return False, plain_reason(error.message), ()
    return True, package.version, package.providers


def try_providers(listed: tuple[str, ...], tell: Tell) -> tuple[ProviderProbe, ...]:
    """A probe of each of ``listed`` and of each installed plugin; none when ``listed`` is empty: no ONNX Runtime."""
    wanted = dict.fromkeys(listed, False)
    wanted |= {name: True for name, module in PLUGINS.items() if listed and name not in wanted and find_spec(module)}
    found = []
    for provider, plugin in wanted.items():
        tell(f"run a model on {provider}")
        found.append(try_provider(None, provider, plugin=plugin))
    return tuple(found)


def provider_findings(probes: tuple[ProviderProbe, ...], hardware: Hardware) -> Iterator[Finding]:
    """A provider that was installed and does not work is a problem; one that only came along (TensorRT) a note."""
    for probe in probes:
        if probe.works or probe.state == "remote":
            continue
        one = _environment_of(probe.provider)
        yield Finding(
            level="problem" if one else "note",
            what=f"{probe.provider.removesuffix('ExecutionProvider')}: {probe.state}",
            detail=f"{probe.provider} {SAYS[probe.state]}" + (f": {probe.detail}" if probe.detail else ""),
            fix=_fix(probe, one, hardware) if one else None,
        )


def _environment_of(provider: str) -> Environment | None:
    """The one that a target of the provider runs in; None for a provider that only came along, as TensorRT does."""
    name = next((target.environment for target in targets().values() if target.execution_provider == provider), "")
    found = environments().get(name)
    return found if found and found.packages else None


def _fix(probe: ProviderProbe, one: Environment, hardware: Hardware) -> str:
    if probe.state in ("crashed", "wrong"):
        return _again(probe.provider, one)
    if probe.provider == "WebGpuExecutionProvider":
        return VULKAN if platform.system() == "Linux" else "update the GPU's driver"
    if probe.provider == "CUDAExecutionProvider" and not hardware.gpus:
        return NO_GPU
    if probe.provider == "QNNExecutionProvider":
        return "ldd --version  (the plugin needs glibc 2.35 or later; on a device Qualcomm's driver)"
    return _again(probe.provider, one)


def _again(provider: str, one: Environment) -> str:
    """The package that brings the provider once more, where this Python is its environment; else that environment."""
    if not satisfied_here(one):
        return f"olivepress env create {one.name}"
    module = canonical(one.plugins.get(provider, "onnxruntime"))
    package = next((pin for pin in one.packages if pin.startswith(module)), one.packages[0])
    return f"pip install --force-reinstall --no-deps {package}"
