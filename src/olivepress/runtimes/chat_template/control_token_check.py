"""Reports rows whose texts contain control tokens, before training and measuring."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from olivepress.core.errors import DataError
from olivepress.data.store.examples import Example
from olivepress.runtimes.chat_template.prompts import end_texts, render_prompt
from olivepress.runtimes.chat_template.tokenizer_files import control_pattern

__all__ = ["control_token_notes", "first_ids", "unplaced_control_tokens"]

_NAMED_IDS = 3  # of the rows that a message is about


def first_ids(ids: Sequence[str]) -> str:
    """The ids of the first rows that a message is about."""
    return ", ".join(ids[:_NAMED_IDS]) + (", …" if len(ids) > _NAMED_IDS else "")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, entry in value.items():
            yield from _texts(name)
            yield from _texts(entry)
    elif isinstance(value, list | tuple):
        for entry in value:
            yield from _texts(entry)


def _affected(model_dir: Path, rows: Iterable[Example]) -> Iterator[tuple[Example, frozenset[str], bool]]:
    """(row, control tokens in its texts, whether its answer ends with end tokens) of the rows that contain some."""
    pattern = control_pattern(model_dir)
    ends = tuple(end_texts(model_dir))
    if pattern is None:
        return
    for row in rows:
        tokens = {match for text in _texts([*row.messages, *(row.tools or ())]) for match in pattern.findall(text)}
        if tokens:
            yield row, frozenset(tokens), bool(ends) and str(row.messages[-1]["content"]).rstrip().endswith(ends)


def control_token_notes(model_dir: Path, rows: Sequence[Example]) -> Iterator[str]:
    """One line that counts the rows with control tokens in their texts, if there are any."""
    affected = list(_affected(model_dir, rows))
    if not affected:
        return
    counts = Counter(token for _, tokens, _ in affected for token in tokens)
    commonest = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:5]
    which = ", ".join(f"{token} in {count}" for token, count in commonest)
    removed = sum(at_the_end for _, _, at_the_end in affected)
    whose = f"{which} ({first_ids([row.id for row, _, _ in affected])})"
    yield (
        f"{len(affected)} of {len(rows)} rows have control tokens of {model_dir} in their texts: {whose}; "
        f"removed at the end of {removed} answers, elsewhere tokenized as plain text"
    )


def unplaced_control_tokens(model_dir: Path, rows: Sequence[Example]) -> Iterator[str]:
    """One line for the rows whose control tokens cannot be distinguished from the template's, if there are any."""
    ids, reason = [], ""
    for row, _, _ in _affected(model_dir, rows):
        try:
            render_prompt(model_dir, row.messages, row.tools)
        except DataError as error:
            ids.append(row.id)
            reason = error.message
    if ids:
        yield f"{reason}: {len(ids)} of {len(rows)} rows contain some ({first_ids(ids)})"
