"""The interface of every runtime to an exported model: tokens in, logits or greedy tokens out."""

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
    """One sequence. ``append`` runs the model over the given tokens.

    The first ``step`` only chooses the most probable token from their logits; every later step runs the model once
    and chooses. ``logits`` are of the last append, [tokens, at least vocabulary], as the runtime returns them.
    ``rewind`` removes all tokens after the first ``length``. ``done``: an end token was chosen (it is not among
    ``tokens``), or the length limit is reached. ``tokens`` are the appended and the generated ones.
    """

    step: Callable[[], object]

    def append(self, token_ids: Sequence[int]) -> None: ...
    def logits(self) -> np.ndarray: ...
    def rewind(self, length: int) -> None: ...
    def done(self) -> bool: ...
    def tokens(self) -> list[int]: ...


class LanguageModel(Protocol):
    """An opened model folder. ``device`` is the runtime's name of the device; ``vocabulary`` is its size in tokens.

    ``windowed``: compiled for prompts in windows of a fixed length, so that single tokens cannot follow a prompt.
    ``answer_by_default`` generates as an application without settings of its own does; False when it cannot be tried.
    """

    device: str
    vocabulary: int
    windowed: bool

    def encode(self, text: str) -> list[int]: ...
    def decode(self, token_ids: Sequence[int]) -> str: ...
    def generation(self, longest: int, *, shortest: int = 0) -> Generation: ...
    def answer_by_default(self, text: str) -> bool: ...


def runtime_of(model_dir: Path) -> Literal["onnxruntime-genai", "openvino"]:
    """The runtime of the folder, by its files. JobError when they belong to neither."""
    if (model_dir / "genai_config.json").is_file():
        return "onnxruntime-genai"
    if (model_dir / "openvino_model.xml").is_file():
        return "openvino"
    raise JobError(
        f"{model_dir}: neither genai_config.json nor openvino_model.xml in it", next_step="export the model again"
    )


def config_number(path: Path, *keys: str) -> int:
    """The whole number under ``keys`` in a JSON file; JobError when there is none."""
    try:
        value = read_json(path, CONFIG, JobError)
        for key in keys:
            value = value[key]
        return int(value)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise JobError(f"{path}: no {'.'.join(keys)} ({error})", next_step="export the model again") from error


def append_in_chunks(generation: Generation, token_ids: Sequence[int], vocabulary: int) -> Iterator[np.ndarray]:
    """Append the tokens and yield each chunk's logits [tokens, at least vocabulary], as the runtime returns them.

    Chunks are as long as memory allows and not shorter: a longrope model chooses its long factors by the length of an
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
    """(offset, logits float64 [<=16, vocabulary]) in order, with exactly these tokens as input.

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
