"""A second graph over the same weights, whose head computes logits for the last position only: it is what runs.

To generate, a prompt's other logits are worth nothing, and cost the head's arithmetic and 4 bytes x vocabulary for each
of its tokens (3.3 GB for 4,096 tokens of Phi-4-mini). Divergence, perplexity and label scores need them: they open the
graph that Olive made (``GenaiModel(..., every_position=True)``), and the proof compares the two.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from olivepress.core.bounded import CONFIG, read_json
from olivepress.core.errors import JobError
from olivepress.core.files import write_text
from olivepress.runtimes.weights import EVERY_POSITION, LAST_POSITION

if TYPE_CHECKING:
    import onnx

__all__ = ["FORMAT", "write_last_position"]

FORMAT = 2  # of the graph: raised when it changes, so that finished exports are made again

_LOGITS, _PREFIX = "logits", "/lm_head/last_position"
# What ModelBuilder may put between the head and the logits: a bias, a scale, a softcap, a mask, a cast.
_AFTER_HEAD = {"Add": 0, "Mul": 0, "Div": 0, "Tanh": 0, "Where": 2, "Cast": 0}  # operator → its input from the head


def write_last_position(output: Path) -> None:
    """Write the graph beside Olive's and name it in genai_config.json. JobError when the head cannot be found."""
    import onnx

    model = onnx.load(str(output / EVERY_POSITION), load_external_data=False)
    _keep_last(model.graph)
    onnx.save(model, str(output / LAST_POSITION))  # its weights are where the other graph's are
    path = output / "genai_config.json"
    config = read_json(path, CONFIG, JobError)
    config["model"]["decoder"]["filename"] = LAST_POSITION
    write_text(path, json.dumps(config, indent=4) + "\n")


def _keep_last(graph: onnx.GraphProto) -> None:
    """Between the last norm and the head: of each row its last token, [batch, tokens, width] → [batch, 1, width]."""
    producers = {name: node for node in graph.node for name in node.output}
    node, changed = producers.get(_LOGITS), {_LOGITS}
    while node is not None and not node.op_type.startswith("MatMul"):
        at = _AFTER_HEAD.get(node.op_type)
        node = producers.get(node.input[at]) if at is not None else None
        changed |= set(node.output) if node is not None else set()
    if node is None:
        raise JobError(
            f"{EVERY_POSITION}: its {_LOGITS} do not come from a MatMul",
            next_step="remove last_logits from the target",
        )
    place = list(graph.node).index(node)
    for number, step in enumerate(_last_of_each_row(graph, node.input[0])):
        graph.node.insert(place + number, step)
    node.input[0] = f"{_PREFIX}/GatherND"
    for value in (*graph.value_info, *graph.output):
        if value.name in changed:  # [batch, tokens, vocabulary]
            value.type.tensor_type.shape.dim[1].dim_value = 1


def _last_of_each_row(graph: onnx.GraphProto, hidden: str) -> list[onnx.NodeProto]:
    """The nodes that take [batch, 1, width] out of ``hidden``: genai pads a batch on the right, so the last token of a
    row is the last that its mask [batch, cached + tokens] contains, counted from the first token of this run."""
    from onnx import helper

    def at(name: str) -> str:
        return f"{_PREFIX}/{name}"

    def node(kind: str, inputs: list[str], name: str = "", **attributes: int) -> onnx.NodeProto:
        out = at(name or kind)
        return helper.make_node(kind, inputs, [out], name=out, **attributes)

    for name, value in (("zero", 0), ("axis", 2)):
        graph.initializer.append(helper.make_tensor(at(name), 7, [1], [value]))  # 7: int64
    return [
        node("ArgMax", ["attention_mask"], axis=1, keepdims=1, select_last_index=1),  # [batch, 1]
        node("Shape", ["attention_mask"], "Length", start=1, end=2),
        node("Shape", [hidden], "Tokens", start=1, end=2),
        node("Sub", [at("Length"), at("Tokens")], "Cached"),
        node("Sub", [at("ArgMax"), at("Cached")]),
        node("Max", [at("Sub"), at("zero")]),
        node("Unsqueeze", [at("Max"), at("axis")]),  # [batch, 1, 1]
        node("GatherND", [hidden, at("Unsqueeze")], batch_dims=1),
    ]
