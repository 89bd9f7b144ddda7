"""Olive's ModelBuilder pass on onnxruntime-genai 0.16 and later, for the environment build-next.

Olive 0.13's own pass was written for the builder of 0.15 and earlier. Nothing in Olive is changed: a package config
names the subclass in ``model_builder`` under the name ModelBuilder (``olive_plugin.passes``).
"""
