"""Answers that choose the checkpoint: greedy, whatever the model's generation_config.json asks for."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("olive.workflows")

import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

from olivepress.data.store.examples import Example
from olivepress.workflow.olive_plugin.answers import Questions, answered, given_answers

PROMPT, BUDGET = (5, 6, 7), 8


class Words:
    """A tokenizer whose words are the ids."""

    def decode(self, ids: Any, **options: Any) -> str:
        assert options == {"skip_special_tokens": True, "clean_up_tokenization_spaces": False}
        return " ".join(str(int(each)) for each in ids)


def model_that_repeats() -> Any:
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=20, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2,
            tie_word_embeddings=True,
        )
    )  # fmt: skip
    model.generation_config.update(repetition_penalty=5.0, no_repeat_ngram_size=1, num_beams=3, do_sample=True)
    return model


def by_hand(model: Any) -> list[int]:
    ids = list(PROMPT)
    for _ in range(BUDGET):
        ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
    return ids[len(PROMPT) :]


def test_a_model_that_recomputes_its_activations() -> None:
    """Without a cache, as the trainer leaves it with gradient checkpointing, some models answer nonsense."""
    model, recomputes = model_that_repeats(), model_that_repeats()
    recomputes.gradient_checkpointing_enable()
    recomputes.config.use_cache = False
    questions = Questions(
        rows=(Example(id="1", messages=()),), prompts=(PROMPT,), expected=("",), budget=BUDGET, ends=(19,),
        tokenizer=Words(),
    )  # fmt: skip
    used = list[bool]()

    def see(module: Any, args: Any, options: dict[str, Any]) -> None:
        used.append(bool(options["use_cache"]))

    recomputes.train().model.register_forward_pre_hook(see, with_kwargs=True)
    assert given_answers(recomputes, questions) == given_answers(model, questions)
    assert used and all(used) and recomputes.training and recomputes.config.use_cache is False


@pytest.mark.parametrize("adapter", [False, True])
def test_they_are_greedy(adapter: bool) -> None:
    plain = model_that_repeats()
    expected = by_hand(plain.eval())
    assert len(set(expected)) < BUDGET  # a repetition penalty would change it
    model = get_peft_model(plain, LoraConfig(r=1, target_modules=["q_proj"])) if adapter else plain
    text = " ".join(map(str, expected))
    questions = Questions(
        rows=(Example(id="1", messages=()),),
        prompts=(PROMPT,),
        expected=(text,),
        budget=BUDGET,
        ends=(19,),
        tokenizer=Words(),
    )
    settings = plain.generation_config
    model.train()
    assert answered(model, questions)["exact_match"] == 1.0
    assert plain.generation_config is settings and settings.repetition_penalty == 5.0 and model.training
