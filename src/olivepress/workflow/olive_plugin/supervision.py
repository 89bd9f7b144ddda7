"""Which tokens of an example are trained on: the answer and the token that ends it, nothing else; packing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from olivepress.checkpoint import SMALL_FILES
from olivepress.core.errors import DataError
from olivepress.core.hub import fetch
from olivepress.data.store.examples import Example
from olivepress.runtimes.chat_template.answer_spans import answer_spans
from olivepress.runtimes.chat_template.check import check_rows
from olivepress.runtimes.chat_template.model_config import eos_token_ids
from olivepress.runtimes.chat_template.prompts import RenderedPrompt, encode_parts, render_prompt
from olivepress.workflow.olive_plugin.row_counts import RowCounts, count_rows

__all__ = ["IGNORE_INDEX", "Packed", "Supervised", "TrainOn", "load_tokenizer", "pack", "short_rows"]
__all__ += ["supervise", "supervise_row"]

_OPEN = 500  # sequences that packing still fills
TrainOn = Literal["answer", "all_turns"]
IGNORE_INDEX = -100  # what torch's cross entropy leaves out


@dataclass(frozen=True, kw_only=True)
class Supervised:
    """One tokenized example; ``labels`` is ``input_ids`` with everything before the answer set to IGNORE_INDEX.

    ``label`` is the class of its row, None where it has none.
    """

    input_ids: tuple[int, ...]
    labels: tuple[int, ...]
    label: str | None = None


@dataclass(frozen=True, kw_only=True)
class Packed:
    """Several examples in one sequence; ``documents`` numbers them from 1, token by token."""

    input_ids: tuple[int, ...]
    labels: tuple[int, ...]
    documents: tuple[int, ...]


def pack(examples: Sequence[Supervised], max_length: int) -> list[Packed]:
    """Examples into few sequences of at most ``max_length`` tokens, longest first into the first that has room.

    None is cut; only the last 500 sequences are looked at, so that the time does not grow with the square.
    The first token of an example is never a label: in a sequence it would be predicted from the example before it.
    What keeps one example from seeing another is ``documents``: attention has to be restricted by it.
    """
    free: list[int] = []
    bins: list[list[Supervised]] = []
    for example in sorted(examples, key=lambda example: -len(example.input_ids)):
        length = len(example.input_ids)
        place = next((i for i in range(max(0, len(free) - _OPEN), len(free)) if free[i] >= length), None)
        if place is None:
            place = len(bins)
            bins.append([])
            free.append(max_length)
        bins[place].append(example)
        free[place] -= length
    return [_joined(examples) for examples in bins]


def _joined(examples: Sequence[Supervised]) -> Packed:
    return Packed(
        input_ids=tuple(token for example in examples for token in example.input_ids),
        labels=tuple(label for example in examples for label in (IGNORE_INDEX, *example.labels[1:])),
        documents=tuple(number for number, example in enumerate(examples, start=1) for _ in example.input_ids),
    )


def load_tokenizer(model_path: str, revision: str | None = None) -> tuple[Any, Path]:
    """The Hugging Face tokenizer and the directory with its files. Raises as ``fetch`` for a Hub id."""
    from transformers import AutoTokenizer

    directory = Path(model_path)
    if not directory.is_dir():
        directory = fetch(model_path, revision, SMALL_FILES)
    return AutoTokenizer.from_pretrained(str(directory), trust_remote_code=False), directory


def supervise(
    rows: Sequence[Example],
    model_path: str,
    *,
    max_length: int,
    revision: str | None = None,
    train_on: TrainOn = "answer",
    checked: bool = False,
    on_counts: Callable[[RowCounts], None] | None = None,
) -> list[Supervised]:
    """Tokenize and mask ``rows``; a row longer than ``max_length`` tokens is left out, never cut.

    The mask is the difference of rendered prefixes: question and answer are tokenized apart, exactly as at inference,
    where the model continues the prefix's tokens. ``train_on`` says whether the last answer alone is trained on, or
    every turn of the assistant; ``on_counts`` is given how many rows were left out. Raises DataError: the chat template
    loses something that the rows hold (``check_rows``, unless the caller has ``checked`` it), no row fits, or the last
    supervised token is none of the tokens that end generation (a model trained so would never stop).
    """
    tokenizer, directory = load_tokenizer(model_path, revision)
    ends = set(eos_token_ids(directory))
    errors = () if checked else check_rows(directory, rows).errors
    if errors:
        raise DataError(errors[0], next_step="give the model another chat template, or change the rows")
    examples = [supervise_row(row, tokenizer, directory, train_on) for row in rows]
    kept = [example for example in examples if len(example.input_ids) <= max_length]
    if on_counts is not None:
        supervised = [sum(label != IGNORE_INDEX for label in example.labels) for example in examples]
        on_counts(count_rows([len(example.input_ids) for example in examples], supervised, max_length))
    if not kept:
        shortest = min((len(example.input_ids) for example in examples), default=0)
        raise DataError(
            f"0 supervised tokens: none of {len(rows)} rows fits max_length {max_length} (the shortest has {shortest})",
            next_step="raise data.max_length in the recipe",
        )
    for row, example in zip(rows, examples, strict=True):
        _check_end(row, example, ends)
    return kept


def _check_end(row: Example, example: Supervised, ends: Collection[int]) -> None:
    if example.labels[-1] not in ends:
        raise DataError(
            f"row {row.id}: its last supervised token {example.labels[-1]} is none of the tokens that end "
            f"generation {sorted(ends)}; the model would never stop",
            next_step="fix eos_token_id in generation_config.json or the chat template",
        )


def short_rows(
    rows: Sequence[Example], model_path: str, *, max_length: int, most: int, revision: str | None = None
) -> list[Example]:
    """The first ``most`` of ``rows`` that have at most ``max_length`` tokens. DataError as ``supervise_row``."""
    short = list[Example]()
    tokenizer, directory = load_tokenizer(model_path, revision)
    for row in rows:
        if len(short) == most:
            break
        if len(supervise_row(row, tokenizer, directory, "answer").input_ids) <= max_length:
            short.append(row)
    return short


def supervise_row(row: Example, tokenizer: Any, directory: Path, train_on: TrainOn) -> Supervised:
    """The tokens of one row and which of them are trained on; ``directory`` holds the tokenizer's chat template.

    DataError as ``answer_spans``, and for an answer without tokens.
    """
    rendered = render_prompt(directory, row.messages, row.tools)
    spans: Sequence[tuple[int, int]] = [(len(rendered.prefix), len(rendered.full))]
    if train_on == "all_turns":
        spans = answer_spans(directory, row.messages, row.tools, rendered)
    return _masked(row, rendered, spans, tokenizer)


def _masked(row: Example, rendered: RenderedPrompt, spans: Sequence[tuple[int, int]], tokenizer: Any) -> Supervised:
    """The tokens of the row; what is in ``spans`` is labelled, and tokenized apart from what stands before it."""
    ids, labels, at = list[int](), list[int](), 0
    for start, end in spans:
        before, answer = (
            encode_parts(lambda text: tokenizer(text, add_special_tokens=False)["input_ids"], rendered.parts(*part))
            for part in ((at, start), (start, end))
        )
        if not answer:
            raise DataError(f"row {row.id}: its answer has no tokens", next_step="check the row")
        ids += [*before, *answer]
        labels += [*(IGNORE_INDEX for _ in before), *answer]
        at = end
    return Supervised(input_ids=tuple(ids), labels=tuple(labels), label=row.label)
