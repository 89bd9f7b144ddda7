"""GGUF → Hugging Face folder, held against transformers' own reading of the same file."""

from __future__ import annotations

import json
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from olivepress.core.errors import SetupError
from olivepress.models.wheels.convert import convert
from tests.models.wheels.fake import CONFIG, SPECIAL, write_gguf


@pytest.fixture
def source(tmp_path: Path) -> Path:
    write_gguf(tmp_path / "tiny.gguf")
    return tmp_path / "tiny.gguf"


@pytest.fixture
def folder(source: Path) -> Path:
    out = source.parent / "model"
    out.mkdir()
    convert(source, CONFIG, out)
    return out


def test_weights_are_those_that_transformers_reads(source: Path, folder: Path) -> None:
    theirs = AutoModelForCausalLM.from_pretrained(source.parent, gguf_file=source.name, dtype=torch.float32)
    ours = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    expected = {name: value.numpy() for name, value in theirs.state_dict().items() if name != "lm_head.weight"}
    found = load_file(folder / "model.safetensors")
    assert found.keys() == expected.keys() and len(found) == 20
    assert all(np.array_equal(found[name], expected[name]) for name in found)
    tokens = torch.tensor([[1, 50, 60, 70, 80, 2]])
    with torch.inference_mode():
        assert torch.equal(ours(tokens).logits, theirs(tokens).logits)


def rotated(vectors: np.ndarray, pairs: list[tuple[int, int]]) -> np.ndarray:
    """Vectors [positions, size] rotated by their position; ``pairs`` of entries turn together, by frequency."""
    out = vectors.copy()
    for number, (first, second) in enumerate(pairs):
        angle = np.arange(len(vectors)) / 10000.0 ** (2 * number / vectors.shape[1])
        out[:, first] = vectors[:, first] * np.cos(angle) - vectors[:, second] * np.sin(angle)
        out[:, second] = vectors[:, first] * np.sin(angle) + vectors[:, second] * np.cos(angle)
    return out


def test_queries_meet_keys_as_in_llama_cpp(source: Path, folder: Path) -> None:
    """huggingface/transformers#31766: rows of q_proj and k_proj in llama.cpp's order, and with fewer key heads than
    query heads in neither's. What each query head makes of its key head is the same, as each runtime rotates them."""
    tensors = {
        tensor.name: gguf.dequantize(tensor.data, tensor.tensor_type) for tensor in gguf.GGUFReader(source).tensors
    }
    found = load_file(folder / "model.safetensors")
    hidden = np.random.default_rng(5).normal(size=(7, 64))
    size = 16
    theirs, ours = [(2 * i, 2 * i + 1) for i in range(8)], [(i, i + 8) for i in range(8)]
    for head in range(4):
        scores = []
        for q, k, pairs in (
            (tensors["blk.1.attn_q.weight"], tensors["blk.1.attn_k.weight"], theirs),
            (found["model.layers.1.self_attn.q_proj.weight"], found["model.layers.1.self_attn.k_proj.weight"], ours),
        ):
            query = rotated(hidden @ q[head * size :][:size].T.astype(np.float64), pairs)
            key = rotated(hidden @ k[head // 2 * size :][:size].T.astype(np.float64), pairs)
            scores.append(query @ key.T)
        assert np.allclose(scores[0], scores[1]) and np.abs(scores[0]).max() > 0.1


def test_twice_the_same_bytes(source: Path, folder: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    again.mkdir()
    convert(source, CONFIG, again)
    assert {path.name: path.read_bytes() for path in again.iterdir()} == {
        path.name: path.read_bytes() for path in folder.iterdir()
    }


def test_the_tokenizer_is_byte_level_with_single_digits(folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    pieces = tokenizer.convert_ids_to_tokens(tokenizer.encode("abc ab\n12é<|im_end|>"))
    assert pieces == ["abc", "Ġab", "Ċ", "1", "2", "Ã", "©", "<|im_end|>"]
    assert tokenizer.decode(tokenizer.encode("abc ab\n12é")) == "abc ab\n12é"
    assert (tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token) == (SPECIAL[1], SPECIAL[2], SPECIAL[2])
    assert tokenizer.model_max_length == 128 and len(tokenizer) == 262
    assert tokenizer.apply_chat_template([{"role": "user", "content": "ab"}], tokenize=False) == (
        "<|im_start|>ab<|im_end|>"
    )


def test_config_has_no_odd_keys(folder: Path) -> None:
    assert json.loads((folder / "config.json").read_text()) == CONFIG
    generation = json.loads((folder / "generation_config.json").read_text())
    assert generation == {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2}


@pytest.mark.parametrize(
    ("found", "put", "message"),
    [
        (b"GGUF", b"GGUX", "not a GGUF file that can be read"),
        (b"blk.1.ffn_up.", b"blk.1.ffn_op.", "tensor blk.1.ffn_op.weight has no place in a Llama"),
        (b"smollm", b"qwen22", "pre-tokenizer 'qwen22', expected gpt2 with smollm or gpt-2"),
    ],
)
def test_other_files_are_refused(source: Path, tmp_path: Path, found: bytes, put: bytes, message: str) -> None:
    source.write_bytes(source.read_bytes().replace(found, put))
    with pytest.raises(SetupError) as caught:
        convert(source, CONFIG, tmp_path)
    assert message in str(caught.value)
