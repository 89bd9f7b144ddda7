"""What another environment's Python says of itself: asked once, in a process of its own."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from olivepress.catalog.provider import provider as find_provider
from olivepress.core.errors import OlivepressError
from olivepress.measure.worker.host import run_child
from olivepress.report.machine import Machine, fingerprint
from olivepress.runtimes.probe import ProviderProbe, plain_reason

__all__ = ["PROBE_LIMIT_S", "machine_of", "openvino_devices_of", "try_provider"]

PROBE_LIMIT_S = 180.0  # TensorRT builds an engine before it runs


@cache
def machine_of(interpreter: Path | None) -> Machine:
    """This machine with the packages that ``interpreter`` has (None: this Python). Raises what ``run_child`` raises."""
    if interpreter is None:
        return fingerprint()
    return Machine.model_validate(run_child("machine", {}, interpreter=interpreter)["machine"])


@cache
def try_provider(interpreter: Path | None, provider: str, *, plugin: bool = True) -> ProviderProbe:
    """Run a small model on the provider, by its plugin if it has one; ``crashed`` when its process ended first."""
    module = find_provider(provider).plugin if plugin else ""
    spec = {"provider": provider, "plugin": module or None}
    try:
        found = run_child("probe", spec, interpreter=interpreter, timeout_s=PROBE_LIMIT_S)
    except OlivepressError as error:
        return ProviderProbe(provider=provider, state="crashed", detail=plain_reason(error.message))
    return ProviderProbe.model_validate({name: found[name] for name in ProviderProbe.model_fields})


@cache
def openvino_devices_of(interpreter: Path | None) -> tuple[str, ...]:
    """``CPU``, ``GPU``, ``NPU``: what OpenVINO finds on this machine; none where it is not installed."""
    return tuple(run_child("openvino_devices", {}, interpreter=interpreter)["devices"])
