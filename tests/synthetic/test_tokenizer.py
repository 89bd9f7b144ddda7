"""The synthetic tokenizer: exact size, role tokens at their ids, the same ids in Hugging Face and in GenAI."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from olivepress.runtimes.chat_template.prompts import render_prompt, render_question
from olivepress.synthetic import make_tokenizer, special_tokens

transformers = pytest.importorskip("transformers")

REAL = {
    "phi3": 200064,
    "llama": 128256,
    "qwen2": 151936,
    "gemma3_text": 262144,
    "mistral": 32768,
    "smollm3": 128256,
    "ministral3": 131072,
    "lfm2": 65536,
    "qwen3_5_text": 248320,
}
SAMPLES = [
    "Hello world",
    "  two  spaces\n\nand\tTabs, punctuation!? it's don't 12345",
    "<|user|>Turn the light on<|end|><|assistant|>",
    "<|im_start|>user\nhi<|im_end|>\n",
    "<|start_header_id|>user<|end_header_id|>\n\nhi<|eot_id|>",
    "ünïcödé 日本語 😀 Ω",
    '{"name": "set_light", "on": true}',
    "a" * 50,
    "def f(x):\n    return x**2\n",
    " trailing ",
]


def _load(vocab_size: int, model_type: str, directory: Path) -> Any:
    make_tokenizer(vocab_size, special_tokens(model_type, vocab_size), directory)
    return transformers.AutoTokenizer.from_pretrained(directory)


def _genai(directory: Path) -> Any:
    """GenAI's tokenizer of ``directory``; it needs a model beside it, so an empty one is made."""
    og = pytest.importorskip("onnxruntime_genai")
    onnx = pytest.importorskip("onnx")
    info = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["input_ids"], ["logits"])],
        "none",
        [info("input_ids", onnx.TensorProto.INT64, [1, 1])],
        [info("logits", onnx.TensorProto.INT64, [1, 1])],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.save(model, directory / "none.onnx")
    decoder = {
        "filename": "none.onnx",
        "head_size": 16,
        "hidden_size": 16,
        "num_attention_heads": 1,
        "num_key_value_heads": 1,
        "num_hidden_layers": 0,
        "inputs": {"input_ids": "input_ids"},
        "outputs": {"logits": "logits"},
    }
    ids = {"bos_token_id": 1, "eos_token_id": 1, "pad_token_id": 1}
    config = {"model": {"type": "phi3", "context_length": 64, "vocab_size": 1, "decoder": decoder, **ids}, "search": {}}
    (directory / "genai_config.json").write_text(json.dumps(config))
    return og.Tokenizer(og.Model(str(directory)))


@pytest.mark.parametrize("model_type", REAL)
def test_real_size(tmp_path: Path, model_type: str) -> None:
    size = REAL[model_type]
    tokenizer = _load(size, model_type, tmp_path)
    assert len(tokenizer) == tokenizer.vocab_size == size
    assert sorted(tokenizer.get_vocab().values()) == list(range(size))
    specials = special_tokens(model_type, size)
    for token, index in specials.ids.items():
        assert tokenizer.encode(f"a{token}b", add_special_tokens=False)[1] == index
    started = time.process_time()
    genai = _genai(tmp_path)
    assert time.process_time() - started < 10
    for text in SAMPLES:
        ids = tokenizer.encode(text, add_special_tokens=False)
        assert list(map(int, genai.encode(text))) == ids, text
        assert tokenizer.decode(ids) == text


@pytest.mark.parametrize("vocab_size", [270, 300, 4096, 32064])
def test_any_size_is_exact(tmp_path: Path, vocab_size: int) -> None:
    tokenizer = _load(vocab_size, "phi3", tmp_path)
    assert len(tokenizer) == vocab_size
    text = "The quick brown fox; 42 <|end|>"
    assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text


def test_template_ends_the_turn_with_a_stop_token(tmp_path: Path) -> None:
    specials = special_tokens("llama", 128256)
    tokenizer = _load(128256, "llama", tmp_path)
    turn = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ok"}]
    ids = tokenizer.apply_chat_template(turn)
    assert ids[0] == 128000 and ids[-1] == 128009 and ids[-1] in specials.stop_ids


@pytest.mark.parametrize(
    ("model_type", "vocab_size", "rendered"),
    [
        ("llama", 49152, "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\n"),
        ("gemma3_text", 262144, "<bos><start_of_turn>user\nS\n\nQ<end_of_turn>\n<start_of_turn>model\n"),
        ("mistral", 32768, "<s>[INST] S\n\nQ[/INST]"),
        ("smollm3", 600, "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\n"),
    ],
)
def test_templates_of_the_families(tmp_path: Path, model_type: str, vocab_size: int, rendered: str) -> None:
    tokenizer = _load(vocab_size, model_type, tmp_path)
    asked = [{"role": "system", "content": "S"}, {"role": "user", "content": "Q"}]
    question = render_question(tmp_path, asked)
    assert question == rendered
    assert tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True) == rendered
    prompt = render_prompt(tmp_path, [*asked, {"role": "assistant", "content": "A"}])
    ids = tokenizer.encode(prompt.completion, add_special_tokens=False)
    assert ids[-1] in special_tokens(model_type, vocab_size).stop_ids


def test_own_template_is_kept(tmp_path: Path) -> None:
    make_tokenizer(600, special_tokens("qwen2", 600), tmp_path, chat_template="{{ messages[0]['content'] }}!")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert tokenizer.apply_chat_template([{"role": "user", "content": "hi"}], tokenize=False) == "hi!"


def test_too_small_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot hold"):
        make_tokenizer(200, special_tokens("qwen2", 200), tmp_path)
