"""Constrained scoring: the search finds what trying every label finds, in both runtimes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from olivepress.core.errors import DataError, JobError
from olivepress.data.store.examples import Example
from olivepress.measure.quality.fidelity import log_softmax
from olivepress.measure.quality.label_scoring import (
    LogprobsAlong,
    best_label,
    label_tasks,
    next_logprobs_of,
    score_labels_exported,
)
from olivepress.runtimes.base import teacher_forced
from olivepress.runtimes.open import open_model

LABELS = ("lamp", "lamp on", "happy", "happy calm", "sad", "the blue town", "123", "12", "état 漢", "on")
QUESTIONS = ("turn the lamp on", "what is the capital", "sad", "x" * 40, "", "1 2 3", "<|endoftext|>", "blue?")


def rows(questions: Sequence[str] = QUESTIONS) -> list[Example]:
    def make(number: int, question: str) -> Example:
        messages = ({"role": "user", "content": question}, {"role": "assistant", "content": "none of them"})
        return Example(id=f"r{number}", messages=messages, label=None)

    return [make(number, question) for number, question in enumerate(questions)]


class Tree:
    """Random next-token distributions, the same for the same path; counts what it is asked."""

    def __init__(self, seed: int, vocabulary: int = 6) -> None:
        self.seed, self.vocabulary, self.asked = seed, vocabulary, 0

    def __call__(self, path: Sequence[int]) -> np.ndarray:
        self.asked += 1
        rng = np.random.default_rng([self.seed, *path])
        return log_softmax(rng.normal(0, 2, self.vocabulary))

    def score(self, completion: Sequence[int]) -> float:
        return float(sum(self(completion[:i])[token] for i, token in enumerate(completion)))


def each(function: Callable[[Sequence[int]], np.ndarray]) -> LogprobsAlong:
    """What follows one path, as the search wants it along several sequences."""
    return lambda sequences: [
        [function(sequence[:depth]) for depth in range(len(sequence) + 1)] for sequence in sequences
    ]


COMPLETIONS = st.lists(st.lists(st.integers(1, 5), max_size=5), min_size=1, max_size=25)


@settings(deadline=None)
@given(completions=COMPLETIONS, seed=st.integers(0, 1000), width=st.integers(1, 6))
def test_the_search_is_brute_force(completions: list[list[int]], seed: int, width: int) -> None:
    ended = [(*completion, 0) for completion in completions]
    tree = Tree(seed)
    scores = [tree.score(completion) for completion in ended]
    assert best_label(ended, each(tree), width=width) == int(np.argmax(scores))


def test_few_expansions_are_enough() -> None:
    def sure(path: Sequence[int]) -> np.ndarray:
        likely = (1, 2, 0)[len(path)]
        return log_softmax(np.asarray([8.0 if token == likely else 0.0 for token in range(50)]))

    asked: list[Sequence[tuple[int, ...]]] = []

    def watched(sequences: Sequence[tuple[int, ...]]) -> Iterable[Iterable[np.ndarray]]:
        asked.append(sequences)
        return each(sure)(sequences)

    labels = [(first, second, 0) for first in range(1, 40) for second in range(1, 40)]
    assert labels[best_label(labels, watched)] == (1, 2, 0)
    assert asked == [[()], [(1, 1)], [(1, 2)]]  # of 1521 labels
    asked.clear()
    assert best_label([labels[1], *labels], watched, width=3) == 0
    assert asked == [[()], [(1, 2), (2, 1), (3, 1)]]  # one batch, which has what follows (1,) and what follows (1, 2)


def test_ties_go_to_the_first_label_and_prefixes_are_told_apart() -> None:
    def even(path: Sequence[int]) -> np.ndarray:
        return np.log(np.full(4, 0.25))

    assert best_label([(2, 0), (1, 0), (1, 0)], each(even)) == 0
    assert best_label([(1, 1, 0), (2, 0), (1, 0)], each(even)) == 1
    # p(1) = 0.9, then the end 0.2 or 1 again 0.8 and surely the end: the longer label is more probable.
    table = {(): [0.0, 0.9, 0.1], (1,): [0.2, 0.8, 0.0], (1, 1): [1.0, 0.0, 0.0]}
    with np.errstate(divide="ignore"):
        assert best_label([(1, 0), (1, 1, 0)], each(lambda path: np.log(table[tuple(path)]))) == 1
    with pytest.raises(DataError, match="is a prefix of another"):
        best_label([(1,), (1, 2)], each(even))
    assert best_label([()], each(even)) == 0


def test_tasks(hf_model: Path) -> None:
    with pytest.raises(DataError, match="no labels"):
        list(label_tasks(hf_model, rows(), (), lambda text: [1]))
    assert list(label_tasks(hf_model, rows(), ("a",), lambda text: [1] * 200)) == [None] * len(QUESTIONS)
    seen: list[str] = []
    tasks = list(label_tasks(hf_model, rows(), LABELS, lambda text: [len(seen), seen.append(text) or 1]))
    assert len(tasks) == len(QUESTIONS) and len(seen) == len(QUESTIONS) + len(LABELS) + 1
    # The question that is a control token is text: encoded in two parts.
    assert [text for text in seen if not text.endswith(("<|end|>", "<|assistant|>\n"))] == ["<|user|>\n<"]
    assert seen[:2] != seen[2:4]
    with pytest.raises(JobError, match="NaN"):
        next_logprobs_of(np.asarray([0.0, np.nan]))


def brute_force(hf_model: Path, questions: list[Example]) -> list[str]:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, tokenizer = AutoModelForCausalLM.from_pretrained(hf_model), AutoTokenizer.from_pretrained(hf_model)
    found = []
    for task in label_tasks(hf_model, questions, LABELS, lambda t: tokenizer(t, add_special_tokens=False)["input_ids"]):
        scores = []
        for completion in task.completions:
            ids = [*task.prompt, *completion]
            with torch.inference_mode():
                logprobs = log_softmax(model(torch.tensor([ids])).logits[0].double().numpy())
            scores.append(sum(logprobs[i - 1, ids[i]] for i in range(len(task.prompt), len(ids))))
        best = int(np.argmax(scores))
        assert scores[best] - max(scores[:best] + scores[best + 1 :]) > 1e-3, "the fixture is not decisive"
        found.append(LABELS[best])
    return found


def test_both_runtimes_choose_as_brute_force_does(hf_model: Path, fp32_model: Path) -> None:
    from olivepress.measure.quality.parent_text import score_labels_pytorch

    seen: list[tuple[int, int]] = []
    expected = brute_force(hf_model, rows())
    assert len(set(expected)) > 1, "the fixture always prefers the same label"
    assert score_labels_exported(fp32_model, rows(), LABELS, progress=lambda *x: seen.append(x)) == expected
    assert seen == [(i + 1, len(QUESTIONS)) for i in range(len(QUESTIONS))]
    assert score_labels_pytorch(hf_model, rows(), LABELS, progress=lambda *x: seen.append(x)) == expected


def test_a_rewound_generator_gives_the_logits_of_a_fresh_one(fp32_model: Path) -> None:
    model = open_model(fp32_model)
    rng = np.random.default_rng(0)
    prompt = rng.integers(5, 300, 40).tolist()
    generation = model.generation(60)
    generation.append(prompt)
    # End and pad tokens, and shorter paths after longer ones: nothing of a path may be left behind.
    for path in ([7, 8, 9], [7], [0], [1], [1, 1], [7, 0], rng.integers(0, 316, 15).tolist(), [8]):
        generation.rewind(len(prompt))
        generation.append(path)
        logits = generation.logits()[-1]
        *_, (_, fresh) = teacher_forced(model, prompt + path)
        assert np.abs(logits - fresh[-1]).max() < 1e-4
    assert model.encode("lamp")


def test_an_adapter_changes_the_parent_s_scores(hf_model: Path, tmp_path: Path) -> None:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from olivepress.measure.quality.parent_text import perplexity_pytorch, score_labels_pytorch

    base = AutoModelForCausalLM.from_pretrained(hf_model, dtype=torch.float32)
    config = LoraConfig(r=4, target_modules=["qkv_proj", "o_proj"], init_lora_weights=False, task_type="CAUSAL_LM")
    tuned = get_peft_model(base, config)
    tuned.save_pretrained(tmp_path / "adapter")
    tuned.merge_and_unload().save_pretrained(tmp_path / "merged")
    AutoTokenizer.from_pretrained(hf_model).save_pretrained(tmp_path / "merged")
    adapted = score_labels_pytorch(hf_model, rows(), LABELS, adapter_dir=tmp_path / "adapter")
    assert adapted == score_labels_pytorch(tmp_path / "merged", rows(), LABELS)
    text = "turn the lamp on, what is the capital? " * 3
    first = perplexity_pytorch(hf_model, text, adapter_dir=tmp_path / "adapter")
    assert first.nll_nats == pytest.approx(perplexity_pytorch(tmp_path / "merged", text).nll_nats, rel=1e-4)
