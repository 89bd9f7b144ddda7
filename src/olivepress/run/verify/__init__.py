"""Artifacts opened and compared with their parents."""
