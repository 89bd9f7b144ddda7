"""What a runtime's settings file may say: every key and every value that olivepress and Olive write, and nothing else.

A settings file names libraries to load, files to write and addresses to jump to, so what is not known here is refused,
whoever wrote it. Sources: ONNX Runtime's session and provider options, ``config.cpp`` of onnxruntime-genai 0.14.1, its
model builder, and the passes of Olive 0.13.0 that edit the file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from olivepress.catalog.foreign_code import QNN_BACKENDS

__all__ = ["PROVIDERS", "device_problems", "genai_problems", "is_inside", "problems_of"]

Rule = Callable[[str, Any], Iterator[str]]
"""(key, value) → what is wrong with it, in words that begin with the key."""

MOST_THREADS = 1024
MOST_TOKENS = 2**26
MOST_LAYERS = 4096
PROVIDERS: Mapping[str, str] = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "dml": "DmlExecutionProvider",
    "webgpu": "WebGpuExecutionProvider",
    "qnn": "QNNExecutionProvider",
    "nvtensorrtrtx": "NvTensorRTRTXExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "vitisai": "VitisAIExecutionProvider",
}
"""genai's name in lower case → the execution provider."""
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,199}")


def is_inside(name: str) -> bool:
    """Whether a file name is relative and plain on every system, so that it stays in the folder that it starts from."""
    parts = name.split("/")
    return len(name) <= 400 and all(_PART.fullmatch(part) and not part.endswith(".") for part in parts)


def problems_of(key: str, value: Any, rule: Rule) -> list[str]:
    """What is wrong with a value, in words that begin with its key; nothing when it is allowed."""
    return list(rule(key, value))


def _expected(key: str, what: str, value: Any) -> str:
    shown = ascii(value)
    return f"{key}: expected {what}, not {shown if len(shown) <= 60 else shown[:57] + '...'}"


def _whole(low: int, high: int) -> Rule:
    def rule(key: str, value: Any) -> Iterator[str]:
        if type(value) is not int or not low <= value <= high:
            yield _expected(key, f"a whole number from {low} to {high}", value)

    return rule


def _number(low: float, high: float) -> Rule:
    def rule(key: str, value: Any) -> Iterator[str]:
        if type(value) not in (int, float) or not low <= value <= high:
            yield _expected(key, f"a number from {low:g} to {high:g}", value)

    return rule


def _flag(key: str, value: Any) -> Iterator[str]:
    if type(value) is not bool:
        yield _expected(key, "true or false", value)


def _text(pattern: str, what: str) -> Rule:
    compiled = re.compile(pattern)

    def rule(key: str, value: Any) -> Iterator[str]:
        if not isinstance(value, str) or not compiled.fullmatch(value):
            yield _expected(key, what, value)

    return rule


def _choice(*names: str) -> Rule:
    def rule(key: str, value: Any) -> Iterator[str]:
        if not isinstance(value, str) or value not in names:
            yield _expected(key, f"one of {', '.join(names)}", value)

    return rule


def _digits(high: int) -> Rule:
    """A whole number from 0 written as text: provider options and session entries are texts."""

    def rule(key: str, value: Any) -> Iterator[str]:
        if not isinstance(value, str) or not re.fullmatch(r"[0-9]{1,18}", value) or int(value) > high:
            yield _expected(key, f"a text with a whole number up to {high}", value)

    return rule


def _either(first: Rule, second: Rule) -> Rule:
    def rule(key: str, value: Any) -> Iterator[str]:
        if any(first(key, value)):
            yield from second(key, value)

    return rule


def _list_of(each: Rule, most: int = MOST_LAYERS) -> Rule:
    def rule(key: str, value: Any) -> Iterator[str]:
        if not isinstance(value, list) or len(value) > most:
            yield _expected(key, f"a list of at most {most}", value)
            return
        for index, entry in enumerate(value):
            yield from each(f"{key}[{index}]", entry)

    return rule


def _fields(known: Mapping[str, Rule]) -> Rule:
    """An object with these keys and no others, each of them optional."""

    def rule(key: str, value: Any) -> Iterator[str]:
        if not isinstance(value, dict):
            yield _expected(key, "an object", value)
            return
        for name, entry in value.items():
            inner = f"{key}.{ascii(name)[1:-1][:60]}" if key else ascii(name)[1:-1][:60]
            if name in known:
                yield from known[name](inner, entry)
            else:
                yield f"{inner}: no setting of an artifact that olivepress makes"

    return rule


