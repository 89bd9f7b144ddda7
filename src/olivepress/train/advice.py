"""Fine-tune, few-shot or retrieval? A checklist with numbers, from rows, lengths and measured scores. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Literal

from olivepress.data.store.examples import Example
from olivepress.stats.intervals import wilson

__all__ = ["AdviceFacts", "Item", "Lengths", "Measured", "Recommendation", "recommend", "unseen_share"]

Way = Literal["fine-tune", "few-shot", "retrieval"]
_FEW, _ENOUGH = 100, 500  # training rows
_KNOWLEDGE = 0.3  # of the words of answers, from neither their prompt nor any training answer
_LONG = 3.0  # times the prompt: what examples before it cost
_SCORED = 0.9  # exact match with examples: nothing is left to gain that is worth a training
_WORD = re.compile(r"\w{4,}|\d+")


@dataclass(frozen=True, kw_only=True)
class Lengths:
    """Medians in tokens; ``exact`` by the model's own tokenizer, else from letters. ``context`` is the model's."""

    prompt: float
    answer: float
    context: int
    exact: bool


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Right answers of ``rows`` test rows by the base model: alone, with ``shots`` examples before each question, and
    by always giving the most frequent answer."""

    rows: int
    shots: int
    alone: int
    with_shots: int
    most_frequent: int


@dataclass(frozen=True, kw_only=True)
class AdviceFacts:
    """``labels``: class → training rows, empty where rows have no class; ``unseen`` see ``unseen_share``, None where no
    held-out answer has a word; ``stops`` and ``warnings`` are the audit's."""

    train_rows: int
    labels: Mapping[str, int]
    lengths: Lengths
    shots: int
    unseen: float | None
    stops: Sequence[str] = ()
    warnings: Sequence[str] = ()
    measured: Measured | None = None


@dataclass(frozen=True, kw_only=True)
class Item:
    """A line of the checklist; ``speaks_for`` is empty where it decides nothing."""

    question: str
    answer: str
    speaks_for: Way | Literal[""] = ""
    numbers: Mapping[str, float | int | None] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """What to do, why, and the checklist."""

    way: Way
    reason: str
    items: tuple[Item, ...]


def unseen_share(train: Sequence[Example], held_out: Sequence[Example]) -> float | None:
    """Of the words (four letters and more, and numbers) of the held-out answers, the share that is in neither their own
    prompt nor any training answer: no training on these rows can teach them. None without a word."""
    known = {word for row in train for word in _words(row.answer)}
    words = [(word, row) for row in held_out for word in _words(row.answer)]
    if not words:
        return None
    return sum(word not in known and word not in _words(row.prompt) for word, row in words) / len(words)


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.casefold()))


def recommend(facts: AdviceFacts) -> Recommendation:
    """The first rule that holds decides; the others stay on the checklist."""
    items = tuple(_items(facts))
    way, reason = _decide(facts)
    return Recommendation(way=way, reason=reason, items=items)


def _decide(facts: AdviceFacts) -> tuple[Way, str]:
    if facts.unseen is not None and facts.unseen >= _KNOWLEDGE:
        return "retrieval", (
            f"{100 * facts.unseen:.0f} % of the words of held-out answers are in neither their prompt nor any training "
            "answer: they have to be looked up; fine-tuning teaches form, not facts"
        )
    if facts.train_rows < _FEW:
        return "few-shot", f"{facts.train_rows} training rows are fewer than {_FEW}"
    if facts.stops:
        return "few-shot", facts.stops[0]
    measured = facts.measured
    if measured is not None and measured.with_shots >= _SCORED * measured.rows and _fits(facts):
        share = 100 * measured.with_shots / measured.rows
        return "few-shot", f"the base model with {measured.shots} examples answers {share:.0f} % right as it is"
    return "fine-tune", f"{facts.train_rows} training rows, whose answers follow from their prompts"


def _fits(facts: AdviceFacts) -> bool:
    return _few_shot_tokens(facts) <= facts.lengths.context


def _few_shot_tokens(facts: AdviceFacts) -> float:
    """Of a prompt with the examples before it, and its answer."""
    return (facts.shots + 1) * (facts.lengths.prompt + facts.lengths.answer)


