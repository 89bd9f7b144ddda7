"""A runtime's tokenizer opened without a model of its own."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from olivepress.core.errors import JobError
from olivepress.measure.worker.host import run_child
from olivepress.runtimes.artifact_safety import check_before_opening
from olivepress.runtimes.probe_model import decoder_model
from olivepress.runtimes.runtime_tokenizer import Conversation, TokenizerSpec, genai_folder
from tests.synthetic.tiny import make_tokenizer

MODEL_IDS = {"bos_token_id": 1, "eos_token_id": [1], "pad_token_id": 0}


def test_the_model_around_it_is_a_model() -> None:
    model = onnx.load_from_string(decoder_model())
    onnx.checker.check_model(model)
    assert [value.name for value in (*model.graph.input, *model.graph.output)] == ["input_ids", "logits"]


def test_asked_in_a_process_of_its_own(tmp_path: Path) -> None:
    tokenizer = make_tokenizer(tmp_path)
    genai_folder(tmp_path, MODEL_IDS, vocab_size=len(tokenizer))
    check_before_opening(tmp_path)  # as an artifact is looked through
    text, reached = "<|user|>\nturn the lamp on<|end|>\n", list[tuple[int, int]]()
    spec = TokenizerSpec(
        model_dir=tmp_path,
        texts=(text, ""),
        token_ids=(tuple(tokenizer("the lamp")["input_ids"]),),
        conversations=(Conversation(messages='[{"role": "user", "content": "turn the lamp on"}]'),),
    )
    found = run_child(
        "tokenizer", spec.model_dump(mode="json"), progress=lambda done, total: reached.append((done, total))
    )
    assert found["token_ids"] == [tokenizer(text)["input_ids"], []] and found["texts"] == ["the lamp"]
    assert found["rendered"] == [text + "<|assistant|>\n"] and found["refused"] == ""
    assert reached == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_a_folder_that_it_cannot_open(tmp_path: Path) -> None:
    genai_folder(tmp_path, MODEL_IDS, vocab_size=8)
    (tmp_path / "tokenizer.json").write_text("{")
    spec = TokenizerSpec(model_dir=tmp_path, texts=(), token_ids=(), conversations=())
    with pytest.raises(JobError):
        run_child("tokenizer", spec.model_dump(mode="json"))
