"""The time of each kernel per token, by ONNX Runtime's profiler under genai, separately for prefill and decode.

The session writes one event for every kernel and one (``model_run``) around each run of the graph. genai runs the graph
once for the prompt and once for each token after the first, so counting the runs tells prefill from decode. Profiling
slows the model: every round times the same workload without the profiler as well, and the ratio is reported.
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
from olivepress.measure.latency.latency import LatencySpec, Workload, prompt_of, time_repetitions
from olivepress.report.device_report import Measurement
from olivepress.report.machine import Machine
from olivepress.runtimes.genai_model import GenaiModel, import_genai
from olivepress.runtimes.linked_copy import linked_copy
from olivepress.runtimes.onnx_graph import GraphError
from olivepress.runtimes.weights import load_decoder, node_bytes
from olivepress.stats.intervals import cluster_mean

__all__ = ["Kernel", "KernelProfile", "Phase", "ProfileSpec", "Run", "phase_of", "profile_process", "profiled_copy"]

PREFIX = "kernels"
KERNEL = "_kernel_time"
PhaseName = Literal["prefill", "decode"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ProfileSpec(_Record):
    """One process: ``repetitions`` of the workload after one warm-up.

    ``folder`` is where a profiled copy of the model (``profiled_copy``) writes its events; None times the model without
    the profiler.
    """

    model_dir: Path
    workload: Workload
    repetitions: int = Field(2, ge=1)
    execution_provider: str
    folder: Path | None = None


class Run(_Record):
    """One run of the graph: total microseconds, and (microseconds, calls) by kernel (``op type|provider``)."""

    phase: PhaseName
    tokens: int
    us: float
    kernels: dict[str, tuple[float, int]]


class Kernel(_Record):
    """All nodes of one op type on one provider, and their ``share`` of the run's time.

    Shares may add up to more than 1 in parallel execution mode, where kernels overlap. ``weight_bytes`` are the weights
    read in one run, without those of an adapter, which are inputs; null where the runtime created a node with weights
    that are not in the graph.
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
    """``n_runs`` runs of the graph over ``n_tokens`` tokens in total.

    ``outside_us_per_token`` is the time of a run outside its kernels; genai's time between runs is in neither.
    """

    phase: PhaseName
    n_runs: int
    n_tokens: int
    us_per_token: Measurement
    outside_us_per_token: float
    kernels: tuple[Kernel, ...]


class KernelProfile(_Record):
    """``slowdown_*``: time with the profiler over time without it, median of ``rounds`` interleaved rounds.

    ``*_ms`` are times without the profiler.
    """

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
    """The prefix of the profiler's files, the only files that a session may write."""
    return str(folder.resolve() / PREFIX)


def profiled_copy(model_dir: Path, folder: Path) -> Path:
    """A copy of the model below ``folder``, by links, with the profiler on; it writes its events into ``folder``.

    JobError for a decoder that is a pipeline, or a genai_config.json that cannot be read.
    """
    file = model_dir / "genai_config.json"
    try:
        config = read_json(file, CONFIG, JobError)
        decoder = config["model"]["decoder"]
        session = decoder.setdefault("session_options", {})
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise JobError(f"{file}: contains no decoder", next_step="export the model again") from error
    if "pipeline" in decoder:
        raise JobError(f"{model_dir}: the decoder is a pipeline of several graphs: not profiled")
    session["enable_profiling"] = profile_prefix(folder)
    return linked_copy(model_dir, folder / "model", {file.name: json.dumps(config)})


def profile_process(spec: ProfileSpec) -> dict[str, Any]:
    """Time the workload in this (fresh) process and read the profiler's events.

    Returns ``ttft_ms`` and ``step_ms`` (medians), ``prompt_tokens``, ``runs`` (see ``Run``) and ``nodes`` (kernel →
    node → bytes of its weights by the profiler); the last two are empty without the profiler. JobError unless the
    profiler wrote exactly one complete file.
    """
    import_genai()
    model = GenaiModel(spec.model_dir, profile=profile_prefix(spec.folder) if spec.folder else None)
    timed = LatencySpec(model_dir=spec.model_dir, workload=spec.workload, execution_provider=spec.execution_provider)
    messages, tokens = prompt_of(timed, model)
    time_repetitions(model, timed, messages, tokens, 1)
    samples = time_repetitions(model, timed, messages, tokens, spec.repetitions)
    result: dict[str, Any] = {
        "ttft_ms": float(np.median([sample.ttft_ms for sample in samples])),
        "step_ms": float(np.median([step for sample in samples for step in sample.step_ms])),
        "prompt_tokens": tokens,
        "runs": [],
        "nodes": {},
    }
    if spec.folder is None:
        return result
    del model  # the session writes its events when it ends
    gc.collect()
    events = _events(spec.folder)
    runs = list(_runs(events, tokens, spec.workload.generated_tokens, spec.repetitions))
    return result | {"runs": [run.model_dump() for run in runs], "nodes": _nodes(events)}


