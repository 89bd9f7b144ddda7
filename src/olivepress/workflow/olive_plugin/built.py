"""What a graph was built with against what its workflow asked for: bits, block size, zero points, accuracy level.

Builders accept options that they then ignore: onnxruntime-genai 0.18 builds blocks of 32 for ``int4_block_size: 128``.
The graph itself says what it computes with: MatMulNBits for projections and head, GatherBlockQuantized for the
embedding, blocked DequantizeLinear where a target asks for that form.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from olivepress.core.yaml_document import Record
from olivepress.workflow.olive_plugin.passes import QUANTIZERS

if TYPE_CHECKING:
    import onnx

__all__ = ["Asked", "QuantizedNode", "Rounding", "asked_of", "asked_of_passes", "differences", "quantized_nodes"]

_HEAD, _EMBEDDING = "lm_head", "model.embed_tokens"
_EIGHT_BIT_HEADS = frozenset({"rtn_last", "k_quant_last", "k_quant_mixed", "k_quant_linear"})
_MIXED_LAYERS = frozenset({"k_quant_mixed", "k_quant_linear"})
# ONNX Runtime writes zero points for these, whatever is asked for; its RTN does as asked.
_ASYMMETRIC = frozenset({"k_quant", *(name for name in _EIGHT_BIT_HEADS if name.startswith("k_quant"))})
_DEFAULT_BLOCK = 32  # of the builder
# What changes none of these after ModelBuilder; after any other pass the graph is another one.
_KEEP_ROUNDING = frozenset({"GraphSurgeries"})
_MIXED = "SelectiveMixedPrecision"
_FOUR_BIT_TYPES = frozenset({21, 22})  # TensorProto.UINT4, INT4


class Rounding(Record):
    """How weights are rounded: ``bits`` are all that occur, ``block_size`` None: any."""

    bits: frozenset[int]
    block_size: int | None
    symmetric: bool


class Asked(Record):
    """None: left as they are. ``accuracy_level`` None: the builder's default. ``everywhere`` false: some projections
    may be left as they are."""

    layers: Rounding | None
    head: Rounding | None
    embedding: Rounding | None
    accuracy_level: int | None = None
    everywhere: bool = True


class QuantizedNode(Record):
    """One node that multiplies with, or looks up, rounded weights; None where the form does not say."""

    name: str
    op_type: str
    bits: int
    block_size: int
    symmetric: bool | None
    accuracy_level: int | None


def asked_of_passes(passes: Mapping[str, Mapping[str, Any]]) -> Asked | None:
    """What a workflow's passes ask for; None where its last graph is not the one that ModelBuilder writes."""
    steps = list(passes.values())
    kinds = [str(settings["type"]) for settings in steps]
    if kinds.count("ModelBuilder") != 1:
        return None
    at = kinds.index("ModelBuilder")
    if set(kinds[at + 1 :]) - _KEEP_ROUNDING or set(kinds[:at]) - {*QUANTIZERS, _MIXED}:
        return None
    return asked_of(steps[at], _checkpoint(steps[:at]))


