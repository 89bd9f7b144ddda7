"""How many tokens the rows of a plan have, before anything of the model is loaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from olivepress.core.errors import OlivepressError
from olivepress.core.sampling import evenly_spread
from olivepress.data.store.examples import Example
from olivepress.recipe.finetune import Finetune
from olivepress.runtimes.chat_template.prompts import render_prompt
from olivepress.synthetic.embedded import TINY_PHI
from olivepress.workflow.model import EMBEDDED
from olivepress.workflow.plan import Plan

__all__ = ["LETTERS_A_TOKEN", "RowLengths", "asked_lengths", "row_lengths", "text_counter", "tokenizer_folder"]

_SORTED = 50  # batches that transformers' sampler sorts by length together
_UNEVEN = 1.5  # times the answers that the mean batch has logits of, as its prompts differ in length (Banking77: 1.4)
_LOOKED_AT = 48  # rows that are tokenized: the longest, and some spread over the split
# Without the tokenizer: English in the vocabularies of today's models, and what a template puts around a row.
LETTERS_A_TOKEN, _TEMPLATE_TOKENS = 4.3, 30


@dataclass(frozen=True, kw_only=True)
class RowLengths:
    """``rows`` of a training split, or sequences when they are packed; tokens of the ``longest``, and of the mean; and
    of how many of these tokens the logits are computed (``olive_plugin.forward_hooks``)."""

    rows: int
    longest: int
    mean: float
    longest_logits: int
    mean_logits: float


def row_lengths(plan: Plan) -> RowLengths:
    """Of the training split: by the model's own tokenizer on a few dozen rows where that is here, else by letters.

    Rows longer than ``data.max_length`` are not trained on. Remembered for the jobs of a plan.
    """
    return _of(_key(plan))


def asked_lengths(plan: Plan) -> tuple[float, float]:
    """Tokens of the prompt and of the answer of a mean row of the validation split, counted as by ``row_lengths``."""
    return _asked(_key(plan))


def _key(plan: Plan) -> _Rows:
    finetune = plan.recipe.finetune
    batch = None if _needs_all_logits(finetune) else finetune.batch_size
    return _Rows(plan.dataset.version, plan.model.path, plan.max_length, finetune.packing, batch, plan)


def _needs_all_logits(finetune: Finetune) -> bool:
    """Or nearly all, as where a batch has rows of any length."""
    if finetune.packing or not finetune.groups_by_length:
        return True
    return finetune.train_on != "answer" or finetune.loss is not None or finetune.label_smoothing > 0


@dataclass(frozen=True)
class _Tokens:
    """Of a row, and of its ``answer`` with the token that predicts it."""

    all: int
    answer: int

    @property
    def prompt(self) -> int:
        return self.all - self.answer + 1


@dataclass(frozen=True)
class _Rows:
    """What the lengths depend on, and the plan to look at."""

    dataset: str
    model: str
    max_length: int
    packing: bool
    batch: int | None
    plan: Plan = field(compare=False)


@lru_cache(maxsize=4)
def _of(key: _Rows) -> RowLengths:
    plan = key.plan
    rows, most = plan.dataset.splits["train"], plan.max_length
    letters = [_letters(row) for row in rows]
    by_length = sorted(range(len(letters)), key=letters.__getitem__, reverse=True)
    longest = by_length[: _LOOKED_AT // 2]
    spread = [index * len(letters) // (_LOOKED_AT // 2) for index in range(min(len(letters), _LOOKED_AT // 2))]
    count = _counter(plan)
    tokens = {index: count(rows[index]) for index in {*longest, *spread}}
    within = [length.all for length in tokens.values() if length.all <= most] or [most]
    mean = sum(min(tokens[index].all, most) for index in spread) / len(spread)
    if plan.recipe.finetune.packing:
        sequences = max(1, round(len(letters) * mean / most))
        packed = min(float(most), len(letters) * mean / sequences)
        return RowLengths(rows=sequences, longest=most, mean=packed, longest_logits=most, mean_logits=packed)
    longest_logits, mean_logits = max(within), mean
    if key.batch is not None:
        last = count(rows[by_length[_last_of_batch(len(letters), key.batch)]])
        longest_logits = min(longest_logits, max(last.answer, longest_logits - last.prompt + 1))
        answers = sum(tokens[index].answer for index in spread) / len(spread)
        mean_logits = min(mean, _UNEVEN * answers)
    return RowLengths(
        rows=len(letters),
        longest=max(within),
        mean=mean,
        longest_logits=longest_logits,
        mean_logits=mean_logits,
    )


@lru_cache(maxsize=4)
def _asked(key: _Rows) -> tuple[float, float]:
    count = _counter(key.plan)
    tokens = [count(row) for row in evenly_spread(key.plan.dataset.splits["validation"], _LOOKED_AT // 2)]
    prompts = sum(each.prompt for each in tokens) / max(len(tokens), 1)
    answers = sum(each.answer - 1 for each in tokens) / max(len(tokens), 1)
    return prompts, answers


def _last_of_batch(rows: int, batch: int) -> int:
    """The place, among all rows from the longest on, of one that is about as long as the shortest in the batch of the
    longest: transformers sorts by length within 50 batches at a time, and its other rows are the longest of those."""
    return min(rows - 1, (batch - 1) * rows // min(rows, _SORTED * batch))


def _letters(row: Example) -> int:
    return sum(len(str(message.get("content") or "")) for message in row.messages)


def _by_letters(row: Example) -> _Tokens:
    answer = round(len(str(row.messages[-1].get("content") or "")) / LETTERS_A_TOKEN)
    return _Tokens(all=_TEMPLATE_TOKENS + round(_letters(row) / LETTERS_A_TOKEN), answer=answer + 1)


def _counter(plan: Plan) -> Callable[[Example], _Tokens]:
    """Tokens of a row as it is trained on."""
    tokens = text_counter(plan)
    if tokens is None:
        return _by_letters
    folder = tokenizer_folder(plan)

    def count(row: Example) -> _Tokens:
        try:
            text = render_prompt(folder, row.messages, row.tools)
        except OlivepressError:
            return _by_letters(row)
        length = tokens(text.full)
        return _Tokens(all=length, answer=length - tokens(text.prefix) + 1)

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
