"""An adapter that was not trained, and a merge that has lost it, are found by name: on a small model of each method."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from olivepress.core.errors import JobError
from olivepress.recipe.methods import METHODS
from olivepress.run.verify.adapter import adapter_checks, starts_at_zero, weight_delta
from olivepress.run.verify.tensors import Weights
from olivepress.run.verify.verify import VerifySpec, verify
from tests.synthetic import tiny

MODULES = ["qkv_proj", "o_proj", "gate_up_proj", "down_proj"]
O_PROJ = "model.layers.1.self_attn.o_proj"
ADAPTERS = [name for name, method in METHODS.items() if method.adapter]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make_model(tmp_path_factory.mktemp("models") / "base")


def tune(base: Path, folder: Path, method: str, **save: Any) -> tuple[Path, Path]:
    """(adapter, merged model) in ``folder``: random tensors in an adapter of the method, as if trained."""
    import peft
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    if METHODS[method].olive_pass in ("LoHa", "LoKr"):
        kind = peft.LoHaConfig if method == "loha" else peft.LoKrConfig
        config = kind(r=4, alpha=8, target_modules=MODULES, init_weights=False)
    else:
        more = {"use_dora": METHODS[method].magnitudes, "init_lora_weights": False, "task_type": "CAUSAL_LM"}
        config = peft.LoraConfig(r=4, lora_alpha=8, target_modules=MODULES, **more)
    tuned = peft.get_peft_model(model, config)
    tuned.save_pretrained(folder / "adapter")
    saved = json.loads((folder / "adapter" / "adapter_config.json").read_text())
    # As after a training: what a file does not hold starts at zero again.
    saved |= {key: True for key in ("init_weights", "init_lora_weights") if key in saved}
    (folder / "adapter" / "adapter_config.json").write_text(json.dumps(saved))
    merged = tuned.merge_and_unload()
    merged.to(save.pop("dtype", torch.float32)).save_pretrained(folder / "model", **save)
    for file in base.glob("*token*"):
        if not (folder / "model" / file.name).exists():
            shutil.copy(file, folder / "model")
    return folder / "adapter", folder / "model"


def change(file: Path, edit: Callable[[str, torch.Tensor], Iterator[tuple[str, torch.Tensor]]]) -> None:
    """Write the tensors that ``edit`` yields for each tensor of the file back into it."""
    tensors = dict(pair for name, tensor in load_file(file).items() for pair in edit(name, tensor))
    save_file(tensors, file, metadata={"format": "pt"})


@pytest.mark.parametrize("method", ADAPTERS)
def test_a_trained_adapter_and_its_merge(method: str, base: Path, tmp_path: Path) -> None:
    adapter, merged = tune(base, tmp_path, method)
    checks = {check.name: check for check in adapter_checks(adapter, method)}
    assert all(check.passed for check in checks.values())
    assert checks["adapter_trained"].value == 8 and ("magnitudes" in checks) == (method == "dora")
    delta = weight_delta(base, merged, adapter)
    assert delta.passed and (delta.value, delta.limit) == (8, 8)
    # The base in place of the merged model: every module is missed, the first is named.
    lost = weight_delta(base, base, adapter)
    assert not lost.passed and lost.value == 0 and "model.layers.0.mlp.down_proj: its merged weight is" in lost.detail


@pytest.mark.parametrize("method", ADAPTERS)
def test_one_module_that_was_not_trained(method: str, base: Path, tmp_path: Path) -> None:
    adapter, _ = tune(base, tmp_path, method)
    name = METHODS[method].starts_at_zero[0]
    change(
        adapter / "adapter_model.safetensors",
        lambda key, value: iter([(key, value * 0 if O_PROJ in key and name in key else value)]),
    )
    trained = next(check for check in adapter_checks(adapter, method) if check.name == "adapter_trained")
    assert not trained.passed and (trained.value, trained.limit) == (7, 8)
    assert O_PROJ in trained.detail and "is still zero" in trained.detail


def test_an_adapter_of_another_method_was_not_trained(base: Path, tmp_path: Path) -> None:
    adapter, _ = tune(base, tmp_path, "lora")
    assert [check.name for check in adapter_checks(adapter, "loha") if not check.passed] == ["adapter_trained"]
    assert [check.name for check in adapter_checks(adapter, "dora") if not check.passed] == ["magnitudes"]


@pytest.mark.parametrize(("planted", "failed"), [(float("nan"), {"finite", "magnitudes"}), (0.0, {"magnitudes"})])
def test_a_magnitude_that_breaks_a_row(planted: float, failed: set[str], base: Path, tmp_path: Path) -> None:
    adapter, _ = tune(base, tmp_path, "dora")

    def plant(name: str, tensor: torch.Tensor) -> Iterator[tuple[str, torch.Tensor]]:
        if O_PROJ in name and "magnitude" in name:
            tensor[3] = planted
        yield name, tensor

    change(adapter / "adapter_model.safetensors", plant)
    assert {check.name for check in adapter_checks(adapter, "dora") if not check.passed} == failed


def test_one_module_that_was_not_merged_in_a_sharded_bfloat16_model(base: Path, tmp_path: Path) -> None:
    adapter, merged = tune(base, tmp_path, "lora", dtype=torch.bfloat16, max_shard_size="60KB")
    shards = sorted(merged.glob("*.safetensors"))
    assert len(shards) > 2 and weight_delta(base, merged, adapter).passed
    original = load_file(base / "model.safetensors")[f"{O_PROJ}.weight"]
    for shard in shards:  # what bfloat16 alone changes in the base's weight is no adapter
        change(shard, lambda k, v: iter([(k, original.to(v.dtype) if k == f"{O_PROJ}.weight" else v)]))
    found = weight_delta(base, merged, adapter)
    assert not found.passed and (found.value, found.limit) == (7, 8)
    assert found.detail == f"{O_PROJ}: its merged weight is the base's"


def test_a_tensor_that_the_adapter_lost(base: Path, tmp_path: Path) -> None:
    adapter, _ = tune(base, tmp_path / "whole", "lora")
    change(adapter / "adapter_model.safetensors", lambda k, v: iter(() if O_PROJ in k else [(k, v)]))
    found = weight_delta(base, _merge(base, adapter, tmp_path / "merged"), adapter)
    assert not found.passed and (found.value, found.limit) == (7, 8) and found.detail.startswith(O_PROJ)


@pytest.mark.parametrize("method", ADAPTERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_merging_nothing_changes_is_no_adapter(
    method: str, dtype: torch.dtype, base: Path, tmp_path: Path
) -> None:
    """In bfloat16 DoRA's scaling by length over length rounds every weight: all differ, and none has moved."""
    adapter, _ = tune(base, tmp_path / "whole", method)
    weights = adapter / "adapter_model.safetensors"
    change(weights, lambda k, v: iter([] if "magnitude" in k else [(k, v * 0 if starts_at_zero(k, method) else v)]))
    found = weight_delta(base, _merge(base, adapter, tmp_path / "merged", dtype=dtype), adapter)
    assert not found.passed and (found.value, found.limit) == (0, 8)


