"""Olive passes of our own: ``olive run --package-config FILE`` names them, and workflows say so in their header."""

from collections.abc import Mapping
from typing import Any

__all__ = ["CALIBRATED", "OWN_PASSES", "QUANTIZERS", "REPLACED", "modules_of", "package_entries"]

# Pass → its class. Plain, so that a workflow is rendered where neither Olive nor torch is installed.
_HERE = "olivepress.workflow.olive_plugin.passes"
OWN_PASSES = {
    "CalibratedGptq": f"{_HERE}.calibrated_gptq.CalibratedGptq",
    **{f"Extended{kind}": f"{_HERE}.extended.Extended{kind}" for kind in ("LoRA", "QLoRA", "DoRA", "LoHa", "LoKr")},
    "FullFinetune": f"{_HERE}.full_finetune.FullFinetune",
    "PreferenceTuning": f"{_HERE}.preference.PreferenceTuning",
}
CALIBRATED = ("Gptq", "CalibratedGptq")  # round a layer by what its inputs were on calibration rows
QUANTIZERS = ("Rtn", "KQuant", *CALIBRATED)  # in PyTorch, before ModelBuilder
# Environment → passes of Olive that a class of ours stands for there, under Olive's name.
REPLACED = {"build-next": {"ModelBuilder": "olivepress.workflow.olive_plugin.builder.model_builder.ModelBuilder"}}
# A package config takes the place of Olive's whole list: what the targets' passes are in Olive 0.13.
_OLIVES = {
    "Gptq": "olive.passes.pytorch.gptq.Gptq",
    "GraphSurgeries": "olive.passes.onnx.graph_surgeries.GraphSurgeries",
    "KQuant": "olive.passes.pytorch.kquant.KQuant",
    "Rtn": "olive.passes.pytorch.rtn.Rtn",
    "SelectiveMixedPrecision": "olive.passes.pytorch.selective_mixed_precision.SelectiveMixedPrecision",
    "StaticLLM": "olive.passes.onnx.static_llm.StaticLLM",
}


def modules_of(package_config: Mapping[str, str], environment: str) -> dict[str, str]:
    """Pass → path of its class, for a target's ``package_config`` and where it is built; {} where Olive's list does."""
    replaced = REPLACED.get(environment, {})
    if not package_config and not replaced:
        return {}
    surgeries = {"GraphSurgeries": _OLIVES["GraphSurgeries"]}  # for the inputs of a package
    return {**(_OLIVES if replaced else surgeries), **package_config, **replaced}


def package_entries(modules: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Pass → its entry in Olive's package config, for every provider; ``modules``: pass → path of its class."""
    everywhere = {f"supported_{what}": ["*"] for what in ("providers", "accelerators", "precisions")}
    return {name: {"module_path": path, **everywhere} for name, path in modules.items()}
