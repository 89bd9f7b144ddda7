"""Augmentation of a prepared dataset, of its training rows alone: variations, noise, templates, balance."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from olivepress.core.bounded import RECIPE, parse_json, read_text
from olivepress.core.errors import DataError, RecipeError
from olivepress.core.yaml_document import parse_yaml
from olivepress.data.derive.derive import (
    Derivation,
    NewRow,
    by_hash,
    held_out_rows,
    made,
    question_of,
    train_rows,
    with_question,
    without_leaks,
)
from olivepress.data.prepare.personal import find_personal, mask
from olivepress.data.prepare.presidio import presidio_finder
from olivepress.data.store.dataset import Dataset
from olivepress.data.store.examples import Example, to_line

__all__ = ["Maker", "augment", "balance", "noisy", "read_table", "read_templates", "table_maker", "template_maker"]

# Row and chance → new questions for the same answer.
Maker = Callable[[NewRow, random.Random], Iterable[str]]
_TABLE = "write it as: phrase: [variation, another variation]"
_TEMPLATES = "write it as: ['Please answer: {prompt}']"
_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_NEAR = {letter: row[max(0, at - 1) : at] + row[at + 1 : at + 2] for row in _KEYS for at, letter in enumerate(row)}


def augment(
    dataset: Dataset,
    makers: Sequence[tuple[str, Maker]],
    *,
    name: str,
    seed: int = 0,
    target: str | int | None = None,
) -> Dataset:
    """A dataset with what ``makers`` (name, maker) make of every training row beside it; then balanced to ``target``.

    Validation and test stay byte for byte. A new row that would leak a held-out one, or repeats another, is dropped
    with its reason. Raises DataError as ``balance`` does.
    """
    derivation = Derivation([dataset], name, [how for how, _ in makers] + ([f"balance {target}"] if target else []))
    originals, new = train_rows(dataset), list[NewRow]()
    without_personal = _personal_data_as_in(dataset)
    for how, maker in makers:
        for row in originals:
            chance = random.Random(f"{seed}:{how}:{row.example.id}")
            asked = question_of(row.example)
            for text in maker(row, chance):
                question = without_personal(text)
                if question is None:
                    derivation.drop(made(row, row.example, how), "personal data")
                elif question != asked:
                    new.append(made(row, with_question(row.example, question), how))
    held_out = held_out_rows(dataset)
    known = {_content(row.example) for row in originals}
    fresh = []
    for row in new:
        if _content(row.example) in known:
            derivation.drop(row, "duplicate: same prompt and answer")
        else:
            known.add(_content(row.example))
            fresh.append(row)
    splits = [[row.example for row in rows] for rows in held_out.values()]
    kept, leaks = without_leaks(fresh, splits, among=False) if fresh else ([], [])
    for row, why in leaks:
        derivation.drop(row, why)
    rows = [*originals, *kept]
    if target is not None:
        rows, left = balance(rows, target, seed)
        for row in left:
            derivation.drop(row, f"beyond the size of a class ({target})")
    return derivation.finish(rows, held_out)


def _content(example: Example) -> str:
    """What an example says, whatever its id."""
    return to_line(replace(example, id=""))


def _personal_data_as_in(dataset: Dataset) -> Callable[[str], str | None]:
    """New text as the dataset's own was treated: masked, None where its row is to be dropped, or as it is."""
    policy = dataset.facts.get("policy") or {}
    action = policy.get("personal_data")
    if action not in ("mask", "drop"):
        return lambda text: text
    finder = presidio_finder() if policy.get("presidio") else find_personal

    def treated(text: str) -> str | None:
        findings = finder(text)
        return None if findings and action == "drop" else mask(text, findings)

    return treated


