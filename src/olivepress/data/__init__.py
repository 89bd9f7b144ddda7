"""Datasets from data files: three splits of chat examples, a content hash, and an audit of every row."""
