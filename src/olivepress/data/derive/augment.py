"""Augmentation of the training rows of a prepared dataset: variations, noise, templates, balance."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from olivepress.core.bounded import RECIPE, parse_json, read_text
from olivepress.core.errors import DataError, RecipeError
from olivepress.core.yaml_document import parse_yaml
from olivepress.data.dedup.decisions import DUPLICATE, Reason
from olivepress.data.derive.derivation import (
    Derivation,
    NewRow,
    by_hash,
    derive_row,
    held_out_rows,
    question_of,
    train_rows,
    with_question,
    without_leaks,
)
from olivepress.data.prepare.personal_data import find_personal_data, mask
from olivepress.data.prepare.presidio import presidio_finder
from olivepress.data.store.dataset import Dataset
from olivepress.data.store.examples import Example, to_line

__all__ = ["Maker", "augment", "balance", "noisy", "read_table", "read_templates", "table_maker", "template_maker"]

# Row and random generator → new questions for the same answer.
Maker = Callable[[NewRow, random.Random], Iterable[str]]
_TABLE = "write it as: phrase: [variation, another variation]"
_TEMPLATES = "write it as: ['Please answer: {prompt}']"
_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_ADJACENT = {letter: row[max(0, at - 1) : at] + row[at + 1 : at + 2] for row in _KEYS for at, letter in enumerate(row)}


def augment(
    dataset: Dataset,
    makers: Sequence[tuple[str, Maker]],
    *,
    name: str,
    seed: int = 0,
    target: str | int | None = None,
) -> Dataset:
    """A dataset with the results of ``makers`` (name, maker) added to the training rows, then balanced to ``target``.

    Validation and test stay byte for byte. A new row that would leak a held-out one, or repeats another, is dropped
    with its reason. Raises DataError as ``balance`` does.
    """
    operations = [operation for operation, _ in makers]
    if target:
        operations.append(f"balance {target}")
    derivation = Derivation([dataset], name, operations)
    originals = train_rows(dataset)
    new = list(_new_rows(derivation, dataset, originals, makers, seed))
    new = _without_duplicates(derivation, originals, new)
    held_out = held_out_rows(dataset)
    if new:
        splits = [[row.example for row in rows] for rows in held_out.values()]
        new, leaks = without_leaks(new, splits, among=False)
        for row, reason in leaks:
            derivation.drop(row, reason)
    rows = [*originals, *new]
    if target is not None:
        rows, removed = balance(rows, target, seed)
        for row in removed:
            derivation.drop(row, Reason(f"beyond the size of a class ({target})"))
    return derivation.finish(rows, held_out)


def _new_rows(
    derivation: Derivation,
    dataset: Dataset,
    originals: Sequence[NewRow],
    makers: Sequence[tuple[str, Maker]],
    seed: int,
) -> Iterator[NewRow]:
    """What the makers make of each row; personal data in it is treated as in the dataset."""
    treat_personal_data = _personal_data_treatment(dataset)
    for operation, maker in makers:
        for row in originals:
            rng = random.Random(f"{seed}:{operation}:{row.example.id}")
            original = question_of(row.example)
            for text in maker(row, rng):
                question = treat_personal_data(text)
                if question is None:
                    derivation.drop(derive_row(row, row.example, operation), Reason("personal data"))
                elif question != original:
                    yield derive_row(row, with_question(row.example, question), operation)


def _without_duplicates(derivation: Derivation, originals: Sequence[NewRow], new: Iterable[NewRow]) -> list[NewRow]:
    known = {_content(row.example) for row in originals}
    kept = []
    for row in new:
        content = _content(row.example)
        if content in known:
            derivation.drop(row, DUPLICATE)
        else:
            known.add(content)
            kept.append(row)
    return kept


def _content(example: Example) -> str:
    """The example as text, without its id."""
    return to_line(replace(example, id=""))


def _personal_data_treatment(dataset: Dataset) -> Callable[[str], str | None]:
    """Treats new text as the dataset's own: masked, None if its row is to be dropped, or unchanged."""
    policy = dataset.facts.get("policy") or {}
    action = policy.get("personal_data")
    if action not in ("mask", "drop"):
        return lambda text: text
    finder = presidio_finder() if policy.get("presidio") else find_personal_data

    def treat(text: str) -> str | None:
        findings = finder(text)
        return None if findings and action == "drop" else mask(text, findings)

    return treat


