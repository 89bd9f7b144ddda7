"""The most probable of a dataset's labels, exact although the model does not score every label.

The score of a label is the total log-probability of its completion's tokens, including those that end the answer, so
that a label that is a prefix of another has no advantage from being short.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from olivepress.core.errors import DataError, JobError
from olivepress.core.progress import Progress
from olivepress.data.store.examples import Example
from olivepress.measure.quality.fidelity import log_softmax
from olivepress.runtimes.base import LanguageModel, append_in_chunks
from olivepress.runtimes.chat_template.model_config import context_length
from olivepress.runtimes.chat_template.prompts import encode_parts, render_prompt
from olivepress.runtimes.open import open_model

__all__ = ["LabelTask", "LogprobsAlong", "best_label", "label_tasks", "next_logprobs_of", "score_labels_exported"]

Tokens = tuple[int, ...]
_Entry = tuple[float, int, int, tuple[int, ...]]
LogprobsAlong = Callable[[Sequence[Tokens]], Iterable[Iterable[np.ndarray]]]
"""For each sequence of tokens: log-probabilities [vocabulary] in nats of the token that follows a fixed prompt, then of
those that follow the prompt and one, two … all tokens of the sequence."""


@dataclass(frozen=True, kw_only=True)
class LabelTask:
    """One row to score: token ids of the prompt, and of each label in the order of the labels."""

    prompt: Tokens
    completions: tuple[Tokens, ...]


def score_labels_exported(
    model_dir: Path, rows: Sequence[Example], labels: Sequence[str], *, progress: Progress | None = None
) -> list[str | None]:
    """The most probable of ``labels`` (answer texts) for each row, by an exported model.

    None for a row that does not fit the context with its longest label. DataError for no labels or labels that are
    indistinguishable; JobError when the model returns NaN or not every position's logits.
    """
    model = open_model(model_dir)
    chosen: list[str | None] = []
    for task in label_tasks(model_dir, rows, labels, model.encode):
        chosen.append(labels[best_label(task.completions, _source(model, task))] if task else None)
        if progress:
            progress(len(chosen), len(rows))
    return chosen


def _source(model: LanguageModel, task: LabelTask) -> LogprobsAlong:
    """Log-probabilities from one generation that is rewound to the end of the prompt for every sequence."""
    longest = max(len(completion) for completion in task.completions)
    generation = model.generation(len(task.prompt) + longest)
    last: np.ndarray | None = None
    for logits in append_in_chunks(generation, task.prompt, model.vocabulary):
        last = logits[-1, : model.vocabulary]
    if last is None:
        raise DataError("a row renders to no tokens", next_step="check the rows and the chat template")
    # Stored, because rewinding does not restore the prompt's logits (tested, genai 0.14.1).
    after_prompt = next_logprobs_of(last)

    def along(sequence: Tokens) -> Iterator[np.ndarray]:
        yield after_prompt
        if sequence:
            generation.rewind(len(task.prompt))
            for logits in append_in_chunks(generation, sequence, model.vocabulary):
                yield from (next_logprobs_of(row) for row in logits[:, : model.vocabulary])

    return lambda sequences: (along(sequence) for sequence in sequences)


def next_logprobs_of(logits: np.ndarray) -> np.ndarray:
    """log softmax in float64 nats of one position's logits [vocabulary]; JobError when they are not finite."""
    if not np.isfinite(logits).all():
        raise JobError("the model returned NaN or infinite logits", next_step="train, merge or export it again")
    return log_softmax(logits.astype(np.float64))


