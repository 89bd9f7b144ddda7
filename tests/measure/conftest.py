"""One small random model per session, exported once: about seven seconds that all tests here share."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from . import tiny


@pytest.fixture(scope="session")
def hf_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("torch", reason="the build extra is not installed")
    return tiny.make_model(tmp_path_factory.mktemp("hf"))


@pytest.fixture(scope="session")
def fp32_model(hf_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.export(hf_model, tmp_path_factory.mktemp("fp32"), "fp32", tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def int4_model(hf_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.export(hf_model, tmp_path_factory.mktemp("int4"), "int4", tmp_path_factory.mktemp("cache"))


@pytest.fixture
def make_dataset(tmp_path: Path) -> Callable[..., Path]:
    def make(rows: list[dict[str, object]], *, split: str = "test", name: str = "lamps") -> Path:
        folder = tmp_path / f"{name}-0123456789ab"
        folder.mkdir(exist_ok=True)
        (folder / "dataset.json").write_text(json.dumps({"name": name, "version": "ab" * 32}))
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        return folder

    return make


def row(number: int, question: str, answer: str) -> dict[str, object]:
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return {"id": f"r{number}", "messages": messages, "label": None}