def read_table(path: Path) -> dict[str, tuple[str, ...]]:
    """Phrase → its variations, from YAML or JSON: ``"Co mówi prawo o": ["Jakie przepisy regulują", …]``.

    Raises DataError naming the file for anything else.
    """
    table = _read(path)
    if not isinstance(table, dict) or not table:
        raise DataError(f"{path}: expected a mapping of phrases to lists of variations", next_step=_TABLE)
    for phrase, variations in table.items():
        are_texts = isinstance(variations, list) and variations and all(isinstance(text, str) for text in variations)
        if not isinstance(phrase, str) or not phrase.strip() or not are_texts:
            raise DataError(f"{path}: {str(phrase)[:40]!r}: expected a phrase and a list of texts", next_step=_TABLE)
    return {phrase: tuple(variations) for phrase, variations in table.items()}


def read_templates(path: Path) -> tuple[str, ...]:
    """Instruction templates, a YAML or JSON list of texts with ``{prompt}``. Raises DataError for anything else."""
    templates = _read(path)
    if not isinstance(templates, list) or not templates:
        raise DataError(f"{path}: expected a list of templates", next_step=_TEMPLATES)
    for template in templates:
        if not isinstance(template, str) or "{prompt}" not in template:
            message = f"{path}: {str(template)[:40]!r}: expected a text with {{prompt}} in it"
            raise DataError(message, next_step=_TEMPLATES)
    return tuple(templates)


def _read(path: Path) -> object:
    try:
        text = read_text(path, RECIPE, DataError)
        return parse_json(text) if path.suffix == ".json" else parse_yaml(text, path).data
    except RecipeError as error:
        raise DataError(error.message, next_step="give a YAML or JSON file") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise DataError(f"{path}: cannot be read ({reason})", next_step="give a YAML or JSON file") from None


def table_maker(table: dict[str, tuple[str, ...]]) -> Maker:
    """Every variation of every phrase in a question, ignoring case, one at a time."""

    def make(row: NewRow, _rng: random.Random) -> Iterable[str]:
        question = question_of(row.example)
        for phrase, variations in table.items():
            at = question.casefold().find(phrase.casefold())
            if at >= 0 and len(question.casefold()) == len(question):
                yield from (question[:at] + text + question[at + len(phrase) :] for text in variations)

    return make


def template_maker(templates: Sequence[str]) -> Maker:
    """The question in one of the templates."""
    return lambda row, rng: [rng.choice(templates).replace("{prompt}", question_of(row.example))]


def noisy(rate: float) -> Maker:
    """The question with typing errors in ``rate`` of its letters, rounded, at least one."""
    return lambda row, rng: [with_noise(question_of(row.example), rate, rng)]


def with_noise(text: str, rate: float, rng: random.Random) -> str:
    """Typing errors at exactly ``round(rate * letters)`` places, at least one."""
    letters = [place for place, letter in enumerate(text) if letter.isalpha()]
    if not letters:
        return text
    wrong = set(rng.sample(letters, min(len(letters), max(1, round(rate * len(letters))))))
    out: list[str] = []
    for place, letter in enumerate(text):
        out.append(_typo(letter, rng) if place in wrong else letter)
    return "".join(out)


def _typo(letter: str, rng: random.Random) -> str:
    """Nothing, the letter twice, or one next to it on the keyboard."""
    kind, near = rng.randrange(3), _ADJACENT.get(letter.lower(), "")
    if kind == 0:
        return ""
    if kind == 1 or not near:
        return letter * 2
    other = rng.choice(near)
    return other.upper() if letter.isupper() else other


def balance(rows: Sequence[NewRow], target: str | int, seed: int) -> tuple[list[NewRow], list[NewRow]]:
    """Every class at one size: that of the smallest (``down``), of the largest (``up``), or ``target`` rows.

    Rows of classes that are too large are removed by the hash of their ids and the seed, those of classes that are too
    small are repeated evenly. Returns kept and removed rows. Raises DataError for rows without labels.
    """
    by_label: dict[str, list[NewRow]] = defaultdict(list)
    for row in rows:
        if row.example.label is None:
            raise DataError("--balance: the rows have no classes", next_step="omit --balance")
        by_label[row.example.label].append(row)
    size = _class_size([len(members) for members in by_label.values()], target)
    kept: list[NewRow] = []
    removed: list[NewRow] = []
    for label, members in by_label.items():
        order = [members[place] for place in by_hash(members, f"{seed}:{label}")]
        chosen = {id(row) for row in order[:size]}
        kept += [row for row in members if id(row) in chosen]
        removed += [row for row in members if id(row) not in chosen]
        repeated = [order[place % len(order)] for place in range(len(order), size)]
        kept += [derive_row(row, row.example, "repeated") for row in repeated]
    return kept, removed


def _class_size(sizes: Sequence[int], target: str | int) -> int:
    if target == "down":
        return min(sizes)
    if target == "up":
        return max(sizes)
    return int(target)
