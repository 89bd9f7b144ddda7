"""MobiusBuilder, Olive's second builder, on the same small random models: see benchmarks/second_builder.py.

Runs in the Python of build-next, with mobius-onnx on its path.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from evidence.child import (
    _GROUP,
    Nothing,
    Tried,
    TypeSpec,
    _compare,
    _loaded,
    _logits_of,
    _run_pass,
    try_steps,
)
from olivepress.catalog.evidence import Step
from olivepress.core.progress import Progress
from olivepress.core.yaml_document import Record

_VERSIONS = ("mobius-onnx", "onnxruntime-genai", "onnxruntime", "transformers", "olive-ai")


class Versions(Record):
    versions: dict[str, str]


def versions(_: Nothing, progress: Progress) -> Versions:
    return Versions(versions={name: version(name) for name in _VERSIONS})


def try_mobius(spec: TypeSpec, progress: Progress) -> Tried:
    """Float32 against PyTorch; then rounded to 4 bits by Olive in ONNX, which is what MobiusBuilder's own
    documentation says to do. ``lora`` is not tried: adapters are merged before either builder."""
    return try_steps(spec, {"float32": _float32, "int4": _int4})


def _float32(spec: TypeSpec, base: Path, folder: Path) -> Step:
    return _compare(_built(spec, base, folder), _whole(spec, base), spec.common["vocab_size"])


def _int4(spec: TypeSpec, base: Path, folder: Path) -> Step:
    """Against PyTorch unrounded: the number is of the export and the rounding, as of the other types beside it. The
    head stays in float32: Olive's pass gives the graph's output another name where it rounds that."""
    import onnx
    from olive.hardware import AcceleratorSpec
    from olive.model import ONNXModelHandler
    from olive.passes.olive_pass import create_pass_from_dict
    from olive.passes.onnx.rtn_quantization import OnnxBlockWiseRtnQuantization

    artifact = _built(spec, base, folder)
    graph = onnx.load(str(artifact / "model.onnx"), load_external_data=False).graph
    head = [node.name for node in graph.node if "logits" in node.output]
    settings = {"bits": 4, "block_size": _GROUP, "is_symmetric": True, "accuracy_level": 1, "nodes_to_exclude": head}
    step = create_pass_from_dict(
        OnnxBlockWiseRtnQuantization, settings, True, AcceleratorSpec("cpu", "CPUExecutionProvider")
    )
    rounded = step.run(ONNXModelHandler(str(artifact), "model.onnx"), str(folder / "rounded"))
    place = Path(rounded.model_path).parent
    for path in (artifact / "genai_config.json", *artifact.glob("tokenizer*")):
        (place / path.name).write_bytes(path.read_bytes())
    return _compare(place, _whole(spec, base), spec.common["vocab_size"])


def _built(spec: TypeSpec, base: Path, folder: Path) -> Path:
    """Olive's pass asks the Hub for the tokenizer, of a folder too, and fails: here it is the folder's."""
    from mobius.integrations.ort_genai import write_ort_genai_config
    from olive.passes.onnx.mobius_model_builder import MobiusBuilder

    def of_the_folder(package: Any, out: str, model_id: str, provider: str) -> Any:
        return write_ort_genai_config(package, out, ep=provider, local_config_dir=model_id)

    MobiusBuilder._write_genai_config = staticmethod(of_the_folder)
    built = Path(_run_pass(spec, "MobiusBuilder", {"precision": "fp32"}, base, folder / "onnx"))
    artifact = built if built.is_dir() else built.parent
    _take_as_known(artifact / "genai_config.json")
    return artifact


def _take_as_known(path: Path) -> None:
    """A model_type that onnxruntime-genai does not know is opened as llama: the graph is what is compared."""
    import onnxruntime_genai as og

    try:
        og.Model(str(path.parent))
    except RuntimeError as error:
        if "Unsupported model_type" not in str(error):
            raise
        config = json.loads(path.read_text(encoding="utf-8"))
        config["model"]["type"] = "llama"
        path.write_text(json.dumps(config), encoding="utf-8")


def _whole(spec: TypeSpec, base: Path) -> Any:
    return _logits_of(_loaded(base), spec.common["vocab_size"])
