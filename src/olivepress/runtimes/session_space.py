"""Session options that tuning may set, and the alternatives it tries: one table of axes per execution provider.

Only what reaches the session is here. onnxruntime-genai 0.14.1 has fields of its own for the keys of ``FIELDS`` (a
number or truth value under any other key does not open) and hands every other text to ONNX Runtime's
``AddConfigEntry``, which takes anything and makes nothing of a key that it does not know. So a key with a dot is tried
only where the installed library holds it (``unknown_entries``), and what can be seen of an effect is looked at
(``trial``). ``execution_mode`` as a plain key is such a text that is taken and ignored.
"""

from __future__ import annotations

import importlib.util
import json
import mmap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, Field

from olivepress.core.errors import JobError
from olivepress.core.yaml_document import Record
from olivepress.runtimes.plugins import PLUGINS

__all__ = ["AXES", "Axis", "Hardware", "Options", "alternatives", "unknown_entries", "with_options"]

Value = bool | int | str
INTRA, INTER = "intra_op_num_threads", "inter_op_num_threads"
SPINNING, AFFINITY = "session.intra_op.allow_spinning", "session.intra_op_thread_affinities"
MODE, GRAPH = "session.execution_mode", "graph_optimization_level"
FIELDS = {INTRA: int, INTER: int, GRAPH: str, "enable_cpu_mem_arena": bool, "enable_mem_pattern": bool}
LIBRARIES = (".so", ".dll", ".dylib")


