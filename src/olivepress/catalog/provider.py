"""One record per execution provider, and how to find it by any of its names.

To add a provider, add its record here: it is then probed, listed by the doctor, tuned, placed, and its options are
allowed in an artifact's settings. A target that uses it is a file in ``targets/``.
"""

from __future__ import annotations

import platform
from types import ModuleType

from olivepress.catalog.provider_record import Emulation, Provider, Requirement
from olivepress.catalog.session_axes import (
    GRAPH_OPTIMIZATION,
    MEMORY,
    affinity,
    execution_mode,
    provider_choices,
    session_choices,
    spinning,
    threads,
)
from olivepress.catalog.value_rules import choice, digits, text

__all__ = ["CPU", "CUDA", "DIRECTML", "OPENVINO", "PROVIDERS", "QNN", "TENSORRT_RTX", "VITISAI", "WEBGPU"]
__all__ += ["by_genai_name", "provider", "provider_libraries", "short_provider"]

_ENDING = "ExecutionProvider"
_SWITCH = choice("0", "1")
MOST_THREADS = 1024


CPU = Provider(
    name="CPUExecutionProvider",
    genai_name="cpu",
    runtime_packages=("onnxruntime", "onnxruntime-training"),
    genai_package="onnxruntime-genai",
    in_model_builder=True,
    axes={
        "threads": threads,
        "spinning": spinning,
        "affinity": affinity,
        "execution mode": execution_mode,
        "graph optimization": GRAPH_OPTIMIZATION,
        "memory": MEMORY,
        "block size": session_choices({"session.dynamic_block_base": "4"}),
        "denormals": session_choices({"session.set_denormal_as_zero": "1"}),
    },
)

CUDA = Provider(
    name="CUDAExecutionProvider",
    genai_name="cuda",
    runtime_packages=("onnxruntime-gpu",),
    genai_package="onnxruntime-genai-cuda",
    hides_absence=True,
    in_model_builder=True,
    options={
        "device_id": digits(255),
        "enable_cuda_graph": _SWITCH,
        "enable_skip_layer_norm_strict_mode": _SWITCH,
        "tunable_op_enable": _SWITCH,
        "tunable_op_tuning_enable": _SWITCH,
        "use_tf32": _SWITCH,
        "prefer_nhwc": _SWITCH,
        "do_copy_in_default_stream": _SWITCH,
        "gpu_mem_limit": digits(2**48),
        "arena_extend_strategy": choice("kNextPowerOfTwo", "kSameAsRequested"),
        "cudnn_conv_algo_search": choice("EXHAUSTIVE", "HEURISTIC", "DEFAULT"),
        "cudnn_conv_use_max_workspace": _SWITCH,
        "sdpa_kernel": digits(255),
    },
    axes={
        "CUDA graph": provider_choices({"enable_cuda_graph": "1"}, {"enable_cuda_graph": "0"}),
        "tunable kernels": provider_choices({"tunable_op_enable": "1", "tunable_op_tuning_enable": "1"}),
        "TF32": provider_choices({"use_tf32": "0"}),
        "graph optimization": GRAPH_OPTIMIZATION,
    },
    requires=Requirement(
        text="an NVIDIA GPU with its driver",
        nvidia_gpu=True,
        fix="install NVIDIA's driver until nvidia-smi lists the GPU; without a GPU: olivepress env create cpu",
    ),
)

# GenAI reads only the device from DirectML's options; what tuning tries goes to the session.
DIRECTML = Provider(
    name="DmlExecutionProvider",
    genai_name="DML",
    runtime_packages=("onnxruntime-directml",),
    genai_package="onnxruntime-genai-directml",
    hides_absence=True,
    in_model_builder=True,
    options={
        "device_id": digits(255),
        "performance_preference": choice("default", "high_performance", "minimum_power"),
        "device_filter": choice("gpu", "npu", "any"),
        "disable_metacommands": choice("true", "false"),
        "enable_graph_capture": choice("true", "false"),
    },
    axes={
        "synchronization": session_choices({"ep.dml.enable_cpu_sync_spinning": "1"}),
        "graph fusion": session_choices({"ep.dml.disable_graph_fusion": "1"}),
        "memory": session_choices({"ep.dml.disable_memory_arena": "1"}),
        "graph optimization": GRAPH_OPTIMIZATION,
    },
    requires=Requirement(text="Windows", system="Windows"),
)

WEBGPU = Provider(
    name="WebGpuExecutionProvider",
    genai_name="WebGPU",
    plugin="onnxruntime_ep_webgpu",
    runtime_packages=("onnxruntime-webgpu",),
    hides_absence=True,
    in_model_builder=True,
    options={
        "enableGraphCapture": _SWITCH,
        "validationMode": choice("disabled", "wgpuOnly", "basic", "full"),
        "powerPreference": choice("high-performance", "low-power"),
        "dawnBackendType": choice("Vulkan", "D3D12"),
        "preferredLayout": choice("NCHW", "NHWC"),
        "deviceId": digits(255),
    },
    axes={
        "graph capture": provider_choices({"enableGraphCapture": "1"}),
        "validation": provider_choices({"validationMode": "disabled"}),
        "graph optimization": GRAPH_OPTIMIZATION,
    },
    # Without a GPU on Vulkan in software: any GPU's node, NVIDIA's alone, Windows' beneath WSL. Without the variable
    # the plugin refuses software Vulkan, and ONNX Runtime has no device.
    emulation=Emulation(
        devices=("gpu",),
        absent=("dri/renderD*", "nvidia[0-9]*", "dxg"),
        environment={"ORT_WEBGPU_EP_ALLOW_SOFTWARE_ADAPTER": "1"},
        by_token=True,
    ),
    repair={
        "Linux": "apt-get install mesa-vulkan-drivers  (Mesa 25 or later; on Debian 12 with -t bookworm-backports)",
        "": "update the GPU's driver",
    },
)


