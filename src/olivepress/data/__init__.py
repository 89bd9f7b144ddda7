"""Data files become a dataset: three splits of chat examples, one content hash, and an audit of every row."""

from olivepress.data.build import build_dataset, prepare_files
from olivepress.data.dataset import Dataset, interleave, load_dataset, write_dataset
from olivepress.data.examples import SPLITS, Example
from olivepress.data.policy import Policy

__all__ = [
    "SPLITS",
    "Dataset",
    "Example",
    "Policy",
    "build_dataset",
    "interleave",
    "load_dataset",
    "prepare_files",
    "write_dataset",
]
