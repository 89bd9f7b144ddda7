"""Sends what is recorded to the store: the task of a process of its own, which has the lowest priority.

Nothing here stands in a job's way: the process may be killed at any line, and the store may be down, slow, full,
locked or read-only. Lines of a record are sent in order, and of a recipe its own record comes before those of its jobs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from sqlite3 import OperationalError

from pydantic import BaseModel, ConfigDict

from olivepress.core.errors import JobError, OlivepressError, whole_message
from olivepress.core.layout import TRACKING, run_records
from olivepress.core.process import exclusive
from olivepress.core.progress import Progress
from olivepress.track.cursor import Cursor, read_cursor, write_cursor
from olivepress.track.mlflow_store import MlflowStore, RunDeleted
from olivepress.track.record import Ended, Files, Line, Measured, Points, Resumed, Started, read_lines
from olivepress.track.store import Store, store_here, without_paths, without_secrets

__all__ = ["Delivered", "Delivery", "deliver", "unsent"]

_MODELS = ("export", "package")
RECIPE = "recipe"  # the kind of the record that is the parent of a recipe's runs


class Delivery(BaseModel):
    """``everything``: also runs that belong to another store, or to none. ``seconds``: begin no further line after."""

    model_config = ConfigDict(frozen=True)

    everything: bool = False
    seconds: float = 60.0


class Delivered(BaseModel):
    """``sent`` lines were dealt with, ``refused`` of them not accepted. ``problem`` is why lines are left, in one line;
    ``notes`` are what else a person should know. ``busy``: another process is sending."""

    model_config = ConfigDict(frozen=True)

    sent: int = 0
    refused: int = 0
    left: int = 0
    problem: str = ""
    notes: tuple[str, ...] = ()
    busy: bool = False


@dataclass(kw_only=True)
class _Sending:
    """A record on its way."""

    path: Path
    size: int
    started: Started
    lines: list[Line | None]
    cursor: Cursor

    @property
    def left(self) -> int:
        return 0 if self.cursor.deleted else max(0, len(self.lines) - self.cursor.lines)


def deliver(spec: Delivery, progress: Progress) -> Delivered:
    """Send every line that has not arrived, for the store of this process."""
    store = store_here(True)
    if store is None:
        return Delivered()
    deadline = time.monotonic() + spec.seconds
    try:
        with exclusive(TRACKING):
            return _deliver(store, spec, lambda: time.monotonic() > deadline)
    except (JobError, OSError) as error:
        busy = isinstance(error, JobError)
        return Delivered(left=1, busy=busy, problem="" if busy else whole_message(error))


def _deliver(store: Store, spec: Delivery, is_late: Callable[[], bool]) -> Delivered:
    waiting = list(_waiting(store, spec.everything))
    before = [sending.cursor for sending in waiting]
    notes, problem = list[str](), ""
    try:
        client = _client(store.uri, store.experiment, store.is_embedded) if waiting else None
        for sending in waiting:
            if client is None or is_late():
                break
            try:
                notes += _send(client, store, sending, is_late)
            except Exception as error:
                if _is_of_the_store(error):
                    raise
                problem = problem or f"{sending.started.name}: {_problem(error)}"  # the other records are sent
    except Exception as error:  # whatever a store or its driver raises: the job goes on, the lines stay
        _client.cache_clear()
        problem = _problem(error)
    return Delivered(
        sent=sum(sending.cursor.lines - old.lines for sending, old in zip(waiting, before, strict=True)),
        refused=sum(sending.cursor.refused - old.refused for sending, old in zip(waiting, before, strict=True)),
        left=sum(sending.left for sending in waiting),
        problem=problem,
        notes=tuple(notes),
    )


def unsent(store: Store, *, everything: bool = False) -> int:
    """How many lines have not arrived. Reads files only."""
    return sum(sending.left for sending in _waiting(store, everything))


def _waiting(store: Store, everything: bool) -> Iterator[_Sending]:
    """Records with lines that have not arrived, those of recipes first, then in the order of their start."""
    pending = []
    for path in run_records():
        sending = _read(path, read_cursor(path, store.name))
        if sending is None:
            continue
        is_parent = sending.started.kind == RECIPE and sending.cursor.run_id is not None
        if sending.left and (everything or is_parent or sending.started.store == store.name):
            pending.append(sending)
    yield from sorted(pending, key=lambda each: (each.started.kind != RECIPE, each.started.at, each.path))


def _read(path: Path, cursor: Cursor) -> _Sending | None:
    """None for what is no record, and for one that has arrived as it is."""
    try:
        size = path.stat().st_size
    except OSError:
        return None
    read = None if size == cursor.size else read_lines(path)
    return None if read is None else _Sending(path=path, size=size, started=read[0], lines=read[1], cursor=cursor)


@lru_cache(maxsize=1)
def _client(uri: str, experiment: str, embedded: bool) -> MlflowStore:
    return MlflowStore(uri, experiment, embedded=embedded)


def _send(client: MlflowStore, store: Store, sending: _Sending, is_late: Callable[[], bool]) -> list[str]:
    """Send one record's lines; what to note of it."""
    while sending.left and not is_late():
        number = sending.cursor.lines
        batch = _batch(sending.lines, number)
        try:
            changes = _send_batch(client, store, sending, batch)
        except RunDeleted:
            return _stop(store, sending)
        except Exception as error:
            run_id = sending.cursor.run_id
            try:
                if run_id is None:
                    client.check_experiment()
                else:
                    client.check_deleted(run_id)
            except RunDeleted:
                return _stop(store, sending)
            if not _is_refusal(error):
                raise
            changes = {"refused": sending.cursor.refused + len(batch)}
            if run_id is None and (begun := client.run_of(sending.started)) is not None:
                changes |= {"run_id": begun, "experiment_id": client.experiment_id}
        _advance(store, sending, number + len(batch), **changes)
    if sending.cursor.refused and not sending.left:
        return [f"{sending.started.name}: the store refused {sending.cursor.refused} of its lines"]
    return []