def _checkpoint(steps: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The ``quantization_config`` that these quantizers leave behind, as far as it matters here; None without any.

    Each quantizes what those before it have left; overrides of single layers come as ``mixed``.
    """
    config: dict[str, Any] | None = None
    mixed = [int(step.get("high_bits", 8)) for step in steps if step["type"] == _MIXED]
    for step in steps:
        if step["type"] == _MIXED:
            continue
        own = {"bits": step.get("bits", 4), "group_size": step.get("group_size", 128), "sym": bool(step.get("sym"))}
        overrides = step.get("overrides") or {}
        if config is None:
            eight = [8] if step.get("eight_bits") else []
            config = {**own, "symmetric": own["sym"], "overrides": {}, "mixed": [*mixed, *eight]}
            config["overrides"] |= {name: {**own, **part} for name, part in overrides.items() if ".layers." in name}
        for key, module in (("lm_head", _HEAD), ("embeds", _EMBEDDING)):
            if step.get(key) and not config.get(key):
                config[key] = True
                # SelectiveMixedPrecision chooses for head and embedding too, unless they are named.
                free = {"or": mixed} if "bits" not in overrides.get(module, {}) else {}
                config["overrides"][module] = {**own, **free, **overrides.get(module, {})}
    return config


def asked_of(settings: Mapping[str, Any], checkpoint: Mapping[str, Any] | None) -> Asked:
    """What ModelBuilder's ``settings`` ask for, given the ``quantization_config`` of what it reads (None: unquantized).

    What a checkpoint has rounded stays as it is; what it has not, the builder rounds where it is told ``int4``.
    """
    options = {**settings, **(settings.get("extra_options") or {})}
    rounds = str(getattr(settings["precision"], "value", settings["precision"])) in ("int4", "int8")
    of_builder = _of_builder(settings, options) if rounds else None
    head = of_builder
    if of_builder is not None and options.get("int4_algo_config") in _EIGHT_BIT_HEADS:
        head = of_builder.model_copy(update={"bits": frozenset({8})})
    gathers = rounds and "Gather" in (options.get("int4_op_types_to_quantize") or ())
    level = options.get("int4_accuracy_level")
    asked = Asked(
        layers=of_builder,
        head=head,
        embedding=of_builder if gathers else None,
        accuracy_level=None if level is None else int(level),
        everywhere=not options.get("int4_nodes_to_exclude"),
    )
    return asked if checkpoint is None else _with_checkpoint(asked, checkpoint)


def _of_builder(settings: Mapping[str, Any], options: Mapping[str, Any]) -> Rounding:
    precision = str(getattr(settings["precision"], "value", settings["precision"]))
    bits = {8} if precision == "int8" else {4}
    if options.get("int4_algo_config") in _MIXED_LAYERS:
        bits |= {8}
    block = options.get("int4_block_size")
    symmetric = options.get("int4_is_symmetric")
    return Rounding(
        bits=frozenset(bits),
        block_size=_DEFAULT_BLOCK if block is None else int(block),
        symmetric=(symmetric is None or bool(symmetric)) and options.get("int4_algo_config") not in _ASYMMETRIC,
    )


def _with_checkpoint(asked: Asked, checkpoint: Mapping[str, Any]) -> Asked:
    overrides = {name: part or {} for name, part in (checkpoint.get("overrides") or {}).items()}
    of_layers = [part.get("bits") for name, part in overrides.items() if ".layers." in name]
    base = _rounding(checkpoint, {})
    bits = {*base.bits, *(bits for bits in of_layers if bits), *checkpoint.get("mixed", ())}
    changes: dict[str, Any] = {"layers": base.model_copy(update={"bits": frozenset(bits)})}
    if checkpoint.get("lm_head"):
        changes["head"] = _rounding(checkpoint, overrides.get(_HEAD, {}))
    if checkpoint.get("embeds"):
        changes["embedding"] = _rounding(checkpoint, overrides.get(_EMBEDDING, {}))
    return asked.model_copy(update=changes)


def _rounding(checkpoint: Mapping[str, Any], own: Mapping[str, Any]) -> Rounding:
    def value(name: str) -> Any:
        return checkpoint.get(name) if own.get(name) is None else own[name]

    group = int(value("group_size"))
    symmetric = own.get("sym", value("symmetric"))
    return Rounding(
        bits=frozenset({int(value("bits")), *own.get("or", ())}),
        block_size=group if group > 0 else None,
        symmetric=bool(symmetric),
    )


def quantized_nodes(graph: onnx.GraphProto) -> Iterator[QuantizedNode]:
    """Every node of the main graph that computes with rounded weights."""
    kinds = {tensor.name: tensor.data_type for tensor in graph.initializer}
    for node in graph.node:
        attributes = {attribute.name: attribute.i for attribute in node.attribute}
        if node.op_type in ("MatMulNBits", "GatherBlockQuantized"):
            yield QuantizedNode(
                name=node.name,
                op_type=node.op_type,
                bits=attributes.get("bits", 4),
                block_size=attributes.get("block_size", 0),
                symmetric=not (len(node.input) > 3 and node.input[3]),
                accuracy_level=attributes.get("accuracy_level", 0) if node.op_type == "MatMulNBits" else None,
            )
        elif node.op_type == "DequantizeLinear" and attributes.get("block_size", 0) > 0 and node.input[0] in kinds:
            bits = 4 if kinds[node.input[0]] in _FOUR_BIT_TYPES else 8
            block = attributes["block_size"]
            yield QuantizedNode(
                name=node.name, op_type=node.op_type, bits=bits, block_size=block, symmetric=None, accuracy_level=None
            )


def differences(graph: onnx.GraphProto, asked: Asked) -> list[str]:
    """One line for each thing that the graph has otherwise; [] where it is what was asked for."""
    parts: dict[str, list[QuantizedNode]] = {"layers": [], "head": [], "embedding": []}
    for node in quantized_nodes(graph):
        parts[_part_of(node)].append(node)
    lines = [line for part, nodes in parts.items() for line in _of_part(part, nodes, getattr(asked, part))]
    levels = {node.accuracy_level for nodes in parts.values() for node in nodes if node.accuracy_level is not None}
    if asked.accuracy_level is not None and levels - {asked.accuracy_level}:
        other = max(levels - {asked.accuracy_level})
        lines.append(f"accuracy level {other} was built, {asked.accuracy_level} was asked for")
    if asked.layers is not None and asked.everywhere:
        lines += [f"{name} was left unquantized" for name in _float_projections(graph)[:1]]
    return lines


def _part_of(node: QuantizedNode) -> str:
    if node.op_type == "GatherBlockQuantized" or "embed_tokens" in node.name:
        return "embedding"
    return "head" if "lm_head" in node.name else "layers"


def _of_part(part: str, nodes: Sequence[QuantizedNode], asked: Rounding | None) -> Iterator[str]:
    if asked is None:
        if nodes:
            yield f"{part}: quantized to {nodes[0].bits} bits, unquantized was asked for"
        return
    if not nodes:
        yield f"{part}: unquantized, {_list(asked.bits)} bits were asked for"
        return
    built = frozenset(node.bits for node in nodes)
    if built - asked.bits or (part == "layers" and min(asked.bits) not in built):
        yield f"{part}: {_list(built)} bits were built, {_list(asked.bits)} were asked for"
    blocks = {node.block_size for node in nodes}
    if asked.block_size is not None and blocks != {asked.block_size}:
        yield f"{part}: blocks of {_list(blocks)} were built, {asked.block_size} was asked for"
    forms = {node.symmetric for node in nodes if node.symmetric is not None}
    if forms - {asked.symmetric}:
        words = ("symmetric", "asymmetric") if asked.symmetric else ("asymmetric", "symmetric")
        yield f"{part}: {words[1]} weights were built, {words[0]} were asked for"


def _float_projections(graph: onnx.GraphProto) -> list[str]:
    """Projections of attention and MLP that multiply with plain weights; those of linear attention are meant to
    (builder/checkpoint.py)."""
    weights = {tensor.name for tensor in graph.initializer}
    return [
        node.name
        for node in graph.node
        if node.op_type == "MatMul"
        and node.name.endswith("_proj/MatMul")
        and node.input[1] in weights
        and "/linear_attn/" not in node.name
    ]


def _list(numbers: frozenset[int] | set[int]) -> str:
    return " and ".join(map(str, sorted(numbers)))
