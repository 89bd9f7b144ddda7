"""Data files become a dataset: three splits of chat examples, one content hash, and an audit of every row."""
