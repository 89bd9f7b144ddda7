"""Olive passes of our own: ``olive run --package-config FILE`` names them, and workflows say so in their header."""

__all__ = ["CALIBRATED", "OWN_PASSES", "QUANTIZERS"]

# Pass → its class. Plain, so that a workflow is rendered where neither Olive nor torch is installed.
OWN_PASSES = {"CalibratedGptq": "olivepress.olive_passes.calibrated_gptq.CalibratedGptq"}
CALIBRATED = ("Gptq", *OWN_PASSES)  # round a layer by what its inputs were on calibration rows
QUANTIZERS = ("Rtn", "KQuant", *CALIBRATED)  # in PyTorch, before ModelBuilder
