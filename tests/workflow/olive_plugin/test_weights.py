"""The weights of a checkpoint, put into the model that was trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file

from olivepress.core.errors import JobError
from olivepress.workflow.olive_plugin.weights import restore
from tests.end_to_end.families import make_small_model


@pytest.fixture
def adapter(tmp_path: Path) -> Any:
    make_small_model("qwen2-tied", tmp_path / "model")
    model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    return get_peft_model(model, LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False))


def test_an_adapter_is_as_it_was_saved(adapter: Any, tmp_path: Path) -> None:
    adapter.save_pretrained(tmp_path / "saved")
    kept = {name: value.clone() for name, value in adapter.state_dict().items()}
    with torch.no_grad():
        for parameter in adapter.parameters():
            if parameter.requires_grad:
                parameter.zero_()
    restore(adapter, tmp_path / "saved")
    assert all(torch.equal(value, kept[name]) for name, value in adapter.state_dict().items())


@pytest.mark.parametrize(("dropped", "renamed"), [(True, False), (False, True)])
def test_an_adapter_with_other_weights_is_refused(adapter: Any, tmp_path: Path, dropped: bool, renamed: bool) -> None:
    adapter.save_pretrained(tmp_path / "saved")
    file = tmp_path / "saved" / "adapter_model.safetensors"
    weights = load_file(str(file))
    name = sorted(weights)[0]
    if dropped:
        del weights[name]
    if renamed:
        weights[name.replace("layers.0", "layers.9")] = weights[name].clone()
    save_file(weights, str(file))
    with pytest.raises(JobError, match="holds no .*lora_A" if dropped else "layers.9.*which the adapter does not have"):
        restore(adapter, tmp_path / "saved")
