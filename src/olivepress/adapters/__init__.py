"""LoRA adapters on one ONNX base: a graph that accepts them, converted PEFT adapters, and packages of both."""

from olivepress.adapters.lora_inputs import LoraInput, add_lora_inputs, read_lora_inputs
from olivepress.adapters.package import (
    Origin,
    Package,
    PackagedAdapter,
    add_adapter,
    check_adapter,
    check_package,
    read_package,
    remove_adapter,
)
from olivepress.adapters.peft_adapter import PeftAdapter, read_peft_adapter

__all__ = [
    "LoraInput",
    "Origin",
    "Package",
    "PackagedAdapter",
    "PeftAdapter",
    "add_adapter",
    "add_lora_inputs",
    "check_adapter",
    "check_package",
    "read_lora_inputs",
    "read_package",
    "read_peft_adapter",
    "remove_adapter",
]
