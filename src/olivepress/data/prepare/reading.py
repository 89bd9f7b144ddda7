"""First pass: files → rows → examples → cleaned → spooled; what falls out is told to the audit."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, cast

from olivepress.core.errors import DataError
from olivepress.core.progress import StageProgress
from olivepress.core.thoughts import THOUGHTS
from olivepress.data.convert.columns import looks_like_content
from olivepress.data.convert.conversations import Converted
from olivepress.data.convert.formats import Converter, choose_format, make_converter
from olivepress.data.convert.values import Problem
from olivepress.data.prepare.audit import Audit, Place
from olivepress.data.prepare.cleaning import clean, clean_row
from olivepress.data.prepare.keys import keys_of
from olivepress.data.prepare.personal import Finder
from olivepress.data.prepare.policy import Policy
from olivepress.data.prepare.words import comparable, normal
from olivepress.data.read.raw_rows import RawRow, with_columns
from olivepress.data.read.sources import Source
from olivepress.data.store.examples import SPLITS, Example, Message, content_id, to_line
from olivepress.data.store.row_store import BENCHMARK, Spool

__all__ = ["Reader", "comparable", "normal"]

_TELL_EVERY = 5000


class Reader:
    """Reads sources into a spool. ``files`` are their names by number, ``totals`` the rows read of each split."""

    def __init__(self, spool: Spool, audit: Audit, policy: Policy, finder: Finder, tell: StageProgress) -> None:
        self.spool, self.audit, self.policy, self.finder, self.tell = spool, audit, policy, finder, tell
        self.files: list[str] = []
        self.totals = dict.fromkeys(SPLITS, 0)
        self.formats: dict[str, str] = {}
        self.unused: dict[str, tuple[str, ...]] = {}

    def read(self, source: Source) -> None:
        """Read one source whole. DataError: it cannot be read, no row is of use, or a row is bad and policy strict."""
        number = len(self.files)
        self.files.append(source.name)
        before = sum(self.audit.counts["dropped"].values())
        rows = 0
        every, columns = with_columns(source.rows())
        converter = self._converter(source.name, columns) if columns else None
        for row in every:
            rows += 1
            if not rows % _TELL_EVERY:
                self.tell(f"read {source.name}", rows, 0)
            split = row.split or source.split
            self._take(row, converter, split, number, Place(source.name, row.line, rows))
            self.totals[split] += 1
        self.audit.read[source.name] = rows
        if not rows:
            what = "has a header and no rows" if source.name.endswith((".csv", ".tsv")) else "has no rows"
            raise DataError(f"{source.name}: {what}, expected examples", next_step="give a file that holds rows")
        dropped = sum(self.audit.counts["dropped"].values()) - before
        if dropped == rows:
            raise DataError(
                f"{source.name}: no usable row among {rows} ({self.audit.reasons()}), "
                f"first {self.audit.first[source.name]}",
                next_step="mend the rows, or say which columns: --format PROMPT_COLUMN/ANSWER_COLUMN",
            )

    def _converter(self, name: str, row: dict[str, Any]) -> Converter:
        chosen = self.policy.format or choose_format(name, row)
        converter = make_converter(name, chosen, row)
        self.formats[name] = converter.name
        if converter.unused:
            self.unused[name] = converter.unused
        return converter

    def _take(self, row: RawRow, converter: Converter | None, split: str, number: int, place: Place) -> None:
        problem, converted = row.problem, None
        if problem is None and converter is not None and row.value is not None:
            made = self._convert(row.value, converter, place.file)
            problem, converted = (str(made), None) if isinstance(made, Problem) else (None, made)
        if converted is None:
            if self.policy.strict:
                raise DataError(
                    f"{place.file}:{row.line}: {problem} (row {place.row})",
                    next_step="mend the row, or leave out --strict",
                )
            self.audit.event("dropped", place, problem or "cannot be read")
            return
        self._not_used(place.file, converted.unused)
        if row.note:
            self.audit.event("noted", place, row.note)
        told = clean(converted, self.policy, self.finder)
        if row.changed:
            self.audit.event("changed", place, row.changed)
        for change, detail in told.changes.items():
            self.audit.event("changed", place, change, detail)
        for note, detail in told.notes.items():
            self.audit.event("noted", place, note, detail)
        if told.problem:
            self.audit.event("dropped", place, told.problem, told.detail)
            return
        append_row(
            self.spool, converted, self.policy.instruction,
            file=number, at=row.line, row_number=place.row,
            split=SPLITS.index(split), ordinal=self.totals[split],
        )  # fmt: skip

    def _convert(self, row: dict[str, Any], converter: Converter, name: str) -> Converted | Problem:
        """The row as a conversation, unless it has content under a key that the rows before it lacked."""
        if late := row.keys() - converter.keys:
            content = sorted(key for key in late if looks_like_content(key, row[key]))
            if content and self.policy.format is None:
                return Problem(f"key {content[0]!r} stands in no earlier row: --format says whether it is left out")
            self._not_used(name, late)
        return converter.convert(row)

    def _not_used(self, name: str, columns: Iterable[str]) -> None:
        before = self.unused.get(name, ())
        if new := set(columns).difference(before):
            self.unused[name] = (*before, *sorted(new))


def append_row(
    spool: Spool,
    row: Converted,
    instruction: str | None,
    *,
    file: int,
    at: int,
    row_number: int,
    split: int,
    ordinal: int,
) -> None:
    """Spool a cleaned row as the example it becomes."""
    *before, last = row.messages
    keys = keys_of(row.messages, row.tools, question=row.key, plain=row.plain)
    if instruction:
        _instruct(before, instruction.strip())
    example = _example(row, before, last)
    spool.append(
        to_line(example),
        keys.near,
        file=file,
        at=at,
        row_number=row_number,
        split=split,
        ordinal=ordinal,
        label=example.label,
        prompt=keys.prompt,
        asked=keys.asked,
        pair=keys.pair,
        id_number=int(example.id, 16),
        openings=keys.openings,
    )


def _instruct(messages: list[dict[str, Any]], instruction: str) -> None:
    first = next((message for message in messages if message["role"] == "user"), None)
    if first is not None:
        first["content"] = f"{instruction}\n{first['content']}" if first["content"] else instruction


def _example(row: Converted, before: list[dict[str, Any]], last: dict[str, Any]) -> Example:
    if len(before) == 1 and before[0]["role"] == "user" and row.tools is None:
        question = before[0]["content"]
    else:
        question = _canonical([before, row.tools])
    answer = last["content"] + (_canonical(last["tool_calls"]) if "tool_calls" in last else "")
    answer += last.get(THOUGHTS, "")
    return Example(
        id=content_id(question, answer),
        messages=cast("tuple[Message, ...]", (*before, last)),
        label=last["content"] if row.labelled else row.label,
        tools=None if row.tools is None else tuple(row.tools),
    )


def _canonical(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def read_benchmarks(spool: Spool, sources: Iterable[Source], policy: Policy, files: list[str]) -> int:
    """Spool rows that are only held against; returns their number. Unreadable ones are skipped: nothing is lost."""
    before = len(spool)
    for source in sources:
        number = len(files)
        files.append(source.name)
        every, columns = with_columns(source.rows())
        converter = make_converter(source.name, choose_format(source.name, columns), columns) if columns else None
        for place, row in enumerate(every, start=1):
            if row.value is None or converter is None:
                continue
            made = converter.convert(row.value)
            if not isinstance(made, Problem):
                clean_row(made)
                append_row(spool, made, None, file=number, at=row.line, row_number=place, split=BENCHMARK, ordinal=0)
    if len(spool) == before:
        raise DataError("benchmark: no usable row in it", next_step="give a file of one of the formats with --against")
    return len(spool) - before