def _mapping(name_rule: Rule, value_rule: Rule, most: int = 256) -> Rule:
    """An object whose keys are free names."""

    def rule(key: str, value: Any) -> Iterator[str]:
        if not isinstance(value, dict) or len(value) > most:
            yield _expected(key, f"an object of at most {most} entries", value)
            return
        for name, entry in value.items():
            yield from name_rule(f"{key}, a key of it", name)
            yield from value_rule(f"{key}.{ascii(name)[1:-1][:60]}", entry)

    return rule


def _file_name(key: str, value: Any) -> Iterator[str]:
    if not isinstance(value, str) or not value.endswith(".onnx") or not is_inside(value):
        yield _expected(key, "the plain name of an .onnx file in the artifact", value)


_SWITCH = _choice("0", "1")
_TOKEN = _whole(-1, 2**31 - 1)
# genai passes these to a C format function: no other % than one %d.
_TENSOR = _text(r"[A-Za-z0-9_./:-]{1,200}(%d[A-Za-z0-9_./:-]{0,200})?", "the name of a tensor, with at most one %d")
_NAME = _text(r"[A-Za-z0-9_.-]{1,80}", "a plain word")

_CONFIG_ENTRIES: Mapping[str, Rule] = {
    "session.intra_op.allow_spinning": _SWITCH,
    "session.inter_op.allow_spinning": _SWITCH,
    "session.intra_op_thread_affinities": _text(
        r"[0-9]{1,5}([,-][0-9]{1,5})*(;[0-9]{1,5}([,-][0-9]{1,5})*){0,1023}", "processors, as 1;2;3"
    ),
    "session.execution_mode": _choice("sequential", "parallel"),
    "session.dynamic_block_base": _digits(1024),
    "session.set_denormal_as_zero": _SWITCH,
    "session.disable_cpu_ep_fallback": _SWITCH,
    "session.disable_prepacking": _SWITCH,
    "session.use_device_allocator_for_initializers": _SWITCH,
    "session.use_env_allocators": _SWITCH,
    "mlas.enable_gemm_fastmath_arm64_bfloat16": _SWITCH,
    "ep.dml.enable_cpu_sync_spinning": _SWITCH,
    "ep.dml.disable_graph_fusion": _SWITCH,
    "ep.dml.disable_memory_arena": _SWITCH,
}

