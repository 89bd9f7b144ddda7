"""GGUF: Q4_0 by its formula, the types of a file as llama-quantize chooses them, the order of rotated rows."""

from __future__ import annotations

import json

import gguf
import numpy as np
import pytest
from peers.gguf_file import (
    NotRepresentable,
    dequantize_q4_0,
    describe_longrope,
    quantize_q4_0,
    rotary_order,
    tensor_type,
    use_more_bits,
)
from peers.gguf_tokenizer import describe_tokenizer, splitter_name


def test_q4_0_of_a_known_block():
    # The value of largest magnitude is -8: d = 1, so that whole numbers from -8 to 7 are kept as they are.
    row = np.arange(32, dtype=np.float32) % 16 - 8
    (data,) = quantize_q4_0(row[None])
    assert data[:2].view(np.float16)[0] == 1.0
    assert list(data[2:6]) == [0x00, 0x11, 0x22, 0x33]  # element i low, element i + 16 high, 8 added
    assert np.array_equal(dequantize_q4_0(data[None])[0], row)


def test_q4_0_rounds_half_up_and_cuts_at_15():
    row = np.zeros(32, dtype=np.float32)
    row[:4] = [-8.0, 0.5, 0.49, 7.9]
    restored = dequantize_q4_0(quantize_q4_0(row[None]))[0]
    assert list(restored[:4]) == [-8.0, 1.0, 0.0, 7.0]


def test_q4_0_of_zeros_is_zeros():
    assert not dequantize_q4_0(quantize_q4_0(np.zeros((2, 64), dtype=np.float32))).any()


def test_q4_0_is_within_half_a_step():
    values = np.random.default_rng(0).normal(size=(4, 96)).astype(np.float32)
    step = np.abs(values.reshape(4, 3, 32)).max(axis=2) / 8
    error = np.abs(dequantize_q4_0(quantize_q4_0(values)) - values).reshape(4, 3, 32).max(axis=2)
    assert (error <= 1.01 * step).all()  # the end that is cut off is a whole step away


@pytest.mark.parametrize(
    ("name", "tied", "mix", "expected"),
    [
        ("blk.0.attn_norm.weight", False, "q4_0", "F32"),
        ("blk.0.ffn_down.weight", False, "q4_0", "Q4_0"),
        ("output.weight", False, "q4_0", "Q6_K"),
        ("token_embd.weight", False, "q4_0", "Q4_0"),
        ("token_embd.weight", True, "q4_0", "Q6_K"),
        ("blk.0.ffn_down.weight", False, "q4_k_m", "Q6_K"),
        ("blk.4.ffn_down.weight", False, "q4_k_m", "Q4_K"),
        ("blk.0.attn_v.weight", False, "q4_k_m", "Q6_K"),
        ("blk.0.attn_q.weight", False, "q4_k_m", "Q4_K"),
        ("blk.0.attn_qkv.weight", False, "q4_k_m", "Q5_K"),
    ],
)
def test_types_are_those_of_llama_quantize(name, tied, mix, expected):
    assert tensor_type(name, 1024, mix=mix, layers=32, tied=tied) == expected


@pytest.mark.parametrize(
    ("name", "columns", "mix", "expected"),
    [
        # SmolLM2-135M: rows of 576 but of ffn_down (1536), 30 layers, tied.
        ("token_embd.weight", 576, "q4_k_m", "Q8_0"),
        ("token_embd.weight", 576, "q4_0", "Q8_0"),
        ("blk.0.attn_q.weight", 576, "q4_k_m", "Q5_0"),
        ("blk.0.attn_v.weight", 576, "q4_k_m", "Q8_0"),
        ("blk.3.attn_v.weight", 576, "q4_k_m", "Q5_0"),
        ("blk.0.ffn_down.weight", 1536, "q4_k_m", "Q6_K"),
        ("blk.3.ffn_down.weight", 1536, "q4_k_m", "Q4_K"),
        ("blk.0.ffn_up.weight", 576, "q4_0", "Q4_0"),
        ("blk.0.ffn_up.weight", 576, "q8_0", "Q8_0"),
        ("blk.0.attn_qkv.weight", 576, "q4_k_m", "Q5_1"),
    ],
)
def test_rows_that_do_not_fit_a_superblock_get_the_type_that_llama_quantize_falls_back_to(name, columns, mix, expected):
    assert tensor_type(name, columns, mix=mix, layers=30, tied=True) == expected