def _events(folder: Path) -> list[dict[str, Any]]:
    files = sorted(folder.glob(f"{PREFIX}*.json"))
    if len(files) != 1:
        raise JobError(
            f"the runtime wrote {len(files)} profiles, expected 1: this genai does not support enable_profiling"
        )
    try:
        events = json.loads(files[0].read_text(encoding="utf-8", errors="replace"))
    except ValueError as error:
        raise JobError("the runtime's profile is incomplete", next_step="a shorter --workload") from error
    finally:
        files[0].unlink()
    return sorted((event for event in events if "ts" in event), key=lambda event: int(event["ts"]))


def _runs(events: Sequence[Mapping[str, Any]], prompt: int, generated: int, repetitions: int) -> Iterator[Run]:
    """The runs of the graph after the warm-up, in order. JobError when their number is not the expected one."""
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
    """Kernels that do not run inside another on their thread: those in a branch of an If are part of the If's time."""
    until = dict[Any, int]()
    for event in events:
        if event["name"].endswith(KERNEL) and int(event["ts"]) >= until.get(event.get("tid"), 0):
            until[event.get("tid")] = int(event["ts"]) + int(event["dur"])
            yield event


def _key(event: Mapping[str, Any]) -> str:
    return f"{event['args'].get('op_name', '?')}|{event['args'].get('provider', '?')}"


def _nodes(events: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    """Kernel → node → bytes of its weights as the profiler states them; 0 for weights that the runtime repacked."""
    by_kernel = defaultdict[str, dict[str, int]](dict)
    for event in _top_level(events):
        stated = int(event["args"].get("parameter_size", 0) or 0)
        by_kernel[_key(event)][event["name"].removesuffix(KERNEL)] = stated
    return dict(by_kernel)


def phase_of(phase: PhaseName, runs: Sequence[Run], nodes: Mapping[str, Mapping[str, int]], model_dir: Path) -> Phase:
    """Aggregate the runs of a phase: means per token, with intervals that resample whole runs (``cluster_mean``).

    ``nodes`` is kernel → node → bytes of its weights, as ``profile_process`` returns it.
    """
    own = [run for run in runs if run.phase == phase]
    tokens = [run.tokens for run in own]
    in_graph = _graph_bytes(model_dir, tokens[0])
    total = sum(run.us for run in own)
    keys = sorted({key for run in own for key in run.kernels})
    kernels = [_kernel(key, own, nodes[key], in_graph) for key in keys]
    inside = sum(us for run in own for us, _ in run.kernels.values())
    return Phase(
        phase=phase,
        n_runs=len(own),
        n_tokens=sum(tokens),
        us_per_token=_mean([run.us for run in own], tokens),
        outside_us_per_token=(total - inside) / sum(tokens),
        kernels=tuple(sorted(kernels, key=lambda kernel: -kernel.share)),
    )


def _graph_bytes(model_dir: Path, rows: int) -> dict[str, int]:
    """Node → bytes of the weights that it reads over ``rows`` tokens; empty when the graph cannot be read."""
    try:
        return node_bytes(load_decoder(model_dir), rows)
    except GraphError:
        return {}


def _kernel(key: str, runs: Sequence[Run], nodes: Mapping[str, int], in_graph: Mapping[str, int]) -> Kernel:
    times = [run.kernels.get(key, (0.0, 0)) for run in runs]
    us, calls = sum(us for us, _ in times), sum(calls for _, calls in times)
    op_type, _, provider = key.partition("|")
    return Kernel(
        op_type=op_type,
        provider=provider,
        nodes=len(nodes),
        us_per_token=_mean([us for us, _ in times], [run.tokens for run in runs]),
        share=us / sum(run.us for run in runs),
        us_per_call=us / calls,
        calls_per_run=calls / len(runs),
        weight_bytes=_weights(nodes, in_graph),
    )


def _mean(sums: Sequence[float], counts: Sequence[int]) -> Measurement:
    low, high = cluster_mean(sums, counts) or (None, None)
    return Measurement(value=sum(sums) / sum(counts), unit="us", n=len(sums), ci_low=low, ci_high=high)


def _weights(nodes: Mapping[str, int], in_graph: Mapping[str, int]) -> int | None:
    """Bytes of weights by the graph; None when a node outside the graph has weights by the profiler."""
    if any(name not in in_graph and stated for name, stated in nodes.items()):
        return None
    return sum(in_graph.get(name, 0) for name in nodes)
