"""Whether an export's files are complete: every graph parses, every weight is in place. Nothing is run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from olivepress.core.artifact import Check
from olivepress.core.bounded import CONFIG, read_json
from olivepress.core.errors import JobError
from olivepress.runtimes.base import runtime_of
from olivepress.runtimes.weights import EVERY_POSITION
from olivepress.workflow.olive_plugin.built import Asked, differences

if TYPE_CHECKING:
    import onnx

__all__ = ["as_asked", "structure"]


def structure(output: Path) -> Iterator[Check]:
    """One check per graph of the artifact. Raises JobError when a graph cannot be parsed."""
    if runtime_of(output) == "openvino":
        yield _openvino(output)
        return
    config = output / "genai_config.json"
    try:
        read_json(config, CONFIG, JobError)
    except ValueError as error:
        raise JobError(f"{config}: not readable as JSON", next_step="export the model again") from error
    graphs = sorted(output.glob("*.onnx"))
    if not graphs:
        raise JobError(f"{output}: no ONNX graph in it", next_step="export the model again")
    for path in graphs:
        nodes, missing = _onnx(path)
        yield Check(
            name=f"structure {path.name}",
            passed=not missing,
            value=float(nodes),
            detail=f"{missing} is incomplete" if missing else "nodes, all weights in place",
        )


def as_asked(output: Path, asked: Asked | None) -> Iterator[Check]:
    """One check that the weights are rounded as the workflow asked: a builder may ignore an option without a word."""
    if asked is None:
        return
    wrong = differences(_load(output / EVERY_POSITION).graph, asked)
    detail = wrong[0] if wrong else "bits, block size, zero points and accuracy level"
    yield Check(name="built_as_asked", passed=not wrong, value=float(len(wrong)), detail=detail)


def _load(path: Path) -> onnx.ModelProto:
    import onnx

    try:
        return onnx.load(str(path), load_external_data=False)
    except Exception as error:  # protobuf's own errors have no common base
        raise JobError(f"{path}: cannot be parsed ({error})", next_step="export the model again") from error


def _onnx(path: Path) -> tuple[int, str]:
    """(number of nodes, the first tensor that is incomplete in its data file)."""
    model = _load(path)
    for node in model.graph.node:
        compiled = {attribute.name: attribute for attribute in node.attribute} if node.op_type == "EPContext" else {}
        if compiled and not compiled["embed_mode"].i:
            name = compiled["ep_cache_context"].s.decode("utf-8", "replace")
            if not (path.parent / name).is_file():
                return len(model.graph.node), name
    for tensor in model.graph.initializer:
        outside = {entry.key: entry.value for entry in tensor.external_data}
        if outside:
            data = path.parent / outside["location"]
            end = int(outside.get("offset", 0)) + int(outside.get("length", 0))
            if not data.is_file() or data.stat().st_size < end:
                return len(model.graph.node), str(tensor.name)
    return len(model.graph.node), ""


def _openvino(output: Path) -> Check:
    """The IR's layers, and whether every constant is inside the .bin file."""
    from xml.etree import ElementTree

    path = output / "openvino_model.xml"
    try:
        layers = ElementTree.parse(path).getroot().findall("layers/layer")
        size = path.with_suffix(".bin").stat().st_size
        ends = [
            int(data.get("offset", 0)) + int(data.get("size", 0))
            for layer in layers
            if layer.get("type") == "Const"
            for data in layer.findall("data")
        ]
    except (OSError, ElementTree.ParseError, ValueError) as error:
        raise JobError(f"{path}: cannot be parsed ({error})", next_step="export the model again") from error
    whole = max(ends, default=0) <= size
    detail = "layers, all weights in place" if whole else f"{path.with_suffix('.bin').name} is cut"
    return Check(name=f"structure {path.name}", passed=whole, value=float(len(layers)), detail=detail)
