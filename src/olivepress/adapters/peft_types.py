"""How PEFT's methods other than LoRA change a model, and therefore cannot be expressed as LoRA inputs."""

from __future__ import annotations

__all__ = ["NEXT_STEP", "REASONS"]

_VIRTUAL = "it puts trained virtual tokens before the text and changes no weight"
_TURNS = "it multiplies the weights by a rotation"
REASONS = {
    "ADALORA": "its update is P·diag(E)·Q with ranks that were pruned while it trained, not B·A times a scaling",
    "VERA": "it scales random matrices that all layers share and that are drawn again from a seed",
    "LOHA": "its update is an elementwise product of two products of matrices",
    "LOKR": "its update is a Kronecker product",
    "IA3": "it multiplies activations by vectors",
    "OFT": _TURNS,
    "BOFT": _TURNS,
    "HRA": "it multiplies the weights by reflections",
    "FOURIERFT": "its update is stored as a few Fourier coefficients",
    "VBLORA": "its matrices are mixed out of a bank of vectors that all layers share",
    "LN_TUNING": "it trains the norms",
    "XLORA": "it mixes several adapters by a gate that is computed for every token",
    "POLY": "it mixes several adapters by task",
    "TRAINABLE_TOKENS": "it has embeddings of its own",
    "PREFIX_TUNING": "it puts trained keys and values before the text and changes no weight",
    "PROMPT_TUNING": _VIRTUAL,
    "P_TUNING": _VIRTUAL,
    "MULTITASK_PROMPT_TUNING": _VIRTUAL,
    "CPT": _VIRTUAL,
    "ADAPTION_PROMPT": "it puts trained prompts into the attention of some layers",
}
_TRAIN = "train a LoRA adapter for the task: this kind cannot be merged either"
_NO_WEIGHTS = (
    "PREFIX_TUNING", "PROMPT_TUNING", "P_TUNING", "MULTITASK_PROMPT_TUNING", "CPT", "ADAPTION_PROMPT", "XLORA", "POLY",
)  # fmt: skip
NEXT_STEP = dict.fromkeys(_NO_WEIGHTS, _TRAIN)
