"""Datasets derived from datasets: training rows change, held-out rows stay, and new rows have a lineage."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from olivepress.core.errors import DataError
from olivepress.core.names import slug
from olivepress.data.dedup.decisions import Decisions, Reason
from olivepress.data.dedup.duplicates import drop_duplicates, find_boilerplate
from olivepress.data.dedup.keys import keys_of
from olivepress.data.dedup.overlaps import drop_overlaps
from olivepress.data.policy import Policy
from olivepress.data.prepare.advice import advise
from olivepress.data.prepare.audit import Audit, Place
from olivepress.data.prepare.statistics import Collector, Statistics
from olivepress.data.store.dataset import Dataset
from olivepress.data.store.examples import SPLITS, Example, Message, content_id, to_line
from olivepress.data.store.row_store import Keys, Origin, RowStore, digest64
from olivepress.data.store.split_file import SplitFile

__all__ = [
    "Derivation",
    "NewRow",
    "by_hash",
    "derive_row",
    "held_out_rows",
    "lineage_of",
    "question_of",
    "row_keys",
    "sample_rows",
    "shuffle_rows",
    "train_rows",
    "with_question",
    "without_leaks",
]

Lineage = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class NewRow:
    """An example and its lineage: file, line and row of its source, ``made_by`` and ``parent`` (an id)."""

    example: Example
    lineage: Lineage


def question_of(example: Example) -> str:
    """The last user message, which the answer replies to."""
    return next((m["content"] for m in reversed(example.messages[:-1]) if m["role"] == "user"), "")


def with_question(example: Example, question: str) -> Example:
    """The example with another last user message, under the id of its new content."""
    at = max((i for i, m in enumerate(example.messages[:-1]) if m["role"] == "user"), default=None)
    if at is None:
        return example
    changed: Message = {**example.messages[at], "content": question}
    messages = (*example.messages[:at], changed, *example.messages[at + 1 :])
    prompt = "\n".join(f"{m['role']}: {m['content']}" for m in messages[:-1]) if len(messages) > 2 else question
    return replace(example, id=content_id(prompt, example.answer), messages=messages)


def lineage_of(dataset: Dataset) -> dict[str, Lineage]:
    """Row id → its lineage; empty if none was written."""
    path = dataset.files / "lineage.jsonl" if dataset.files else None
    if path is None or not path.is_file():
        return {}
    with path.open(encoding="utf-8") as file:
        return {entry["id"]: entry for entry in map(json.loads, file)}


def train_rows(dataset: Dataset) -> list[NewRow]:
    """The training rows, each with its lineage."""
    return _rows_of(dataset, "train", lineage_of(dataset))


def held_out_rows(dataset: Dataset) -> dict[str, list[NewRow]]:
    """The rows of validation and test, each with its lineage."""
    lineage = lineage_of(dataset)
    return {split: _rows_of(dataset, split, lineage) for split in ("validation", "test")}


def _rows_of(dataset: Dataset, split: str, lineage: Mapping[str, Lineage]) -> list[NewRow]:
    rows = []
    for number, example in enumerate(dataset.splits[split], start=1):
        unknown = {"file": dataset.name, "line": number, "row": number}
        rows.append(NewRow(example=example, lineage=lineage.get(example.id, unknown)))
    return rows


def derive_row(row: NewRow, example: Example, operation: str) -> NewRow:
    """A row that ``operation`` derives from ``row``."""
    origin = {key: row.lineage[key] for key in ("file", "line", "row") if key in row.lineage}
    return NewRow(example=example, lineage={**origin, "made_by": operation, "parent": row.example.id})


def without_leaks(
    rows: Sequence[NewRow], held_out: Sequence[Sequence[Example]], *, among: bool = True
) -> tuple[list[NewRow], list[tuple[NewRow, Reason]]]:
    """Rows that neither repeat nor overlap with held-out ones, and the other rows with their reasons.

    The criteria are those of preparing: equal prompts, near duplicates, 13 words in a row. With ``among``, rows that
    repeat another new row are removed too.
    """
    policy = Policy(languages=False)
    with TemporaryDirectory(prefix="olivepress-leaks-") as scratch:
        store = RowStore(Path(scratch))
        for example in (example for split in held_out for example in split):
            _append(store, example, SPLITS.index("test"))
        first = len(store)
        for row in rows:
            _append(store, row.example, SPLITS.index("train"))
        decisions = _decide(store, policy)
        store.close()
    kept: list[NewRow] = []
    removed: list[tuple[NewRow, Reason]] = []
    for row, number, other in zip(rows, decisions.reason[first:].tolist(), decisions.other[first:], strict=True):
        if number >= 0 and (among or other < first):
            removed.append((row, decisions.reasons[number]))
        else:
            kept.append(row)
    return kept, removed


def _decide(store: RowStore, policy: Policy) -> Decisions:
    decisions = Decisions(store)
    boilerplate = find_boilerplate(store, policy.seed)
    drop_duplicates(store, decisions, policy, boilerplate, _no_progress)
    drop_overlaps(
        store,
        decisions,
        store.splits,
        policy,
        boilerplate,
        against=SPLITS.index("test"),
        against_name="a held-out split",
        on_progress=_no_progress,
    )
    return decisions


def _no_progress(_stage: str, _done: int, _total: int) -> None:
    """These steps are short."""


def row_keys(example: Example) -> Keys:
    """The keys that the example is compared by."""
    question = question_of(example)
    asked, rejected = question or example.answer, example.rejected
    return keys_of(example.messages, example.tools, question=asked, plain=not question, rejected=rejected)


def _append(store: RowStore, example: Example, split: int) -> None:
    origin = Origin(file=0, line=len(store), row=len(store), split=split)
    store.append(to_line(example), row_keys(example), origin, label=example.label)


class Derivation:
    """Collects the parts of a derived dataset; ``finish`` writes it into a scratch directory with audit and lineage.

    ``left_out``: parent → the number of usable training rows that were not taken from it.
    """

    def __init__(self, parents: Sequence[Dataset], name: str, operations: Sequence[str]) -> None:
        self.parents, self.name, self.operations = parents, slug(name), list(operations)
        self.scratch = TemporaryDirectory(prefix="olivepress-data-")
        self.audit = Audit(Path(self.scratch.name, "audit.jsonl"))
        self.left_out: dict[str, int] = {}
        self.leaks = 0

    def drop(self, row: NewRow, reason: Reason) -> None:
        """Record a new row, or one of a parent, that is not kept."""
        lineage = row.lineage
        line = int(lineage.get("line", 0))
        self.audit.event(
            "dropped", Place(str(lineage.get("file", "")), line, int(lineage.get("row", line))), reason.text
        )
        self.leaks += reason.is_leak

    def finish(self, train: Sequence[NewRow], held_out: Mapping[str, Sequence[NewRow]]) -> Dataset:
        """The dataset of these rows; repeated ids get a number. Raises DataError when no training row is left."""
        self.audit.file.close()
        directory = Path(self.scratch.name)
        if not train:
            raise DataError(
                f"{self.name}: no training row is left", next_step="request fewer changes or give more rows"
            )
        statistics = self._write({"train": train, **held_out}, directory)
        advice = advise(train_rows=len(train), rows=len(train), near=0, overlaps=self.leaks, statistics=statistics)
        only_parent = self.parents[0] if len(self.parents) == 1 else None
        return Dataset(
            name=self.name,
            format="+".join(dict.fromkeys(parent.format for parent in self.parents)),
            synthetic=any(parent.synthetic for parent in self.parents),
            splits={split: SplitFile(directory / f"{split}.jsonl", self.scratch) for split in SPLITS},
            dropped=dict(self.audit.counts["dropped"]),
            json_schema=self._shared_schema(),
            facts={
                "source": only_parent.facts.get("source", {}) if only_parent else {},
                "parents": [{"name": parent.name, "version": parent.version} for parent in self.parents],
                "operations": self.operations,
                "left_out": self.left_out,
                "policy": only_parent.facts.get("policy", {}) if only_parent else {},
                "statistics": asdict(statistics),
                "advice": [asdict(each) for each in advice],
            },
            files=directory,
            scratch=self.scratch,
        )

    def _shared_schema(self) -> dict[str, Any] | None:
        """What all parents' answers conform to; None where they differ."""
        first = self.parents[0].json_schema
        return first if all(parent.json_schema == first for parent in self.parents) else None

    def _write(self, rows: Mapping[str, Sequence[NewRow]], directory: Path) -> Statistics:
        collector = Collector(tokenizer=None, max_length=None, rows=sum(map(len, rows.values())), seed=0)
        with (directory / "lineage.jsonl").open("w", encoding="utf-8") as lineage:
            for split in SPLITS:
                with (directory / f"{split}.jsonl").open("w", encoding="utf-8", newline="\n") as file:
                    for row in _with_unique_ids(rows[split]):
                        line = to_line(row.example)
                        file.write(line)
                        lineage.write(json.dumps({**row.lineage, "id": row.example.id}, ensure_ascii=False) + "\n")
                        collector.add(split, line)
        return collector.statistics(languages=False)


def _with_unique_ids(rows: Iterable[NewRow]) -> Iterator[NewRow]:
    counts: dict[str, int] = {}
    for row in rows:
        name = row.example.id
        counts[name] = counts.get(name, 0) + 1
        if counts[name] == 1:
            yield row
        else:
            yield replace(row, example=replace(row.example, id=f"{name}-{counts[name]}"))


def sample_rows(rows: Sequence[NewRow], count: int, salt: str) -> list[NewRow]:
    """``count`` of the rows, in their order, chosen by hash: one more row changes at most one other choice."""
    ranked = by_hash(rows, salt)[:count]
    return [rows[place] for place in sorted(ranked)]


def by_hash(rows: Sequence[NewRow], salt: str) -> list[int]:
    """The indices of the rows, ordered by a hash of their ids."""
    return sorted(range(len(rows)), key=lambda place: digest64(f"{salt}:{rows[place].example.id}"))


def shuffle_rows(rows: Sequence[NewRow], seed: int) -> list[NewRow]:
    """The rows in a seeded random order."""
    return [rows[place] for place in np.random.default_rng(seed).permutation(len(rows)).tolist()]
