"""An adapter's pairs → the tensors that a base's LoRA inputs take: split, packed, or zero where it has none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from olivepress.adapters.lora_inputs import LoraInput
from olivepress.adapters.peft_adapter import LoraPair, PeftAdapter
from olivepress.adapters.projections import FUSED, Projection, projection_of_input
from olivepress.core.errors import AdapterError
from olivepress.runtimes.weights import decoder_config

if TYPE_CHECKING:
    import numpy as np

__all__ = ["check_tensors", "fit", "projection_sizes"]

Inputs = Mapping[str, LoraInput]


def projection_sizes(model_dir: Path) -> dict[str, int]:
    """Outputs of query, key and value as genai_config.json tells heads and head size. AdapterError when it does not."""
    decoder = decoder_config(model_dir)
    if isinstance(decoder, str):
        raise AdapterError(f"{model_dir}: {decoder}", next_step="export the package again")
    try:
        size = int(decoder["head_size"])
        heads, groups = int(decoder["num_attention_heads"]), int(decoder["num_key_value_heads"])
    except (KeyError, TypeError, ValueError):
        raise AdapterError(f"{model_dir}: genai_config.json does not tell heads and head size") from None
    return {"q_proj": heads * size, "k_proj": groups * size, "v_proj": groups * size}


def fit(adapter: PeftAdapter, inputs: Inputs, sizes: Mapping[str, int]) -> dict[str, np.ndarray]:
    """Every LoRA input of the base with its tensor, in the base's type.

    A fused projection of the adapter is split where the base has its parts (its A serves each of them); parts are
    packed where the base has them fused (A side by side, B block by block); what the adapter leaves alone is zero, of
    rank 1. ``sizes`` are the outputs of the parts of ``qkv_proj``.

    Raises AdapterError that names the tensor: of a projection that the base has not, of another shape than the base's,
    too large for float16, or not there although its config puts it into every layer.
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
                f"{adapter.directory}: tensor {pair.tensor} is for {projection}, which the base has not: "
                "it was trained on another base"
            )
    return tensors


def _check_whole(adapter: PeftAdapter, wanted: Mapping[Projection, dict[str, str]]) -> None:
    """PEFT leaves a pair that is missing at zero, and so would the base here: half an adapter, and nothing to see."""
    for projection in wanted:
        parts = FUSED.get(projection.name, ())
        for name in adapter.everywhere:
            one = Projection(projection.layer, name)
            fused = any(
                name in names and Projection(one.layer, whole) in adapter.pairs for whole, names in FUSED.items()
            )
            if (name == projection.name or name in parts) and one not in adapter.pairs and not fused:
                raise AdapterError(
                    f"{adapter.directory}: no tensor of {one}, which its config's target_modules names",
                    next_step="copy or save the adapter again",
                )


def _projections(inputs: Inputs) -> dict[Projection, dict[str, str]]:
    """Projection → the names of its A and B."""
    found = dict[Projection, dict[str, str]]()
    for name in inputs:
        named = projection_of_input(name)
        if named is not None:
            found.setdefault(named[0], {})[named[1]] = name
    whole = {projection: names for projection, names in found.items() if set(names) == {"A", "B"}}
    if len(whole) != len(found) or not whole:
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
    """The adapter's pair for a projection of the base, and the adapter's own projections that went into it."""
    if projection in adapter.pairs:
        return adapter.pairs[projection], {projection}
    layer = projection.layer
    if projection.name in FUSED:
        parts = [Projection(layer, name) for name in FUSED[projection.name]]
        held = {part: adapter.pairs[part] for part in parts if part in adapter.pairs}
        even = _width(wanted[projection], inputs)[1] // len(parts)  # gate and up are of one size
        outputs = [sizes.get(part.name, even) for part in parts]
        return (_packed(adapter, dict(zip(parts, outputs, strict=True)), held), set(held)) if held else (None, set())
    for fused, names in FUSED.items():
        whole = Projection(layer, fused)
        if projection.name in names and whole in adapter.pairs:
            outputs = [_width(wanted[Projection(layer, part)], inputs)[1] for part in names]
            return _split(adapter, whole, outputs, names.index(projection.name)), {whole}
    return None, set()


