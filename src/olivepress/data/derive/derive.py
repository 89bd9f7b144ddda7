"""Datasets made from datasets: training rows change, held-out rows stay, and every new row says what it came from."""

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
from olivepress.data.dedup.duplicates import Decisions, boilerplate_of, decide_duplicates, drop_overlaps, leaks
from olivepress.data.prepare.advice import advise
from olivepress.data.prepare.audit import Audit, Place
from olivepress.data.prepare.keys import Keys, keys_of
from olivepress.data.prepare.policy import Policy
from olivepress.data.prepare.statistics import Collector, Statistics
from olivepress.data.store.dataset import Dataset
from olivepress.data.store.examples import SPLITS, Example, Message, content_id, to_line
from olivepress.data.store.row_store import Spool, digest64
from olivepress.data.store.rows import SplitFile

__all__ = ["Derivation", "NewRow", "lineage_of", "question_of", "with_question", "without_leaks"]

Lineage = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class NewRow:
    """An example and where it came from: file, line and row of its source, ``made_by`` and ``parent`` (an id)."""

    example: Example
    lineage: Lineage


def question_of(example: Example) -> str:
    """The last user message: what an answer is given to."""
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
    """Row id → its lineage; empty where none was written."""
    path = dataset.files / "lineage.jsonl" if dataset.files else None
    if path is None or not path.is_file():
        return {}
    with path.open(encoding="utf-8") as file:
        return {entry["id"]: entry for entry in map(json.loads, file)}


def train_rows(dataset: Dataset) -> list[NewRow]:
    """The training rows as they are, each with its lineage."""
    known = lineage_of(dataset)
    return [
        NewRow(example=example, lineage=known.get(example.id, {"file": dataset.name, "line": number, "row": number}))
        for number, example in enumerate(dataset.splits["train"], start=1)
    ]


def made(row: NewRow, example: Example, how: str) -> NewRow:
    """A row that was made from ``row``."""
    origin = {key: row.lineage[key] for key in ("file", "line", "row") if key in row.lineage}
    return NewRow(example=example, lineage={**origin, "made_by": how, "parent": row.example.id})


def without_leaks(
    rows: Sequence[NewRow], held_out: Sequence[Sequence[Example]], *, among: bool = True
) -> tuple[list[NewRow], list[tuple[NewRow, str]]]:
    """Rows that neither repeat nor overlap with held-out ones, and those that do with the reason.

    By the same measures as preparing: equal prompts, near duplicates, 13 words in a row. With ``among`` rows that
    repeat another new row fall too.
    """
    policy = Policy(languages=False)
    with TemporaryDirectory(prefix="olivepress-leaks-") as scratch:
        spool = Spool(Path(scratch))
        for example in (example for split in held_out for example in split):
            _append(spool, example, SPLITS.index("test"))
        first = len(spool)
        for row in rows:
            _append(spool, row.example, SPLITS.index("train"))
        decisions = Decisions(spool)
        boilerplate = boilerplate_of(spool, policy.seed)
        decide_duplicates(spool, decisions, policy, boilerplate, lambda *_: None)
        drop_overlaps(
            spool, decisions, spool.splits, policy, boilerplate, against=SPLITS.index("test"),
            reason="shares 13 words in a row with a held-out split", tell=lambda *_: None,
        )  # fmt: skip
        reasons = [decisions.reasons[code] if code >= 0 else "" for code in decisions.reason[first:].tolist()]
        others = decisions.other[first:]
        spool.close()
    falls = [bool(reason) and (among or other < first) for reason, other in zip(reasons, others, strict=True)]
    kept = [row for row, falling in zip(rows, falls, strict=True) if not falling]
    return kept, [(row, why) for row, why, falling in zip(rows, reasons, falls, strict=True) if falling]


def row_keys(example: Example) -> Keys:
    """By what a row is the same as another one."""
    asked = question_of(example)
    return keys_of(example.messages, example.tools, question=asked or example.answer, plain=not asked)


def _append(spool: Spool, example: Example, split: int) -> None:
    keys = row_keys(example)
    spool.append(
        to_line(example), keys.near, file=0, at=len(spool), row_number=len(spool), split=split, ordinal=0,
        label=example.label, prompt=keys.prompt, asked=keys.asked, pair=keys.pair, id_number=0,
        openings=keys.openings,
    )  # fmt: skip


