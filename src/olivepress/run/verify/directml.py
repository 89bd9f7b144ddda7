"""Whether DirectML has every operator of a graph: what can be known of such an export away from Windows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

import olivepress.catalog
from olivepress.core.artifact import Check

__all__ = ["DML", "dml_operators"]

DML = "DmlExecutionProvider"
_KERNELS = Path(olivepress.catalog.__file__).parent / "dml_kernels.yaml"


def _nodes(graph: Any) -> Iterator[Any]:
    """Of the graph and of the branches of its If nodes."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _nodes(attribute.g)


def dml_operators(output: Path) -> Check:
    """The operators of ``model.onnx`` against the documented list, and two forms of attention that it does not list.

    The builder avoids for DirectML a GroupQueryAttention that rotates, and one with query, key and value in one input.
    """
    import onnx

    nodes = list(_nodes(onnx.load(str(output / "model.onnx"), load_external_data=False).graph))
    known = {domain: set(names) for domain, names in yaml.safe_load(_KERNELS.read_text(encoding="utf-8")).items()}
    missing = {
        f"{node.domain or 'ai.onnx'}.{node.op_type}"
        for node in nodes
        if node.op_type != "Constant" and node.op_type not in known.get(node.domain or "ai.onnx", ())
    }
    for node in nodes:
        if node.op_type == "GroupQueryAttention":
            attributes = {attribute.name: attribute.i for attribute in node.attribute}
            missing |= {"GroupQueryAttention with do_rotary"} if attributes.get("do_rotary") else set()
            missing |= {"GroupQueryAttention of packed QKV"} if not all(node.input[1:3]) else set()
    return Check(
        name="dml_operators",
        passed=not missing,
        value=float(len(nodes)),
        detail=f"DirectML has no {', '.join(sorted(missing))}" if missing else "nodes, all documented for DirectML",
    )
