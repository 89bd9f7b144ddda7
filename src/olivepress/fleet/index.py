"""``index.sqlite``: which files have been read, which reports count, which were refused for what reason.

It is built from the reports and can be built again. A chunk of files is one transaction: after a kill each file
is in it completely or not at all. Several processes may write to it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from olivepress.core.errors import SetupError
from olivepress.fleet.verify import Accepted, RefusedError, Reported

__all__ = ["Index", "Refusal", "Seen"]

_VERSION = 2
_WAIT_S = 120.0  # for another process that writes
_TABLES = """
create table if not exists files (
  path text primary key, stamp text not null, fleet text not null, kind text not null, reason text not null,
  machine text
);
create table if not exists reports (
  sha256 text primary key, machine text not null, key text not null, release integer not null, created real not null,
  path text not null, processor text not null, record text not null
);
create table if not exists scores (
  sha256 text not null, metric text not null, ids text not null, data blob not null, primary key (sha256, metric)
);
create index if not exists newest on reports (release, machine, created);
"""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A file that was read: ``stamp`` are its size and times, ``fleet`` the machines and releases of that moment,
    ``result`` what became of it."""

    path: str
    stamp: str
    fleet: str
    result: Accepted | RefusedError


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A file that does not count."""

    path: str
    kind: str
    reason: str
    machine: str | None


class Index:
    """The index of a fleet, opened with ``Index.opened``."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @classmethod
    @contextlib.contextmanager
    def opened(cls, path: Path) -> Iterator[Index]:
        """Open or create it. SetupError for a file that is damaged or of another version, or a full disk."""
        try:
            connection = sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None)
        except sqlite3.Error as error:
            raise SetupError(f"{path}: cannot be opened ({error})", next_step="check the folder's rights") from None
        try:
            with contextlib.closing(connection):
                _prepare(connection, path)
                yield cls(connection)
        except sqlite3.OperationalError as error:
            raise SetupError(f"{path}: {error}", next_step="check the disk, then the same command") from None
        except sqlite3.DatabaseError as error:
            step = f"remove {path} and import the reports again"
            raise SetupError(f"{path}: is damaged ({error})", next_step=step) from None

    def unread(self, stamps: Mapping[str, str], fleet: str) -> list[str]:
        """The files of ``stamps`` (path → stamp) that have to be read: new ones, changed ones, those that were refused
        when the fleet had other machines or releases, and those whose time may have come by now."""
        marks = ",".join("?" * len(stamps))
        rows = self._connection.execute(
            f"select path, stamp, fleet, kind from files where path in ({marks})", list(stamps)
        )
        final = {path: stamp for path, stamp, of, kind in rows if not kind or (of == fleet and kind != "wrong clock")}
        read = {path for path, stamp in final.items() if stamps[path] == stamp}
        return [path for path in stamps if path not in read]

    def add(self, seen: Sequence[Seen]) -> tuple[int, list[Refusal]]:
        """Add files in one transaction: how many reports are new, and what was refused."""
        new, refused = 0, list[Refusal]()
        self._connection.execute("begin immediate")
        try:
            for each in seen:
                refusal = self._refused(each)
                new += refusal is None and self._is_new(each)
                refused += [refusal] if refusal else []
            self._connection.execute("commit")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("rollback")
            raise
        return new, refused

    def _refused(self, seen: Seen) -> Refusal | None:
        """Record the file; the refusal where it does not count."""
        result, machine = seen.result, seen.result.machine if isinstance(seen.result, RefusedError) else None
        if isinstance(result, Accepted):
            machine = result.reported.machine
            result = self._replayed(seen.path, result)
        kind, reason = (result.kind, result.reason) if isinstance(result, RefusedError) else ("", "")
        self._connection.execute(
            "insert or replace into files values (?, ?, ?, ?, ?, ?)",
            (seen.path, seen.stamp, seen.fleet, kind, reason, machine),
        )
        return Refusal(path=seen.path, kind=kind, reason=reason, machine=machine) if kind else None

    def _replayed(self, path: str, accepted: Accepted) -> Accepted | RefusedError:
        """A report counts once, whatever copies of it arrive. A file that was moved is no copy."""
        row = self._connection.execute("select path from reports where sha256 = ?", (accepted.sha256,)).fetchone()
        if row is None or row[0] == path:
            return accepted
        if not os.path.lexists(row[0]):
            self._connection.execute("update reports set path = ? where sha256 = ?", (path, accepted.sha256))
            return accepted
        return RefusedError("replayed", f"the same report as {row[0]}", accepted.reported.machine)

    def _is_new(self, seen: Seen) -> bool:
        assert isinstance(seen.result, Accepted)
        reported, sha256 = seen.result.reported, seen.result.sha256
        record = json.dumps({
            "created_at": reported.created_at, "workload": reported.workload, "questions": reported.questions,
            "labels": reported.labels, "metrics": dict(reported.metrics),
        })  # fmt: skip
        added = self._connection.execute(
            "insert or ignore into reports values (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                sha256, reported.machine, reported.key, reported.release, reported.created, seen.path,
                reported.processor, record,
            ),
        ).rowcount  # fmt: skip
        if added:
            ids = hashlib.sha256(json.dumps(seen.result.ids).encode()).hexdigest()
            rows = [(sha256, name, ids, _packed(values)) for name, values in seen.result.scores.items()]
            self._connection.executemany("insert into scores values (?, ?, ?, ?)", rows)
        return bool(added)

    def newest(self, releases: Sequence[int], keys: Mapping[str, str]) -> Iterator[tuple[str, Reported]]:
        """(sha256, report) of each machine: the newest report of the latest of these releases that it has reported.

        ``keys``: machine → id of its key: what an earlier key signed does not count any more, and what its own key
        signed does, whatever the machine was called then.
        """
        done, names = "", {key: machine for machine, key in keys.items()}
        marks = ",".join("?" * len(releases))
        rows = self._connection.execute(
            "select sha256, key, release, processor, record from reports "
            f"where release in ({marks}) order by key, release desc, created desc, sha256",
            list(releases),
        )
        for sha256, key, release, processor, record in rows:
            if key != done and key in names:
                done = key
                fields = json.loads(record)
                fields["labels"] = tuple(fields["labels"])
                yield sha256, Reported(machine=names[key], key=key, release=release, processor=processor, **fields)

    def scores(self, sha256: str) -> dict[str, tuple[str, np.ndarray]]:
        """Metric → (hash of the examples' ids, a number per example) of a report."""
        rows = self._connection.execute("select metric, ids, data from scores where sha256 = ?", (sha256,))
        return {metric: (ids, np.frombuffer(zlib.decompress(data), dtype=np.float32)) for metric, ids, data in rows}

    def refusals(self) -> list[Refusal]:
        """Every file that does not count, in order."""
        rows = self._connection.execute("select path, kind, reason, machine from files where kind != '' order by path")
        return [Refusal(path=path, kind=kind, reason=reason, machine=machine) for path, kind, reason, machine in rows]

    def copied(self, keys: Mapping[str, str]) -> list[str]:
        """The machines, in order, whose key has signed reports of different processors; ``keys`` as above."""
        rows = self._connection.execute("select key from reports group by key having count(distinct processor) > 1")
        several = {key for (key,) in rows}
        return sorted(machine for machine, key in keys.items() if key in several)


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute(f"pragma busy_timeout = {int(_WAIT_S * 1000)}")
    connection.execute("pragma synchronous = full")
    (version,) = connection.execute("pragma user_version").fetchone()
    if version not in (0, _VERSION):
        step = f"use the olivepress that wrote it, or remove {path} and import again"
        raise SetupError(f"{path}: index version {version}, this olivepress reads {_VERSION}", next_step=step)
    if version == 0:
        connection.executescript(f"begin immediate; {_TABLES} pragma user_version = {_VERSION}; commit;")


def _packed(values: np.ndarray) -> bytes:
    return zlib.compress(np.asarray(values, dtype=np.float32).tobytes(), 1)
