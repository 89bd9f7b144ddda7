"""Sources → a directory with three splits, their audit and lineage; the same for the command line and a recipe."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Literal

import numpy as np
from numpy.typing import NDArray

from olivepress.core.errors import DataError, SetupError
from olivepress.core.messages import counted
from olivepress.core.progress import StageProgress
from olivepress.data.dedup.boilerplate import Boilerplate
from olivepress.data.dedup.decisions import NEAR, Decisions, Reason, lowest
from olivepress.data.dedup.duplicates import NearNote, drop_duplicates, find_boilerplate, similarity_text
from olivepress.data.dedup.overlaps import drop_overlaps
from olivepress.data.policy import Policy
from olivepress.data.prepare.advice import Advice, advise
from olivepress.data.prepare.audit import Account, Audit, Place
from olivepress.data.prepare.personal_data import find_personal_data
from olivepress.data.prepare.presidio import presidio_finder
from olivepress.data.prepare.reading import RowReader, read_benchmarks
from olivepress.data.prepare.slices import in_slices
from olivepress.data.prepare.splits import assign_splits
from olivepress.data.prepare.statistics import Collector, Statistics
from olivepress.data.read.sources import find_sources
from olivepress.data.store.examples import SPLITS
from olivepress.data.store.row_store import BENCHMARK, RowStore
from olivepress.data.store.version import Hashes, VersionHasher

__all__ = ["MINIMUM_ROWS", "Prepared", "prepare_rows"]

MINIMUM_ROWS = {"train": 8, "validation": 1, "test": 1}
_PROGRESS_EVERY = 20_000


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A prepared dataset; ``directory`` contains its splits, audit.jsonl and lineage.jsonl.

    ``formats`` and ``unused`` (columns) are by file; ``near`` counts near duplicates among the rows read, ``seconds``
    is the time of each step.
    """

    directory: Path
    hashes: Hashes
    account: Account
    statistics: Statistics
    advice: tuple[Advice, ...]
    formats: dict[str, str]
    unused: dict[str, tuple[str, ...]]
    near: int
    seconds: dict[str, float]
    policy: Policy


def prepare_rows(
    names: Sequence[str],
    policy: Policy,
    directory: Path,
    *,
    on_progress: StageProgress = lambda *_: None,
    split: str | None = None,
) -> Prepared:
    """Read, clean, check, split and write the rows of ``names`` into the empty ``directory``.

    Raises DataError: no usable rows, too few for a split, or (strict) a row that cannot be read; SetupError when a
    package of the extra [data] is not installed.
    """
    _check_packages()
    with TemporaryDirectory(prefix=".rows-", dir=directory) as scratch:
        preparation = _Preparation(policy, directory, RowStore(Path(scratch)), on_progress)
        try:
            return preparation.run(names, split)
        finally:
            preparation.close()


def _check_packages() -> None:
    for package in ("ftfy", "datasketch", "stdnum", "regex"):
        try:
            __import__(package)
        except ImportError as error:
            message = f"preparing data needs the package {error.name}"
            raise SetupError(message, next_step="pip install 'olivepress[data]'") from error