class Derivation:
    """A dataset in the making: ``finish`` writes it into a scratch directory, audit and lineage beside it.

    ``left_out``: parent → its training rows that were not taken, without fault of theirs.
    """

    def __init__(self, parents: Sequence[Dataset], name: str, operations: Sequence[str]) -> None:
        self.parents, self.name, self.operations = parents, slug(name), list(operations)
        self.scratch = TemporaryDirectory(prefix="olivepress-data-")
        self.audit = Audit(Path(self.scratch.name, "audit.jsonl"))
        self.left_out: dict[str, int] = {}

    def drop(self, row: NewRow, reason: str) -> None:
        """A row that was made, or taken from a parent, and is not kept."""
        held = row.lineage
        place = Place(str(held.get("file", "")), int(held.get("line", 0)), int(held.get("row", held.get("line", 0))))
        self.audit.event("dropped", place, reason)

    def finish(self, train: Sequence[NewRow], held_out: Mapping[str, Sequence[NewRow]]) -> Dataset:
        """The dataset of these rows; ids that stand twice get a number. DataError when nothing is left to train on."""
        self.audit.file.close()
        directory = Path(self.scratch.name)
        if not train:
            raise DataError(f"{self.name}: no training row is left", next_step="ask for fewer changes or more rows")
        statistics = self._write({"train": train, **held_out}, directory)
        dropped = dict(self.audit.counts["dropped"])
        advice = advise(train_rows=len(train), rows=len(train), near=0, overlaps=leaks(dropped), statistics=statistics)
        first = self.parents[0]
        return Dataset(
            name=self.name,
            format="+".join(dict.fromkeys(parent.format for parent in self.parents)),
            synthetic=any(parent.synthetic for parent in self.parents),
            splits={split: SplitFile(directory / f"{split}.jsonl", self.scratch) for split in SPLITS},
            dropped=dropped,
            json_schema=first.json_schema if len(self.parents) == 1 else None,
            facts={
                "source": first.facts.get("source", {}) if len(self.parents) == 1 else {},
                "parents": [{"name": parent.name, "version": parent.version} for parent in self.parents],
                "operations": self.operations,
                "left_out": self.left_out,
                "policy": first.facts.get("policy", {}) if len(self.parents) == 1 else {},
                "statistics": asdict(statistics),
                "advice": [asdict(one) for one in advice],
            },
            files=directory,
            scratch=self.scratch,
        )

    def _write(self, rows: Mapping[str, Sequence[NewRow]], directory: Path) -> Statistics:
        collector = Collector(tokenizer=None, max_length=None, rows=sum(map(len, rows.values())), seed=0)
        with (directory / "lineage.jsonl").open("w", encoding="utf-8") as lineage:
            for split in SPLITS:
                with (directory / f"{split}.jsonl").open("w", encoding="utf-8", newline="\n") as file:
                    for row in _unique(rows[split]):
                        line = to_line(row.example)
                        file.write(line)
                        lineage.write(json.dumps({**row.lineage, "id": row.example.id}, ensure_ascii=False) + "\n")
                        collector.add(split, line)
        return collector.statistics(languages=False)


def _unique(rows: Iterable[NewRow]) -> Iterator[NewRow]:
    seen: dict[str, int] = {}
    for row in rows:
        name = row.example.id
        seen[name] = seen.get(name, 0) + 1
        yield row if seen[name] == 1 else replace(row, example=replace(row.example, id=f"{name}-{seen[name]}"))


def held_out_rows(dataset: Dataset) -> dict[str, list[NewRow]]:
    """Validation and test as they are."""
    known = lineage_of(dataset)
    return {
        split: [
            NewRow(
                example=example, lineage=known.get(example.id, {"file": dataset.name, "line": number, "row": number})
            )
            for number, example in enumerate(dataset.splits[split], start=1)
        ]
        for split in ("validation", "test")
    }


def chosen(rows: Sequence[NewRow], count: int, salt: str) -> list[NewRow]:
    """``count`` of the rows, in their order: those of the lowest hashes, so that a row more changes one other."""
    ranked = by_hash(rows, salt)[:count]
    return [rows[place] for place in sorted(ranked)]


def by_hash(rows: Sequence[NewRow], salt: str) -> list[int]:
    """The places of the rows in an order that follows from their ids, not from their places."""
    return sorted(range(len(rows)), key=lambda place: digest64(f"{salt}:{rows[place].example.id}"))


def shuffled(rows: Sequence[NewRow], seed: int) -> list[NewRow]:
    """The rows in a seeded order."""
    return [rows[place] for place in np.random.default_rng(seed).permutation(len(rows)).tolist()]
