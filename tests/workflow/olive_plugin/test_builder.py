"""Our ModelBuilder pass without the builder: its options, its reader of quantized checkpoints, its repairs."""

from __future__ import annotations

import sys
from enum import IntEnum
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from olivepress.core.errors import JobError
from olivepress.workflow.olive_plugin.builder.classes import _blended
from olivepress.workflow.olive_plugin.builder.options import builder_options, check_known, options_read_in
from olivepress.workflow.olive_plugin.builder.repairs import apply_repairs

torch = pytest.importorskip("torch", reason="the build extra is not installed")


class Level(IntEnum):
    int8 = 4


def test_options_in_the_names_of_the_installed_builder() -> None:
    settings = {
        "precision": "int4", "metadata_only": False, "search": {"max_length": 4096}, "repairs": ["longrope_type"],
        "int4_block_size": 128, "int4_accuracy_level": Level.int8, "int4_is_symmetric": True, "use_qdq": None,
        "extra_options": {"hf_remote": False, "int4_block_size": 64},
    }  # fmt: skip
    assert builder_options(settings) == {
        "block_size": 64, "accuracy_level": 4, "is_symmetric": True, "hf_remote": False,
        "shared_embeddings": False, "windowed_kv_cache": False,
    }  # fmt: skip
    assert builder_options({"extra_options": {"windowed_kv_cache": True}})["windowed_kv_cache"] is True


def test_an_option_that_the_builder_never_reads_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    source = """
        a = extra_options["block_size"]
        b = self.extra_options.get("accuracy_level", 4)
        c = "config_only" in extra_options and other["not_read"] and names.get("nor_this")
        self.attributes = {"nor_a_word": "int4_block_size"}
    """
    (tmp_path / "sub" / "builder.py").write_text("def build():\n" + source.replace("        ", "    "))
    known = options_read_in(tmp_path)
    assert known == {"block_size", "accuracy_level", "config_only"}
    check_known(["block_size"], known)
    with pytest.raises(JobError, match=r"no option 'blocksize'; next: did you mean block_size\?"):
        check_known(["block_size", "blocksize"], known)
    with pytest.raises(JobError, match="no option 'wholly_else'; next: remove it from the target's extra_options"):
        check_known(["wholly_else"], known)


def test_todays_builder_reads_the_old_names() -> None:
    """The list is read from whatever is installed: here it is the one of the pinned set."""
    models = pytest.importorskip("onnxruntime_genai.models", reason="the build extra is not installed")
    known = options_read_in(Path(models.__file__).parent)
    assert {
        "int4_block_size",
        "int4_accuracy_level",
        "hf_remote",
        "adapter_path",
    } <= known and "block_size" not in known


def test_repairs() -> None:
    config = SimpleNamespace(rope_parameters={"rope_type": "longrope"}, sliding_window=32, num_hidden_layers=2)
    apply_repairs(["longrope_type", "uniform_window"], config)
    assert config.rope_parameters["type"] == "longrope" and config.layer_types == ["sliding_attention"] * 2
    plain = SimpleNamespace(rope_parameters={"rope_type": "default"}, sliding_window=None, layer_types=None)
    apply_repairs(["longrope_type", "uniform_window"], plain)
    assert plain.rope_parameters == {"rope_type": "default"} and plain.layer_types is None
    with pytest.raises(
        JobError,
        match=r"no repair 'other' of a model's config; known: as_gemma4_unified, .*longrope_type, .*uniform_window",
    ):
        apply_repairs(["other"], plain)


class TensorModule:
    def __init__(self) -> None:
        self.weight: Any = None


class QuantizedTensorModule:
    def __init__(self) -> None:
        self.qweight = self.scales = self.qzeros = None
        self.bits, self.group_size = 0, 0


class DecoderLayer:
    def __init__(self, number: int) -> None:
        self.self_attn = SimpleNamespace()
        self.layer_id = number


