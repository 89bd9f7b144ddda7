"""The rows of the parent's reference, which of their tokens are answers, and from where their logits are kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

from olivepress.core.errors import DataError
from olivepress.data.split_reader import Row
from olivepress.measure.quality.reference_file import AnswerPart
from olivepress.workflow.olive_plugin.supervision import IGNORE_INDEX, Supervised, TrainOn, supervise_row
from olivepress.workflow.sizes import LEAST_PROMPTS, LOGIT_BYTES, REFERENCE_TOKENS

__all__ = ["answer_part", "reference_prompts"]


def reference_prompts(
    model: Path, rows: Iterable[Row], *, train_on: TrainOn, max_length: int
) -> tuple[list[list[int]], list[AnswerPart]]:
    """(prompts with their answers in token ids, where the answers of each are).

    As many rows as their logits in float32 take half a GB, but at least eight. They are kept twice, the merged model's
    and the base's, and a third time while two models are compared. A row whose answers cannot be placed is left out.
    """
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(model), trust_remote_code=False)
    most, kept = LOGIT_BYTES // (4 * len(tokenizer)), 0
    ids, parts = list[list[int]](), list[AnswerPart]()
    for row in rows:
        try:
            example = supervise_row(row, tokenizer, model, train_on)
        except DataError:
            continue
        part, end = answer_part(example, max_length)
        kept += end - part.first
        if len(ids) >= LEAST_PROMPTS and kept > most:
            break
        ids.append(list(example.input_ids[:end]))
        parts.append(part)
    return ids, parts


def answer_part(example: Supervised, max_length: int) -> tuple[AnswerPart, int]:
    """(where the answers are, how many tokens the prompt is cut to).

    Of a long row the logits around the start of its last answer are kept, 64 positions before it and 64 behind. Of a
    row that is too long to be trained on the first tokens are, as far as its answer goes none.
    """
    length, trained = len(example.input_ids), _trained(example.labels)
    earlier = [place for place, following in pairwise(trained) if following - place > 1]
    start = next(position for position in trained if not earlier or position > earlier[-1])
    first = 0
    if length <= max_length:
        first = max(0, min(start - REFERENCE_TOKENS // 2 + 1, length - REFERENCE_TOKENS))
    end = min(length, first + REFERENCE_TOKENS)
    supervised = tuple(position for position in trained if first <= position < end)
    return AnswerPart(start=start, supervised=supervised, first=first), end


def _trained(labels: Sequence[int]) -> list[int]:
    """The positions that predict a token that is trained on."""
    return [place - 1 for place, label in enumerate(labels) if label != IGNORE_INDEX and place > 0]