_PROVIDER_OPTIONS: Mapping[str, Mapping[str, Rule]] = {
    "CPUExecutionProvider": {},
    "CUDAExecutionProvider": {
        "device_id": _digits(255),
        "enable_cuda_graph": _SWITCH,
        "enable_skip_layer_norm_strict_mode": _SWITCH,
        "tunable_op_enable": _SWITCH,
        "tunable_op_tuning_enable": _SWITCH,
        "use_tf32": _SWITCH,
        "prefer_nhwc": _SWITCH,
        "do_copy_in_default_stream": _SWITCH,
        "gpu_mem_limit": _digits(2**48),
        "arena_extend_strategy": _choice("kNextPowerOfTwo", "kSameAsRequested"),
        "cudnn_conv_algo_search": _choice("EXHAUSTIVE", "HEURISTIC", "DEFAULT"),
        "cudnn_conv_use_max_workspace": _SWITCH,
        "sdpa_kernel": _digits(255),
    },
    "DmlExecutionProvider": {
        "device_id": _digits(255),
        "performance_preference": _choice("default", "high_performance", "minimum_power"),
        "device_filter": _choice("gpu", "npu", "any"),
        "disable_metacommands": _choice("true", "false"),
        "enable_graph_capture": _choice("true", "false"),
    },
    "WebGpuExecutionProvider": {
        "enableGraphCapture": _SWITCH,
        "validationMode": _choice("disabled", "wgpuOnly", "basic", "full"),
        "powerPreference": _choice("high-performance", "low-power"),
        "dawnBackendType": _choice("Vulkan", "D3D12"),
        "preferredLayout": _choice("NCHW", "NHWC"),
        "deviceId": _digits(255),
    },
    "QNNExecutionProvider": {
        "backend_path": _choice(*QNN_BACKENDS),
        "backend_type": _choice("htp", "gpu", "cpu"),
        "soc_model": _digits(9999),
        "htp_arch": _digits(999),
        "device_id": _digits(255),
        "vtcm_mb": _digits(1024),
        "rpc_control_latency": _digits(100_000),
        "htp_performance_mode": _choice(
            "default", "burst", "balanced", "high_performance", "high_power_saver", "low_balanced", "low_power_saver",
            "power_saver", "extreme_power_saver", "sustained_high_performance",
        ),
        "htp_graph_finalization_optimization_mode": _choice("0", "1", "2", "3"),
        "qnn_context_priority": _choice("low", "normal", "normal_high", "high"),
        "enable_htp_fp16_precision": _SWITCH,
        "enable_htp_weight_sharing": _SWITCH,
        "enable_htp_shared_memory_allocator": _SWITCH,
        "enable_htp_spill_fill_buffer": _SWITCH,
        "offload_graph_io_quantization": _SWITCH,
    },
    "NvTensorRTRTXExecutionProvider": {
        "enable_cuda_graph": _SWITCH,
        "device_id": _digits(255),
        "nv_max_workspace_size": _digits(2**48),
        "nv_multi_profile_enable": _SWITCH,
    },
    "OpenVINOExecutionProvider": {
        "device_type": _text(r"(CPU|GPU|NPU)(\.[0-9]{1,2})?", "CPU, GPU or NPU"),
        "precision": _choice("FP32", "FP16", "ACCURACY"),
        "num_of_threads": _digits(MOST_THREADS),
        "num_streams": _digits(255),
        "model_priority": _choice("LOW", "MEDIUM", "HIGH", "DEFAULT"),
        "disable_dynamic_shapes": _choice("true", "false", "True", "False"),
        "enable_qdq_optimizer": _choice("true", "false", "True", "False"),
        "enable_causallm": _choice("true", "false", "True", "False"),
    },
    "VitisAIExecutionProvider": {"log_level": _choice("info", "warning", "error", "fatal")},
}  # fmt: skip
"""Nothing here names a library but by the plain names that the provider's own package ships, a file to be written, or
an address in memory (a stream, an allocator, a device) that a text could forge."""

_DEVICE_FILTER = _fields({
    "hardware_device_type": _choice("cpu", "gpu", "npu", "CPU", "GPU", "NPU"),
    "hardware_device_id": _whole(0, 2**32 - 1),
    "hardware_vendor_id": _whole(0, 2**32 - 1),
})  # fmt: skip

_SEARCH = _fields({
    "batch_size": _whole(1, 4096),
    "chunk_size": _whole(0, MOST_TOKENS),
    "diversity_penalty": _number(-1e6, 1e6),
    "do_sample": _flag,
    "early_stopping": _flag,
    "length_penalty": _number(-1e6, 1e6),
    "max_length": _whole(0, MOST_TOKENS),
    "min_length": _whole(0, MOST_TOKENS),
    "no_repeat_ngram_size": _whole(0, MOST_TOKENS),
    "num_beams": _whole(1, 256),
    "num_return_sequences": _whole(1, 256),
    "past_present_share_buffer": _flag,
    "random_seed": _whole(-1, 2**31 - 1),
    "repetition_penalty": _number(-1e6, 1e6),
    "temperature": _number(0, 1e6),
    "top_k": _whole(0, 2**31 - 1),
    "top_p": _number(0, 1),
})  # fmt: skip

_SLIDING_WINDOW = _fields({
    "window_size": _whole(-1, MOST_TOKENS),
    "pad_value": _whole(-(2**31), 2**31 - 1),
    "alignment": _choice("left", "right"),
    "slide_key_value_cache": _flag,
    "slide_inputs": _flag,
    "layers": _list_of(_whole(0, MOST_LAYERS)),
})  # fmt: skip


