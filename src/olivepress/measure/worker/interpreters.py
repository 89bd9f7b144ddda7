"""What another environment's Python has and can run: asked once, in a process of its own."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from olivepress.core.child.run import run_task
from olivepress.core.errors import OlivepressError
from olivepress.measure.worker import tasks
from olivepress.measure.worker.records import Nothing, ProbeSpec
from olivepress.report.machine import Machine, fingerprint
from olivepress.runtimes.plugins import PLUGINS
from olivepress.runtimes.probe import ProviderProbe, plain_reason

__all__ = ["PROBE_LIMIT_S", "machine_of", "openvino_devices_of", "try_provider"]

PROBE_LIMIT_S = 180.0  # TensorRT builds an engine before it runs


@cache
def machine_of(interpreter: Path | None) -> Machine:
    """This machine with the packages that ``interpreter`` has (None: this Python). Raises what ``run_task`` raises."""
    if interpreter is None:
        return fingerprint()
    return run_task(tasks.machine, Nothing(), interpreter=interpreter).result


@cache
def try_provider(interpreter: Path | None, provider: str, *, plugin: bool = True) -> ProviderProbe:
    """Run a small model on the provider, by its plugin if it has one; ``crashed`` when the process did not answer."""
    spec = ProbeSpec(provider=provider, plugin=PLUGINS.get(provider) if plugin else None)
    try:
        return run_task(tasks.probe, spec, interpreter=interpreter, timeout_s=PROBE_LIMIT_S).result
    except OlivepressError as error:
        return ProviderProbe(provider=provider, state="crashed", detail=plain_reason(error.message))


@cache
def openvino_devices_of(interpreter: Path | None) -> tuple[str, ...]:
    """``CPU``, ``GPU``, ``NPU``: what OpenVINO finds on this machine; none where it is not installed."""
    return run_task(tasks.openvino_devices, Nothing(), interpreter=interpreter).result.devices
