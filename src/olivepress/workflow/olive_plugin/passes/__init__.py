"""Olive passes of our own: ``olive run --package-config FILE`` names them, and workflows say so in their header."""

from collections.abc import Mapping
from typing import Any

__all__ = ["CALIBRATED", "OWN_PASSES", "QUANTIZERS", "package_entries"]

# Pass → its class. Plain, so that a workflow is rendered where neither Olive nor torch is installed.
_HERE = "olivepress.workflow.olive_plugin.passes"
OWN_PASSES = {
    "CalibratedGptq": f"{_HERE}.calibrated_gptq.CalibratedGptq",
    **{f"Extended{kind}": f"{_HERE}.extended.Extended{kind}" for kind in ("LoRA", "QLoRA", "DoRA", "LoHa", "LoKr")},
    "FullFinetune": f"{_HERE}.full_finetune.FullFinetune",
}
CALIBRATED = ("Gptq", "CalibratedGptq")  # round a layer by what its inputs were on calibration rows
QUANTIZERS = ("Rtn", "KQuant", *CALIBRATED)  # in PyTorch, before ModelBuilder


def package_entries(modules: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Pass → its entry in Olive's package config, for every provider; ``modules``: pass → path of its class."""
    everywhere = {f"supported_{what}": ["*"] for what in ("providers", "accelerators", "precisions")}
    return {name: {"module_path": path, **everywhere} for name, path in modules.items()}