def test_a_tied_head_is_the_embedding(tmp_path: Path) -> None:
    embedding = torch.ones(4, 2)
    save_file({"model.embed_tokens.weight": embedding}, tmp_path / "model.safetensors")
    weights = Weights(tmp_path)
    assert "lm_head.weight" in weights and weights.read("lm_head.weight").equal(embedding)
    assert list(weights) == ["model.embed_tokens.weight"] and "model.norm.weight" not in weights
    (tmp_path / "stray.safetensors").write_bytes(b"cut")  # transformers does not load it, nor do we
    assert list(Weights(tmp_path)) == ["model.embed_tokens.weight"]
    (tmp_path / "model.safetensors").write_bytes(b"cut")
    with pytest.raises(JobError, match=r"model\.safetensors: cannot be opened"):
        Weights(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(JobError, match=r"only stray\.safetensors is there"):
        Weights(tmp_path)


def _merge(base: Path, adapter: Path, out: Path, *, dtype: torch.dtype = torch.float32) -> Path:
    """Merged as Olive merges: what peft cannot place it leaves out with a warning."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base, dtype=dtype), adapter)
    model.merge_and_unload().save_pretrained(out)
    for file in base.glob("*token*"):
        shutil.copy(file, out)
    return out


def test_a_merge_that_never_had_its_adapter(base: Path, tmp_path: Path) -> None:
    """peft finds no place for the tensors: base + adapter is the base, so is the merged model, their KL is zero."""
    adapter, _ = tune(base, tmp_path / "finetune", "lora")
    change(
        adapter / "adapter_model.safetensors", lambda k, v: iter([(k.replace("base_model.model.", "transformer."), v)])
    )
    _merge(base, adapter, tmp_path / "merge" / "model")
    data = tmp_path / "lamps-0123456789ab"
    data.mkdir()
    (data / "dataset.json").write_text(json.dumps({"name": "lamps", "version": "ab" * 32}))
    messages = [{"role": "user", "content": "turn the lamp on"}, {"role": "assistant", "content": "on"}]
    (data / "validation.jsonl").write_text(json.dumps({"id": "a", "messages": messages, "label": None}) + "\n")
    spec = VerifySpec(
        kind="merge",
        method="lora",
        output_dir=str(tmp_path / "merge"),
        parent_dir=str(tmp_path / "finetune"),
        base_model=str(base),
        dataset=str(data),
        limit=1e-5,
    )
    checks = {check.name: check for check in verify(spec)}
    assert checks["kl_to_base_with_adapter"].passed and checks["kl_to_base_with_adapter"].value == 0.0
    assert not checks["weight_delta"].passed and checks["weight_delta"].value == 0
    assert "kl_to_trained" not in checks and not list((tmp_path / "merge").glob(".*"))
    reference = sorted(path.name for path in (tmp_path / "merge" / "reference").iterdir())
    assert reference == ["base-0000.npy", "logits-0000.npy", "long_row.npz", "reference.npz"]
    assert checks["long_prompt"].passed and checks["long_prompt"].value == 0.0
