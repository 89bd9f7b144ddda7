"""Logits of given tokens from onnxruntime-genai, a bounded piece of the prompt at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from olivepress.errors import JobError

__all__ = ["append_in_chunks", "teacher_forced", "vocabulary_size"]

CHUNK_BYTES = 256 * 1024 * 1024  # of float32 logits for the tokens appended at once: 335 tokens at 200k
ROWS = 16  # positions converted at once: 16 × 200k × float64 = 26 MB


def vocabulary_size(model_dir: Path) -> int:
    """Tokens of the vocabulary as genai_config.json states it; JobError when it does not."""
    path = model_dir / "genai_config.json"
    try:
        return int(json.loads(path.read_text(encoding="utf-8"))["model"]["vocab_size"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise JobError(f"{path}: no model.vocab_size ({error})", next_step="export the model again") from error


def append_in_chunks(generator: Any, token_ids: Sequence[int], vocabulary: int) -> Iterator[np.ndarray]:
    """Append the tokens and yield each chunk's logits [tokens, at least vocabulary], as the runtime returns them.

    Chunks are as long as memory allows and not shorter: a longrope model takes its long factors by the length of an
    append. JobError when the runtime returns logits of another shape.
    """
    chunk = max(CHUNK_BYTES // (4 * vocabulary), ROWS)
    for start in range(0, len(token_ids), chunk):
        part = np.asarray(token_ids[start : start + chunk], dtype=np.int32)
        generator.append_tokens(part)
        # Not get_logits(): that is the sampler's view, one position early when the last token is the pad id, and after
        # rewind_to it runs the model once more and spoils the cache (ran, genai 0.14.1).
        logits = generator.get_output("logits")[0]
        if logits.shape[0] != len(part) or logits.shape[1] < vocabulary:
            raise JobError(
                f"the model returned logits of shape {logits.shape}, expected ({len(part)}, {vocabulary})",
                next_step="export without pruning the prompt's logits",
            )
        yield logits


def teacher_forced(og: Any, model: Any, token_ids: Sequence[int], vocabulary: int) -> Iterator[tuple[int, np.ndarray]]:
    """(offset, logits float64 [<=16, vocabulary]) in order, the model being given exactly these tokens.

    JobError when they are not finite or not those of every position.
    """
    params = og.GeneratorParams(model)
    params.set_search_options(do_sample=False, num_beams=1, max_length=len(token_ids))
    generator, offset = og.Generator(model, params), 0
    for logits in append_in_chunks(generator, token_ids, vocabulary):
        for row in range(0, len(logits), ROWS):
            block = logits[row : row + ROWS, :vocabulary].astype(np.float64)
            if not np.isfinite(block).all():
                raise JobError("the model returned NaN or infinite logits", next_step="export it again")
            yield offset + row, block
        offset += len(logits)
