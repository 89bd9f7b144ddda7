"""Sources → a directory with three splits, their audit and lineage; the same way for the command line and a recipe."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from olivepress.core.errors import DataError, SetupError
from olivepress.core.progress import StageProgress
from olivepress.data.convert.values import counted
from olivepress.data.dedup.duplicates import (
    NEAR,
    OVERLAP,
    Decisions,
    boilerplate_of,
    decide_duplicates,
    drop_overlaps,
    leaks,
    lowest,
    similarity_text,
)
from olivepress.data.prepare.advice import Advice, advise
from olivepress.data.prepare.audit import Account, Audit, Place
from olivepress.data.prepare.personal import find_personal
from olivepress.data.prepare.policy import Policy
from olivepress.data.prepare.presidio import presidio_finder
from olivepress.data.prepare.reading import Reader, read_benchmarks
from olivepress.data.prepare.slices import inside
from olivepress.data.prepare.splits import carve
from olivepress.data.prepare.statistics import Collector, Statistics
from olivepress.data.read.sources import find_sources
from olivepress.data.store.examples import SPLITS
from olivepress.data.store.row_store import BENCHMARK, Spool
from olivepress.data.store.version import Hashes, VersionHasher

__all__ = ["MINIMUM_ROWS", "Prepared", "prepare_rows"]

MINIMUM_ROWS = {"train": 8, "validation": 1, "test": 1}
_TELL_EVERY = 20_000


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A dataset that was made: its files lie in ``directory`` (splits, audit.jsonl, lineage.jsonl).

    ``formats`` and ``unused`` (columns that were not used) are by file; ``near`` near duplicates among the rows read,
    ``seconds`` what each step took.
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
    tell: StageProgress = lambda *_: None,
    split: str | None = None,
) -> Prepared:
    """Read, clean, judge, split and write what ``names`` hold into the empty ``directory``.

    Raises DataError: nothing of use, too few rows for a split, or (strict) a row that cannot be read; SetupError when a
    package of the extra [data] is missing.
    """
    _check_packages()
    with TemporaryDirectory(prefix=".rows-", dir=directory) as scratch:
        made = _Preparation(names, policy, directory, Path(scratch), tell)
        try:
            return made.run(split)
        finally:
            made.spool.close()
            made.audit.file.close()


def _check_packages() -> None:
    for package in ("ftfy", "datasketch", "stdnum", "regex"):
        try:
            __import__(package)
        except ImportError as error:
            message = f"preparing data needs the package {error.name}"
            raise SetupError(message, next_step="pip install 'olivepress[data]'") from error


class _Preparation:
    """One preparation and its steps in order; what they share is here and nowhere else."""

    def __init__(
        self, names: Sequence[str], policy: Policy, directory: Path, scratch: Path, tell: StageProgress
    ) -> None:
        self.names, self.policy, self.directory, self.tell = names, policy, directory, tell
        self.spool, self.audit = Spool(scratch), Audit(directory / "audit.jsonl")
        finder = presidio_finder() if policy.presidio else find_personal
        self.reader = Reader(self.spool, self.audit, policy, finder, tell)
        self.seconds: dict[str, float] = {}
        self.started = time.perf_counter()

    def _done(self, step: str) -> None:
        now = time.perf_counter()
        self.seconds[step], self.started = round(now - self.started, 3), now

    def run(self, split: str | None) -> Prepared:
        for source in find_sources(self.names, split=split, stdin_type=self.policy.stdin_type):
            self.reader.read(source)
        self._done("read and clean")
        if self.policy.benchmarks:
            benchmarks = find_sources(self.policy.benchmarks, split="train")
            read_benchmarks(self.spool, benchmarks, self.policy, self.reader.files)
        decisions = Decisions(self.spool)
        self._slice(decisions)
        boilerplate = boilerplate_of(self.spool, self.policy.seed)
        groups, near = decide_duplicates(self.spool, decisions, self.policy, boilerplate, self.tell)
        self._done("duplicates")
        splits = carve(self.spool, decisions.kept, groups, self.policy)
        self._done("split")
        self._overlaps(decisions, splits, boilerplate)
        self._limit(decisions, splits)
        self._done("overlaps")
        for row, (other, how) in near.items():
            if decisions.reason[row] < 0:
                self._event("noted", row, NEAR, other, how)
        self._tell_dropped(decisions)
        self._check_rows(splits[decisions.kept], len(near))
        return self._write(decisions, splits, near, boilerplate.share)

    def _slice(self, decisions: Decisions) -> None:
        if not self.policy.slices:
            return
        for number, split in enumerate(SPLITS):
            rows = np.flatnonzero(self.spool.splits == number)
            chosen = inside(self.policy.slices, self.spool.ordinals[rows], split, self.reader.totals[split])
            if len(rows) and not chosen.any():
                raise DataError(
                    f"--slice {' '.join(self.policy.slices)}: no usable row of {split} is in it, "
                    f"{self.reader.totals[split]} were read",
                    next_step=f"--slice '{split}[:{self.reader.totals[split]}]'",
                )
            decisions.drop(rows[~chosen], "outside the slice")

    def _overlaps(self, decisions: Decisions, splits: NDArray[np.int8], boilerplate: Any) -> None:
        words = self.policy.overlap_words
        for against, what in ((SPLITS.index("test"), "test split"), (BENCHMARK, "benchmark")):
            drop_overlaps(
                self.spool, decisions, splits, self.policy, boilerplate,
                against=against, reason=f"shares {words} {OVERLAP} with the {what}", tell=self.tell,
            )  # fmt: skip

    def _limit(self, decisions: Decisions, splits: NDArray[np.int8]) -> None:
        """A seeded choice of the rows that the policy allows: a row more or less changes it by one row."""
        kept = decisions.kept
        for split, limit in self.policy.max_rows:
            rows = kept[splits[kept] == SPLITS.index(split)]
            if limit < len(rows):
                chosen = lowest(self.spool.contents, rows, limit, f"{self.policy.seed}:rows")
                decisions.drop(np.setdiff1d(rows, chosen), f"beyond {limit} rows of {split}")

    def _check_rows(self, kept: NDArray[np.int8], near: int) -> None:
        """Raise DataError, with the sums, when a split has too few of the ``kept`` rows (their splits)."""
        for split, minimum in MINIMUM_ROWS.items():
            found = int(np.count_nonzero(kept == SPLITS.index(split)))
            if found >= minimum:
                continue
            read, dropped = sum(self.audit.read.values()), sum(self.audit.counts["dropped"].values())
            sums = f"{counted(read, 'row')} in = {len(kept)} kept + {dropped} dropped"
            if dropped:
                sums += f" ({self.audit.reasons()}), first {next(iter(self.audit.first.values()))}"
            if near:
                sums += f"; {near} kept rows are near duplicates of others and stay in their split"
            raise DataError(
                f"data: {counted(found, 'row')} for the {split} split, at least {minimum} needed: {sums}",
                next_step="give more rows, or other shares: --ratio 60/20/20 (in a recipe: validation_fraction)",
            )

    def _tell_dropped(self, decisions: Decisions) -> None:
        for row in np.flatnonzero((decisions.reason >= 0) & (self.spool.splits != BENCHMARK)).tolist():
            how = similarity_text(decisions.similarities[row]) if row in decisions.similarities else ""
            self._event("dropped", row, decisions.reasons[decisions.reason[row]], int(decisions.other[row]), how)

    def _event(self, action: Any, row: int, reason: str, other: int, how: str = "") -> None:
        where = "" if other < 0 else f"of {self._place(other)}"
        self.audit.event(action, self._place(row), reason, f"{where}, {how}" if how else where)

    def _place(self, row: int) -> Place:
        spool = self.spool
        return Place(self.reader.files[spool.files[row]], int(spool.line_numbers[row]), int(spool.row_numbers[row]))

    def _write(
        self, decisions: Decisions, splits: NDArray[np.int8], near: Mapping[int, Any], template_share: float
    ) -> Prepared:
        kept, hasher = decisions.kept, VersionHasher()
        collector = Collector(
            tokenizer=self.policy.tokenizer, max_length=self.policy.max_length, rows=len(kept), seed=self.policy.seed
        )
        counts: dict[str, int] = {}
        with (self.directory / "lineage.jsonl").open("w", encoding="utf-8", errors="replace") as lineage:
            for number, split in enumerate(SPLITS):
                rows = kept[splits[kept] == number]
                counts[split] = len(rows)
                with (self.directory / f"{split}.jsonl").open("wb") as file:
                    hasher.split(split, self._lines(rows, split, file, lineage, collector))
        self._done("write")
        statistics = collector.statistics(languages=self.policy.languages, embeddings=self.policy.embeddings)
        self._done("statistics")
        account = self.audit.account(counts)
        duplicates = len(near) + sum(n for reason, n in account.dropped.items() if reason.startswith(NEAR))
        advice = advise(
            train_rows=counts["train"], rows=sum(account.read.values()), near=duplicates,
            overlaps=leaks(account.dropped),
            statistics=statistics, template_share=template_share,
        )  # fmt: skip
        return Prepared(
            directory=self.directory,
            hashes=hasher.hashes(),
            account=account,
            statistics=statistics,
            advice=advice,
            formats=self.reader.formats,
            unused=self.reader.unused,
            near=duplicates,
            seconds=self.seconds,
            policy=self.policy,
        )

    def _lines(
        self, rows: NDArray[np.int64], split: str, file: Any, lineage: Any, collector: Collector
    ) -> Iterator[bytes]:
        """Lines of a split as they are written; an id that stands twice gets a number."""
        ids = self.spool.ids
        unique, times = np.unique(ids[rows], return_counts=True)
        twice, seen = set(unique[times > 1].tolist()), dict[int, int]()
        for place, row in enumerate(rows.tolist()):
            if not place % _TELL_EVERY:
                self.tell(f"write {split}", place, len(rows))
            raw, number = self.spool.lines.read(row), int(ids[row])
            name = f"{number:012x}"
            if number in twice:
                seen[number] = seen.get(number, 0) + 1
                if seen[number] > 1:
                    name = f"{name}-{seen[number]}"
                    raw = raw.replace(f'"id": "{number:012x}"'.encode(), f'"id": "{name}"'.encode(), 1)
            file.write(raw)
            lineage.write(json.dumps({"id": name, **self._place(row)._asdict()}, ensure_ascii=False) + "\n")
            collector.add(split, raw.decode("utf-8"))
            yield raw
