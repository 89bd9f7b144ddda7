"""Settings that Olive accepts in silence and that do not work: a rule for each, with what to write instead.

Each was run before it was written down (docs/compatibility.md). The rules read the workflow alone, so that they hold
where neither Olive nor the target's packages are installed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from olivepress.recipe.methods import METHODS
from olivepress.workflow.olive_plugin.passes import OWN_PASSES, QUANTIZERS

__all__ = ["broken_rules"]

Passes = Mapping[str, Mapping[str, Any]]
Broken = Iterator[tuple[str, str]]  # (key in the workflow, what is wrong and what to write)

_CPU = "CPUExecutionProvider"


def broken_rules(config: Mapping[str, Any], text: str, soc_models: Mapping[str, str]) -> Broken:
    """Every rule that a workflow breaks. ``text`` is the file with its comments; ``soc_models`` the known chips."""
    accelerator = config["systems"]["here"]["accelerators"][0]
    provider, passes = str(accelerator["execution_providers"][0]), config["passes"]
    yield from _evaluator(config, provider)
    yield from _finetune(passes)
    yield from _conversion(passes)
    yield from _builder(passes)
    yield from _mixed_bits(passes)
    yield from _own_passes(passes, text)
    if provider == "QNNExecutionProvider":
        yield from _qnn(passes, text, soc_models)
    if provider == "OpenVINOExecutionProvider":
        yield from _openvino(passes)
    if provider == "DmlExecutionProvider":
        yield from _directml(passes)
    if provider == "NvTensorRTRTXExecutionProvider":
        yield from _trt_rtx(passes)


def _of(passes: Passes, *kinds: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, settings in passes.items():
        if settings["type"] in kinds:
            yield f"passes.{name}", settings


def _evaluator(config: Mapping[str, Any], provider: str) -> Broken:
    if config.get("evaluator") and provider != _CPU:
        yield "evaluator", f"Olive would look for {provider} and stop without it; remove it, and use olivepress bench"


def _finetune(passes: Passes) -> Broken:
    """Keys that a pass inherits from LoRA's and does not read."""
    for method in METHODS.values():
        for key, settings in _of(passes, method.olive_pass):
            yield from ((f"{key}.{name}", reason) for name, reason in method.ignores.items() if name in settings)


def _conversion(passes: Passes) -> Broken:
    for key, _ in _of(passes, "OnnxConversion"):
        yield f"{key}.type", "fails on these decoders; write ModelBuilder"


def _builder(passes: Passes) -> Broken:
    for key, settings in _of(passes, "ModelBuilder"):
        if settings.get("precision") == "int8":
            yield (
                f"{key}.precision",
                "the builder knows no int8 and ends in a KeyError; quantize with Rtn first, bits: 8",
            )


def _mixed_bits(passes: Passes) -> Broken:
    """SelectiveMixedPrecision overrides the bits of every quantizer after it, an embedding's too."""
    chosen: int | None = None
    for name, settings in passes.items():
        if settings["type"] == "SelectiveMixedPrecision":
            chosen = int(settings.get("bits", 4))
        elif chosen is not None and settings["type"] in QUANTIZERS and settings.get("bits", 4) != chosen:
            message = f"SelectiveMixedPrecision makes it {chosen}; name the exceptions in overrides"
            yield f"passes.{name}.bits", message


def _own_passes(passes: Passes, text: str) -> Broken:
    for key, _ in _of(passes, *OWN_PASSES):
        if "--package-config" not in text:
            yield f"{key}.type", "a pass of olivepress, which Olive does not know; olive run … --package-config FILE"


def _qnn(passes: Passes, text: str, soc_models: Mapping[str, str]) -> Broken:
    compiled = list(_of(passes, "EPContextBinaryGenerator"))
    for key, settings in compiled:
        if "--package-config" not in text:
            yield f"{key}.type", "Olive finds no QNNExecutionProvider, a plugin; olive run … --package-config FILE"
        yield from _context_binary(key, settings, soc_models)
    if not compiled:
        return
    for key, settings in _of(passes, *QUANTIZERS):
        if settings.get("group_size") != -1:
            yield f"{key}.group_size", "in blocks every MatMul may stay on the CPU; write -1, one scale per channel"
    fixed = [name for _, settings in _of(passes, "DynamicToFixedShape") for name in settings.get("dim_param", ())]
    if "past_sequence_length" not in fixed:
        message = "the key/value cache has no fixed length, which the NPU needs; add DynamicToFixedShape"
        yield "passes", f"{message} with dim_param [past_sequence_length]"
    halves = [name for _, settings in _of(passes, "OnnxFloatToFloat16") for name in settings.get("op_include_list", ())]
    if "GroupQueryAttention" not in halves:
        message = "attention stays in fp32, too large for the NPU's memory; add OnnxFloatToFloat16"
        yield "passes", f"{message} with op_include_list [GroupQueryAttention]"


def _context_binary(key: str, settings: Mapping[str, Any], soc_models: Mapping[str, str]) -> Broken:
    options = settings.get("provider_options", {})
    if settings.get("weight_sharing"):
        yield f"{key}.weight_sharing", 'ends in "Input source doesn\'t exist"; write false'
    if not settings.get("disable_cpu_fallback"):
        yield f"{key}.disable_cpu_fallback", "what the NPU cannot take would run on the CPU unseen; write true"
    if not options.get("backend_path"):
        yield f"{key}.provider_options", 'ends in "Could not determine default backend path"; add backend_path'
    if str(options.get("soc_model")) not in soc_models:
        known = ", ".join(soc_models)
        yield f"{key}.provider_options.soc_model", f"no known chip: it would run on the CPU; known: {known}"


def _openvino(passes: Passes) -> Broken:
    for key, settings in _of(passes, "OpenVINOOptimumConversion"):
        if settings.get("extra_args", {}).get("task") != "text-generation-with-past":
            message = "not inferred, and without a cache it answers slowly; write text-generation-with-past"
            yield f"{key}.extra_args.task", message
        quantized = settings.get("ov_quant_config", {})
        if quantized.get("group_size", -1) > 0 and not quantized.get("group_size_fallback"):
            message = "a layer that the group size does not divide ends it; add group_size_fallback: adjust"
            yield f"{key}.ov_quant_config", message
    for key, settings in _of(passes, "OpenVINOIoUpdate", "OpenVINOEncapsulation"):
        yield f"{key}.type", f"{settings['type']} renames the model so that openvino-genai finds none; remove it"
    for key, settings in _of(passes, "OnnxStaticQuantization"):
        if settings.get("quant_preprocess"):
            yield f"{key}.quant_preprocess", "writes k_quant_type, which OpenVINO's ONNX Runtime refuses; write false"


def _directml(passes: Passes) -> Broken:
    for key, settings in _of(passes, *QUANTIZERS):
        if settings.get("embeds"):
            yield f"{key}.embeds", "DirectML has no GatherBlockQuantized; write false"


def _trt_rtx(passes: Passes) -> Broken:
    for key, settings in _of(passes, *QUANTIZERS):
        message = "ModelBuilder would take its unsigned weights for signed ones and compute nonsense"
        yield f"{key}.type", f"{message}; remove {settings['type']}, ModelBuilder quantizes by itself"
