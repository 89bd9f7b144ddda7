"""What a model computes in training is what it computes without the hooks, from fewer logits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from peft import LoraConfig, get_peft_model

from olivepress.workflow.olive_plugin.forward_hooks import add_training_hooks, supervised_logits
from olivepress.workflow.olive_plugin.supervision import IGNORE_INDEX
from tests.end_to_end.families import CASES, make_small_model

PROMPTS, TOKENS = (9, 12, 7), 16


def batch(prompts: tuple[int, ...] = PROMPTS, *, answer: int = 4) -> dict[str, torch.Tensor]:
    """Rows of a prompt and four tokens of an answer, padded on the right."""
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(300, 500, (len(prompts), TOKENS), generator=generator)
    labels, mask = torch.full_like(ids, IGNORE_INDEX), torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        labels[row, prompt : prompt + answer] = ids[row, prompt : prompt + answer]
        mask[row, : prompt + answer] = 1
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def computed(model: Any, inputs: dict[str, torch.Tensor], **more: Any) -> tuple[float, dict[str, torch.Tensor], int]:
    """Loss, gradients, and how many tokens of a row have logits."""
    model.zero_grad()
    output = model(**inputs, **more)
    output.loss.backward()
    gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    return float(output.loss.detach()), gradients, int(output.logits.shape[1])


@pytest.mark.parametrize("case", sorted(CASES))
def test_the_loss_and_its_gradients_are_those_of_all_logits(tmp_path: Path, case: str) -> None:
    make_small_model(case, tmp_path / "model")
    base = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    torch.manual_seed(0)
    model = get_peft_model(
        base, LoraConfig(r=4, target_modules=["q_proj", "qkv_proj", "down_proj"], init_lora_weights=False)
    )
    inputs = batch()
    loss, gradients, positions = computed(model, inputs)
    summed, _, _ = computed(model, inputs, num_items_in_batch=5)
    add_training_hooks(model, of_labels=True)
    fewer_loss, fewer_gradients, fewer = computed(model, inputs)
    assert (positions, fewer) == (TOKENS, TOKENS - min(PROMPTS) + 1)
    assert fewer_loss == pytest.approx(loss, rel=1e-6)
    assert computed(model, inputs, num_items_in_batch=5)[0] == pytest.approx(summed, rel=1e-6)
    assert fewer_gradients.keys() == gradients.keys() and gradients
    for name, gradient in gradients.items():
        assert torch.allclose(fewer_gradients[name], gradient, rtol=1e-4, atol=1e-7), name


def test_a_trainer_that_computes_with_the_labels_itself_has_every_logit(tmp_path: Path) -> None:
    make_small_model("qwen2-tied", tmp_path / "model")
    model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    add_training_hooks(model, of_labels=False)
    assert computed(model, batch())[2] == TOKENS


def passed(**kwargs: Any) -> dict[str, Any]:
    return supervised_logits(None, (), kwargs)[1]


def test_what_has_no_prompt_to_leave_out_passes_unchanged() -> None:
    nothing = torch.full((2, 5), IGNORE_INDEX)
    first = nothing.clone()
    first[0, 1] = 3  # is predicted from the first token
    for labels in (nothing, first, torch.arange(10).reshape(2, 5)):
        assert passed(labels=labels) == {"labels": labels}
    assert passed(input_ids=first) == {"input_ids": first}  # a loss of one's own


def test_the_token_before_the_first_label_is_kept() -> None:
    labels = torch.full((2, 8), IGNORE_INDEX)
    labels[0, 4:6], labels[1, 3] = 1, 2
    left = passed(labels=labels)
    assert left["logits_to_keep"] == 6 and left["labels"].tolist() == labels[:, 2:].tolist()


def test_a_model_that_computes_all_logits_is_given_what_the_trainer_gives_it() -> None:
    class Old(torch.nn.Module):
        def forward(self, labels: torch.Tensor) -> torch.Tensor:
            return labels

    model = Old()
    add_training_hooks(model, of_labels=True)
    labels = torch.tensor([[IGNORE_INDEX, IGNORE_INDEX, IGNORE_INDEX, 1]])
    assert torch.equal(model(labels=labels), labels)
