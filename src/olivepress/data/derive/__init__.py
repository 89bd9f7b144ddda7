"""Datasets derived from prepared datasets."""
