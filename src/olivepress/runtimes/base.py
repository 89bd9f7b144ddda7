"""What every runtime gives of an exported model: tokens in, logits or greedy tokens out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from olivepress.core.bounded import CONFIG, read_json
from olivepress.core.errors import JobError

__all__ = [
    "Generation",
    "LanguageModel",
    "append_in_chunks",
    "config_number",
    "runtime_of",
    "teacher_forced",
]

CHUNK_BYTES = 256 * 1024 * 1024  # of float32 logits for the tokens appended at once: 335 tokens at 200k
ROWS = 16  # positions converted at once: 16 × 200k × float64 = 26 MB


class Generation(Protocol):
    """One sequence. ``append`` runs the model over given tokens; the first ``step`` only picks the likeliest token of
    their logits, every later one runs the model once and picks."""

    step: Callable[[], object]

    def append(self, token_ids: Sequence[int]) -> None: ...
    def logits(self) -> np.ndarray: ...  # of the last append: [tokens, at least vocabulary], as the runtime has them
    def rewind(self, length: int) -> None: ...  # forget all tokens after the first ``length``
    def done(self) -> bool: ...  # an end token was picked (it is not among ``tokens``), or ``longest`` is reached
    def tokens(self) -> list[int]: ...  # appended and generated


class LanguageModel(Protocol):
    """An opened model folder. ``device`` is what the runtime says it runs on; ``vocabulary`` in tokens; ``windowed``:
    compiled for prompts in windows of a fixed length, so that tokens cannot be given singly after a prompt."""

    device: str
    vocabulary: int
    windowed: bool

    def encode(self, text: str) -> list[int]: ...
    def decode(self, token_ids: Sequence[int]) -> str: ...
    def generation(self, longest: int, *, shortest: int = 0) -> Generation: ...
    def answer_by_default(self, text: str) -> bool: ...  # as an application that sets nothing; False: cannot be tried


def runtime_of(model_dir: Path) -> Literal["onnxruntime-genai", "openvino"]:
    """``onnxruntime-genai`` or ``openvino``, by the files of the folder; JobError when they are of neither."""
    if (model_dir / "genai_config.json").is_file():
        return "onnxruntime-genai"
    if (model_dir / "openvino_model.xml").is_file():
        return "openvino"
    raise JobError(
        f"{model_dir}: neither genai_config.json nor openvino_model.xml in it", next_step="export the model again"
    )


def config_number(path: Path, *keys: str) -> int:
    """The number that a JSON file holds under ``keys``; JobError when it does not."""
    try:
        found = read_json(path, CONFIG, JobError)
        for key in keys:
            found = found[key]
        return int(found)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise JobError(f"{path}: no {'.'.join(keys)} ({error})", next_step="export the model again") from error


def append_in_chunks(generation: Generation, token_ids: Sequence[int], vocabulary: int) -> Iterator[np.ndarray]:
    """Append the tokens and yield each chunk's logits [tokens, at least vocabulary], as the runtime returns them.

    Chunks are as long as memory allows and not shorter: a longrope model takes its long factors by the length of an
    append. JobError when the runtime returns logits of another shape.
    """
    chunk = max(CHUNK_BYTES // (4 * vocabulary), ROWS)
    for start in range(0, len(token_ids), chunk):
        part = token_ids[start : start + chunk]
        generation.append(part)
        logits = generation.logits()
        if logits.shape[0] != len(part) or logits.shape[1] < vocabulary:
            raise JobError(
                f"the model returned logits of shape {logits.shape}, expected ({len(part)}, {vocabulary})",
                next_step="export without pruning the prompt's logits",
            )
        yield logits


def teacher_forced(model: LanguageModel, token_ids: Sequence[int]) -> Iterator[tuple[int, np.ndarray]]:
    """(offset, logits float64 [<=16, vocabulary]) in order, the model being given exactly these tokens.

    JobError when they are not finite or not those of every position.
    """
    generation, offset = model.generation(len(token_ids)), 0
    for logits in append_in_chunks(generation, token_ids, model.vocabulary):
        for row in range(0, len(logits), ROWS):
            block = logits[row : row + ROWS, : model.vocabulary].astype(np.float64)
            if not np.isfinite(block).all():
                raise JobError("the model returned NaN or infinite logits", next_step="export it again")
            yield offset + row, block
        offset += len(logits)
