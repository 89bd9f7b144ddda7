"""How many tokens the rows of a plan have, before anything of the model is loaded."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from olivepress.core.errors import OlivepressError
from olivepress.data.store.examples import Example
from olivepress.runtimes.chat_template.prompts import render_prompt
from olivepress.synthetic.embedded import TINY_PHI
from olivepress.workflow.model import EMBEDDED
from olivepress.workflow.plan import Plan

__all__ = ["LETTERS_A_TOKEN", "RowLengths", "row_lengths", "text_counter", "tokenizer_folder"]

_LOOKED_AT = 48  # rows that are tokenized: the longest, and some spread over the split
# Without the tokenizer: English in the vocabularies of today's models, and what a template puts around a row.
LETTERS_A_TOKEN, _TEMPLATE_TOKENS = 4.3, 30


@dataclass(frozen=True, kw_only=True)
class RowLengths:
    """``rows`` of a training split, or sequences when they are packed; tokens of the ``longest``, and of the mean."""

    rows: int
    longest: int
    mean: float


def row_lengths(plan: Plan) -> RowLengths:
    """Of the training split: by the model's own tokenizer on a few dozen rows where that is here, else by letters.

    Rows longer than ``data.max_length`` are not trained on. Remembered for the jobs of a plan.
    """
    return _of(_Rows(plan.dataset.version, plan.model.path, plan.max_length, plan.recipe.finetune.packing, plan))


@dataclass(frozen=True)
class _Rows:
    """What the lengths depend on, and the plan to look at."""

    dataset: str
    model: str
    max_length: int
    packing: bool
    plan: Plan = field(compare=False)


@lru_cache(maxsize=4)
def _of(key: _Rows) -> RowLengths:
    plan = key.plan
    rows, most = plan.dataset.splits["train"], plan.max_length
    letters = [_letters(row) for row in rows]
    longest = heapq.nlargest(_LOOKED_AT // 2, range(len(letters)), key=letters.__getitem__)
    spread = [index * len(letters) // (_LOOKED_AT // 2) for index in range(min(len(letters), _LOOKED_AT // 2))]
    count = _counter(plan)
    tokens = {index: count(rows[index]) for index in {*longest, *spread}}
    within = [length for length in tokens.values() if length <= most] or [most]
    means = [min(tokens[index], most) for index in spread]
    mean = sum(means) / len(means)
    if not plan.recipe.finetune.packing:
        return RowLengths(rows=len(letters), longest=max(within), mean=mean)
    sequences = max(1, round(len(letters) * mean / most))
    return RowLengths(rows=sequences, longest=most, mean=min(float(most), len(letters) * mean / sequences))


def _letters(row: Example) -> int:
    return sum(len(str(message.get("content") or "")) for message in row.messages)


def _by_letters(row: Example) -> int:
    return _TEMPLATE_TOKENS + round(_letters(row) / LETTERS_A_TOKEN)


def _counter(plan: Plan) -> Callable[[Example], int]:
    """Tokens of a row as it is trained on."""
    tokens = text_counter(plan)
    if tokens is None:
        return _by_letters
    folder = tokenizer_folder(plan)

    def count(row: Example) -> int:
        try:
            text = render_prompt(folder, row.messages, row.tools).full
        except OlivepressError:
            return _by_letters(row)
        return tokens(text)

    return count


def tokenizer_folder(plan: Plan) -> Path:
    """Where the tokenizer and the chat template of the plan's model are, or will be."""
    return TINY_PHI if plan.recipe.model.path == EMBEDDED else Path(plan.model.path)


def text_counter(plan: Plan) -> Callable[[str], int] | None:
    """Tokens of a text by the model's own tokenizer; None where that is not here."""
    try:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(tokenizer_folder(plan) / "tokenizer.json"))
    except Exception:  # no such package or file, or of another format: tokenizers has one error for all
        return None
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)
