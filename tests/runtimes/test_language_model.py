"""How a model is fed and read where the runtime does not do it right by itself: on generators made by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from olivepress.core.errors import JobError
from olivepress.runtimes import genai_model, plugins
from olivepress.runtimes.base import runtime_of
from olivepress.runtimes.chat_template.model_config import ContextExceeded, check_context, context_length
from olivepress.runtimes.genai_model import TokenGeneration, WindowedGeneration
from olivepress.runtimes.openvino_model import DEVICE_FILE, device_text, read_device

WINDOW, VOCABULARY = 4, 10


class PaddingGenerator:
    """As genai 0.14.1 takes a model compiled for windows: every append is padded, and it stays in the sequence.

    The logits of a token prefer the token after it.
    """

    def __init__(self, window: int = WINDOW) -> None:
        self.window, self.sequence, self.appends = window, list[int](), list[list[int]]()

    def append_tokens(self, ids: np.ndarray) -> None:
        self.appends.append(ids.tolist())
        self.last = np.eye(VOCABULARY, dtype=np.float32)[[(i + 1) % VOCABULARY for i in ids.tolist()]]
        self.sequence += ids.tolist() + [0] * (-len(ids) % self.window)

    def get_output(self, name: str) -> np.ndarray:
        assert name == "logits"
        padding = np.full((-len(self.last) % self.window, VOCABULARY), -1, dtype=np.float32)
        return np.concatenate([self.last, padding])[None]

    def generate_next_token(self) -> None:
        self.sequence.append(9)

    def get_sequence(self, index: int) -> list[int]:
        return self.sequence

    def is_done(self) -> bool:
        return False


def test_padding_is_neither_in_the_tokens_nor_in_the_logits() -> None:
    generation = WindowedGeneration(PaddingGenerator(), WINDOW, longest=8)
    generation.append([1, 2, 3, 4, 5, 6])
    assert generation.logits().argmax(axis=1).tolist() == [2, 3, 4, 5, 6, 7]
    assert generation.tokens() == [1, 2, 3, 4, 5, 6] and not generation.done()
    generation.step()
    generation.step()
    assert generation.tokens() == [1, 2, 3, 4, 5, 6, 9, 9] and generation.done()
    with pytest.raises(JobError, match="inside a window cannot be continued"):
        generation.append([1])
    with pytest.raises(JobError, match="cannot forget tokens"):
        generation.rewind(2)


def test_room_is_left_for_the_padding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A padded prompt that reaches max_length would abort the process."""
    asked: dict[str, Any] = {}

    class Runtime:
        def GeneratorParams(self, model: Any) -> Any:
            return self

        def set_search_options(self, **options: Any) -> None:
            asked.update(options)

        def Generator(self, model: Any, params: Any) -> PaddingGenerator:
            return PaddingGenerator()

        def Config(self, path: str) -> Any:
            return path

        def Model(self, config: Any) -> Any:
            return type("Opened", (), {"device_type": "CPU"})

        def Tokenizer(self, model: Any) -> None:
            return None

    decoder = {"sliding_window": {"window_size": 64}, "pipeline": [{"context": {"filename": "c.onnx"}}]}
    (tmp_path / "genai_config.json").write_text(json.dumps({"model": {"vocab_size": 10, "decoder": decoder}}))
    monkeypatch.setattr(genai_model, "import_genai", Runtime)
    generation = genai_model.GenaiModel(tmp_path).generation(100)
    assert isinstance(generation, WindowedGeneration) and asked["max_length"] == 164


def test_software_webgpu_is_given_one_token_at_a_time() -> None:
    generator = PaddingGenerator(window=1)
    generation = TokenGeneration(generator)
    generation.append([3, 1, 4])
    assert generator.appends == [[3], [1], [4]]
    assert generation.logits().argmax(axis=1).tolist() == [4, 2, 5]


@pytest.mark.parametrize(
    ("provider", "machine", "emulated"),
    [("QNNExecutionProvider", "x86_64", True), ("QNNExecutionProvider", "ARM64", False), ("CUDA", "x86_64", False)],
)
def test_what_is_emulated(provider: str, machine: str, emulated: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins.platform, "machine", lambda: machine)
    assert plugins.is_emulated(provider) is emulated


def test_an_openvino_folder_names_its_device_and_its_fixed_lengths(tmp_path: Path) -> None:
    (tmp_path / "openvino_model.xml").write_text("<net/>")
    (tmp_path / "config.json").write_text('{"max_position_embeddings": 4096}')
    assert runtime_of(tmp_path) == "openvino" and context_length(tmp_path) == 4096
    lengths = {"NPUW_LLM_MAX_PROMPT_LEN": 1024, "NPUW_LLM_MIN_RESPONSE_LEN": 128}
    (tmp_path / DEVICE_FILE).write_text(device_text("NPU", lengths))
    assert read_device(tmp_path) == ("NPU", lengths) and context_length(tmp_path) == 1152
    with pytest.raises(ContextExceeded, match="do not fit its context of 1152"):
        check_context(tmp_path, [[1] * 1152])
    for text in (device_text("AUTO:CPU", {}), device_text("CPU", {"CACHE_DIR": "elsewhere"}), "{}", "no"):
        (tmp_path / DEVICE_FILE).write_text(text)
        with pytest.raises(JobError, match="names no device"):
            read_device(tmp_path)