def _stop(store: Store, sending: _Sending) -> list[str]:
    _advance(store, sending, len(sending.lines), deleted=True)
    return [f"{sending.started.name} was deleted in the store: nothing more of it is sent"]


def _advance(store: Store, sending: _Sending, lines: int, **changes: object) -> None:
    sending.cursor = sending.cursor.after(lines, **changes)
    if not sending.left:
        sending.cursor = sending.cursor.after(lines, size=sending.size)
    if sending.path.exists():  # its folder may be removed meanwhile, and is not made again
        write_cursor(sending.path, store.name, sending.cursor)


def _batch(lines: list[Line | None], begin: int) -> list[Line | None]:
    """One line, or all lines of points that follow each other: a request for each would be slow."""
    end = begin + 1
    if isinstance(lines[begin], Points):
        while end < len(lines) and isinstance(lines[end], Points) and end - begin < 100:
            end += 1
    return lines[begin:end]


def _send_batch(client: MlflowStore, store: Store, sending: _Sending, batch: list[Line | None]) -> dict[str, object]:
    """Send lines; what changes in the cursor with them."""
    line, run_id = batch[0], sending.cursor.run_id
    if isinstance(line, Started):
        parent = _parent_run(client, store, line)
        return {"run_id": client.begin(line, parent), "experiment_id": client.experiment_id}
    if run_id is None:  # its beginning was refused
        return {"refused": sending.cursor.refused + len(batch)}
    if line is None:
        return {}
    if isinstance(line, Points):
        client.points(run_id, [point for each in batch if isinstance(each, Points) for point in each.points])
    elif isinstance(line, Resumed):
        client.resume(run_id)
    elif isinstance(line, Measured):
        client.measured(run_id, sending.cursor.model_id, line)
    elif isinstance(line, Files):
        client.files(run_id, line.files)
    elif isinstance(line, Ended):
        return _end(client, run_id, sending.started, line)
    return {}


def _end(client: MlflowStore, run_id: str, started: Started, line: Ended) -> dict[str, object]:
    client.figures(run_id, line.metrics, line.at)
    made: dict[str, object] = {}
    if line.sha256 and started.kind in _MODELS:
        made["model_id"] = client.model(run_id, started, line.sha256)
    tags = {"olivepress.artifact_sha256": line.sha256, "olivepress.reason": _public(line.reason)[:400]}
    tags |= {f"olivepress.version.{name}": version for name, version in line.versions.items()}
    client.end(run_id, started, line.status, line.at, {name: text for name, text in tags.items() if text})
    return made


def _public(reason: str) -> str:
    """Without what is nobody else's business: the user and password of addresses, and where files lie here."""
    return without_paths(without_secrets(reason))


def _parent_run(client: MlflowStore, store: Store, started: Started) -> str | None:
    """The run of the recipe's own record; that is sent first where the store does not have it, or no longer."""
    if started.kind == RECIPE:
        return None
    for path in run_records(started.recipe, RECIPE):
        cursor = read_cursor(path, store.name)
        try:
            if cursor.run_id is not None:
                client.check_deleted(cursor.run_id)
                return cursor.run_id
        except RunDeleted:
            cursor = Cursor()
        parent = _read(path, cursor)
        if parent is not None:
            _send(client, store, parent, lambda: False)
            return parent.cursor.run_id
    return None


def _is_refusal(error: Exception) -> bool:
    """Whether the store is there and will never take this line."""
    return getattr(error, "error_code", None) in ("INVALID_PARAMETER_VALUE", "BAD_REQUEST")


def _is_of_the_store(error: Exception) -> bool:
    """Whether no other record would arrive either: no connection, a database that cannot be written, a full disk."""
    root = _root_cause(error)
    kinds = (OSError, OlivepressError, OperationalError)
    return isinstance(error, kinds) or isinstance(root, kinds) or _sign_of(f"{error} {root}") is not None


_SIGNS = (
    "database is locked", "attempt to write a readonly database", "database or disk is full",
    "unable to open database file", "file is not a database", "Max retries exceeded", "timed out", "Connection refused",
)  # fmt: skip


def _sign_of(text: str) -> str | None:
    return next((sign.lower() for sign in _SIGNS if sign.lower() in text.lower()), None)


def _problem(error: Exception) -> str:
    """In one line, as far as a person can use it: MLflow's messages carry SQL and advice of many lines."""
    text = without_secrets(f"{whole_message(error)} | {whole_message(_root_cause(error))}")
    if "out-of-date database schema" in text:
        return "the database has the schema of another version of MLflow"
    if (sign := _sign_of(text)) is not None:
        return sign
    if isinstance(error, OlivepressError):
        return without_secrets(error.message + (f" ({error.next_step})" if error.next_step else ""))
    return text.rpartition(" | ")[2][:160]


def _root_cause(error: BaseException) -> BaseException:
    """What the driver of the database or the connection raised."""
    while error.__cause__ is not None and error.__cause__ is not error:
        error = error.__cause__
    return error
