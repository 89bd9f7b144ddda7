"""Rehearsals at real size: random weights and a synthetic tokenizer of a real model's shape."""

from olivepress.synthetic.model import MARKER, make_random_model, weight_bytes
from olivepress.synthetic.special_tokens import SpecialTokens, special_tokens
from olivepress.synthetic.tokenizer import make_tokenizer

__all__ = [
    "MARKER",
    "SpecialTokens",
    "make_random_model",
    "make_tokenizer",
    "special_tokens",
    "weight_bytes",
]
