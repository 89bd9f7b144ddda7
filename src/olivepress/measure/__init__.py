"""Measures a model on the machine it stands on. Light to import: runtimes and torch load inside functions only."""
