"""Converts an adapter's LoRA pairs to the tensors of a base's LoRA inputs: split, packed, or zero."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from olivepress.adapters.lora_inputs import LoraInput
from olivepress.adapters.peft_adapter import LoraPair, PeftAdapter
from olivepress.adapters.projections import FUSED, Projection, projection_of_input
from olivepress.core.errors import AdapterError
from olivepress.runtimes.onnx_graph import GraphError
from olivepress.runtimes.weights import decoder_config

if TYPE_CHECKING:
    import numpy as np

__all__ = ["check_tensors", "fit", "projection_sizes"]

Inputs = Mapping[str, LoraInput]


def projection_sizes(model_dir: Path) -> dict[str, int]:
    """Output sizes of key and value, from their heads and head size in genai_config.json.

    AdapterError when the file does not state them.
    """
    try:
        decoder = decoder_config(model_dir)
    except GraphError as error:
        raise AdapterError(f"{model_dir}: {error.message}", next_step="export the package again") from error
    try:
        size = int(decoder["num_key_value_heads"]) * int(decoder["head_size"])
    except (KeyError, TypeError, ValueError):
        raise AdapterError(f"{model_dir}: genai_config.json does not state heads and head size") from None
    return {"k_proj": size, "v_proj": size}


def fit(adapter: PeftAdapter, inputs: Inputs, sizes: Mapping[str, int]) -> dict[str, np.ndarray]:
    """The tensor of every LoRA input of the base, in the base's element type.

    A fused projection of the adapter is split where the base has its parts (each part uses the same A); parts are
    packed where the base has them fused (A side by side, B block by block); projections without a pair get zeros of
    rank 1. ``sizes`` are the output sizes of key and value in ``qkv_proj``.

    AdapterError names the tensor that has no projection in the base, has another shape than the base's, is too large
    for float16, or is missing although the adapter's config lists it for every layer.
    """
    import numpy as np

    wanted = _projections(inputs)
    _check_whole(adapter, wanted)
    tensors, used = dict[str, np.ndarray](), set[Projection]()
    for projection, names in wanted.items():
        width = _width(names, inputs)
        pair, taken = _pair_for(projection, adapter, wanted, inputs, sizes)
        used |= taken
        if pair is not None and (pair.a.shape[0], pair.b.shape[1]) != width:
            raise AdapterError(
                f"{adapter.directory}: tensor {pair.tensor} maps {pair.a.shape[0]} to {pair.b.shape[1]}, the base's "
                f"{projection} maps {width[0]} to {width[1]}: it was trained on another base"
            )
        halves = (pair.a.T, pair.b.T) if pair is not None else (np.zeros((1, width[0])), np.zeros((width[1], 1)))
        for letter, values in zip("AB", halves, strict=True):
            tensors[names[letter]] = _converted(values, inputs[names[letter]].dtype, adapter, pair)
    for projection, pair in adapter.pairs.items():
        if projection not in used:
            raise AdapterError(
                f"{adapter.directory}: tensor {pair.tensor} is for {projection}, which the base does not have: "
                "it was trained on another base"
            )
    return tensors


def _check_whole(adapter: PeftAdapter, wanted: Mapping[Projection, dict[str, str]]) -> None:
    """AdapterError for a missing pair: PEFT, and the base here, would silently use zeros in its place."""
    for projection in wanted:
        parts = FUSED.get(projection.name, ())
        for name in adapter.everywhere:
            expected = Projection(projection.layer, name)
            fused = any(
                name in names and Projection(expected.layer, whole) in adapter.pairs for whole, names in FUSED.items()
            )
            if (name == projection.name or name in parts) and expected not in adapter.pairs and not fused:
                raise AdapterError(
                    f"{adapter.directory}: no tensor of {expected}, which its config's target_modules lists",
                    next_step="copy or save the adapter again",
                )


def _projections(inputs: Inputs) -> dict[Projection, dict[str, str]]:
    """Projection → the input names of its A and B. AdapterError when one of the two is missing."""
    by_projection = dict[Projection, dict[str, str]]()
    for name in inputs:
        named = projection_of_input(name)
        if named is not None:
            by_projection.setdefault(named[0], {})[named[1]] = name
    whole = {projection: names for projection, names in by_projection.items() if set(names) == {"A", "B"}}
    if len(whole) != len(by_projection) or not whole:
        raise AdapterError("the base has a LoRA input without its other half", next_step="export the package again")
    return whole


def _width(names: Mapping[str, str], inputs: Inputs) -> tuple[int, int]:
    """(inputs, outputs) of a projection."""
    return inputs[names["A"]].shape[1] or 0, inputs[names["B"]].shape[0] or 0


def _pair_for(
    projection: Projection,
    adapter: PeftAdapter,
    wanted: Mapping[Projection, dict[str, str]],
    inputs: Inputs,
    sizes: Mapping[str, int],
) -> tuple[LoraPair | None, set[Projection]]:
    """The adapter's pair for a projection of the base (None without one), and the adapter's projections it uses."""
    if projection in adapter.pairs:
        return adapter.pairs[projection], {projection}
    layer = projection.layer
    if projection.name in FUSED:
        outputs_of = _part_outputs(projection.name, _width(wanted[projection], inputs)[1], sizes)
        parts = {Projection(layer, name): outputs for name, outputs in outputs_of.items()}
        pairs = {part: adapter.pairs[part] for part in parts if part in adapter.pairs}
        return (_packed(adapter, parts, pairs), set(pairs)) if pairs else (None, set())
    for fused, names in FUSED.items():
        whole = Projection(layer, fused)
        if projection.name in names and whole in adapter.pairs:
            outputs = [_width(wanted[Projection(layer, part)], inputs)[1] for part in names]
            return _split(adapter, whole, outputs, names.index(projection.name)), {whole}
    return None, set()


def _part_outputs(fused: str, outputs: int, sizes: Mapping[str, int]) -> dict[str, int]:
    """Part → its outputs. Gate and up have as many; query has what key and value leave, which is twice its heads' size
    where it contains a gate (Qwen 3.5)."""
    parts = FUSED[fused]
    if fused == "gate_up_proj":
        return dict.fromkeys(parts, outputs // len(parts))
    return {"q_proj": outputs - sum(sizes.values())} | {name: sizes[name] for name in parts[1:]}


def _split(adapter: PeftAdapter, whole: Projection, outputs: Sequence[int], index: int) -> LoraPair:
    """One part of a fused pair: the same A, the part's columns of B."""
    pair = adapter.pairs[whole]
    if pair.b.shape[1] != sum(outputs):
        raise AdapterError(
            f"{adapter.directory}: tensor {pair.tensor} has {pair.b.shape[1]} outputs, the base's {whole} has "
            f"{sum(outputs)}: it was trained on another base"
        )
    begin = sum(outputs[:index])
    return LoraPair(a=pair.a, b=pair.b[:, begin : begin + outputs[index]], tensor=pair.tensor)


