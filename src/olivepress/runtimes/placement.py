"""Which execution provider got which nodes of the graph: ONNX Runtime hands what a provider cannot run to the CPU.

Opens the model once more, so run it in a process of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from olivepress.catalog.provider import CPU, provider
from olivepress.core.errors import JobError, SetupError
from olivepress.report.device_report import Placement
from olivepress.runtimes.base import runtime_of
from olivepress.runtimes.onnx_graph import INTEGERS, Graph, GraphError, load_graph
from olivepress.runtimes.plugins import register
from olivepress.runtimes.weights import decoder_config, graph_file

__all__ = ["fallen_back", "import_onnxruntime", "node_placement", "position_arithmetic", "provider_options"]

# ONNX Runtime puts arithmetic on shapes on the CPU on purpose, for every provider with memory of its own (its
# GetCpuPreferredNodes): a handful of int64 numbers that other nodes need on the host anyway. Ops it does so with:
SHAPE_OPS = frozenset({
    "Shape", "Size", "Constant", "ConstantOfShape", "Gather", "Concat", "Unsqueeze", "Squeeze", "Slice", "Cast",
    "Range", "Reshape", "Expand", "Where", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Not", "And",
    "Or", "Add", "Sub", "Mul", "Div", "Mod", "Min", "Max", "ReduceSum", "ReduceMax",
})  # fmt: skip
SETTINGS = ("intra_op_num_threads", "inter_op_num_threads", "log_severity_level", "enable_cpu_mem_arena")
# These change nothing about where a node goes, and are no configuration entries of the session.
NOT_PLACEMENT = ("log_id", "log_verbosity_level", "enable_profiling", "use_env_allocators", "custom_ops_library")


def node_placement(model_dir: Path, execution_provider: str) -> Placement:
    """Nodes per provider when the model is opened as genai opens it, with ``execution_provider`` before the CPU.

    A provider this ONNX Runtime does not have leaves everything on the CPU. SetupError without ONNX Runtime; JobError
    when the model cannot be opened.
    """
    if runtime_of(model_dir) == "openvino":
        from olivepress.runtimes.openvino_model import openvino_placement

        return openvino_placement(model_dir)
    ort = import_onnxruntime()
    if not hasattr(ort.InferenceSession, "get_provider_graph_assignment_info"):
        raise SetupError(
            f"onnxruntime {ort.__version__} does not report where it places nodes",
            next_step="pip install --upgrade onnxruntime",
        )
    counts, ops, arithmetic = Counter[str](), set[str](), 0
    for path, graph, config in _parts(model_dir):
        nodes = _assigned(ort, path, config, execution_provider)
        counts.update(place for place, _, _ in nodes)
        if execution_provider != CPU.name:
            ops.update(fallen_back(nodes, graph))
            small = position_arithmetic(graph)
            arithmetic += sum(place == CPU.name and name in small for place, name, _ in nodes)
    return Placement(
        asked=execution_provider,
        nodes=dict(counts),
        fallback=bool(ops),
        fallback_ops=tuple(sorted(ops)),
        arithmetic=arithmetic,
    )


def _parts(model_dir: Path) -> Iterator[tuple[Path, Graph, Mapping[str, Any]]]:
    """(file, graph, session options) of the decoder, or of each stage of a decoder that is a pipeline.

    JobError when one of them cannot be read.
    """
    try:
        yield from _stages(model_dir, decoder_config(model_dir))
    except GraphError as error:
        raise JobError(f"{model_dir}: {error.message}", next_step="export the model again") from error


def _stages(model_dir: Path, decoder: Mapping[str, Any]) -> Iterator[tuple[Path, Graph, Mapping[str, Any]]]:
    stages = [decoder]
    if isinstance(decoder.get("pipeline"), list):
        stages = [stage for entry in decoder["pipeline"] if isinstance(entry, dict) for stage in entry.values()]
    for stage in stages:
        path = graph_file(model_dir, stage)
        options = stage.get("session_options", decoder.get("session_options"))
        yield path, load_graph(path), options if isinstance(options, dict) else {}


def _assigned(ort: Any, path: Path, config: Mapping[str, Any], execution_provider: str) -> list[tuple[str, str, str]]:
    """(provider, node name, op type) of every node, the graph being opened as genai opens it."""
    try:
        options = _session_options(ort, config)
        providers = _providers(ort, options, execution_provider, config)
        session = ort.InferenceSession(str(path), options, providers=providers)
        subgraphs = session.get_provider_graph_assignment_info()
        return [(g.ep_name, node.name, node.op_type) for g in subgraphs for node in g.get_nodes()]
    except Exception as error:  # the runtime's errors have no common base
        first = str(error).strip().split("\n")[0][:300]
        raise JobError(f"{path}: cannot be opened ({first})", next_step="export the model again") from error


def fallen_back(nodes: Iterable[tuple[str, str, str]], graph: Graph) -> tuple[str, ...]:
    """Op types, sorted, that the CPU got although they are more than arithmetic on shapes and positions.

    ``nodes`` are (provider, node name, op type) as the runtime placed them.
    """
    small = position_arithmetic(graph)
    return tuple(sorted({op_type for place, name, op_type in nodes if place == CPU.name and name not in small}))


def position_arithmetic(graph: Graph) -> set[str]:
    """Names of the nodes that compute only with shapes, lengths and token positions: a few integers.

    By data flow, not by op type alone: a Mul of a shape is one of them, a Mul of activations is not. Looking a token
    up in the embedding is not: a Gather from a weight belongs on the accelerator.
    """
    known = {name for name, kind in graph.inputs.items() if kind in INTEGERS}
    names = set()
    for node in graph.nodes:  # ONNX requires them in topological order
        inputs = [name for name in node.inputs if name]
        flows = [name for name in inputs if name not in graph.initializers]
        table = node.op_type == "Gather" and inputs[:1] != flows[:1]
        small = node.op_type in ("Shape", "Size", "Constant") or (bool(flows) and all(name in known for name in flows))
        if node.op_type in SHAPE_OPS and small and not table:
            known.update(node.outputs)
            names.add(node.name)
    return names - {""}


def provider_options(config: Mapping[str, Any], execution_provider: str) -> dict[str, str]:
    """The entry of ``provider_options`` for this provider, which genai calls ``cuda``, ``DML``, …"""
    listed = config.get("provider_options")
    for entry in listed if isinstance(listed, list) else []:
        for name, options in entry.items() if isinstance(entry, dict) else []:
            if provider(name).name == provider(execution_provider).name and isinstance(options, dict):
                return {str(key): str(value) for key, value in options.items()}
    return {}


def _providers(ort: Any, options: Any, name: str, config: Mapping[str, Any]) -> list[Any] | None:
    """The asked provider first, the CPU last; None when it is a plugin's, which ``options`` then hold."""
    if register(ort, name):
        devices = [device for device in ort.get_ep_devices() if device.ep_name == name]
        if devices:
            options.add_provider_for_devices(devices[:1], provider_options(config, name))
        return None
    if name == CPU.name or name not in ort.get_available_providers():
        return [CPU.name]
    return [(name, provider_options(config, name)), CPU.name]


def _session_options(ort: Any, config: Mapping[str, Any]) -> Any:
    """As genai sets them: known fields by name, every other text as a configuration entry."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    for name, value in config.items():
        if name == "graph_optimization_level":
            options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, str(value))
        elif name in (*SETTINGS, "enable_mem_pattern"):
            setattr(options, name, value)
        elif isinstance(value, str) and name not in NOT_PLACEMENT:
            options.add_session_config_entry(name, value)
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    return options


def import_onnxruntime() -> Any:
    """The module onnxruntime. SetupError, with how to install it, when it cannot be imported."""
    try:
        import onnxruntime
    except ImportError as error:
        raise SetupError(
            f"onnxruntime cannot be imported ({error})", next_step="pip install 'olivepress[cpu]'"
        ) from error
    return onnxruntime
