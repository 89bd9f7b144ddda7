"""Which kernels a token's time goes into: ONNX Runtime's own profiler under genai, prefill and decode apart.

The session writes one event for every kernel that ran and one (``model_run``) around each run of the graph. genai runs
the graph once for the prompt and once for each token after the first, so the runs are told apart by counting them. The
profiler slows what it watches: every round times the same workload without it as well, and the ratio is told.
"""

from __future__ import annotations

import gc
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from olivepress.core.bounded import CONFIG, read_json
from olivepress.core.errors import JobError
from olivepress.core.timestamps import Timestamp
from olivepress.measure.cpu_stand_in import linked_copy
from olivepress.measure.latency.latency import LatencySpec, Workload, prompt_of, time_repetitions
from olivepress.report.device_report import Measurement
from olivepress.report.machine import Machine
from olivepress.runtimes.genai_model import GenaiModel, import_genai
from olivepress.runtimes.weights import load_decoder, node_bytes
from olivepress.stats.intervals import cluster_mean

__all__ = ["Kernel", "KernelProfile", "Phase", "ProfileSpec", "Run", "phase_of", "profile_process", "profiled_copy"]

PREFIX = "kernels"
KERNEL = "_kernel_time"
PhaseName = Literal["prefill", "decode"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ProfileSpec(_Record):
    """One process: ``repetitions`` of the workload after one that warms up. ``folder`` is where a profiled copy of the
    model (``profiled_copy``) writes its events; None times without the profiler."""

    model_dir: Path
    workload: Workload
    repetitions: int = Field(2, ge=1)
    execution_provider: str
    folder: Path | None = None


class Run(_Record):
    """One run of the graph: microseconds in all, and by kernel (``op type|provider``) with the number of calls."""

    phase: PhaseName
    tokens: int
    us: float
    kernels: dict[str, tuple[float, int]]


class Kernel(_Record):
    """All nodes of one op type on one provider, and their ``share`` of the run's time. In parallel execution mode
    kernels overlap, and shares may add up to more than 1.

    ``weight_bytes`` is what they read in one run, without those of an adapter, which are inputs; null where the runtime
    made a node with weights of its own and the graph does not tell.
    """

    op_type: str
    provider: str
    nodes: int
    us_per_token: Measurement
    share: float
    us_per_call: float
    calls_per_run: float
    weight_bytes: int | None


class Phase(_Record):
    """``n_runs`` runs of the graph over ``n_tokens`` tokens in all. ``outside_us_per_token`` is what a run takes beside
    its kernels; what genai does between runs is in neither."""

    phase: PhaseName
    n_runs: int
    n_tokens: int
    us_per_token: Measurement
    outside_us_per_token: float
    kernels: tuple[Kernel, ...]


class KernelProfile(_Record):
    """``slowdown_*``: time with the profiler over time without it, median of ``rounds`` interleaved rounds.
    ``*_ms`` are without the profiler."""

    schema_version: Literal[1] = 1
    recipe: str
    job: str
    adapter: str | None
    artifact_sha256: str
    execution_provider: str
    machine: Machine
    created_at: Timestamp
    workload: str
    rounds: int
    repetitions: int
    threads: int
    ttft_ms: Measurement
    step_ms: Measurement
    slowdown_prefill: Measurement
    slowdown_decode: Measurement
    phases: tuple[Phase, ...]


def profile_prefix(folder: Path) -> str:
    """What the names of the profiler's files begin with: the one place that a session may write to."""
    return str(folder.resolve() / PREFIX)


def profiled_copy(model_dir: Path, folder: Path) -> Path:
    """Links to the model's files and a genai_config.json with the profiler on; it writes into ``folder``.

    JobError for a decoder that is a pipeline, or a file that cannot be read.
    """
    file = model_dir / "genai_config.json"
    try:
        config = read_json(file, CONFIG, JobError)
        decoder = config["model"]["decoder"]
        session = decoder.setdefault("session_options", {})
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise JobError(f"{file}: no decoder in it", next_step="export the model again") from error
    if "pipeline" in decoder:
        raise JobError(f"{model_dir}: the decoder is a pipeline of several graphs: not profiled")
    session["enable_profiling"] = profile_prefix(folder)
    return linked_copy(model_dir, folder / "model", {file.name: json.dumps(config)})


def profile_process(spec: ProfileSpec) -> dict[str, Any]:
    """Time the workload in this (fresh) process, and read what the profiler wrote.

    Returns ``ttft_ms`` and ``step_ms`` (medians), ``runs`` and ``nodes`` (kernel → names of its nodes that have weights
    or are in the graph), both empty without the profiler. JobError when it did not write one whole file.
    """
    import_genai()
    model = GenaiModel(spec.model_dir, profile=profile_prefix(spec.folder) if spec.folder else None)
    timed = LatencySpec(model_dir=spec.model_dir, workload=spec.workload, execution_provider=spec.execution_provider)
    messages, tokens = prompt_of(timed, model)
    time_repetitions(model, timed, messages, tokens, 1)
    samples = time_repetitions(model, timed, messages, tokens, spec.repetitions)
    found: dict[str, Any] = {
        "ttft_ms": float(np.median([sample.ttft_ms for sample in samples])),
        "step_ms": float(np.median([step for sample in samples for step in sample.step_ms])),
        "prompt_tokens": tokens,
        "runs": [],
        "nodes": {},
    }
    if spec.folder is None:
        return found
    del model  # the session writes its events when it ends
    gc.collect()
    events = _events(spec.folder)
    runs = list(_runs(events, tokens, spec.workload.generated_tokens, spec.repetitions))
    return found | {"runs": [run.model_dump() for run in runs], "nodes": _nodes(events)}


def _events(folder: Path) -> list[dict[str, Any]]:
    files = sorted(folder.glob(f"{PREFIX}*.json"))
    if len(files) != 1:
        raise JobError(f"the runtime wrote {len(files)} profiles, expected 1: this genai takes no enable_profiling")
    try:
        events = json.loads(files[0].read_text(encoding="utf-8", errors="replace"))
    except ValueError as error:
        raise JobError("the runtime's profile is cut", next_step="a shorter --workload") from error
    finally:
        files[0].unlink()
    return sorted((event for event in events if "ts" in event), key=lambda event: int(event["ts"]))


def _runs(events: Sequence[Mapping[str, Any]], prompt: int, generated: int, repetitions: int) -> Iterator[Run]:
    """The runs of the graph after the warm-up, in order. JobError when there are not as many as there must be."""
    outer = [event for event in events if event["name"] == "model_run"]
    if len(outer) != generated * (repetitions + 1):
        expected = generated * (repetitions + 1)
        raise JobError(
            f"the profile has {len(outer)} runs of the graph, expected {expected}", next_step="a shorter --workload"
        )
    kernels, at = list(_top_level(events)), 0
    for number, event in enumerate(outer):
        end, sums = int(event["ts"]) + int(event["dur"]), defaultdict[str, list[float]](lambda: [0.0, 0])
        while at < len(kernels) and int(kernels[at]["ts"]) <= end:
            entry = sums[_key(kernels[at])]
            entry[0] += float(kernels[at]["dur"])
            entry[1] += 1
            at += 1
        if number >= generated:
            first = number % generated == 0
            yield Run(
                phase="prefill" if first else "decode",
                tokens=prompt if first else 1,
                us=float(event["dur"]),
                kernels={key: (us, int(calls)) for key, (us, calls) in sums.items()},
            )


def _top_level(events: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Kernels that run inside no other one on their thread: those of an If's branch are in the If's own time."""
    until = dict[Any, int]()
    for event in events:
        if event["name"].endswith(KERNEL) and int(event["ts"]) >= until.get(event.get("tid"), 0):
            until[event.get("tid")] = int(event["ts"]) + int(event["dur"])
            yield event


def _key(event: Mapping[str, Any]) -> str:
    return f"{event['args'].get('op_name', '?')}|{event['args'].get('provider', '?')}"


def _nodes(events: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    """Kernel → node → bytes of weights that the runtime itself tells of it: none of what it has packed anew."""
    found = defaultdict[str, dict[str, int]](dict)
    for event in _top_level(events):
        told = int(event["args"].get("parameter_size", 0) or 0)
        found[_key(event)][event["name"].removesuffix(KERNEL)] = told
    return dict(found)


def phase_of(phase: PhaseName, runs: Sequence[Run], nodes: Mapping[str, Mapping[str, int]], model_dir: Path) -> Phase:
    """Add up the runs of a phase: means per token, whole runs resampled for the interval (``cluster_mean``)."""
    own = [run for run in runs if run.phase == phase]
    tokens, graph = [run.tokens for run in own], load_decoder(model_dir)
    held = {} if isinstance(graph, str) else node_bytes(graph, tokens[0])
    total = sum(run.us for run in own)
    kernels = []
    for key in sorted({key for run in own for key in run.kernels}):
        spent = [run.kernels.get(key, (0.0, 0)) for run in own]
        us, calls = sum(one[0] for one in spent), sum(one[1] for one in spent)
        op_type, _, provider = key.partition("|")
        kernels.append(
            Kernel(
                op_type=op_type,
                provider=provider,
                nodes=len(nodes[key]),
                us_per_token=_mean([one[0] for one in spent], tokens),
                share=us / total,
                us_per_call=us / calls,
                calls_per_run=calls / len(own),
                weight_bytes=_weights(nodes[key], held),
            )
        )
    inside = sum(us for run in own for us, _ in run.kernels.values())
    return Phase(
        phase=phase,
        n_runs=len(own),
        n_tokens=sum(tokens),
        us_per_token=_mean([run.us for run in own], tokens),
        outside_us_per_token=(total - inside) / sum(tokens),
        kernels=tuple(sorted(kernels, key=lambda kernel: -kernel.share)),
    )


def _mean(sums: Sequence[float], counts: Sequence[int]) -> Measurement:
    low, high = cluster_mean(sums, counts) or (None, None)
    return Measurement(value=sum(sums) / sum(counts), unit="us", n=len(sums), ci_low=low, ci_high=high)


def _weights(nodes: Mapping[str, int], held: Mapping[str, int]) -> int | None:
    """Bytes by the graph; of a node that the runtime made itself by what it tells, if that is nothing."""
    if any(name not in held and told for name, told in nodes.items()):
        return None
    return sum(held.get(name, 0) for name in nodes)
