"""Measures a model on this machine. Fast to import: runtimes and torch are imported inside functions only."""
