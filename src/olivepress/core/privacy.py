"""No library that olivepress uses sends telemetry: the switches, in one place, set before any of them is imported.

ONNX Runtime 1.29 and later send telemetry from Linux by default, and leave a device id and a database of events below
``~/.cache/Microsoft``; what the libraries read at import is too late to set afterwards.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

__all__ = ["OLIVE_RUNS", "TELEMETRY_OFF", "child_environment", "turn_telemetry_off"]

TELEMETRY_OFF: Mapping[str, str] = MappingProxyType({
    # ONNX Runtime, and onnxruntime-genai from 0.15 on: its library of 0.18 reads this name and no other, and without it
    # leaves ``onnxruntime-genai.db`` beside ONNX Runtime's own.
    "ORT_DISABLE_TELEMETRY": "1",
    "ORTGENAI_DISABLE_TELEMETRY": "1",  # a name of its own that genai's sources had for a while
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

_TEMPORARY = ("TMPDIR", "TEMP", "TMP")
_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def turn_telemetry_off() -> None:
    """In this process, and in every one that inherits from it; called when olivepress is imported."""
    os.environ.update(TELEMETRY_OFF)


def child_environment(
    *, offline: bool = False, threads: int | None = None, temporary: Path | None = None, **more: str
) -> dict[str, str]:
    """The environment of every child process: this one's, no telemetry, no import from the working directory.

    A folder that somebody else packed may contain a ``json.py``. With ``offline`` nothing is downloaded: a missing file
    is an error. ``threads`` limits the numeric libraries, which read it when they are imported. ``temporary`` is an
    existing folder for temporary files.
    """
    environment = {**os.environ, **TELEMETRY_OFF, "PYTHONSAFEPATH": "1", "PYTHONIOENCODING": "utf-8"}
    # Set for a process that goes without torch; one that it starts may need it.
    environment.pop("USE_TORCH", None)
    if offline:
        environment |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    if threads is not None:
        environment |= dict.fromkeys(_THREADS, str(threads))
    if temporary is not None:
        environment |= dict.fromkeys(_TEMPORARY, str(temporary.resolve()))
    return environment | more
