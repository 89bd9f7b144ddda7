"""Datasets made of prepared datasets."""
