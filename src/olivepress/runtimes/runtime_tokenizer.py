"""Runs a runtime's own tokenizer without a model, from the files that an export will contain, before the export.

onnxruntime-genai opens a tokenizer only together with a model, so the folder gets a model of some hundred bytes;
OpenVINO's tokenizer is converted from the same files, as its exporter does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from olivepress.core.errors import JobError, whole_message
from olivepress.core.progress import Progress
from olivepress.runtimes.probe_model import decoder_model

__all__ = [
    "Conversation",
    "TokenizerReading",
    "TokenizerSpec",
    "convert_for_openvino",
    "genai_folder",
    "read_tokenizer",
]

_MODEL = "model.onnx"
# genai reads the tokenizer independently of the model type; every version supports this type.
_TYPE = "llama"


class Conversation(BaseModel):
    """Messages and tools as JSON."""

    model_config = ConfigDict(frozen=True)

    messages: str
    tools: str = ""


class TokenizerSpec(BaseModel):
    """``model_dir`` comes from ``genai_folder`` or ``convert_for_openvino``; ``token_ids`` are decoded."""

    model_config = ConfigDict(frozen=True)

    model_dir: Path
    texts: tuple[str, ...]
    token_ids: tuple[tuple[int, ...], ...]
    conversations: tuple[Conversation, ...]


class TokenizerReading(BaseModel):
    """The ids of each text, the text of each list of ids, and each conversation rendered.

    ``refused`` is the runtime's error for the first conversation that it cannot render; then none is rendered.
    """

    model_config = ConfigDict(frozen=True)

    token_ids: tuple[tuple[int, ...], ...]
    texts: tuple[str, ...]
    rendered: tuple[str, ...]
    refused: str = ""


class _Tokenizer(Protocol):
    def encode(self, text: str) -> list[int]: ...
    def decode(self, token_ids: Sequence[int]) -> str: ...
    def apply_template(self, messages: str, tools: str = "") -> str: ...


def read_tokenizer(spec: TokenizerSpec, *, progress: Progress | None = None) -> TokenizerReading:
    """Encode, decode and render with the runtime's tokenizer.

    ``progress`` is called before each text and each decoding, so that a crash can be attributed. SetupError without the
    runtime, JobError with the runtime's message when it cannot open the folder.
    """
    tokenizer, total = _open(spec.model_dir), len(spec.texts) + len(spec.token_ids)
    encoded, decoded = [], []
    for number, text in enumerate(spec.texts):
        if progress:
            progress(number, total)
        encoded.append(tuple(tokenizer.encode(text)))
    for number, ids in enumerate(spec.token_ids, start=len(spec.texts)):
        if progress:
            progress(number, total)
        decoded.append(tokenizer.decode(ids))
    if progress:
        progress(total, total)
    rendered, refused = _rendered(tokenizer, spec.conversations)
    return TokenizerReading(token_ids=tuple(encoded), texts=tuple(decoded), rendered=tuple(rendered), refused=refused)


def _open(model_dir: Path) -> _Tokenizer:
    if (model_dir / _MODEL).is_file():
        from olivepress.runtimes.genai_model import GenaiModel

        return GenaiModel(model_dir)
    from olivepress.runtimes.openvino_model import OpenvinoTokenizer

    return OpenvinoTokenizer(model_dir)


def _rendered(tokenizer: _Tokenizer, conversations: Sequence[Conversation]) -> tuple[list[str], str]:
    try:
        return [tokenizer.apply_template(each.messages, each.tools) for each in conversations], ""
    except JobError as error:
        return [], error.message or "no reason"


def genai_folder(directory: Path, model_ids: Mapping[str, int | list[int]], *, vocab_size: int) -> None:
    """Add to a folder with a tokenizer what onnxruntime-genai needs to open it.

    ``model_ids`` are ``bos_token_id``, ``eos_token_id`` and ``pad_token_id``.
    """
    decoder = {
        "filename": _MODEL,
        "head_size": 16,
        "hidden_size": 16,
        "num_attention_heads": 1,
        "num_hidden_layers": 1,
        "num_key_value_heads": 1,
        "inputs": {"input_ids": "input_ids"},
        "outputs": {"logits": "logits"},
        "session_options": {"provider_options": []},
    }
    model = {"type": _TYPE, "vocab_size": vocab_size, "context_length": 1, "decoder": decoder, **model_ids}
    config = {"model": model, "search": {"max_length": 1}}
    (directory / _MODEL).write_bytes(decoder_model())
    (directory / "genai_config.json").write_text(json.dumps(config), encoding="utf-8")


def convert_for_openvino(source: Path, directory: Path) -> None:
    """Convert the Hugging Face tokenizer in ``source`` to OpenVINO's format in ``directory``.

    As optimum's ``export_tokenizer`` does for text generation. JobError when openvino_tokenizers cannot convert it.
    """
    import openvino
    from openvino_tokenizers import convert_tokenizer
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(source), trust_remote_code=False)
    tokenizer.padding_side = tokenizer.truncation_side = "left"
    try:
        converted = convert_tokenizer(tokenizer, with_detokenizer=True)
    except Exception as error:  # the converter's errors have no common base
        raise JobError(f"openvino_tokenizers cannot convert it ({whole_message(error)})") from error
    for model, name in zip(converted, ("openvino_tokenizer.xml", "openvino_detokenizer.xml"), strict=True):
        openvino.save_model(model, directory / name)
