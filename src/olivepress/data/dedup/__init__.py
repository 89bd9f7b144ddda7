"""Exact and near duplicates, contradictions and leaks."""