def genai_problems(config: Any, *, provider: str | None = None, profile: str | None = None) -> list[str]:
    """What is wrong with a genai_config.json, in words that begin with the key.

    ``provider`` is the execution provider that the manifest names: the file may ask for no other. None allows each.
    ``profile`` is the one place that the session may write a profile to.
    """
    session = _session_rule(provider, profile)
    stage = _fields({
        "filename": _file_name,
        "inputs": _list_of(_TENSOR),
        "outputs": _list_of(_TENSOR),
        "session_options": session,
        "output_names_forwarder": _mapping(_TENSOR, _TENSOR, MOST_LAYERS),
        "run_on_prompt": _flag,
        "run_on_token_gen": _flag,
        "is_lm_head": _flag,
        "reset_session_idx": _whole(-1, 4096),
    })  # fmt: skip
    size = _whole(1, 2**24)
    decoder = _fields({
        "filename": _file_name,
        "session_options": session,
        "pipeline": _list_of(_mapping(_NAME, stage, 64), 64),
        "inputs": _mapping(_NAME, _TENSOR),
        "outputs": _mapping(_NAME, _TENSOR),
        "sliding_window": _SLIDING_WINDOW,
        "layer_types": _list_of(_NAME),
        "conv_cache_size": _whole(0, 4096),
        "head_size": size,
        "hidden_size": size,
        "num_attention_heads": size,
        "num_hidden_layers": _whole(1, MOST_LAYERS),
        "num_key_value_heads": size,
    })  # fmt: skip
    tokens = dict.fromkeys(("bos_token_id", "pad_token_id", "sep_token_id", "image_token_id"), _TOKEN)
    model = _fields({
        **tokens,
        "eos_token_id": _either(_TOKEN, _list_of(_TOKEN, 256)),
        "context_length": _whole(1, MOST_TOKENS),
        "vocab_size": _whole(1, 2**24),
        "type": _NAME,
        "decoder": decoder,
    })  # fmt: skip
    return problems_of("", config, _fields({"model": model, "search": _SEARCH}))


def _session_rule(provider: str | None, profile: str | None) -> Rule:
    level = _choice("ORT_DISABLE_ALL", "ORT_ENABLE_BASIC", "ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL")
    known: dict[str, Rule] = {
        "log_id": _text(r"[A-Za-z0-9_. -]{0,80}", "a plain word"),
        "log_severity_level": _whole(0, 4),
        "log_verbosity_level": _whole(0, 10),
        "intra_op_num_threads": _whole(0, MOST_THREADS),
        "inter_op_num_threads": _whole(0, MOST_THREADS),
        "enable_cpu_mem_arena": _flag,
        "enable_mem_pattern": _flag,
        "graph_optimization_level": level,
        "provider_options": _list_of(partial(_provider_entry, provider), 8),
        **_CONFIG_ENTRIES,
    }
    if profile is not None:
        known["enable_profiling"] = _choice(profile)
    return _fields(known)


def _provider_entry(wanted: str | None, key: str, value: Any) -> Iterator[str]:
    """One object of ``provider_options``: a provider's name, and its options."""
    if not isinstance(value, dict) or len(value) != 1:
        yield _expected(key, "an object with one provider", value)
        return
    ((name, options),) = value.items()
    provider = PROVIDERS.get(name.lower())
    shown = f"{key}.{ascii(name)[1:-1][:40]}"
    if provider is None:
        yield f"{shown}: no execution provider that olivepress knows"
    elif wanted not in (None, provider) and provider != PROVIDERS["cpu"]:
        yield f"{shown}: the manifest says {ascii(wanted)[1:-1][:40]}, the settings ask for {provider}"
    else:
        rules = {**_PROVIDER_OPTIONS[provider], "device_filtering_options": _DEVICE_FILTER}
        yield from _fields(rules)(shown, options)


_YES = _choice("YES", "NO")
_DEVICE = _fields({
    "device": _choice("CPU", "GPU", "NPU"),
    "properties": _fields({
        "NPU_USE_NPUW": _YES,
        "NPUW_LLM": _YES,
        "NPUW_LLM_BATCH_DIM": _whole(-1, 8),
        "NPUW_LLM_SEQ_LEN_DIM": _whole(-1, 8),
        "NPUW_LLM_MAX_PROMPT_LEN": _whole(1, MOST_TOKENS),
        "NPUW_LLM_MIN_RESPONSE_LEN": _whole(1, MOST_TOKENS),
        "NPUW_DEVICES": _text(r"(CPU|GPU|NPU)(,(CPU|GPU|NPU)){0,2}", "devices, as NPU,CPU"),
        "NPUW_ONLINE_PIPELINE": _choice("NONE", "INIT", "JUST", "REP", "REG", "COMPUTE", "SPATIAL"),
        "INFERENCE_PRECISION_HINT": _choice("f32", "f16", "bf16"),
    }),
})  # fmt: skip


def device_problems(config: Any) -> list[str]:
    """What is wrong with an openvino_device.json, in words that begin with the key."""
    return problems_of("", config, _DEVICE)
