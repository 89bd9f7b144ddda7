"""What a model folder's genai_config.json asks of the session, and how large the folder is."""

from __future__ import annotations

import json
from pathlib import Path

import psutil

from olivepress.measure.machine import usable_cores
from olivepress.measure.weights import decoder_config

__all__ = ["session_options", "session_threads", "size_on_disk_bytes"]


def size_on_disk_bytes(model_dir: Path) -> int:
    """Bytes of all files below ``model_dir`` but ``reference/``, which is for measuring and is not shipped.

    Links are followed: a Hub snapshot is links into its blob store.
    """
    files = (file for file in model_dir.rglob("*") if "reference" not in file.relative_to(model_dir).parts[:-1])
    return sum(file.stat().st_size for file in files if file.is_file())


def session_options(model_dir: Path) -> dict[str, int | str | None]:
    """``intra_op_num_threads`` and ``provider_options`` (as JSON) of genai_config.json; null what it does not set."""
    decoder = decoder_config(model_dir)
    options = decoder.get("session_options") if isinstance(decoder, dict) else None
    asked = options if isinstance(options, dict) else {}
    threads, providers = asked.get("intra_op_num_threads"), asked.get("provider_options")
    return {
        "intra_op_num_threads": threads if isinstance(threads, int) and threads > 0 else None,
        "provider_options": json.dumps(providers, sort_keys=True) if providers else None,
    }


def session_threads(model_dir: Path) -> int:
    """Threads that the session computes with: what the artifact asks for, else ONNX Runtime's physical cores."""
    asked = session_options(model_dir)["intra_op_num_threads"]
    return int(asked) if asked else psutil.cpu_count(logical=False) or usable_cores()