class Options(Record):
    """What is set beside the shipped settings: keys of ``session_options``, and of its provider's own options."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    session: dict[str, Value] = Field(default_factory=dict)
    provider: dict[str, str] = Field(default_factory=dict)

    def __or__(self, other: Options) -> Options:
        return Options(session=self.session | other.session, provider=self.provider | other.provider)

    def without(self, *keys: str) -> Options:
        return Options(session={k: v for k, v in self.session.items() if k not in keys}, provider=self.provider)

    @property
    def text(self) -> str:
        """``intra_op_num_threads=2 …``, or ``as shipped``."""
        return " ".join(f"{k}={v}" for k, v in (self.session | self.provider).items()) or "as shipped"


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """``cpus`` are the logical processors that this process may use, ``threads`` what the shipped settings start."""

    cpus: tuple[int, ...]
    physical_cores: int | None
    threads: int


Axis = Callable[[Options, Hardware], list[Options]]
"""The alternatives on one axis to the best settings so far."""


def _threads_of(best: Options, hardware: Hardware) -> int:
    return int(best.session.get(INTRA, hardware.threads))


def _threads(best: Options, hardware: Hardware) -> list[Options]:
    """1, 2, 4, … up to the processors, the physical cores, and one less than all."""
    most = len(hardware.cpus)
    counts = {2**power for power in range(most.bit_length()) if 2**power <= most}
    counts |= {most, most - 1, hardware.physical_cores or most}
    wanted = sorted(n for n in counts if 1 <= n <= most and n != _threads_of(best, hardware))
    return [best | Options(session={INTRA: n}) for n in wanted]


def _spinning(best: Options, hardware: Hardware) -> list[Options]:
    """Threads that sleep at once instead of waiting awake for the next kernel."""
    return [best | Options(session={SPINNING: "0"})] if _threads_of(best, hardware) > 1 else []


def _affinity(best: Options, hardware: Hardware) -> list[Options]:
    """Each thread of the pool on a processor of its own; the calling thread is not the pool's and is not pinned.

    ONNX Runtime counts processors from 1 and wants one entry for each thread but the caller, the number set.
    """
    threads = _threads_of(best, hardware)
    if not 1 < threads <= len(hardware.cpus):
        return []
    processors = ";".join(str(cpu + 1) for cpu in hardware.cpus[1:threads])
    return [best | Options(session={INTRA: threads, AFFINITY: processors})]


def _execution_mode(best: Options, hardware: Hardware) -> list[Options]:
    """Branches of the graph beside each other, in a second pool of threads."""
    return [best | Options(session={MODE: "parallel", INTER: 2})] if len(hardware.cpus) > 1 else []


def _each(*choices: Mapping[str, Value]) -> Axis:
    return lambda best, hardware: [best | Options(session=dict(choice)) for choice in choices]


def _provider(*choices: Mapping[str, str]) -> Axis:
    return lambda best, hardware: [best | Options(provider=dict(choice)) for choice in choices]


_GRAPH = _each({GRAPH: "ORT_ENABLE_EXTENDED"}, {GRAPH: "ORT_ENABLE_BASIC"})
_MEMORY = _each({"enable_mem_pattern": False}, {"enable_cpu_mem_arena": False})
AXES: Mapping[str, Mapping[str, Axis]] = {
    "CPUExecutionProvider": {
        "threads": _threads,
        "spinning": _spinning,
        "affinity": _affinity,
        "execution mode": _execution_mode,
        "graph optimization": _GRAPH,
        "memory": _MEMORY,
        "block size": _each({"session.dynamic_block_base": "4"}),
        "denormals": _each({"session.set_denormal_as_zero": "1"}),
    },
    "CUDAExecutionProvider": {
        "CUDA graph": _provider({"enable_cuda_graph": "1"}, {"enable_cuda_graph": "0"}),
        "tunable kernels": _provider({"tunable_op_enable": "1", "tunable_op_tuning_enable": "1"}),
        "TF32": _provider({"use_tf32": "0"}),
        "graph optimization": _GRAPH,
    },
    # genai reads only the device from DirectML's options; these go to the session.
    "DmlExecutionProvider": {
        "synchronization": _each({"ep.dml.enable_cpu_sync_spinning": "1"}),
        "graph fusion": _each({"ep.dml.disable_graph_fusion": "1"}),
        "memory": _each({"ep.dml.disable_memory_arena": "1"}),
        "graph optimization": _GRAPH,
    },
    "WebGpuExecutionProvider": {
        "graph capture": _provider({"enableGraphCapture": "1"}),
        "validation": _provider({"validationMode": "disabled"}),
        "graph optimization": _GRAPH,
    },
}
"""Execution provider → axis → its alternatives, in the order in which they are searched. A new option is one line."""


def alternatives(provider: str) -> Mapping[str, Axis]:
    """The axes of an execution provider; JobError when nothing is known of it."""
    if provider not in AXES:
        raise JobError(
            f"nothing to tune is known of {provider}; known: {', '.join(AXES)}", next_step="ship it as it is"
        )
    return AXES[provider]


def with_options(config_text: str, options: Options) -> str:
    """genai_config.json with the options in the decoder's session options; the same text when there are none.

    JobError for a decoder that is a pipeline, a provider that the file does not name, and a value of another type than
    its field: nothing is written that genai would take for something else.
    """
    if options == Options():
        return config_text
    try:
        config = json.loads(config_text)
        decoder = config["model"]["decoder"]
        session = decoder.setdefault("session_options", {})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise JobError("genai_config.json has no decoder", next_step="export the model again") from error
    if "pipeline" in decoder:
        raise JobError("the decoder is a pipeline of several graphs: not tuned", next_step="ship it as it is")
    for key, value in options.session.items():
        if type(value) is not FIELDS.get(key, str) or (key not in FIELDS and "." not in key):
            raise JobError(f"{key}={value!r} is no session option of genai")
    session.update(options.session)
    if options.provider:
        _providers_entry(session).update(options.provider)
    return json.dumps(config, indent=4) + "\n"


def _providers_entry(session: Mapping[str, Any]) -> dict[str, Any]:
    """The options of the one provider that the artifact asks for."""
    listed = session.get("provider_options")
    entries = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    found = [options for entry in entries for options in entry.values() if isinstance(options, dict)]
    if len(found) != 1:
        raise JobError("genai_config.json names no single provider to set options of", next_step="ship it as it is")
    return found[0]


def unknown_entries(keys: Iterable[str], provider: str) -> list[str]:
    """Those of the keys with a dot that no library of the installed ONNX Runtime holds, nor the provider's plugin.

    ONNX Runtime itself takes any key. Fields of genai need no such look: it refuses what it does not know.
    """
    asked = [key for key in keys if "." in key]
    if not asked:
        return []
    libraries = [*_libraries("onnxruntime"), *_libraries(PLUGINS.get(provider))]
    return [key for key in asked if not any(_holds(library, key) for library in libraries)]


def _libraries(package: str | None) -> list[Path]:
    """Shared libraries of a package, versioned names too; none when it is not installed."""
    spec = importlib.util.find_spec(package) if package else None
    folders = [Path(folder) for folder in (spec.submodule_search_locations or ())] if spec else []
    files = (path for folder in folders for path in sorted(folder.rglob("*")))
    return [path for path in files if path.is_file() and any(f"{end}." in f"{path.name}." for end in LIBRARIES)]


def _holds(library: Path, key: str) -> bool:
    with library.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return data.find(key.encode() + b"\0") >= 0