def test_a_row_narrower_than_a_block_is_refused_with_its_name():
    with pytest.raises(NotRepresentable, match=r"blk\.1\.ffn_up\.weight: rows of 48 are no multiple of 32"):
        tensor_type("blk.1.ffn_up.weight", 48, mix="q4_k_m", layers=2, tied=False)


def tokenizer(*splitters):
    return {
        "model": {"type": "BPE", "vocab": {"a": 1, "b": 2, "ab": 3}, "merges": [["a", "b"]]},
        "normalizer": None, "pre_tokenizer": {"type": "Sequence", "pretokenizers": list(splitters)},
        "added_tokens": [{"id": 0, "content": "<end>", "special": True}, {"id": 4, "content": "<x>", "special": False}],
    }  # fmt: skip


DIGITS = {"type": "Digits", "individual_digits": True}
BYTES = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}


def test_a_splitter_is_called_only_what_it_is():
    assert splitter_name(tokenizer(DIGITS, BYTES)) == "smollm"
    assert splitter_name(tokenizer(BYTES)) is None
    assert splitter_name(tokenizer(DIGITS | {"individual_digits": False}, BYTES)) is None
    assert splitter_name(tokenizer(DIGITS, BYTES | {"add_prefix_space": True})) is None


def test_the_tokenizer_in_the_file_is_the_folders(tmp_path):
    (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer(DIGITS, BYTES)))
    (tmp_path / "config.json").write_text(json.dumps({"bos_token_id": 1, "eos_token_id": [0, 4]}))
    writer = gguf.GGUFWriter(str(tmp_path / "one.gguf"), "llama")
    describe_tokenizer(writer, tmp_path, vocabulary=6)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    fields = gguf.GGUFReader(str(tmp_path / "one.gguf")).fields
    read = {name.removeprefix("tokenizer.ggml."): field.contents() for name, field in fields.items()}
    assert (read["model"], read["pre"], read["add_bos_token"]) == ("gpt2", "smollm", False)
    assert read["tokens"] == ["<end>", "a", "b", "ab", "<x>", "[PAD5]"] and read["merges"] == ["a b"]
    assert read["token_type"] == [3, 1, 1, 1, 4, 5] and read["eos_token_id"] == 0


def test_more_bits_for_the_ends_and_every_third_layer():
    assert [layer for layer in range(24) if use_more_bits(layer, 24)] == [0, 1, 2, 5, 8, 11, 14, 17, 20, 21, 22, 23]


def test_rotary_order_pairs_the_halves_of_each_head():
    rows = np.arange(8)[:, None]  # two heads of four rows
    assert rotary_order(rows, 2).ravel().tolist() == [0, 2, 1, 3, 4, 6, 5, 7]


def test_the_file_is_read_back_with_the_same_blocks(tmp_path):
    values = np.random.default_rng(1).normal(size=(3, 64)).astype(np.float32)
    writer = gguf.GGUFWriter(str(tmp_path / "one.gguf"), "llama")
    writer.add_tensor("w", quantize_q4_0(values), raw_dtype=gguf.GGMLQuantizationType.Q4_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    (tensor,) = gguf.GGUFReader(tmp_path / "one.gguf").tensors
    assert np.array_equal(gguf.dequantize(tensor.data, tensor.tensor_type), dequantize_q4_0(quantize_q4_0(values)))


def test_longrope_has_its_factors_and_what_attention_is_scaled_by(tmp_path):
    writer = gguf.GGUFWriter(str(tmp_path / "one.gguf"), "phi3")
    factors = {"long_factor": [2.0, 3.0], "short_factor": [1.0, 1.5]}
    lengths = {"original_max_position_embeddings": 4096, "max_position_embeddings": 131072}
    describe_longrope(writer, lengths | {"rope_scaling": factors})
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    read = gguf.GGUFReader(str(tmp_path / "one.gguf"))
    assert {tensor.name: list(tensor.data) for tensor in read.tensors} == {
        "rope_factors_long.weight": [2.0, 3.0], "rope_factors_short.weight": [1.0, 1.5]
    }  # fmt: skip
    # 1.1902 is Phi-4-mini's own: sqrt(1 + ln 32 / ln 4096).
    assert read.fields["phi3.rope.scaling.attn_factor"].contents() == pytest.approx(1.1902, abs=1e-4)