def _split(adapter: PeftAdapter, whole: Projection, outputs: Sequence[int], index: int) -> LoraPair:
    """One part of a fused pair: the same A, its own columns of B."""
    pair = adapter.pairs[whole]
    if pair.b.shape[1] != sum(outputs):
        raise AdapterError(
            f"{adapter.directory}: tensor {pair.tensor} has {pair.b.shape[1]} outputs, the base's {whole} has "
            f"{sum(outputs)}: it was trained on another base"
        )
    begin = sum(outputs[:index])
    return LoraPair(a=pair.a, b=pair.b[:, begin : begin + outputs[index]], tensor=pair.tensor)


def _packed(adapter: PeftAdapter, outputs: Mapping[Projection, int], held: Mapping[Projection, LoraPair]) -> LoraPair:
    """Parts as one pair: [A1 A2 …] and B block by block, so that each part sees its own A only."""
    import numpy as np

    first = next(iter(held.values()))
    for part, pair in held.items():
        if pair.a.shape[0] != first.a.shape[0] or pair.b.shape[1] != outputs[part]:
            raise AdapterError(
                f"{adapter.directory}: tensor {pair.tensor} maps {pair.a.shape[0]} to {pair.b.shape[1]}, the base's "
                f"{part} maps {first.a.shape[0]} to {outputs[part]}: it was trained on another base"
            )
    b = np.zeros((sum(pair.rank for pair in held.values()), sum(outputs.values())), np.float32)
    row = column = 0
    for part, width in outputs.items():
        if part in held:
            b[row : row + held[part].rank, column : column + width] = held[part].b
            row += held[part].rank
        column += width
    return LoraPair(a=np.concatenate([pair.a for pair in held.values()], axis=1), b=b, tensor=first.tensor)


def _converted(values: np.ndarray, dtype: str, adapter: PeftAdapter, pair: LoraPair | None) -> np.ndarray:
    import numpy as np

    with np.errstate(over="ignore"):
        converted = np.ascontiguousarray(values, dtype=dtype)
    if not np.isfinite(converted).all():
        name = pair.tensor if pair else "zeros"
        raise AdapterError(f"{adapter.directory}: tensor {name} is too large for the base's {dtype}")
    return converted


def check_tensors(tensors: Mapping[str, np.ndarray], inputs: Inputs, where: str) -> None:
    """Every input has its tensor with its shape and type, every tensor its input, every pair one rank; and something in
    it is not zero. AdapterError names the first that does not hold; ``where`` stands before it."""
    for name, one in inputs.items():
        if name not in tensors:
            raise AdapterError(f"{where}: no tensor {name}, which the base asks for")
        tensor = tensors[name]
        if str(tensor.dtype) != one.dtype:
            raise AdapterError(f"{where}: tensor {name} is {tensor.dtype}, the base takes {one.dtype}")
        fits = tensor.ndim == 2 and all(want in (None, has) for want, has in zip(one.shape, tensor.shape, strict=True))
        if not fits:
            shape = ["rank" if size is None else size for size in one.shape]
            raise AdapterError(f"{where}: tensor {name} has shape {list(tensor.shape)}, the base takes {shape}")
    for name in tensors:
        if name not in inputs:
            raise AdapterError(f"{where}: tensor {name} has no input in the base")
    for names in _projections(inputs).values():
        a, b = tensors[names["A"]], tensors[names["B"]]
        if a.shape[0] != b.shape[1]:
            raise AdapterError(f"{where}: tensor {names['A']} has rank {a.shape[0]}, {names['B']} has {b.shape[1]}")