def read_table(path: Path) -> dict[str, tuple[str, ...]]:
    """Phrase → what may stand in its place, from YAML or JSON: ``"Co mówi prawo o": ["Jakie przepisy regulują", …]``.

    DataError with the file for anything else.
    """
    table = _read(path)
    if not isinstance(table, dict) or not table:
        raise DataError(f"{path}: expected a mapping of phrases to lists of variations", next_step=_TABLE)
    for phrase, variations in table.items():
        held = isinstance(variations, list) and variations and all(isinstance(one, str) for one in variations)
        if not isinstance(phrase, str) or not phrase.strip() or not held:
            raise DataError(f"{path}: {str(phrase)[:40]!r}: expected a phrase and a list of texts", next_step=_TABLE)
    return {phrase: tuple(variations) for phrase, variations in table.items()}


def read_templates(path: Path) -> tuple[str, ...]:
    """Instruction templates, a YAML or JSON list of texts with ``{prompt}`` in each. DataError for anything else."""
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
        what = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise DataError(f"{path}: cannot be read ({what})", next_step="give a YAML or JSON file") from None


def table_maker(table: dict[str, tuple[str, ...]]) -> Maker:
    """Every variation of every phrase that a question holds, whatever its case, one at a time."""

    def make(row: NewRow, chance: random.Random) -> Iterable[str]:
        asked = question_of(row.example)
        for phrase, variations in table.items():
            at = asked.casefold().find(phrase.casefold())
            if at >= 0 and len(asked.casefold()) == len(asked):
                yield from (asked[:at] + one + asked[at + len(phrase) :] for one in variations)

    return make


def template_maker(templates: Sequence[str]) -> Maker:
    """The question in one of the templates."""
    return lambda row, chance: [chance.choice(templates).replace("{prompt}", question_of(row.example))]


def noisy(rate: float) -> Maker:
    """The question with typing errors in ``rate`` of its letters, rounded, at least one."""
    return lambda row, chance: [with_noise(question_of(row.example), rate, chance)]


def with_noise(text: str, rate: float, chance: random.Random) -> str:
    """Typing errors at exactly ``round(rate * letters)`` places, at least one."""
    letters = [place for place, letter in enumerate(text) if letter.isalpha()]
    if not letters:
        return text
    wrong = set(chance.sample(letters, min(len(letters), max(1, round(rate * len(letters))))))
    out: list[str] = []
    for place, letter in enumerate(text):
        out.append(_typo(letter, chance) if place in wrong else letter)
    return "".join(out)


def _typo(letter: str, chance: random.Random) -> str:
    """The letter left out, doubled, or the one beside it on the keyboard."""
    kind, near = chance.randrange(3), _NEAR.get(letter.lower(), "")
    if kind == 0:
        return ""
    if kind == 1 or not near:
        return letter * 2
    other = chance.choice(near)
    return other.upper() if letter.isupper() else other


def balance(rows: Sequence[NewRow], target: str | int, seed: int) -> tuple[list[NewRow], list[NewRow]]:
    """Every class at one size: that of the smallest (``down``), of the largest (``up``), or ``target`` rows.

    Too large classes lose rows by the hash of their ids and the seed (returned apart), too small ones repeat theirs
    evenly. DataError for rows without labels.
    """
    by_label: dict[str, list[NewRow]] = defaultdict(list)
    for row in rows:
        if row.example.label is None:
            raise DataError("--balance: the rows have no classes", next_step="leave out --balance")
        by_label[row.example.label].append(row)
    sizes = [len(held) for held in by_label.values()]
    size = min(sizes) if target == "down" else max(sizes) if target == "up" else int(target)
    kept: list[NewRow] = []
    left: list[NewRow] = []
    for label, held in by_label.items():
        order = [held[place] for place in by_hash(held, f"{seed}:{label}")]
        chosen = {id(row) for row in order[:size]}
        kept += [row for row in held if id(row) in chosen]
        left += [row for row in held if id(row) not in chosen]
        more = [order[place % len(order)] for place in range(len(order), size)]
        kept += [made(row, row.example, "repeated") for row in more]
    return kept, left
