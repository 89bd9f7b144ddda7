"""What a runtime's settings file may contain: each key and value that olivepress and Olive write, and nothing else.

A settings file names libraries to load, files to write and addresses to jump to, so what is not known here is refused,
whoever wrote it. The options of an execution provider are in its record (``catalog.provider``). Sources: ONNX Runtime's
session and provider options, ``config.cpp`` of onnxruntime-genai 0.14.1, its model builder, and the passes of Olive
0.13.0 that edit the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from olivepress.catalog.provider import CPU, MOST_THREADS, by_genai_name
from olivepress.catalog.value_rules import (
    Rule,
    choice,
    digits,
    either,
    expected,
    fields,
    flag,
    list_of,
    mapping,
    number,
    text,
    whole,
)

__all__ = ["device_problems", "genai_problems", "is_inside"]

MOST_TOKENS = 2**26
MOST_LAYERS = 4096
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,199}")


def is_inside(name: str) -> bool:
    """Whether a file name is relative and plain on every system, so that it stays in the folder that it starts from."""
    parts = name.split("/")
    return len(name) <= 400 and all(_PART.fullmatch(part) and not part.endswith(".") for part in parts)


def _file_name(key: str, value: Any) -> Iterator[str]:
    if not isinstance(value, str) or not value.endswith(".onnx") or not is_inside(value):
        yield expected(key, "the plain name of an .onnx file in the artifact", value)


_SWITCH = choice("0", "1")
_TOKEN = whole(-1, 2**31 - 1)
# genai passes these to a C format function: no other % than one %d.
_TENSOR = text(r"[A-Za-z0-9_./:-]{1,200}(%d[A-Za-z0-9_./:-]{0,200})?", "the name of a tensor, with at most one %d")
_NAME = text(r"[A-Za-z0-9_.-]{1,80}", "a plain word")

_CONFIG_ENTRIES: Mapping[str, Rule] = {
    "session.intra_op.allow_spinning": _SWITCH,
    "session.inter_op.allow_spinning": _SWITCH,
    "session.intra_op_thread_affinities": text(
        r"[0-9]{1,5}([,-][0-9]{1,5})*(;[0-9]{1,5}([,-][0-9]{1,5})*){0,1023}", "processors, as 1;2;3"
    ),
    "session.execution_mode": choice("sequential", "parallel"),
    "session.dynamic_block_base": digits(1024),
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

_DEVICE_FILTER = fields({
    "hardware_device_type": choice("cpu", "gpu", "npu", "CPU", "GPU", "NPU"),
    "hardware_device_id": whole(0, 2**32 - 1),
    "hardware_vendor_id": whole(0, 2**32 - 1),
})  # fmt: skip

_SEARCH = fields({
    "batch_size": whole(1, 1024),
    "chunk_size": whole(0, 1_000_000),
    "diversity_penalty": number(-1e6, 1e6),
    "do_sample": flag,
    "early_stopping": flag,
    "length_penalty": number(-1e6, 1e6),
    "max_length": whole(0, MOST_TOKENS),
    "min_length": whole(0, MOST_TOKENS),
    "no_repeat_ngram_size": whole(0, MOST_TOKENS),
    "num_beams": whole(1, 256),
    "num_return_sequences": whole(1, 256),
    "past_present_share_buffer": flag,
    "random_seed": whole(-1, 2**31 - 1),
    "repetition_penalty": number(-1e6, 1e6),
    "temperature": number(0, 1e6),
    "top_k": whole(0, 2**31 - 1),
    "top_p": number(0, 1),
})  # fmt: skip

_SLIDING_WINDOW = fields({
    "window_size": whole(-1, MOST_TOKENS),
    "pad_value": whole(-(2**31), 2**31 - 1),
    "alignment": choice("left", "right"),
    "slide_key_value_cache": flag,
    "slide_inputs": flag,
    "layers": list_of(whole(0, MOST_LAYERS)),
})  # fmt: skip


def genai_problems(config: Any, *, provider: str | None = None, profile: str | None = None) -> list[str]:
    """What is wrong with a genai_config.json, in words that begin with the key.

    ``provider`` is the execution provider that the manifest names: the file may ask for no other. None allows each.
    ``profile`` is the one place that the session may write a profile to.
    """
    decoder = _decoder_rule(_session_rule(provider, profile))
    tokens = dict.fromkeys(("bos_token_id", "pad_token_id", "sep_token_id", "image_token_id"), _TOKEN)
    model = fields({
        **tokens,
        "eos_token_id": either(_TOKEN, list_of(_TOKEN, 256)),
        "context_length": whole(1, MOST_TOKENS),
        "vocab_size": whole(1, 2**24),
        "type": _NAME,
        "decoder": decoder,
    })  # fmt: skip
    return list(fields({"model": model, "search": _SEARCH})("", config))


def _decoder_rule(session: Rule) -> Rule:
    """The decoder, in one file or in a pipeline of several."""
    stage = fields({
        "filename": _file_name,
        "inputs": list_of(_TENSOR),
        "outputs": list_of(_TENSOR),
        "session_options": session,
        "output_names_forwarder": mapping(_TENSOR, _TENSOR, MOST_LAYERS),
        "run_on_prompt": flag,
        "run_on_token_gen": flag,
        "is_lm_head": flag,
        "reset_session_idx": whole(-1, 4096),
    })  # fmt: skip
    size = whole(1, 2**24)
    return fields({
        "filename": _file_name,
        "session_options": session,
        "pipeline": list_of(mapping(_NAME, stage, 64), 64),
        "inputs": mapping(_NAME, _TENSOR),
        "outputs": mapping(_NAME, _TENSOR),
        "sliding_window": _SLIDING_WINDOW,
        "layer_types": list_of(_NAME),
        "conv_cache_size": whole(0, 4096),
        "head_size": size,
        "hidden_size": size,
        "num_attention_heads": size,
        "num_hidden_layers": whole(1, MOST_LAYERS),
        "num_key_value_heads": size,
    })  # fmt: skip


def _session_rule(provider: str | None, profile: str | None) -> Rule:
    level = choice("ORT_DISABLE_ALL", "ORT_ENABLE_BASIC", "ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL")
    known: dict[str, Rule] = {
        "log_id": text(r"[A-Za-z0-9_. -]{0,80}", "a plain word"),
        "log_severity_level": whole(0, 4),
        "log_verbosity_level": whole(0, 10),
        "intra_op_num_threads": whole(0, MOST_THREADS),
        "inter_op_num_threads": whole(0, MOST_THREADS),
        "enable_cpu_mem_arena": flag,
        "enable_mem_pattern": flag,
        "graph_optimization_level": level,
        "provider_options": list_of(partial(_provider_entry, provider), 8),
        **_CONFIG_ENTRIES,
    }
    if profile is not None:
        known["enable_profiling"] = choice(profile)
    return fields(known)


def _provider_entry(wanted: str | None, key: str, value: Any) -> Iterator[str]:
    """One object of ``provider_options``: a provider's name, and its options."""
    if not isinstance(value, dict) or len(value) != 1:
        yield expected(key, "an object with one provider", value)
        return
    ((name, options),) = value.items()
    provider = by_genai_name(name)
    shown = f"{key}.{ascii(name)[1:-1][:40]}"
    if provider is None:
        yield f"{shown}: not an execution provider that olivepress knows"
    elif wanted not in (None, provider.name) and provider.name != CPU.name:
        expected_name = ascii(wanted)[1:-1][:40]
        yield f"{shown}: the manifest names {expected_name}, the settings ask for {provider.name}"
    else:
        rules = {**provider.options, "device_filtering_options": _DEVICE_FILTER}
        yield from fields(rules)(shown, options)


_YES = choice("YES", "NO")
_DEVICE = fields({
    "device": choice("CPU", "GPU", "NPU"),
    "properties": fields({
        "NPU_USE_NPUW": _YES,
        "NPUW_LLM": _YES,
        "NPUW_LLM_BATCH_DIM": whole(-1, 8),
        "NPUW_LLM_SEQ_LEN_DIM": whole(-1, 8),
        "NPUW_LLM_MAX_PROMPT_LEN": whole(1, MOST_TOKENS),
        "NPUW_LLM_MIN_RESPONSE_LEN": whole(1, MOST_TOKENS),
        "NPUW_DEVICES": text(r"(CPU|GPU|NPU)(,(CPU|GPU|NPU)){0,2}", "devices, as NPU,CPU"),
        "NPUW_ONLINE_PIPELINE": choice("NONE", "INIT", "JUST", "REP", "REG", "COMPUTE", "SPATIAL"),
        "INFERENCE_PRECISION_HINT": choice("f32", "f16", "bf16"),
    }),
})  # fmt: skip


def device_problems(config: Any) -> list[str]:
    """What is wrong with an openvino_device.json, in words that begin with the key."""
    return list(_DEVICE("", config))
