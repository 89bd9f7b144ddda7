"""First pass: read files, convert and clean their rows, and store them; the audit lists what is dropped or changed."""

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
from olivepress.data.dedup.keys import keys_of
from olivepress.data.policy import Policy
from olivepress.data.prepare.audit import Audit, Place
from olivepress.data.prepare.cleaning import clean, clean_row
from olivepress.data.prepare.personal_data import Finder
from olivepress.data.read.raw_rows import RawRow, with_columns
from olivepress.data.read.sources import Source
from olivepress.data.store.examples import SPLITS, Example, Message, content_id, to_line
from olivepress.data.store.row_store import BENCHMARK, Origin, RowStore
from olivepress.data.text.values import RowError

__all__ = ["RowReader", "read_benchmarks"]

_PROGRESS_EVERY = 5000


class RowReader:
    """Reads sources into a row store. ``files`` are their names by number, ``totals`` the rows read of each split."""

    def __init__(
        self, store: RowStore, audit: Audit, policy: Policy, finder: Finder, on_progress: StageProgress
    ) -> None:
        self.store, self.audit, self.policy, self.finder, self.on_progress = store, audit, policy, finder, on_progress
        self.files: list[str] = []
        self.totals = dict.fromkeys(SPLITS, 0)
        self.formats: dict[str, str] = {}
        self.unused: dict[str, tuple[str, ...]] = {}

    def read(self, source: Source) -> None:
        """Read a source. Raises DataError if it cannot be read or has no usable row; in strict mode for any bad row."""
        file = len(self.files)
        self.files.append(source.name)
        dropped_before = sum(self.audit.counts["dropped"].values())
        count = 0
        rows, columns = with_columns(source.rows())
        converter = self._converter(source.name, columns) if columns else None
        for row in rows:
            count += 1
            if not count % _PROGRESS_EVERY:
                self.on_progress(f"read {source.name}", count, 0)
            split = row.split or source.split
            origin = Origin(file=file, line=row.line, row=count, split=SPLITS.index(split), ordinal=self.totals[split])
            self._add(row, converter, origin, Place(source.name, row.line, count))
            self.totals[split] += 1
        self.audit.read[source.name] = count
        dropped = sum(self.audit.counts["dropped"].values()) - dropped_before
        self._check_usable(source.name, count, dropped)

    def _check_usable(self, name: str, rows: int, dropped: int) -> None:
        if not rows:
            problem = "has a header and no rows" if name.endswith((".csv", ".tsv")) else "has no rows"
            raise DataError(f"{name}: {problem}, expected examples", next_step="give a file that contains rows")
        if dropped == rows:
            raise DataError(
                f"{name}: no usable row among {rows} ({self.audit.reasons()}), first {self.audit.first[name]}",
                next_step="fix the rows, or name the columns: --format PROMPT_COLUMN/ANSWER_COLUMN",
            )

    def _converter(self, name: str, columns: dict[str, Any]) -> Converter:
        converter = make_converter(name, self.policy.format or choose_format(name, columns), columns)
        self.formats[name] = converter.name
        if converter.unused:
            self.unused[name] = converter.unused
        return converter

    def _add(self, row: RawRow, converter: Converter | None, origin: Origin, place: Place) -> None:
        """Convert, clean and store a row, or drop it with a reason."""
        try:
            converted = self._convert(row, converter, place.file)
        except RowError as error:
            if self.policy.strict:
                raise DataError(
                    f"{place.file}:{row.line}: {error} (row {place.row})", next_step="fix the row, or omit --strict"
                ) from None
            self.audit.event("dropped", place, str(error))
            return
        self._note_unused(place.file, converted.unused)
        if row.note:
            self.audit.event("noted", place, row.note)
        cleaned = clean(converted, self.policy, self.finder)
        if row.changed:
            self.audit.event("changed", place, row.changed)
        for change, detail in cleaned.changes.items():
            self.audit.event("changed", place, change, detail)
        for note, detail in cleaned.notes.items():
            self.audit.event("noted", place, note, detail)
        if cleaned.problem:
            self.audit.event("dropped", place, cleaned.problem, cleaned.detail)
        else:
            _store_row(self.store, converted, origin, self.policy.instruction)

    def _convert(self, row: RawRow, converter: Converter | None, name: str) -> Converted:
        """The row as a conversation. Raises RowError; also for content in a column that earlier rows did not have."""
        if row.problem is not None:
            raise RowError(row.problem)
        if row.value is None or converter is None:
            raise RowError("cannot be read")
        if new_columns := row.value.keys() - converter.keys:
            content = sorted(key for key in new_columns if looks_like_content(key, row.value[key]))
            if content and self.policy.format is None:
                raise RowError(f"key {content[0]!r} is in no earlier row: set --format to use it or leave it out")
            self._note_unused(name, new_columns)
        return converter.convert(row.value)

    def _note_unused(self, name: str, columns: Iterable[str]) -> None:
        noted = self.unused.get(name, ())
        if new := set(columns).difference(noted):
            self.unused[name] = (*noted, *sorted(new))


def read_benchmarks(store: RowStore, sources: Iterable[Source], files: list[str]) -> None:
    """Store rows that others are compared with, appending their names to ``files``; unusable ones are skipped.

    Raises DataError if there is no usable row.
    """
    before = len(store)
    for source in sources:
        file = len(files)
        files.append(source.name)
        rows, columns = with_columns(source.rows())
        converter = make_converter(source.name, choose_format(source.name, columns), columns) if columns else None
        for number, row in enumerate(rows, start=1):
            if row.value is None or converter is None:
                continue
            try:
                converted = converter.convert(row.value)
            except RowError:
                continue
            clean_row(converted)
            _store_row(store, converted, Origin(file=file, line=row.line, row=number, split=BENCHMARK), None)
    if len(store) == before:
        raise DataError(
            "benchmark: it contains no usable row", next_step="give a file in one of the known formats to --against"
        )


def _store_row(store: RowStore, row: Converted, origin: Origin, instruction: str | None) -> None:
    """Store a cleaned row as an example."""
    *before, last = row.messages
    keys = keys_of(row.messages, row.tools, question=row.key, plain=row.plain, rejected=row.rejected)
    if instruction:
        _add_instruction(before, instruction.strip())
    example = _example(row, before, last)
    store.append(to_line(example), keys, origin, label=example.label, id_number=int(example.id, 16))


def _add_instruction(messages: list[dict[str, Any]], instruction: str) -> None:
    first = next((message for message in messages if message["role"] == "user"), None)
    if first is not None:
        first["content"] = f"{instruction}\n{first['content']}" if first["content"] else instruction


def _example(row: Converted, before: list[dict[str, Any]], last: dict[str, Any]) -> Example:
    if len(before) == 1 and before[0]["role"] == "user" and row.tools is None:
        question = before[0]["content"]
    else:
        question = _canonical([before, row.tools])
    answer = last["content"]
    if "tool_calls" in last:
        answer += _canonical(last["tool_calls"])
    answer += last.get(THOUGHTS, "")
    if row.rejected is not None:
        answer += f"\0{_canonical(row.rejected)}"
    return Example(
        id=content_id(question, answer),
        messages=cast("tuple[Message, ...]", (*before, last)),
        label=last["content"] if row.labeled else row.label,
        tools=None if row.tools is None else tuple(row.tools),
        rejected=cast("Message | None", row.rejected),
    )


def _canonical(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