def _packed(adapter: PeftAdapter, outputs: Mapping[Projection, int], pairs: Mapping[Projection, LoraPair]) -> LoraPair:
    """Parts as one pair: [A1 A2 …] and B block by block, so that each part uses its own A only."""
    import numpy as np

    first = next(iter(pairs.values()))
    for part, pair in pairs.items():
        if pair.a.shape[0] != first.a.shape[0] or pair.b.shape[1] != outputs[part]:
            raise AdapterError(
                f"{adapter.directory}: tensor {pair.tensor} maps {pair.a.shape[0]} to {pair.b.shape[1]}, the base's "
                f"{part} maps {first.a.shape[0]} to {outputs[part]}: it was trained on another base"
            )
    b = np.zeros((sum(pair.rank for pair in pairs.values()), sum(outputs.values())), np.float32)
    row = column = 0
    for part, width in outputs.items():
        if part in pairs:
            b[row : row + pairs[part].rank, column : column + width] = pairs[part].b
            row += pairs[part].rank
        column += width
    return LoraPair(a=np.concatenate([pair.a for pair in pairs.values()], axis=1), b=b, tensor=first.tensor)


def _converted(values: np.ndarray, dtype: str, adapter: PeftAdapter, pair: LoraPair | None) -> np.ndarray:
    import numpy as np

    with np.errstate(over="ignore"):
        converted = np.ascontiguousarray(values, dtype=dtype)
    if not np.isfinite(converted).all():
        name = pair.tensor if pair else "zeros"
        raise AdapterError(f"{adapter.directory}: tensor {name} is too large for the base's {dtype}")
    return converted


def check_tensors(tensors: Mapping[str, np.ndarray], inputs: Inputs, where: str) -> None:
    """Check that tensors and inputs match in names, shapes and types, and that both halves of a pair have equal rank.

    AdapterError names the first tensor that does not; ``where`` begins the message.
    """
    for name, lora_input in inputs.items():
        if name not in tensors:
            raise AdapterError(f"{where}: no tensor {name}, which the base requires")
        tensor = tensors[name]
        if str(tensor.dtype) != lora_input.dtype:
            raise AdapterError(f"{where}: tensor {name} is {tensor.dtype}, the base takes {lora_input.dtype}")
        fits = tensor.ndim == 2 and all(
            want in (None, has) for want, has in zip(lora_input.shape, tensor.shape, strict=True)
        )
        if not fits:
            shape = ["rank" if size is None else size for size in lora_input.shape]
            raise AdapterError(f"{where}: tensor {name} has shape {list(tensor.shape)}, the base takes {shape}")
    for name in tensors:
        if name not in inputs:
            raise AdapterError(f"{where}: tensor {name} has no input in the base")
    for names in _projections(inputs).values():
        a, b = tensors[names["A"]], tensors[names["B"]]
        if a.shape[0] != b.shape[1]:
            raise AdapterError(f"{where}: tensor {names['A']} has rank {a.shape[0]}, {names['B']} has {b.shape[1]}")
