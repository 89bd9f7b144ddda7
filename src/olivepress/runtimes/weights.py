"""Bytes that one decode step must read: the weights it uses, and the KV cache of every earlier position."""

from __future__ import annotations

import math
from pathlib import Path, PurePosixPath
from typing import Any

from olivepress.core.bounded import CONFIG, read_json
from olivepress.core.errors import JobError
from olivepress.runtimes.onnx_graph import ELEMENT_BITS, Graph, GraphError, load_graph

__all__ = ["ACTIVE_ADAPTER", "EVERY_POSITION", "LAST_POSITION", "decode_read_bytes", "decoder_config", "graph_file"]
__all__ += ["kv_bytes_per_token", "load_decoder", "node_bytes", "read_bytes"]

ACTIVE_ADAPTER = "adapter.onnx_adapter"  # a folder with this file is run with the adapter in it
EVERY_POSITION = "model.onnx"  # as ModelBuilder writes it
LAST_POSITION = "last_position.onnx"  # same weights, logits of the last position only; optional
# Op type → inputs of which one token reads a single row: embeddings, and the tables of the rotary embedding.
ROW_INPUTS = {
    "Gather": {0},
    "GatherBlockQuantized": {0, 2, 3},
    "GroupQueryAttention": {7, 8},
    "RotaryEmbedding": {2, 3},
}
EXPERTS = frozenset({"MoE", "QMoE"})
MAX_BYTES = 2**46


def decode_read_bytes(model_dir: Path) -> int:
    """Bytes of weights that one decode step (batch 1) reads, an active adapter's included. GraphError if unknown."""
    total, adapter = read_bytes(load_decoder(model_dir)), model_dir / ACTIVE_ADAPTER
    return total + adapter.stat().st_size if adapter.is_file() else total


def read_bytes(graph: Graph) -> int:
    """Sum over the used weights of the graph: one row of a table that is only looked up, all of any other weight.

    A table that is also multiplied with (tied embeddings) counts in full, once. GraphError when the sum is unknown:
    a mixture of experts, an unknown element type, shapes that cannot be true, or no weights in the graph.
    """
    uses: dict[str, list[bool]] = {}
    for node in graph.nodes:
        if node.op_type in EXPERTS:
            raise GraphError("a mixture of experts: a token reads the weights of the experts it is sent to")
        for index, name in enumerate(node.inputs):
            if name in graph.initializers:
                uses.setdefault(name, []).append(index in ROW_INPUTS.get(node.op_type, ()))
    total = 0
    try:
        for name, rows in uses.items():
            tensor = graph.initializers[name]
            parts = tensor.dims[0] if all(rows) and tensor.dims else 1
            total += math.ceil(tensor.bits / 8 / max(parts, 1)) if tensor.bits < 8 * MAX_BYTES else MAX_BYTES
    except ValueError as error:
        raise GraphError(str(error)) from error
    if total >= MAX_BYTES:
        raise GraphError("the shapes of its weights cannot be true")
    if not total:
        raise GraphError("the graph contains no weights: the provider compiled them into another file")
    return total


def node_bytes(graph: Graph, rows: int) -> dict[str, int]:
    """Node → bytes of the weights that it reads in one run over ``rows`` tokens; a table is read by the row.

    A node with a weight of unknown element type is left out.
    """
    by_node = dict[str, int]()
    for node in graph.nodes:
        looked_up, total = ROW_INPUTS.get(node.op_type, ()), 0
        try:
            for index, name in enumerate(node.inputs):
                if (tensor := graph.initializers.get(name)) is None:
                    continue
                parts = max(tensor.dims[0], 1) if index in looked_up and tensor.dims else 1
                total += min(math.ceil(tensor.bits / 8 / parts) * (rows if parts > 1 else 1), MAX_BYTES)
        except ValueError:
            continue
        by_node[node.name] = total
    return by_node


def kv_bytes_per_token(model_dir: Path) -> int:
    """Bytes of KV cache per cached position. GraphError when they are not known.

    2 x layers with a cache (inputs of the graph) x num_key_value_heads x head_size (genai_config.json) x element size.
    Layers of linear attention and short convolutions have a state of a fixed size instead, which is not counted.
    """
    decoder = decoder_config(model_dir)
    sizes = [decoder.get(name) for name in ("num_hidden_layers", "num_key_value_heads", "head_size")]
    known = [size for size in sizes if isinstance(size, int) and 0 < size < 2**20]
    if len(known) != len(sizes):
        raise GraphError("genai_config.json does not state layers, heads and head size")
    graph = load_decoder(model_dir)
    names = decoder.get("inputs")
    pattern = str((names.get("past_key_names") if isinstance(names, dict) else None) or "past_key_values.%d.key")
    of_layers = (pattern.replace("%d", str(layer)) for layer in range(known[0]))
    caches = [graph.inputs[name] for name in of_layers if name in graph.inputs]
    if not caches or not ELEMENT_BITS.keys() >= set(caches):
        raise GraphError(f"the graph has no input {pattern.replace('%d', '0')[:80]}")
    return 2 * math.prod(known[1:]) * sum(ELEMENT_BITS[kind] for kind in caches) // 8


def decoder_config(model_dir: Path) -> dict[str, Any]:
    """``model.decoder`` of genai_config.json. GraphError when there is none."""
    try:
        decoder = read_json((model_dir / "genai_config.json"), CONFIG, JobError)["model"]["decoder"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise GraphError("genai_config.json cannot be read") from error
    if not isinstance(decoder, dict):
        raise GraphError("genai_config.json has no decoder")
    return decoder


def graph_file(model_dir: Path, config: Any) -> Path:
    """The ONNX file that a part of genai_config.json names. GraphError when the name leads out of the folder."""
    name = str(config.get("filename", "model.onnx")) if isinstance(config, dict) else ""
    if PurePosixPath(name).name != name or "\\" in name or name in ("", ".", ".."):
        raise GraphError("genai_config.json names a model outside its folder")
    return model_dir / name


def load_decoder(model_dir: Path) -> Graph:
    """The decoder's graph. GraphError when it cannot be read, or the decoder is a pipeline of several graphs."""
    decoder = decoder_config(model_dir)
    if "pipeline" in decoder:
        raise GraphError("the model is a pipeline of several graphs")
    return load_graph(graph_file(model_dir, decoder))
