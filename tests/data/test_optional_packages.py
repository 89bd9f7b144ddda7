"""Presidio and SemHash beside our own checks: without a network and without a language model."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from olivepress.core.errors import DataError
from olivepress.data.build import prepare_files
from olivepress.data.policy import Policy
from tests.data.planted import clean_rows, read_jsonl, write_jsonl


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def test_presidio_finds_kinds_that_we_do_not(tmp_path: Path) -> None:
    rows = clean_rows(40)
    rows[4]["completion"] = "Send it to 1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2, please."
    rows[5]["completion"] = "Write to jane.doe@example.org."
    source = write_jsonl(tmp_path / "rows.jsonl", rows)
    dataset = prepare_files([str(source)], Policy(languages=False, presidio=True))
    assert dataset.files is not None
    found = {entry["line"]: entry["detail"] for entry in read_jsonl(dataset.files / "audit.jsonl")}
    assert found == {5: "crypto in messages[1].content", 6: "e-mail address in messages[1].content"}
    own = prepare_files([str(source)], Policy(languages=False))
    assert own.facts["noted"] == {"personal data": 1}


def test_semantic_diversity_from_a_model_on_disk(tmp_path: Path) -> None:
    import model2vec
    import numpy as np
    import tokenizers

    rows = clean_rows(60)
    words = sorted({word for row in rows for word in row["prompt"].rstrip("?").split()})
    vocabulary = {word: number for number, word in enumerate(["[UNK]", "?", *words])}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    vectors = np.random.default_rng(0).normal(size=(len(vocabulary), 64)).astype("float32")
    model2vec.StaticModel(vectors, tokenizer).save_pretrained(tmp_path / "model")
    policy = Policy(languages=False, embeddings=str(tmp_path / "model"), near_duplicates="ignore", overlap_words=0)
    apart = prepare_files([str(write_jsonl(tmp_path / "a.jsonl", rows))], policy)
    turned = [{**row, "prompt": " ".join(reversed(row["prompt"].rstrip("?").split()))} for row in rows]
    alike = prepare_files([str(write_jsonl(tmp_path / "b.jsonl", [*rows, *turned]))], policy)
    assert apart.facts["statistics"]["semantic_diversity"] == 1.0
    assert alike.facts["statistics"]["semantic_diversity"] < 0.6
    with pytest.raises(DataError, match="no directory with a model2vec model"):
        prepare_files([str(tmp_path / "a.jsonl")], Policy(languages=False, embeddings=str(tmp_path / "none")))