def _htp_library(module: ModuleType | None) -> dict[str, str]:
    """The library of Qualcomm's NPU: the plugin's own, else the plain name for the runtime to find."""
    if module is not None:
        return {"backend_path": str(module.get_qnn_htp_path())}
    return {"backend_path": "QnnHtp.dll" if platform.system() == "Windows" else "libQnnHtp.so"}


_QNN_LIBRARIES = ("libQnnHtp.so", "libQnnGpu.so", "libQnnCpu.so", "QnnHtp.dll", "QnnGpu.dll", "QnnCpu.dll")
QNN = Provider(
    name="QNNExecutionProvider",
    genai_name="QNN",
    plugin="onnxruntime_qnn",
    libraries=_QNN_LIBRARIES,
    options={
        "backend_path": choice(*_QNN_LIBRARIES),
        "backend_type": choice("htp", "gpu", "cpu"),
        "soc_model": digits(9999),
        "htp_arch": digits(999),
        "device_id": digits(255),
        "vtcm_mb": digits(1024),
        "rpc_control_latency": digits(100_000),
        "htp_performance_mode": choice(
            "default", "burst", "balanced", "high_performance", "high_power_saver", "low_balanced", "low_power_saver",
            "power_saver", "extreme_power_saver", "sustained_high_performance",
        ),
        "htp_graph_finalization_optimization_mode": choice("0", "1", "2", "3"),
        "qnn_context_priority": choice("low", "normal", "normal_high", "high"),
        "enable_htp_fp16_precision": _SWITCH,
        "enable_htp_weight_sharing": _SWITCH,
        "enable_htp_shared_memory_allocator": _SWITCH,
        "enable_htp_spill_fill_buffer": _SWITCH,
        "offload_graph_io_quantization": _SWITCH,
    },
    quantized_probe=True,
    probe_options=_htp_library,
    # Qualcomm's library of the NPU is an emulator on x86-64; there is none of its GPU.
    emulation=Emulation(devices=("npu",), processors=("x86_64", "amd64")),
    repair={"": "ldd --version  (the plugin needs glibc 2.35 or later; on a device Qualcomm's driver)"},
)  # fmt: skip

TENSORRT_RTX = Provider(
    name="NvTensorRTRTXExecutionProvider",
    genai_name="NvTensorRtRtx",
    plugin="onnxruntime_ep_nv_tensorrt_rtx",
    runtime_packages=("onnxruntime-trt-rtx",),
    in_model_builder=True,
    options={
        "enable_cuda_graph": _SWITCH,
        "device_id": digits(255),
        "nv_max_workspace_size": digits(2**48),
        "nv_multi_profile_enable": _SWITCH,
    },
    requires=Requirement(text="an NVIDIA GPU with its driver", nvidia_gpu=True),
)

OPENVINO = Provider(
    name="OpenVINOExecutionProvider",
    genai_name="OpenVINO",
    runtime_packages=("onnxruntime-openvino",),
    options={
        "device_type": text(r"(CPU|GPU|NPU)(\.[0-9]{1,2})?", "CPU, GPU or NPU"),
        "precision": choice("FP32", "FP16", "ACCURACY"),
        "num_of_threads": digits(MOST_THREADS),
        "num_streams": digits(255),
        "model_priority": choice("LOW", "MEDIUM", "HIGH", "DEFAULT"),
        "disable_dynamic_shapes": choice("true", "false", "True", "False"),
        "enable_qdq_optimizer": choice("true", "false", "True", "False"),
        "enable_causallm": choice("true", "false", "True", "False"),
    },
)

VITISAI = Provider(
    name="VitisAIExecutionProvider",
    genai_name="VitisAI",
    options={"log_level": choice("info", "warning", "error", "fatal")},
    requires=Requirement(text="an AMD Ryzen AI NPU with AMD's software", npu_driver="amdxdna"),
)

AZURE = Provider(name="AzureExecutionProvider", genai_name="", remote=True)  # part of every onnxruntime

PROVIDERS: dict[str, Provider] = {
    record.name: record
    for record in (CPU, CUDA, DIRECTML, WEBGPU, QNN, TENSORRT_RTX, OPENVINO, VITISAI, AZURE)
}  # fmt: skip
"""Name → record. The options name no library but by the plain names that the provider's own package ships, no file to
be written, and no address in memory (a stream, an allocator, a device) that a text could forge."""


def provider(name: str) -> Provider:
    """The record of a provider by either spelling, upper or lower case; of an unknown one a record without facts."""
    short = short_provider(name)
    return PROVIDERS.get(name) or by_genai_name(short) or Provider(name=f"{short}{_ENDING}", genai_name=short)


def by_genai_name(name: str) -> Provider | None:
    """The record of a provider by GenAI's spelling in upper or lower case; None when it is not known."""
    wanted = name.lower()
    return next((record for record in PROVIDERS.values() if wanted and record.genai_name.lower() == wanted), None)


def short_provider(name: str) -> str:
    """A provider's name without the ending that all of them have."""
    return name.removesuffix(_ENDING)


def provider_libraries() -> frozenset[str]:
    """Plain names of the libraries that an artifact's settings may name."""
    return frozenset(library for record in PROVIDERS.values() for library in record.libraries)