class _Preparation:
    """The steps of one preparation in their order, and the state that they share."""

    def __init__(self, policy: Policy, directory: Path, store: RowStore, on_progress: StageProgress) -> None:
        self.policy, self.directory, self.store, self.on_progress = policy, directory, store, on_progress
        self.audit = Audit(directory / "audit.jsonl")
        finder = presidio_finder() if policy.presidio else find_personal_data
        self.reader = RowReader(store, self.audit, policy, finder, on_progress)
        self.seconds: dict[str, float] = {}
        self.started = time.perf_counter()

    def close(self) -> None:
        self.store.close()
        self.audit.file.close()

    def _end_step(self, step: str) -> None:
        now = time.perf_counter()
        self.seconds[step], self.started = round(now - self.started, 3), now

    def run(self, names: Sequence[str], split: str | None) -> Prepared:
        for source in find_sources(names, split=split, stdin_type=self.policy.stdin_type):
            self.reader.read(source)
        self._end_step("read and clean")
        if self.policy.benchmarks:
            read_benchmarks(self.store, find_sources(self.policy.benchmarks, split="train"), self.reader.files)
        decisions = Decisions(self.store)
        self._drop_outside_slices(decisions)
        boilerplate = find_boilerplate(self.store, self.policy.seed)
        groups, near_notes = drop_duplicates(self.store, decisions, self.policy, boilerplate, self.on_progress)
        self._end_step("duplicates")
        splits = assign_splits(self.store, decisions.kept, groups, self.policy)
        self._end_step("split")
        self._drop_overlaps(decisions, splits, boilerplate)
        self._drop_beyond_limits(decisions, splits)
        self._end_step("overlaps")
        self._audit_decisions(decisions, near_notes)
        self._check_rows(splits[decisions.kept], len(near_notes))
        return self._write(decisions, splits, len(near_notes), boilerplate.share)

    def _drop_outside_slices(self, decisions: Decisions) -> None:
        if not self.policy.slices:
            return
        for number, split in enumerate(SPLITS):
            rows = np.flatnonzero(self.store.splits == number)
            total = self.reader.totals[split]
            is_inside = in_slices(self.policy.slices, self.store.ordinals[rows], split, total)
            if len(rows) and not is_inside.any():
                raise DataError(
                    f"--slice {' '.join(self.policy.slices)}: no usable row of {split} is in it, {total} were read",
                    next_step=f"--slice '{split}[:{total}]'",
                )
            decisions.drop(rows[~is_inside], Reason("outside the slice"))

    def _drop_overlaps(self, decisions: Decisions, splits: NDArray[np.int8], boilerplate: Boilerplate) -> None:
        for against, name in ((SPLITS.index("test"), "the test split"), (BENCHMARK, "the benchmark")):
            drop_overlaps(
                self.store,
                decisions,
                splits,
                self.policy,
                boilerplate,
                against=against,
                against_name=name,
                on_progress=self.on_progress,
            )

    def _drop_beyond_limits(self, decisions: Decisions, splits: NDArray[np.int8]) -> None:
        """Keep a seeded choice of the rows that the policy allows: one row more or fewer changes at most one other."""
        kept = decisions.kept
        for split, limit in self.policy.max_rows:
            rows = kept[splits[kept] == SPLITS.index(split)]
            if limit < len(rows):
                chosen = lowest(self.store.contents, rows, limit, f"{self.policy.seed}:rows")
                decisions.drop(np.setdiff1d(rows, chosen), Reason(f"beyond {limit} rows of {split}"))

    def _audit_decisions(self, decisions: Decisions, near_notes: Mapping[int, NearNote]) -> None:
        for row, note in near_notes.items():
            if decisions.reason[row] < 0:
                self._event("noted", row, NEAR, note.other, note.text)
        for row in np.flatnonzero((decisions.reason >= 0) & (self.store.splits != BENCHMARK)).tolist():
            similarity = decisions.similarities.get(row)
            detail = "" if similarity is None else similarity_text(similarity)
            self._event("dropped", row, decisions.reasons[decisions.reason[row]], int(decisions.other[row]), detail)

    def _event(self, action: Literal["dropped", "noted"], row: int, reason: Reason, other: int, detail: str) -> None:
        where = "" if other < 0 else f"of {self._place(other)}"
        self.audit.event(action, self._place(row), reason.text, f"{where}, {detail}" if detail else where)

    def _place(self, row: int) -> Place:
        store = self.store
        return Place(self.reader.files[store.files[row]], int(store.line_numbers[row]), int(store.row_numbers[row]))

    def _check_rows(self, kept: NDArray[np.int8], near: int) -> None:
        """Raise DataError, with the counts, when a split has too few rows. ``kept``: the split of each kept row."""
        for split, minimum in MINIMUM_ROWS.items():
            count = int(np.count_nonzero(kept == SPLITS.index(split)))
            if count >= minimum:
                continue
            read, dropped = sum(self.audit.read.values()), sum(self.audit.counts["dropped"].values())
            sums = f"{counted(read, 'row')} in = {len(kept)} kept + {dropped} dropped"
            if dropped:
                sums += f" ({self.audit.reasons()}), first {next(iter(self.audit.first.values()))}"
            if near:
                sums += f"; {near} kept rows are near duplicates of others and stay in their split"
            raise DataError(
                f"data: {counted(count, 'row')} for the {split} split, at least {minimum} needed: {sums}",
                next_step="give more rows, or other shares: --ratio 60/20/20 (in a recipe: validation_fraction)",
            )

    def _write(
        self, decisions: Decisions, splits: NDArray[np.int8], near_notes: int, template_share: float
    ) -> Prepared:
        kept, hasher, policy = decisions.kept, VersionHasher(), self.policy
        collector = Collector(
            tokenizer=policy.tokenizer, max_length=policy.max_length, rows=len(kept), seed=policy.seed
        )
        counts: dict[str, int] = {}
        with (self.directory / "lineage.jsonl").open("w", encoding="utf-8", errors="replace") as lineage:
            for number, split in enumerate(SPLITS):
                rows = kept[splits[kept] == number]
                counts[split] = len(rows)
                with (self.directory / f"{split}.jsonl").open("wb") as file:
                    hasher.split(split, self._write_lines(rows, split, file, lineage, collector))
        self._end_step("write")
        statistics = collector.statistics(languages=policy.languages, embeddings=policy.embeddings)
        self._end_step("statistics")
        account = self.audit.account(counts)
        near = near_notes + decisions.near_duplicates
        advice = advise(
            train_rows=counts["train"],
            rows=sum(account.read.values()),
            near=near,
            overlaps=decisions.leaks,
            statistics=statistics,
            template_share=template_share,
        )
        return Prepared(
            directory=self.directory,
            hashes=hasher.hashes(),
            account=account,
            statistics=statistics,
            advice=advice,
            formats=self.reader.formats,
            unused=self.reader.unused,
            near=near,
            seconds=self.seconds,
            policy=policy,
        )

    def _write_lines(
        self, rows: NDArray[np.int64], split: str, file: IO[bytes], lineage: IO[str], collector: Collector
    ) -> Iterator[bytes]:
        """Write the lines of a split and yield them; repeated ids get a number."""
        ids = self.store.ids
        unique, times = np.unique(ids[rows], return_counts=True)
        repeated, seen = set(unique[times > 1].tolist()), dict[int, int]()
        for place, row in enumerate(rows.tolist()):
            if not place % _PROGRESS_EVERY:
                self.on_progress(f"write {split}", place, len(rows))
            line, number = self.store.line(row), int(ids[row])
            name = f"{number:012x}"
            if number in repeated:
                seen[number] = seen.get(number, 0) + 1
                if seen[number] > 1:
                    name = f"{name}-{seen[number]}"
                    line = line.replace(f'"id": "{number:012x}"'.encode(), f'"id": "{name}"'.encode(), 1)
            file.write(line)
            lineage.write(json.dumps({"id": name, **self._place(row)._asdict()}, ensure_ascii=False) + "\n")
            collector.add(split, line.decode("utf-8"))
            yield line
