"""No library that olivepress uses tells anybody about it: the switches, in one place, before any of them is imported.

ONNX Runtime 1.29 and later send telemetry from Linux by default, and leave a device id and a database of events below
``~/.cache/Microsoft``; what the libraries read at import is too late to set afterwards.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["OLIVE_RUNS", "TELEMETRY_OFF", "private_environment", "turn_telemetry_off"]

TELEMETRY_OFF: Mapping[str, str] = MappingProxyType({
    "ORT_DISABLE_TELEMETRY": "1",  # ONNX Runtime
    "ORTGENAI_DISABLE_TELEMETRY": "1",  # onnxruntime-genai from 0.15 on
    "OLIVE_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",  # huggingface_hub, and with it transformers, datasets, peft
    "DISABLE_TELEMETRY": "1",  # the older name of the same
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "1",  # read by many, by MLflow and huggingface_hub too
})  # fmt: skip
"""Environment variable → its value, in every process that olivepress runs in or starts."""

# Olive's command line sends a heartbeat before it reads its own switch, unless it takes itself to run in a pipeline; it
# then also waits up to 10 s at its end (olive/telemetry/telemetry.py of 0.13.0).
OLIVE_RUNS: Mapping[str, str] = MappingProxyType({"CI": "1"})


def turn_telemetry_off() -> None:
    """In this process, and in every one that inherits from it; called when olivepress is imported."""
    os.environ.update(TELEMETRY_OFF)


def private_environment(**more: str) -> dict[str, str]:
    """The environment of a child process: this one's, no telemetry, and nothing imported from the working directory.

    A folder that somebody else packed may hold a ``json.py``.
    """
    return {**os.environ, **TELEMETRY_OFF, "PYTHONSAFEPATH": "1", **more}
