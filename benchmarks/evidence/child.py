"""What a child process does with one model type: a small random model, built and compared with PyTorch.

Runs in the Python of either build environment. Every step stands alone: what fails is recorded with its reason, in one
line, and the steps after it are left out.
"""

from __future__ import annotations

import ast
import contextlib
import gc
import importlib.util
import inspect
import json
import math
import shutil
import traceback
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from olivepress.catalog.evidence import Agreement, Step, rope_kind
from olivepress.core.errors import RecipeError
from olivepress.core.progress import Progress
from olivepress.core.yaml_document import Record
from olivepress.workflow.olive_plugin.passes import modules_of

PROMPT, STEPS = 200, 24  # tokens in one pass, and tokens after it one by one
_SEED = 20261126
_LIMIT_BYTES, _LIMIT_CPU_SECONDS = 12_000_000_000, 120
_GROUP = 32
# Standard deviations: what the layers add must not drown in the embedding, which Gemma multiplies by √width.
_EMBEDDING, _EMBEDDING_OF_GEMMA = 0.3, 0.1
_VERSIONS = ("onnxruntime-genai", "onnxruntime", "transformers", "olive-ai", "torch", "peft")
_REGULAR = ("_proj", "fc1", "fc2", "dense", "w1", "w2", "w3", "out_proj", "in_proj")


class Nothing(Record):
    """A task without a question."""


class Known(Record):
    """What an environment knows: ``types`` of causal language models → class, ``classes`` that the builder names."""

    types: dict[str, str]
    classes: tuple[str, ...]
    versions: dict[str, str]


class TypeSpec(Record):
    """One model type, tried in ``folder``: ``common`` and its ``own`` keys replace the defaults of its config class."""

    environment: str
    model_type: str
    common: dict[str, Any]
    own: dict[str, Any]
    repairs: tuple[str, ...] = ()
    folder: str


class Tried(Record):
    """The steps that were tried, of a model with a rotary embedding of the kind ``rope``; a failed one has a reason."""

    architecture: str
    parameters: int = 0
    rope: str = "default"
    float32: Step | None = None
    int4: Step | None = None
    lora: Step | None = None


def known_types(_: Nothing, progress: Progress) -> Known:
    """The types of transformers' causal language models and the classes that the builder's own source names."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    classes = {
        each for each in _strings_in(_builder_source()) if each.endswith(("ForCausalLM", "ConditionalGeneration"))
    }
    return Known(
        types={
            name: each if isinstance(each, str) else each[0] for name, each in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.items()
        },
        classes=tuple(sorted(classes)),
        versions={name: version(name) for name in _VERSIONS},
    )


def _builder_source() -> str:
    (folder,) = importlib.util.find_spec("onnxruntime_genai").submodule_search_locations  # type: ignore[union-attr, misc]
    return Path(folder, "models", "builder.py").read_text(encoding="utf-8")


def _strings_in(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Compare):
            yield from (
                each.value
                for each in node.comparators
                if isinstance(each, ast.Constant) and isinstance(each.value, str)
            )


def try_type(spec: TypeSpec, progress: Progress) -> Tried:
    """Make the model, build and compare it in float32, in 4 bits, and after an adapter was merged into it."""
    return try_steps(spec, {"float32": _float32, "int4": _int4, "lora": _lora})


def try_steps(spec: TypeSpec, steps: Mapping[str, Callable[[TypeSpec, Path, Path], Step]]) -> Tried:
    """Make the model and take its steps, one after the other; none after a float32 that has no numbers."""
    _limit_resources()
    import torch

    torch.manual_seed(_SEED)
    torch.set_num_threads(1)
    work = Path(spec.folder)
    base, model = _make_model(spec, work / "base")
    parameters = sum(each.numel() for each in model.parameters())
    tried = Tried(architecture=type(model).__name__, parameters=parameters, rope=rope_kind(model.config.to_dict()))
    del model
    for name, step in steps.items():
        with _room(work / name) as folder:
            outcome = _attempt(step, spec, base, folder)
        tried = tried.model_copy(update={name: outcome})
        if name == "float32" and outcome.reason is not None:
            break
        gc.collect()
    return tried


@contextlib.contextmanager
def _room(folder: Path) -> Iterator[Path]:
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _limit_resources() -> None:
    with contextlib.suppress(ImportError):  # not on Windows
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (_LIMIT_BYTES, _LIMIT_BYTES))
        resource.setrlimit(resource.RLIMIT_CPU, (_LIMIT_CPU_SECONDS, _LIMIT_CPU_SECONDS))


def _attempt(step: Callable[[TypeSpec, Path, Path], Step], spec: TypeSpec, base: Path, folder: Path) -> Step:
    try:
        return step(spec, base, folder)
    except Exception as error:
        return Step(reason=_one_line(error, folder))


def _one_line(error: BaseException, folder: Path) -> str:
    text = " ".join(str(error).split()).replace(str(folder), "model").replace(str(folder.parent), "model")
    last = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{last.name} of {'/'.join(Path(last.filename).parts[-2:])}"
    return f"{type(error).__name__}{': ' if text else ''}{text[:200]}, in {where}"


def _make_model(spec: TypeSpec, folder: Path) -> tuple[Path, Any]:
    """(folder, model): saved, with weights that make every part of it matter."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from olivepress.synthetic.special_tokens import special_tokens
    from olivepress.synthetic.tokenizer import make_tokenizer

    if hasattr(AutoConfig.for_model(spec.model_type), "text_config"):
        raise RecipeError("a model of images or sound; its text model has a model_type of its own")
    config = AutoConfig.for_model(spec.model_type, **small_config(spec.model_type, spec.common, spec.own))
    model = AutoModelForCausalLM.from_config(config, torch_dtype=torch.float32)
    draw = torch.Generator().manual_seed(_SEED)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.copy_(_drawn(name, weight, draw, _EMBEDDING_OF_GEMMA if "gemma" in spec.model_type else _EMBEDDING))
    model.save_pretrained(str(folder), safe_serialization=True)
    vocabulary = int(spec.common["vocab_size"])
    make_tokenizer(vocabulary, special_tokens(spec.model_type, vocabulary), folder)
    return folder, model


