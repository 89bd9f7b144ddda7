"""What only a test shows: whether a package can be imported, and whether a provider runs a model.

Run it in a process of its own (task ``probe`` of ``measure.worker``): a broken native library ends the process.
"""

from __future__ import annotations

import importlib
import os
import re
from collections import Counter
from types import ModuleType
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from olivepress.catalog.provider import CPU, provider
from olivepress.catalog.provider_record import Provider
from olivepress.core.errors import SetupError
from olivepress.core.privacy import OLIVE_RUNS
from olivepress.runtimes.plugins import is_emulated, register_library
from olivepress.runtimes.probe_model import TOLERANCE, ProbeModel, fp32_model, quantized_model

__all__ = ["ProviderProbe", "plain_reason", "probe_import", "probe_provider"]

# A folder that an uninstall left behind is a namespace package: it can be imported and holds nothing.
PROOF = {"onnxruntime": "InferenceSession", "onnxruntime_genai": "Model", "olive": "__version__"}

# With the CPU forbidden these are errors; otherwise the session comes, and everything runs on the CPU.
FELL_BACK = ("assigned to the default CPU EP", "No supported adapters", "Failed to get a WebGPU adapter")

State = Literal["runs", "emulated", "fell back", "no session", "no device", "wrong", "crashed", "remote"]


class ProviderProbe(BaseModel):
    """What one provider did with the probe model.

    ``runs``: it computed what numpy computes, with the CPU forbidden; ``emulated``: the same, in software;
    ``fell back``: there is a session, all of it on the CPU; ``no session``, ``no device``: it is listed, or its plugin
    is installed, and no more; ``wrong``: other numbers than numpy's; ``crashed``: its process ended; ``remote``: not
    tried. ``nodes`` are those placed on it, null where ONNX Runtime does not report them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    provider: str
    state: State
    detail: str = ""
    nodes: int | None = None
    max_error: float | None = None

    @property
    def works(self) -> bool:
        return self.state in ("runs", "emulated")


def probe_import(module: str) -> dict[str, Any]:
    """Version of an importable package, and for ``onnxruntime`` the providers it lists. Its own error when it is not.

    SetupError when what is imported is only a folder that an uninstall left behind.
    """
    os.environ.update(OLIVE_RUNS)
    imported = importlib.import_module(module)
    if not hasattr(imported, PROOF[module]):
        raise SetupError(f"{module} can be imported and has no {PROOF[module]}: what an uninstall left behind")
    listed = imported.get_available_providers() if module == "onnxruntime" else []
    return {"version": str(getattr(imported, "__version__", "")), "providers": list(listed)}


def probe_provider(name: str, plugin: str | None = None) -> ProviderProbe:
    """Run the probe model on a provider; ``plugin`` is the module of the package that brings it, if one does."""
    import onnxruntime as ort

    record = provider(name)
    if record.remote:
        return ProviderProbe(provider=name, state="remote", detail="a hosted service, not tried")
    model = quantized_model() if record.quantized_probe else fp32_model()
    try:
        module = importlib.import_module(plugin) if plugin else None
        devices = _devices(ort, name, module)
        if module is not None and not devices:
            return ProviderProbe(provider=name, state="no device")
        session = _session(ort, model, record, devices, record.probe_options(module))
        return _judge(ort, session, model, name)
    except Exception as error:  # the runtime's errors have no common base
        text = plain_reason(str(error))
        fell_back = any(sign in text for sign in FELL_BACK)
        return ProviderProbe(provider=name, state="fell back" if fell_back else "no session", detail=text)


def _devices(ort: Any, name: str, module: ModuleType | None) -> list[Any]:
    """A device that the plugin finds (one is enough); none without a plugin."""
    if module is None:
        return []
    register_library(ort, name, module)
    return [device for device in ort.get_ep_devices() if device.ep_name == name][:1]


def plain_reason(text: str) -> str:
    """An error's text for people and for sharing: one line, no source locations, of every path only the file's name."""
    line = " ".join(text.split())
    line = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", line)
    line = line.rpartition(" was false. ")[2]
    return re.sub(r"(?:[A-Za-z]:)?[/\\](?:[^\s/\\:'\"]+[/\\])+", "", line)[:300]


def _session(ort: Any, model: ProbeModel, record: Provider, devices: list[Any], extra: dict[str, str]) -> Any:
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    if record.name != CPU.name:
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    if devices:
        options.add_provider_for_devices(devices, extra)
        return ort.InferenceSession(model.data, options)
    # Without enable_fallback=0 the Python wrapper retries on the CPU and hides why.
    return ort.InferenceSession(model.data, options, providers=[(record.name, extra)], enable_fallback=0)


def _judge(ort: Any, session: Any, model: ProbeModel, provider: str) -> ProviderProbe:
    import numpy as np

    (y,) = session.run(None, {"x": model.x})
    error = float(np.abs(y - model.y).max())
    assigned: list[Any] = getattr(session, "get_provider_graph_assignment_info", list)()
    counts = Counter(graph.ep_name for graph in assigned for _ in graph.get_nodes())
    nodes = counts[provider] if counts else None  # WebGPU of ONNX Runtime 1.27 reports nothing
    version = f"onnxruntime {ort.__version__}"
    if nodes == 0 or provider not in session.get_providers():
        return ProviderProbe(provider=provider, state="fell back", nodes=0, detail=f"{version} placed all on the CPU")
    if not error <= TOLERANCE:
        detail = f"{version}: off by {error:.3g} from numpy, at most {TOLERANCE} is right"
        finite = error if np.isfinite(error) else None
        return ProviderProbe(provider=provider, state="wrong", nodes=nodes, detail=detail, max_error=finite)
    state: State = "emulated" if is_emulated(provider) else "runs"
    detail = "in software: its numbers are evidence, its speed is not" if state == "emulated" else ""
    return ProviderProbe(provider=provider, state=state, nodes=nodes, max_error=error, detail=detail)
