"""The session settings in a model folder's genai_config.json, and the size of the folder."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from olivepress.core.bounded import CONFIG, read_json
from olivepress.core.errors import JobError
from olivepress.report.machine import usable_cores
from olivepress.runtimes.onnx_graph import GraphError
from olivepress.runtimes.weights import decoder_config

__all__ = [
    "configured_providers",
    "default_threads",
    "session_options",
    "session_threads",
    "size_on_disk_bytes",
]

MOST_DEFAULT_THREADS = 16


def size_on_disk_bytes(model_dir: Path) -> int:
    """Bytes of all files below ``model_dir`` except ``reference/``, which is for measuring and is not shipped.

    Links are followed: a Hub snapshot consists of links into its blob store.
    """
    files = (file for file in model_dir.rglob("*") if "reference" not in file.relative_to(model_dir).parts[:-1])
    return sum(file.stat().st_size for file in files if file.is_file())


def _inner(config: Any) -> Iterable[Any]:
    """The values of an object or a list; empty for anything else."""
    if isinstance(config, dict):
        return config.values()
    if isinstance(config, list):
        return config
    return ()


def configured_providers(model_dir: Path) -> list[str]:
    """Names of the accelerators' providers in genai_config.json in genai's spelling (``QNN``, ``cuda``, ``DML``)."""
    try:
        config = read_json(model_dir / "genai_config.json", CONFIG, JobError)
    except (OSError, ValueError, RecursionError):
        return []
    return list(dict.fromkeys(_providers(config)))


def _providers(config: Any) -> Iterator[str]:
    """Provider names at any depth: models of several parts have more than one list."""
    for value in _inner(config):
        yield from _providers(value)
    if isinstance(config, dict) and isinstance(config.get("provider_options"), list):
        yield from (str(name) for entry in config["provider_options"] if isinstance(entry, dict) for name in entry)


def session_options(model_dir: Path) -> dict[str, int | str | None]:
    """``intra_op_num_threads`` and ``provider_options`` (as JSON) of genai_config.json; None if not set."""
    try:
        options = decoder_config(model_dir).get("session_options")
    except GraphError:
        options = None
    if not isinstance(options, dict):
        options = {}
    threads, providers = options.get("intra_op_num_threads"), options.get("provider_options")
    return {
        "intra_op_num_threads": threads if isinstance(threads, int) and threads > 0 else None,
        "provider_options": json.dumps(providers, sort_keys=True) if providers else None,
    }


def session_threads(model_dir: Path) -> int:
    """Threads that the session computes with: the number in the artifact, else genai's default on this machine."""
    threads = session_options(model_dir)["intra_op_num_threads"]
    return int(threads) if threads else default_threads(usable_cores())


def default_threads(cores: int) -> int:
    """Threads of a session without a configured number: half the logical processors, at least 1, at most 16.

    Source: ``Model::CreateSessionOptionsFromConfig`` of onnxruntime-genai 0.14.1. ONNX Runtime alone would take the
    physical cores; genai sets the number before it reads genai_config.json.
    """
    return min(max(cores // 2, 1), MOST_DEFAULT_THREADS)
