"""The files of a Hugging Face model folder: the weights that are loaded, and their headers."""

from olivepress.checkpoint.documents import read_json
from olivepress.checkpoint.files import (
    GENERATION_CONFIG,
    SMALL_FILES,
    TOKENIZER_FILES,
    named_weights,
    read_files,
    stored_tensors,
    weight_files,
)
from olivepress.checkpoint.header import StoredTensor, read_entries, read_header

__all__ = [
    "GENERATION_CONFIG",
    "SMALL_FILES",
    "TOKENIZER_FILES",
    "StoredTensor",
    "named_weights",
    "read_entries",
    "read_files",
    "read_header",
    "read_json",
    "stored_tensors",
    "weight_files",
]
