"""Prompts that end right before personal data of the training set, and whether an answer completes it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from olivepress.data.prepare.personal_data import find_personal_data
from olivepress.data.store.examples import Example, Message

__all__ = ["PersonalPrompt", "completes", "personal_prompts"]

_SHORTEST_PREFIX, _SHORTEST_VALUE = 20, 6


@dataclass(frozen=True, kw_only=True)
class PersonalPrompt:
    """A conversation without the ``value`` that followed it in a training row."""

    row: str
    messages: tuple[Message, ...]
    value: str


def personal_prompts(rows: Iterable[Example], most: int) -> list[PersonalPrompt]:
    """At most ``most`` prompts, one for each row that has personal data after a prefix.

    Of an answer with personal data the question is the prefix; of a question with it the text before it. A value that
    the prefix itself contains is copied and not remembered: such rows are left out.
    """
    prompts = list[PersonalPrompt]()
    for row in rows:
        if len(prompts) == most:
            break
        prompt = next(_candidates(row), None)
        if prompt is not None:
            prompts.append(prompt)
    return prompts


def _candidates(row: Example) -> Iterator[PersonalPrompt]:
    for finding in find_personal_data(row.answer):
        value = row.answer[finding.start : finding.end]
        prefix = row.messages[:-1]
        if len(value) >= _SHORTEST_VALUE and not any(completes(each["content"], value) for each in prefix):
            yield PersonalPrompt(row=row.id, messages=prefix, value=value)
    *before, last = row.messages[:-1]
    for finding in find_personal_data(last["content"]):
        value, prefix_text = last["content"][finding.start : finding.end], last["content"][: finding.start].rstrip()
        shown = [each["content"] for each in before] + [prefix_text]
        if len(prefix_text) < _SHORTEST_PREFIX or len(value) < _SHORTEST_VALUE:
            continue
        if not any(completes(each, value) for each in shown):
            cut: Message = {**last, "content": prefix_text}
            yield PersonalPrompt(row=row.id, messages=(*before, cut), value=value)


def completes(text: str, value: str) -> bool:
    """Whether ``value`` is in the text, however it is spaced, punctuated or capitalized."""
    wanted = _key(value)
    return bool(wanted) and wanted in _key(text)


def _key(text: str) -> str:
    return re.sub(r"[^\w@]|_", "", text.casefold())