def _drawn(name: str, weight: Any, draw: Any, embedding: float) -> Any:
    """Norms around what they start from, biases that are not zero, matrices that keep the size of their inputs."""
    import torch

    noise = torch.randn(weight.shape, generator=draw)
    if weight.dim() < 2:
        return weight + 0.1 * noise
    if "embed" in name or "wte" in name:
        return embedding * noise
    return noise / math.sqrt(weight.shape[-1])


def _tokens(vocabulary: int) -> list[int]:
    import torch

    draw = torch.Generator().manual_seed(_SEED + 1)
    return torch.randint(1, vocabulary - 8, (PROMPT + STEPS,), generator=draw).tolist()  # type: ignore[no-any-return]


def _logits_of(model: Any, vocabulary: int) -> Any:
    """float32 [tokens, vocabulary] of the whole text in one pass, without a cache."""
    import torch

    with torch.inference_mode():
        return model.eval()(input_ids=torch.tensor([_tokens(vocabulary)]), use_cache=False).logits[0].float()


def _loaded(folder: Path) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(str(folder), torch_dtype=torch.float32, attn_implementation="eager")


def _float32(spec: TypeSpec, base: Path, folder: Path) -> Step:
    expected = _logits_of(_loaded(base), spec.common["vocab_size"])
    return _compare(_build(spec, base, folder / "onnx", precision="fp32"), expected, spec.common["vocab_size"])


def _int4(spec: TypeSpec, base: Path, folder: Path) -> Step:
    """Rounded to nearest by Olive in PyTorch, and built from that, as the target cpu-int4-rtn: the graph is compared
    with PyTorch on the rounded weights (activations in float32), so that the number is the export's alone."""
    whole = _logits_of(_loaded(base), spec.common["vocab_size"])
    rounded = _run_pass(
        spec,
        "Rtn",
        {"bits": 4, "group_size": _GROUP, "sym": True, "lm_head": True, "embeds": True},
        base,
        folder / "rtn",
    )
    expected = _logits_of(_dequantized(base, Path(rounded)), spec.common["vocab_size"])
    options = {"precision": "int4", "int4_block_size": _GROUP, "int4_is_symmetric": True, "int4_accuracy_level": 1}
    step = _compare(_build(spec, Path(rounded), folder / "onnx", **options), expected, spec.common["vocab_size"])
    return step.model_copy(update={"kl_of_rounding": _mean_kl(whole, expected)})


def _dequantized(base: Path, rounded: Path) -> Any:
    """The model with the weights that its rounded copy computes with."""
    import torch

    from olivepress.workflow.olive_plugin.builder.checkpoint import _modules, dequantized

    bits = json.loads((rounded / "config.json").read_text(encoding="utf-8"))["quantization_config"]
    model = _loaded(base)
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for module, tensors in _modules(rounded).items():
            if "qweight" not in tensors:
                continue
            override = (bits.get("overrides") or {}).get(module) or {}
            weight = dequantized(tensors, override.get("bits") or bits["bits"])["weight"]
            parameters[f"{module}.weight"].copy_(weight)
    return model


