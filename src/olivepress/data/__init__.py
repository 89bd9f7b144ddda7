"""Data files become a dataset: three splits of chat examples and one content hash."""

from olivepress.data.examples import SPLITS, Example
from olivepress.data.prepare import Dataset, build_dataset, interleave, write_dataset

__all__ = ["SPLITS", "Dataset", "Example", "build_dataset", "interleave", "write_dataset"]
