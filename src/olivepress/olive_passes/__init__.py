"""Olive passes of our own: ``olive run --package-config FILE`` names them, and workflows say so in their header."""

__all__ = ["OWN_PASSES"]

# Pass → its class. Plain, so that a workflow is rendered where neither Olive nor torch is installed.
OWN_PASSES = {"CalibratedGptq": "olivepress.olive_passes.calibrated_gptq.CalibratedGptq"}