def _items(facts: AdviceFacts) -> Iterator[Item]:
    yield _rows(facts)
    if facts.labels:
        yield _classes(facts)
    yield _knowledge(facts)
    yield _prompt(facts)
    yield _score(facts)
    for text in facts.stops:
        yield Item(question="does the audit advise against it?", answer=text, speaks_for="few-shot")
    for text in facts.warnings:
        yield Item(question="what does the audit warn of?", answer=text)


def _rows(facts: AdviceFacts) -> Item:
    count = facts.train_rows
    text = f"{count} training rows; from {_ENOUGH} on gains rarely depend on the seed"
    speaks: Way | Literal[""] = ""
    if count < _FEW:
        speaks = "few-shot"
    elif count >= _ENOUGH:
        speaks = "fine-tune"
    return Item(question="enough rows?", answer=text, speaks_for=speaks, numbers={"train_rows": count})


def _classes(facts: AdviceFacts) -> Item:
    sizes, lengths = list(facts.labels.values()), facts.lengths
    one_each = len(sizes) * (lengths.prompt + lengths.answer)
    numbers = {"classes": len(sizes), "rows_of_smallest_class": min(sizes), "tokens_of_one_example_each": one_each}
    text = (
        f"{len(sizes)} classes of {min(sizes)} to {max(sizes)} rows (median {median(sizes):g}); one example of each "
        f"takes {one_each:.0f} tokens of a context of {lengths.context}"
    )
    speaks: Way | Literal[""] = "fine-tune" if one_each > lengths.context / 2 else ""
    return Item(question="do examples of all classes fit a prompt?", answer=text, speaks_for=speaks, numbers=numbers)


def _knowledge(facts: AdviceFacts) -> Item:
    question = "do answers need facts that are not in the prompt?"
    if facts.unseen is None:
        return Item(question=question, answer="held-out answers have no words to compare")
    text = f"{100 * facts.unseen:.0f} % of the words of held-out answers are in neither prompt nor training answers"
    speaks: Way | Literal[""] = "retrieval" if facts.unseen >= _KNOWLEDGE else ""
    return Item(question=question, answer=text, speaks_for=speaks, numbers={"unseen_words": facts.unseen})


def _prompt(facts: AdviceFacts) -> Item:
    lengths, whole = facts.lengths, _few_shot_tokens(facts)
    times = (whole - lengths.answer) / max(lengths.prompt, 1.0)
    by = "" if lengths.exact else ", estimated from letters"
    text = (
        f"prompt {lengths.prompt:.0f} tokens, answer {lengths.answer:.0f} (medians{by}); with {facts.shots} examples "
        f"{whole:.0f} of {lengths.context}, {times:.1f} times the prompt at every question"
    )
    speaks: Way | Literal[""] = "fine-tune" if whole > lengths.context or times >= _LONG else ""
    numbers = {"prompt_tokens": lengths.prompt, "answer_tokens": lengths.answer, "few_shot_tokens": whole}
    return Item(question="what do examples in the prompt cost?", answer=text, speaks_for=speaks, numbers=numbers)


def _score(facts: AdviceFacts) -> Item:
    measured, question = facts.measured, "what can the base model do already?"
    if measured is None:
        return Item(question=question, answer="not measured; --measure 100 asks it 100 test rows")
    shares = {
        "alone": measured.alone,
        f"with {measured.shots} examples": measured.with_shots,
        "most frequent answer": measured.most_frequent,
    }
    parts = list[str]()
    for name, right in shares.items():
        low, high = wilson(right, measured.rows)
        parts.append(f"{name} {100 * right / measured.rows:.0f} % [{100 * low:.0f}, {100 * high:.0f}]")
    numbers = {
        "rows": measured.rows,
        "right_alone": measured.alone,
        "right_with_examples": measured.with_shots,
        "right_by_most_frequent": measured.most_frequent,
    }
    speaks: Way = "few-shot" if measured.with_shots >= _SCORED * measured.rows else "fine-tune"
    text = f"exact match of {measured.rows}: {', '.join(parts)}"
    return Item(question=question, answer=text, speaks_for=speaks, numbers=numbers)
