"""Compares an export with its parent in the environment that the export is built for."""
