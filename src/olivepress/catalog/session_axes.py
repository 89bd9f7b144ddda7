"""Session options that tuning may set, and the kinds of axes along which it tries alternatives.

Only options that reach the session are here. onnxruntime-genai 0.14.1 has fields of its own for the keys of ``FIELDS``
(a number or truth value under any other key does not open) and hands every other text to ONNX Runtime's
``AddConfigEntry``, which takes anything and ignores a key that it does not know. So a key with a dot is tried only
where the installed library contains it (``runtimes.session_space``), and any visible effect is checked
(``measure.tuning.trial``). ``execution_mode`` as a plain key is such a text: taken and ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pydantic import ConfigDict, Field

from olivepress.core.yaml_document import Record

__all__ = ["AFFINITY", "FIELDS", "GRAPH_OPTIMIZATION", "INTER", "INTRA", "MEMORY", "MODE", "Axis", "Hardware"]
__all__ += ["Options", "affinity", "execution_mode", "provider_choices", "session_choices", "spinning", "threads"]

Value = bool | int | str
INTRA, INTER = "intra_op_num_threads", "inter_op_num_threads"
SPINNING, AFFINITY = "session.intra_op.allow_spinning", "session.intra_op_thread_affinities"
MODE, GRAPH = "session.execution_mode", "graph_optimization_level"
FIELDS = {INTRA: int, INTER: int, GRAPH: str, "enable_cpu_mem_arena": bool, "enable_mem_pattern": bool}


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


def threads(best: Options, hardware: Hardware) -> list[Options]:
    """1, 2, 4, … up to the processors, the physical cores, and one less than all."""
    most = len(hardware.cpus)
    counts = {2**power for power in range(most.bit_length()) if 2**power <= most}
    counts |= {most, most - 1, hardware.physical_cores or most}
    wanted = sorted(n for n in counts if 1 <= n <= most and n != _threads_of(best, hardware))
    return [best | Options(session={INTRA: n}) for n in wanted]


def spinning(best: Options, hardware: Hardware) -> list[Options]:
    """Threads that sleep at once instead of waiting awake for the next kernel."""
    if _threads_of(best, hardware) == 1:
        return []
    return [best | Options(session={SPINNING: "0"})]


def affinity(best: Options, hardware: Hardware) -> list[Options]:
    """Each thread of the pool on a processor of its own; the calling thread is not the pool's and is not pinned.

    ONNX Runtime counts processors from 1 and wants one entry for each thread but the caller, the number set.
    """
    wanted = _threads_of(best, hardware)
    if not 1 < wanted <= len(hardware.cpus):
        return []
    processors = ";".join(str(cpu + 1) for cpu in hardware.cpus[1:wanted])
    return [best | Options(session={INTRA: wanted, AFFINITY: processors})]


def execution_mode(best: Options, hardware: Hardware) -> list[Options]:
    """Branches of the graph beside each other, in a second pool of threads."""
    if len(hardware.cpus) == 1:
        return []
    return [best | Options(session={MODE: "parallel", INTER: 2})]


def session_choices(*choices: Mapping[str, Value]) -> Axis:
    """An axis of fixed alternatives, each some session options."""
    return lambda best, hardware: [best | Options(session=dict(choice)) for choice in choices]


def provider_choices(*choices: Mapping[str, str]) -> Axis:
    """An axis of fixed alternatives, each some options of the execution provider."""
    return lambda best, hardware: [best | Options(provider=dict(choice)) for choice in choices]


GRAPH_OPTIMIZATION = session_choices({GRAPH: "ORT_ENABLE_EXTENDED"}, {GRAPH: "ORT_ENABLE_BASIC"})
MEMORY = session_choices({"enable_mem_pattern": False}, {"enable_cpu_mem_arena": False})