class QuantizedModel:
    def __init__(self, *_: Any, load_weights: bool) -> None:
        self.embedding, self.final_norm, self.lm_head = TensorModule(), TensorModule(), TensorModule()


LOADERS = SimpleNamespace(
    QuantizedModel=QuantizedModel,
    QuantizedDecoderLayer=DecoderLayer,
    QuantizedTensorModule=QuantizedTensorModule,
    TensorModule=TensorModule,
)
CONFIG = {"bits": 4, "group_size": 16, "lm_head": True, "embeds": True, "overrides": {"lm_head": {"bits": 8}}}


def rounded(rows: int, width: int, *, bits: int = 4, zero_points: bool = False) -> dict[str, Any]:
    """The tensors of a module that Olive has quantized in groups of 16."""
    groups, packed = width // 16, torch.arange(rows * width * bits // 8)
    tensors = {
        "qweight": packed.remainder(256).to(torch.uint8).reshape(rows, -1),
        "scales": torch.arange(1, rows * groups + 1, dtype=torch.float32).reshape(rows, groups) / 8,
    }
    if zero_points:
        tensors["qzeros"] = torch.arange(rows * -(-groups * bits // 8), dtype=torch.uint8).reshape(rows, -1)
    return tensors


def read(tmp_path: Path, modules: dict[str, dict[str, Any]], config: dict[str, Any] = CONFIG) -> Any:
    from safetensors.torch import save_file

    from olivepress.workflow.olive_plugin.builder.checkpoint import olive_checkpoint

    tensors = {f"{module}.{leaf}": tensor for module, leaves in modules.items() for leaf, tensor in leaves.items()}
    save_file(tensors, str(tmp_path / "model.safetensors"))
    return olive_checkpoint(LOADERS)("olive", str(tmp_path), {"config": config}, 8, 4, 6, 1)


def test_a_fused_projection_is_split_by_rows_zero_points_too(tmp_path: Path) -> None:
    fused = rounded(16, 32, zero_points=True)
    model = read(tmp_path, {"model.layers.0.self_attn.qkv_proj": fused, "lm_head": {"weight": torch.ones(2, 2)}})
    attention = model.layers[0].self_attn
    parts = [attention.q_proj, attention.k_proj, attention.v_proj]
    assert [part.out_features for part in parts] == [8, 4, 4] and {part.in_features for part in parts} == {32}
    for key in ("scales", "qzeros"):
        assert torch.equal(torch.cat([getattr(part, key) for part in parts]), fused[key])
    assert attention.q_proj.qweight.shape == (8, 2, 8)  # rows, groups, bytes of a group
    assert torch.equal(attention.k_proj.qweight.flatten(1), fused["qweight"][8:12])


def test_symmetric_modules_have_no_zero_points(tmp_path: Path) -> None:
    model = read(
        tmp_path, {"model.layers.0.mlp.gate_up_proj": rounded(12, 16), "lm_head": {"weight": torch.ones(2, 2)}}
    )
    assert model.layers[0].mlp.gate_proj.qzeros is None and model.layers[0].mlp.up_proj.out_features == 6


def test_a_quantized_embedding_is_handed_over_as_weight(tmp_path: Path) -> None:
    head = rounded(4, 32, bits=8)
    model = read(
        tmp_path, {"model.embed_tokens": rounded(4, 32), "lm_head": head, "model.norm": {"weight": torch.ones(2)}}
    )
    assert model.embedding.weight.bits == 4 and model.embedding.weight.qweight.shape == (4, 2, 8)
    assert model.lm_head.bits == 8 and model.final_norm.weight.shape == (2,)


def test_a_tied_head_is_the_embedding(tmp_path: Path) -> None:
    config = {**CONFIG, "tie_word_embeddings": True, "overrides": None}
    model = read(tmp_path, {"model.embed_tokens": rounded(4, 32)}, config)
    assert model.lm_head is model.embedding.weight
    plain = read(tmp_path, {"model.embed_tokens": {"weight": torch.ones(4, 32)}})
    assert plain.lm_head is plain.embedding and plain.embedding.weight.shape == (4, 32)


def test_layers_beyond_the_last_are_left_out_and_unknown_modules_named(tmp_path: Path) -> None:
    model = read(tmp_path, {"model.layers.7.mlp.down_proj": rounded(4, 32)})
    assert len(model.layers) == 1
    with pytest.raises(JobError, match=r"model.visual.patch: a module of the checkpoint that .* has no place for"):
        read(tmp_path, {"model.visual.patch": {"weight": torch.ones(2)}})
    with pytest.raises(JobError, match="has something else of that name"):
        read(tmp_path, {"model.layers.0.layer_id": {"weight": torch.ones(2)}})


@pytest.mark.parametrize("zero_points", [False, True])
def test_gates_of_linear_attention_are_handed_over_unrounded(zero_points: bool, tmp_path: Path) -> None:
    tensors = rounded(2, 32, zero_points=zero_points)
    model = read(tmp_path, {"model.layers.0.linear_attn.in_proj_a": tensors})
    weight = model.layers[0].linear_attn.in_proj_a.weight
    # Independently, one number at a time: low nibble first, a zero point of 8 where there is none.
    for row in range(2):
        for column in range(32):
            byte = int(tensors["qweight"][row, column // 2])
            value = byte >> 4 if column % 2 else byte & 15
            group = column // 16
            zero = 8
            if zero_points:
                packed = int(tensors["qzeros"][row, group // 2])
                zero = packed >> 4 if group % 2 else packed & 15
            assert float(weight[row, column]) == (value - zero) * float(tensors["scales"][row, group])


def test_projections_of_linear_attention_stay_rounded(tmp_path: Path) -> None:
    tensors = rounded(4, 32)
    model = read(tmp_path, {"model.layers.0.linear_attn.in_proj_qkv": tensors})
    projection = model.layers[0].linear_attn.in_proj_qkv
    assert torch.equal(projection.qweight.reshape(4, -1), tensors["qweight"]) and projection.bits == 4


class Graph:
    """As much of ``builders.base.Model`` as a looked-up embedding needs."""

    io_dtype, input_names = "float", {"input_ids": "input_ids"}

    def __init__(self) -> None:
        self.initializers, self.nodes = list[str](), list[dict[str, Any]]()

    def make_initializer(self, tensor: Any, name: str, to: Any = None) -> None:
        self.initializers.append(f"{name} {tuple(tensor.shape)}")

    def make_node(self, op_type: str, **attributes: Any) -> None:
        self.nodes.append({"op_type": op_type, **attributes})

    def make_embedding_lookup(self, embedding: Any, basename: str, lm_head: Any) -> str:
        return "the builder's own"

    def make_packed_matmul_int4_class(self, q: Any, k: Any, v: Any) -> Any:
        return "the builder's own"


def holder(rows: int, *, bits: int = 8, zero_points: bool = False) -> Any:
    module = QuantizedTensorModule()
    vars(module).update({**rounded(rows, 32, bits=bits, zero_points=zero_points), "bits": bits, "group_size": 16})
    vars(module).update({"out_features": rows, "in_features": 32})
    return module


def test_a_quantized_embedding_is_looked_up_by_itself() -> None:
    from olivepress.workflow.olive_plugin.builder.graph import complete_builder

    model_class = type("Model", (Graph,), {})
    complete_builder(model_class)
    graph: Any = model_class()
    assert graph.make_embedding_lookup(torch.ones(2), "/model/embed_tokens", None) == "the builder's own"
    output = graph.make_embedding_lookup(holder(4, zero_points=True), "/model/embed_tokens", None)
    assert output == "/model/embed_tokens/GatherBlockQuantized/output_0"
    shapes = {"qweight": (4, 32), "scales": (4, 2), "qzeros": (4, 2)}
    assert graph.initializers == [f"model.embed_tokens.{name} {shape}" for name, shape in shapes.items()]
    (step,) = graph.nodes
    assert (step["bits"], step["block_size"], step["gather_axis"], step["quantize_axis"]) == (8, 16, 0, 1)
    assert step["inputs"][1] == "input_ids" and len(step["inputs"]) == 4


def test_projections_without_zero_points_are_packed() -> None:
    from olivepress.workflow.olive_plugin.builder.graph import complete_builder

    model_class = type("Model", (Graph,), {})
    complete_builder(model_class)
    complete_builder(model_class)  # once: a second call would wrap it again
    graph: Any = model_class()
    parts = [holder(rows, bits=4) for rows in (8, 4, 4)]
    packed = graph.make_packed_matmul_int4_class(*parts)
    assert packed.out_features == 16 and packed.qweight.shape == (16, 16) and packed.qzeros is None
    assert torch.equal(packed.scales[8:12], parts[1].scales)
    assert graph.make_packed_matmul_int4_class(*[holder(4, zero_points=True)] * 3) == "the builder's own"
    with pytest.raises(ValueError, match="not to be packed"):
        graph.make_packed_matmul_int4_class(holder(8, bits=4), holder(4, bits=8), holder(4, bits=4))


def test_repairs_of_what_is_written_otherwise() -> None:
    gemma = SimpleNamespace(
        rope_parameters={"sliding_attention": {"rope_theta": 1e4}, "full_attention": {"rope_theta": 1e6}}
    )
    apply_repairs(["rope_of_each_kind"], gemma)
    assert (gemma.rope_local_base_freq, gemma.rope_parameters) == (1e4, {"rope_theta": 1e6})
    nemotron = SimpleNamespace(norm_eps=1e-5)
    apply_repairs(["norm_epsilon"], nemotron)
    assert nemotron.rms_norm_eps == 1e-5
    for name, wanted in (("as_mistral", "MistralForCausalLM"), ("as_qwen2", "Qwen2ForCausalLM")):
        config = SimpleNamespace(architectures=["Other"])
        apply_repairs([name], config)
        assert config.architectures == [wanted]


@pytest.mark.parametrize("truncate", [True, False])
def test_yarn_blends_as_transformers(truncate: bool) -> None:
    rope = pytest.importorskip("transformers.modeling_rope_utils", reason="the build extra is not installed")
    scaling = {
        "rope_type": "yarn", "factor": 8.0, "original_max_position_embeddings": 256, "beta_fast": 4.0,
        "beta_slow": 1.0, "truncate": truncate,
    }  # fmt: skip
    config = SimpleNamespace(
        rope_theta=1e6, rope_scaling=scaling, head_dim=32, hidden_size=128, num_attention_heads=4,
        max_position_embeddings=2048, partial_rotary_factor=1.0, standardize_rope_params=lambda: None,
    )  # fmt: skip
    wanted, _ = rope._compute_yarn_parameters(config, torch.device("cpu"))
    builder = SimpleNamespace(
        original_context_length=256,
        rope_attrs={"theta": 1e6, "rescale_inv_freq": {"factor": 8.0, "ntk_alpha": 1.0, "ntk_beta": 4.0}},
    )
    plain = 1.0 / 1e6 ** (torch.arange(0, 32, 2).float() / 32)
    assert torch.allclose(_blended(truncate=truncate)(builder, plain), wanted, rtol=1e-6)
    other = _blended(truncate=not truncate)(builder, plain)
    assert not torch.allclose(other, wanted, rtol=1e-3), "rounding matters here"


class Rotating:
    """As much of the builder's Gemma 3 as its two rotary embeddings need; the caches are recorded, not computed."""

    def make_rotary_embedding_caches(self, **names: str) -> None:
        rope: dict[str, Any] = self.rope_attrs  # type: ignore[attr-defined]
        self.made.append((names["cos_cache_name"], rope["theta"], rope["rescale_factors"]))  # type: ignore[attr-defined]


@pytest.fixture
def stand_in_builders(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The builder's modules of two families, with classes of ours in them."""
    gemma, qwen = ModuleType("builders.gemma"), ModuleType("builders.qwen")
    gemma.Gemma3Model = type("Gemma3Model", (Rotating,), {"make_rotary_embedding_multi_cache": lambda self: None})  # type: ignore[attr-defined]
    own = {"load_weights": lambda *_: None, "make_lp_normalization": lambda *_: None, "make_matmul": quantized_matmul}
    qwen.Qwen35TextModel = type("Qwen35TextModel", (Graph,), own)  # type: ignore[attr-defined]
    for module in (ModuleType("builders"), gemma, qwen):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return SimpleNamespace(gemma=gemma, qwen=qwen)


def quantized_matmul(self: Any, matmul: Any, basename: str, root_input: str) -> str:
    """The builder's own: what is quantized gets another name than was asked for."""
    return f"{basename}NBits" if hasattr(matmul, "qweight") else basename


def test_only_the_layers_that_see_everything_are_scaled(stand_in_builders: Any) -> None:
    apply_repairs(["scaled_full_layers_alone"], SimpleNamespace())
    model = stand_in_builders.gemma.Gemma3Model()
    model.rope_attrs = {"theta": 1e6, "rescale_factors": 8.0, "create_caches": False}
    model.rope_local_theta, model.made = 1e4, []
    model.make_rotary_embedding_multi_cache()
    assert model.made == [("cos_cache_global", 1e6, 8.0), ("cos_cache_local", 1e4, 1)]
    assert (model.cos_cache_global_name, model.sin_cache_local_name) == ("cos_cache_global", "sin_cache_local")


def test_vectors_of_linear_attention_are_normalized_with_an_epsilon(stand_in_builders: Any) -> None:
    apply_repairs(["text_of_qwen3_5"], SimpleNamespace(architectures=["Other"]))
    graph = stand_in_builders.qwen.Qwen35TextModel()
    graph.make_value = lambda *_, **__: None
    graph.make_lp_normalization("/q/LpNormalization", "x", "float", ["batch_size", "sequence_length", 2, 32], axis=-1)
    (node,) = graph.nodes
    assert node["op_type"] == "SimplifiedLayerNormalization" and node["outputs"] == ["/q/LpNormalization/output_0"]
    x, weight = torch.randn(5, 32) * 1e-3, 32**-0.5  # short: the epsilon matters
    normed = weight * x * torch.rsqrt((x * x).mean(-1, keepdim=True) + node["epsilon"])
    wanted = x * torch.rsqrt((x * x).sum(-1, keepdim=True) + 1e-6)  # modeling_qwen3_5.py: l2norm
    assert torch.allclose(normed, wanted, rtol=1e-5)
    assert not torch.allclose(torch.nn.functional.normalize(x, dim=-1), wanted, rtol=1e-3)


def test_quantized_projections_of_linear_attention_have_the_name_that_is_read(stand_in_builders: Any) -> None:
    apply_repairs(["text_of_qwen3_5"], SimpleNamespace(architectures=["Other"]))
    graph = stand_in_builders.qwen.Qwen35TextModel()
    graph.make_value = lambda *_, **__: None
    graph.make_hidden_state_shape = lambda **_: ["batch_size", "sequence_length", 4]
    place = "/model/layers.0/linear_attn/z_proj/MatMul"
    assert graph.make_matmul(holder(4, bits=4), place, "x") == place
    (node,) = graph.nodes
    assert (node["op_type"], node["inputs"], node["outputs"]) == (
        "Identity", [f"{place}NBits/output_0"], [f"{place}/output_0"]
    )  # fmt: skip
    assert graph.make_matmul(holder(4, bits=4), "/model/layers.3/attn/o_proj/MatMul", "x").endswith("MatMulNBits")
    assert graph.make_matmul(SimpleNamespace(), place, "x") == place and len(graph.nodes) == 1
