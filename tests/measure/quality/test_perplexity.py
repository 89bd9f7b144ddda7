"""Strided perplexity against calculations by hand, and ONNX against PyTorch on the same text."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from olivepress.core.errors import DataError, JobError, UsageError
from olivepress.measure.quality.perplexity import (
    TextLikelihood,
    not_measured_text,
    perplexity_exported,
    read_text,
    scored_bytes,
    strided_likelihood,
    text_metrics,
    window_and_stride,
)
from olivepress.runtimes import base as language_model

TEXT = "turn the lamp on, what is the capital of the blue town? É 漢字 sad happy calm 123.\r\n" * 12


def by_context(ids: Sequence[int]) -> Iterator[tuple[int, np.ndarray]]:
    """A model that gives the true next token, whatever it is, 1 / (1 + tokens of context); two rows at a time."""
    probability = [1 / (2 + position) for position in range(len(ids))]
    for offset in range(0, len(ids), 2):
        yield offset, np.log([[p, 1 - p] for p in probability[offset : offset + 2]])


def test_windows_by_hand() -> None:
    # 6 tokens, window 4, stride 2: [0 1 2 3] scores 1 2 3 with 1 2 3 of context, [2 3 4 5] scores 4 5 with 2 3.
    found = strided_likelihood([0] * 6, by_context, window=4, stride=2, utf8_bytes=10)
    first, second = math.log(2 * 3 * 4), math.log(3 * 4)
    assert found.blocks == (pytest.approx((first, 3)), pytest.approx((second, 2)))
    assert found.nll_nats == pytest.approx(first + second) and (found.tokens, found.scored_tokens) == (6, 5)
    metrics = text_metrics(found)
    assert metrics["perplexity"].value == pytest.approx((24 * 12) ** (1 / 5)) and metrics["perplexity"].unit == "1"
    assert metrics["bits_per_byte"].value == pytest.approx(math.log2(288) / 10)
    assert metrics["bits_per_byte"].unit == "bits/byte" and metrics["perplexity"].ci_low is None  # 2 windows


@settings(deadline=None)
@given(tokens=st.integers(2, 60), window=st.integers(2, 20), data=st.data())
def test_every_token_but_the_first_is_scored_once(tokens: int, window: int, data: st.DataObject) -> None:
    stride = data.draw(st.integers(1, window - 1))
    seen: list[tuple[int, int]] = []
    found = strided_likelihood(
        [0] * tokens, by_context, window=window, stride=stride, utf8_bytes=1, progress=lambda *x: seen.append(x)
    )
    by_hand, done = 0.0, 1
    for begin in range(0, tokens, stride):
        end = min(begin + window, tokens)
        by_hand += sum(math.log(1 + position - begin) for position in range(done, end))
        done = end
        if end == tokens:
            break
    assert found.nll_nats == pytest.approx(by_hand)
    assert sum(n for _, n in found.blocks) == tokens - 1 == found.scored_tokens
    assert all(n >= 1 for _, n in found.blocks) and seen[-1] == (tokens, tokens)


def test_a_uniform_model_has_its_vocabulary_as_perplexity() -> None:
    def uniform(ids: Sequence[int]) -> Iterator[tuple[int, np.ndarray]]:
        yield 0, np.zeros((len(ids), 8))

    found = strided_likelihood([3] * 100, uniform, window=10, stride=5, utf8_bytes=99)
    metrics = text_metrics(found)
    assert metrics["perplexity"].value == pytest.approx(8.0) and metrics["bits_per_byte"].value == pytest.approx(3.0)
    assert metrics["perplexity"].ci_low == pytest.approx(8.0) == metrics["perplexity"].ci_high
    assert metrics["perplexity"].n == 99 == metrics["bits_per_byte"].n


def likelihood(*blocks: tuple[float, int], utf8_bytes: int = 10) -> TextLikelihood:
    nats, scored = sum(b[0] for b in blocks), sum(b[1] for b in blocks)
    return TextLikelihood(
        nll_nats=nats,
        tokens=scored + 1,
        scored_tokens=scored,
        utf8_bytes=utf8_bytes,
        window=4,
        stride=2,
        blocks=blocks,
    )


def test_intervals_and_reasons() -> None:
    found = text_metrics(likelihood((2.0, 2), (4.0, 2), (6.0, 2), (8.0, 2), utf8_bytes=16))
    perplexity, bits = found["perplexity"], found["bits_per_byte"]
    assert perplexity.value == pytest.approx(math.exp(2.5))
    assert perplexity.ci_low is not None and perplexity.ci_high is not None and bits.ci_low is not None
    assert math.exp(1) <= perplexity.ci_low < math.exp(2.5) < perplexity.ci_high <= math.exp(4)
    assert bits.ci_low == pytest.approx(math.log(perplexity.ci_low) * 8 / (16 * math.log(2)))
    assert "no probability" in str(text_metrics(likelihood((2000.0, 2)))["perplexity"].reason)
    assert "no bytes" in str(text_metrics(likelihood((1.0, 1), utf8_bytes=0))["bits_per_byte"].reason)
    assert {m.reason for m in not_measured_text("no text was given").values()} == {"no text was given"}


def test_bytes_of_the_scored_text() -> None:
    assert scored_bytes("über", "üb") == 2
    assert scored_bytes("über", "\ufffd") == 5  # half a character: its bytes stay counted
    assert scored_bytes("word", "") == 4


def test_texts_and_windows_that_cannot_be_used(tmp_path: Path, hf_model: Path) -> None:
    for content in (b"", b" \n", b"\xff\xfe"):
        (tmp_path / "text").write_bytes(content)
        with pytest.raises(DataError, match="text"):
            read_text(tmp_path / "text")
    with pytest.raises(DataError, match="cannot be read"):
        read_text(tmp_path / "missing")
    (tmp_path / "text").write_bytes("é\r\n".encode())
    assert read_text(tmp_path / "text") == "é\r\n"
    with pytest.raises(DataError, match="empty or a single token"):
        strided_likelihood([1], by_context, window=4, stride=2, utf8_bytes=1)
    assert window_and_stride(hf_model, None, None) == (256, 128)
    assert window_and_stride(tmp_path, None, None) == (1024, 512)
    for window, stride in ((257, None), (8, 8), (8, 0), (1, None)):
        with pytest.raises(UsageError, match="window"):
            window_and_stride(hf_model, window, stride)


@pytest.mark.parametrize(("window", "stride"), [(None, None), (16, 5)])
def test_onnx_is_its_parent(
    hf_model: Path, fp32_model: Path, window: int | None, stride: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from olivepress.measure.quality import parent_text

    ours = perplexity_exported(fp32_model, TEXT, window=window, stride=stride)
    parent = parent_text.perplexity_pytorch(hf_model, TEXT, window=window, stride=stride)
    assert ours.nll_nats == pytest.approx(parent.nll_nats, rel=1e-4)
    assert (ours.tokens, ours.utf8_bytes, ours.window) == (parent.tokens, parent.utf8_bytes, parent.window)
    assert len(TEXT.encode()) - 8 <= ours.utf8_bytes < len(TEXT.encode())
    for module in (language_model, parent_text):  # 16 tokens at once: a cache carries the rest
        monkeypatch.setattr(module, "CHUNK_BYTES", 1)
    assert perplexity_exported(fp32_model, TEXT, window=window, stride=stride).nll_nats == pytest.approx(
        ours.nll_nats, rel=1e-5
    )
    chunked = parent_text.perplexity_pytorch(hf_model, TEXT, window=window, stride=stride)
    assert chunked.nll_nats == pytest.approx(parent.nll_nats, rel=1e-5)


def test_the_parent_s_likelihood_is_that_of_its_own_loss(hf_model: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from olivepress.measure.quality.parent_text import perplexity_pytorch

    text = TEXT[:120]
    ids = AutoTokenizer.from_pretrained(hf_model)(text, return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        loss = AutoModelForCausalLM.from_pretrained(hf_model)(ids, labels=ids).loss
    found = text_metrics(perplexity_pytorch(hf_model, text))["perplexity"]
    assert found.value == pytest.approx(math.exp(float(loss)), rel=1e-4)


def test_a_folder_without_a_vocabulary_is_refused(tmp_path: Path) -> None:
    for content in ("{}", "no", '{"model": {"vocab_size": null}}'):
        (tmp_path / "genai_config.json").write_text(content)
        with pytest.raises(JobError, match="vocab_size"):
            language_model.config_number(tmp_path / "genai_config.json", "model", "vocab_size")