def label_tasks(
    model_dir: Path, rows: Sequence[Example], labels: Sequence[str], encode_text: Callable[[str], list[int]]
) -> Iterator[LabelTask | None]:
    """Each row's prompt and the labels in place of its answer, tokenized separately as in training and at inference.

    None for a row that does not fit the context with its longest label. DataError for no labels.
    """
    if not labels:
        raise DataError("there are no labels to score", next_step="give the dataset class labels")
    limit = context_length(model_dir)
    known: dict[tuple[str, ...], Tokens] = {}  # most templates render a label the same after every prompt
    for row in rows:
        rendered = [
            render_prompt(model_dir, (*row.messages[:-1], {**row.messages[-1], "content": label}), row.tools)
            for label in labels
        ]
        for parts in {r.completion_parts for r in rendered} - known.keys():
            known[parts] = tuple(encode_parts(encode_text, parts))
        task = LabelTask(
            prompt=tuple(encode_parts(encode_text, rendered[0].prefix_parts)),
            completions=tuple(known[r.completion_parts] for r in rendered),
        )
        needed = len(task.prompt) + max(len(completion) for completion in task.completions)
        if limit is not None and needed > limit:
            yield None
        else:
            yield task


def best_label(completions: Sequence[Sequence[int]], logprobs_along: LogprobsAlong, *, width: int = 1) -> int:
    """Index of the completion with the highest total log-probability; the first of those that are equal.

    Best-first search over the trie of the completions: a log-probability is at most 0, so that of a path bounds every
    completion below it, and the first whole completion at the head of the queue is the argmax
    (uniform-cost search; E. W. Dijkstra, Numer. Math. 1 (1959)). The model is asked for a whole completion below a
    path, which answers for every path on the way, and for ``width`` of them at a time: a model that computes a batch as
    fast as one token loses nothing by evaluating more paths than necessary. DataError when one completion is a prefix
    of another.
    """
    whole = [tuple(completion) for completion in completions]
    _refuse_prefixes(whole)
    known: dict[Tokens, Mapping[int, float]] = {}  # path → the log-probability of each token that goes on in the trie
    # (cost, first member, depth, members): members share their first ``depth`` tokens and cost nats so far. The second
    # field differs between any two entries, and puts the earlier label first where the costs are equal.
    queue: list[_Entry] = [(0.0, 0, 0, tuple(range(len(whole))))]
    while True:
        entry = heapq.heappop(queue)
        cost, first, depth, members = entry
        if depth == len(whole[first]):
            return first
        if whole[first][:depth] not in known:
            _learn(whole, known, [entry, *heapq.nsmallest(width - 1, queue)], logprobs_along)
        logprobs = known[whole[first][:depth]]
        for token, below in _by_token(whole, members, depth).items():
            heapq.heappush(queue, (cost - min(logprobs[token], 0.0), below[0], depth + 1, below))


def _learn(
    whole: Sequence[Tokens], known: dict[Tokens, Mapping[int, float]], entries: Sequence[_Entry], along: LogprobsAlong
) -> None:
    """Adds to ``known`` what the model says along the first completion below each entry that is not known yet."""
    open_ = [(whole[first], depth) for _, first, depth, _ in entries if depth < len(whole[first])]
    wanted = [completion for completion, depth in open_ if completion[:depth] not in known]
    # Nothing follows the last token. What follows the prompt says which completions are worth asking for.
    sequences = [completion[:-1] for completion in wanted] if known else [()]
    for sequence, rows in zip(sequences, along(sequences), strict=True):
        for depth, row in enumerate(rows):
            path = sequence[:depth]
            if path not in known:
                following = {each[depth] for each in whole if each[:depth] == path and len(each) > depth}
                known[path] = {token: float(row[token]) for token in following}


def _by_token(completions: Sequence[Sequence[int]], members: Sequence[int], depth: int) -> Mapping[int, Tokens]:
    by_token: dict[int, Tokens] = {}
    for member in members:
        token = completions[member][depth]
        by_token[token] = (*by_token.get(token, ()), member)
    return by_token


def _refuse_prefixes(completions: Sequence[Sequence[int]]) -> None:
    """DataError when a completion is a prefix of another: without an end token the shorter could never lose."""
    distinct = sorted({tuple(completion) for completion in completions})
    if any(longer[: len(shorter)] == shorter for shorter, longer in pairwise(distinct)):
        raise DataError(
            "a label is a prefix of another and no token ends the answer",
            next_step="give the model's tokenizer an eos_token or a chat template that ends the answer",
        )