def _lora(spec: TypeSpec, base: Path, folder: Path) -> Step:
    """One step of training through every adapter, merged by Olive, built, and compared with PyTorch and the adapter."""
    import torch
    from peft import LoraConfig, get_peft_model

    model = _loaded(base)
    names = sorted(
        {
            name.rpartition(".")[2]
            for name, each in model.named_modules()
            if isinstance(each, torch.nn.Linear) and name != "lm_head"
        }
    )
    names = [name for name in names if name.endswith(_REGULAR)]
    adapted = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, target_modules=names, task_type="CAUSAL_LM"))
    _train_once(adapted, spec.common["vocab_size"])
    adapted.save_pretrained(str(folder / "adapter"))
    expected = _logits_of(adapted, spec.common["vocab_size"])
    changed = float((expected - _logits_of(_loaded(base), spec.common["vocab_size"])).abs().max())
    merged = _run_pass(spec, "MergeAdapterWeights", {}, base, folder / "merged", adapter=folder / "adapter")
    step = _compare(_build(spec, Path(merged), folder / "onnx", precision="fp32"), expected, spec.common["vocab_size"])
    if changed < 0.05:
        return step.model_copy(
            update={"reason": f"the adapter changes the logits by {changed:.1e} only: nothing is shown"}
        )
    return step


def _train_once(model: Any, vocabulary: int) -> None:
    """Raises ValueError where a gradient of an adapter is missing or not finite."""
    import torch

    torch.manual_seed(_SEED)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.copy_(0.05 * torch.randn(weight.shape))
    ids = torch.tensor([_tokens(vocabulary)[:64]])
    model.train()
    model(input_ids=ids, labels=ids).loss.backward()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if not weight.requires_grad:
                continue
            if weight.grad is None or not bool(torch.isfinite(weight.grad).all()):
                raise ValueError(f"{name}: no finite gradient")
            weight.sub_(0.05 * weight.grad)


def _build(spec: TypeSpec, model: Path, out: Path, **settings: Any) -> Path:
    built = _run_pass(spec, "ModelBuilder", {**settings, "search": {"max_length": 512}}, model, out)
    return Path(built) if Path(built).is_dir() else Path(built).parent


def _run_pass(
    spec: TypeSpec, kind: str, settings: Mapping[str, Any], model: Path, out: Path, adapter: Path | None = None
) -> str:
    """Run one of Olive's passes, or ours in its place there; the path of what it wrote."""
    from olive.hardware import AcceleratorSpec
    from olive.model import HfModelHandler
    from olive.package_config import OlivePackageConfig
    from olive.passes.olive_pass import create_pass_from_dict

    passes = OlivePackageConfig.load_default_config().passes
    place = modules_of({}, spec.environment).get(kind) or passes[kind.lower()].module_path
    module, _, name = place.rpartition(".")
    pass_class = getattr(importlib.import_module(module), name)
    repairs = {"repairs": list(spec.repairs)} if kind == "ModelBuilder" and spec.repairs else {}
    accelerator = AcceleratorSpec("cpu", "CPUExecutionProvider")
    step = create_pass_from_dict(pass_class, {**settings, **repairs}, True, accelerator)
    handler = HfModelHandler(str(model), adapter_path=str(adapter) if adapter else None)
    return str(step.run(handler, str(out)).model_path)


def _compare(artifact: Path, expected: Any, vocabulary: int) -> Step:
    """The prompt in one pass and the tokens after it one by one, by onnxruntime-genai."""
    import numpy as np
    import onnxruntime_genai as og
    import torch

    ids = np.array(_tokens(vocabulary), dtype=np.int32)
    model = og.Model(str(artifact))
    parameters = og.GeneratorParams(model)
    parameters.set_search_options(max_length=len(ids) + 1)
    generator = og.Generator(model, parameters)
    generator.append_tokens(ids[:PROMPT])
    prefill = torch.from_numpy(np.array(generator.get_output("logits"), dtype=np.float32))[0]
    steps = []
    for token in ids[PROMPT:]:
        generator.append_tokens(np.array([token], dtype=np.int32))
        steps.append(torch.from_numpy(np.array(generator.get_output("logits"), dtype=np.float32))[0, -1])
    return Step(
        prefill=_agreement(prefill, expected[:PROMPT][-len(prefill) :]),
        decode=_agreement(torch.stack(steps), expected[PROMPT:]),
    )


def _agreement(built: Any, expected: Any) -> Agreement:
    built = built[..., : expected.shape[-1]]
    return Agreement(
        rows=len(expected),
        max_abs=_finite(float((built - expected).abs().max())),
        kl=_finite(_mean_kl(expected, built)),
    )


def _finite(value: float) -> float:
    return value if math.isfinite(value) else 1e9


def _mean_kl(expected: Any, built: Any) -> float:
    """KL(expected ‖ built) in nats, the mean over positions."""
    p, q = expected.double().log_softmax(-1), built.double().log_softmax(-1)
    return max(float((p.exp() * (p - q)).sum(-1).mean()), 0.0)


def small_config(model_type: str, common: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """``common`` as far as the type's config class takes it, and the type's ``own`` keys."""
    from transformers import AutoConfig

    taken = set(AutoConfig.for_model(model_type).to_dict())
    taken |= set(inspect.signature(type(AutoConfig.for_model(model_type)).__init__).parameters)
    values = {key: value for key, value in common.items() if key in taken or key.endswith("_token_id")}
    return {
        key: value
        for key, value in {**values, **own}.items()
        if value is not None or key in ("bos_token_id", "sliding_window")
    }
