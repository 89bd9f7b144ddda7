"""Few-shot examples before the question: the baseline that fine-tuning has to exceed."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path

from olivepress.core.errors import DataError
from olivepress.data.store.examples import Example, Message
from olivepress.data.store.reader import read_split

__all__ = ["add_shots", "choose_shots", "prompt_text", "with_shots"]


def add_shots(dataset_dir: Path, rows: Sequence[Example], k: int, *, seed: int = 0) -> tuple[Example, ...]:
    """The rows, each with the same ``k`` examples of the training split before its question; unchanged for k = 0.

    No example has the same prompt as one of ``rows``. DataError when the training split is missing or too small.
    """
    if k == 0:
        return tuple(rows)
    asked = {prompt_text(row.messages) for row in rows}
    shots = choose_shots(read_split(dataset_dir, "train").rows, k, seed=seed, exclude=asked)
    return tuple(replace(row, messages=with_shots(row.messages, shots)) for row in rows)


def choose_shots(
    rows: Sequence[Example], k: int, *, seed: int = 0, exclude: Collection[str] = frozenset()
) -> tuple[Example, ...]:
    """``k`` rows with different prompts, none of them in ``exclude`` (texts of ``prompt_text``).

    Where every row has a label, the labels alternate; else a plain sample. The order is that of the sha256 of seed and
    id: independent of the order of the file, and fewer shots are a prefix of more. DataError when fewer than
    ``k`` rows are left.
    """
    eligible: dict[str, Example] = {}
    for row in sorted(rows, key=lambda row: _rank(seed, row.id)):
        prompt = prompt_text(row.messages)
        if prompt not in exclude:
            eligible.setdefault(prompt, row)
    if not 0 <= k <= len(eligible):
        raise DataError(
            f"{k} few-shot examples requested, {len(eligible)} training rows are available",
            next_step="set benchmark.few_shot to at most that",
        )
    labelled = all(row.label is not None for row in eligible.values())
    groups: dict[str, list[Example]] = {}
    for row in eligible.values():
        groups.setdefault(row.label or "" if labelled else "", []).append(row)
    ordered = [groups[label] for label in sorted(groups, key=lambda label: _rank(seed, label))]
    turns = [row for turn in zip_longest(*ordered) for row in turn if row is not None]
    return tuple(turns[:k])


def with_shots(messages: Sequence[Message], shots: Sequence[Example]) -> tuple[Message, ...]:
    """The conversation with the shots' turns after its own system messages; the shots' system messages are dropped."""
    start = next((i for i, message in enumerate(messages) if message["role"] != "system"), len(messages))
    shown = [message for shot in shots for message in shot.messages if message["role"] != "system"]
    return (*messages[:start], *shown, *messages[start:])


def prompt_text(messages: Sequence[Message]) -> str:
    """The turns before the answer without system messages, case and white space normalised.

    Normalised because a shot that differs from a test question only in spelling reveals the answer as well.
    """
    turns = [message for message in messages[:-1] if message["role"] != "system"]
    return "\n".join(f"{m['role']}: {' '.join(m['content'].casefold().split())}" for m in turns)


def _rank(seed: int, text: str) -> str:
    return hashlib.sha256(f"{seed}:{text}".encode()).hexdigest()
