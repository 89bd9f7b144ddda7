"""Log-probabilities of answers: exported and PyTorch agree with a plain forward pass of transformers."""

from __future__ import annotations

from pathlib import Path

import pytest

from olivepress.data.store.examples import make_example
from olivepress.measure.quality.likelihood import answer_likelihoods_exported, answer_likelihoods_pytorch

ANSWERS = ["on", "off", "the lamp 123", "a much longer answer of several words, 4711"]


def _plain(model_dir: Path, question: str, answer: str) -> float:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model_dir)
    model = AutoModelForCausalLM.from_pretrained(model_dir, dtype=torch.float32).eval()
    prompt = f"<|user|>\n{question}<|end|>\n<|assistant|>\n"
    head, tail = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in (prompt, f"{answer}<|end|>"))
    with torch.inference_mode():
        logprobs = model(torch.tensor([head + tail])).logits[0].double().log_softmax(-1)
    return float(sum(logprobs[len(head) + i - 1, token] for i, token in enumerate(tail)))


def test_both_runtimes_give_the_likelihoods_of_a_plain_pass(hf_model: Path, fp32_model: Path) -> None:
    rows = [make_example(question, "-") for question in ("turn the lamp on", "what is the capital")]
    pytorch = answer_likelihoods_pytorch(hf_model, rows, [ANSWERS, ANSWERS[::-1]])
    exported = answer_likelihoods_exported(fp32_model, rows, [ANSWERS, ANSWERS[::-1]])
    expected = [_plain(hf_model, "turn the lamp on", answer) for answer in ANSWERS]
    assert pytorch[0] == pytest.approx(expected, abs=2e-3) and exported[0] == pytest.approx(expected, abs=2e-3)
    assert exported[1] == pytest.approx(pytorch[1], abs=2e-3)
    assert len({round(value, 3) for value in expected}) == 4


def test_more_answers_than_a_batch_holds(hf_model: Path) -> None:
    row, many = make_example("turn the lamp on", "-"), [f"lamp {n}" for n in range(37)]
    (values,) = answer_likelihoods_pytorch(hf_model, [row], [many])
    assert values is not None and len(values) == 37
    assert values[36] == pytest.approx(answer_likelihoods_pytorch(hf_model, [row], [many[36:]])[0][0], abs=1e-4)


def test_a_row_that_does_not_fit_the_context_has_none(hf_model: Path) -> None:
    row = make_example("lamp " * 400, "-")
    assert answer_likelihoods_pytorch(hf_model, [row], [ANSWERS]) == [None]
