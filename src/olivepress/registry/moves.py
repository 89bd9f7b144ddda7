"""Moving an alias: all of it or nothing, whatever dies in between.

The registry's alias is the truth. Before it moves, the line that the audit log will get is kept in the registry
(``PENDING``); after it has moved, the line is appended and its hash becomes the registry's ``HEAD``. Whoever comes next
finds what was not finished: where the alias has moved, the rest is done; where it has not, nothing has happened.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from olivepress.core.errors import AuditError, JobError, SetupError
from olivepress.core.files import write_text
from olivepress.core.layout import REGISTRY_LOCK, promotion_log
from olivepress.core.messages import counted
from olivepress.core.process import exclusive
from olivepress.registry.audit_log import (
    Log,
    LogLine,
    append,
    champions,
    head_text,
    line_hash,
    line_text,
    parse_line,
    read_log,
)
from olivepress.registry.mlflow_registry import CHALLENGER, CHAMPION, HEAD, PENDING, MlflowRegistry, Registered

__all__ = ["Current", "current", "finish_interrupted", "locked", "move", "recover"]


@dataclass(frozen=True, kw_only=True)
class Current:
    """A registered model and its audit log, which agree. ``champion`` made the present champion; it is the log's, and
    may have been ``deleted`` in the registry."""

    name: str
    registered: Registered
    log: Log
    champion: LogLine | None
    deleted: bool


@contextlib.contextmanager
def locked(registry: MlflowRegistry, name: str, *, shared: bool) -> Iterator[None]:
    """Nobody else moves an alias of the model meanwhile: in this project, and where others use the registry, there.

    JobError for who comes second.
    """
    step = "wait until it has finished, then promote again"
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(exclusive(REGISTRY_LOCK))
        except JobError:
            raise JobError("another promotion is running in this project", next_step=step) from None
        if shared:
            stack.enter_context(_shared_lock(registry, _lock_of(name)))
        yield


@contextlib.contextmanager
def _shared_lock(registry: MlflowRegistry, lock: str) -> Iterator[None]:
    """A lock that a killed process of this project left is known by its token, and taken over."""
    token = _token()
    holder = registry.take_lock(lock, token)
    if holder == token:  # nobody else runs in this project, so whoever took it was killed
        registry.release_lock(lock)
        holder = registry.take_lock(lock, token)
    if holder is not None:
        raise JobError(
            f"another promotion is running: the registered model {lock} exists",
            next_step=f"wait until it has finished; if it was killed, delete {lock} in MLflow",
        )
    try:
        yield
    finally:
        with contextlib.suppress(SetupError):  # left behind, it is taken over by its token
            registry.release_lock(lock)


def _token() -> str:
    """Of this folder: a copy of the project has another one."""
    path = REGISTRY_LOCK / "token"
    if not path.is_file():
        write_text(path, secrets.token_hex(16))
    return hashlib.sha256(f"{path.read_text(encoding='utf-8')} {Path.cwd()}".encode()).hexdigest()[:16]


def current(registry: MlflowRegistry, name: str) -> Current:
    """The model as it is. AuditError where log and registry do not agree, JobError where a move was interrupted,
    SetupError without an answer."""
    registered, log = registry.read(name), read_log(promotion_log(name))
    if PENDING in registered.tags:
        step = "olivepress promote, or rollback: the next one finishes it or takes it back"
        raise JobError(f"{name}: a promotion was interrupted", next_step=step)
    _check_log(name, registered, log)
    stack = champions(log.lines)
    champion = stack[-1] if stack else None
    has_alias = registered.aliases.get(CHAMPION)
    deleted = champion is not None and champion.version not in registered.versions
    expected = None if champion is None or deleted else champion.version
    if has_alias != expected:
        raise AuditError(
            f"{name}: the alias champion is at {_version(has_alias)}, its audit log has it at {_version(expected)}: "
            "it was moved by something else than olivepress",
            next_step="move it back in MLflow",
        )
    return Current(name=name, registered=registered, log=log, champion=champion, deleted=deleted)


def _check_log(name: str, registered: Registered, log: Log) -> None:
    audit = f"olivepress audit, which says more; then restore {log.path} (git checkout)"
    if log.problem:
        raise AuditError(f"{log.path}: {log.problem}", next_step=audit)
    head = registered.tags.get(HEAD)
    if log.lines and head is None:
        raise AuditError(
            f"{log.path} has {counted(len(log.lines), 'line')}, and the registry knows none of them",
            next_step="name their registry (MLFLOW_TRACKING_URI), or move the file away to begin again",
        )
    if head is not None and head != log.head:
        raise AuditError(
            f"{log.path}: its last line is not the one that the registry knows",
            next_step=f"git pull, if somebody else has promoted; else {audit}",
        )


def _version(number: int | None) -> str:
    return "no version" if number is None else f"version {number}"


def move(registry: MlflowRegistry, now: Current, line: LogLine) -> LogLine:
    """Give the line's alias to its version, with the line in the log. The lock must be held."""
    text = line_text(line)
    registry.set_tag(now.name, PENDING, text)
    registry.set_alias(now.name, line.alias, line.version)
    _finish(registry, now.name, now.log, line, text)
    return line


def _finish(registry: MlflowRegistry, name: str, log: Log, line: LogLine, text: str) -> None:
    if log.last != line_hash(text):
        append(log, text)
    registry.set_tag(name, HEAD, head_text(line.number, line_hash(text)))
    registry.keep_version(name, line.version, _tags(line))
    if line.alias == CHAMPION and registry.read(name).aliases.get(CHALLENGER) == line.version:
        registry.delete_alias(name, CHALLENGER)
    registry.delete_tag(name, PENDING)


def _tags(line: LogLine) -> dict[str, str]:
    """What MLflow shows of the last move to a version."""
    tags = {f"olivepress.{line.action}.at": line.at, f"olivepress.{line.action}.by": line.by or "not given"}
    return tags | {f"olivepress.gate.{gate.replace(' ', '_')}": outcome for gate, outcome in line.gates.items()}


def recover(registry: MlflowRegistry, name: str) -> str:
    """Finish or take back what was interrupted; what was done, in words, or "". The lock must be held."""
    registered = registry.read(name)
    pending = registered.tags.get(PENDING)
    if pending is None:
        for version in registered.versions.values():
            if version.is_new and version.number not in registered.aliases.values():
                registry.delete_version(name, version.number)
        return ""
    try:
        line = parse_line(pending)
    except ValueError:
        raise AuditError(
            f"{name}: its tag {PENDING} is no line of an audit log", next_step="delete it in MLflow"
        ) from None
    log = read_log(promotion_log(name))
    if registered.aliases.get(line.alias) == line.version:
        if log.last not in (line.previous, line_hash(pending)):
            raise AuditError(
                f"{log.path}: the last move was interrupted, and the log is not the one that it began with",
                next_step=f"restore {log.path} (git checkout)",
            )
        _finish(registry, name, log, line, pending)
        return f"finished the {line.action} of version {line.version}, which had been interrupted"
    registry.delete_tag(name, PENDING)
    begun = registry.read(name).versions.get(line.version)
    if begun is not None and begun.is_new:
        registry.delete_version(name, line.version)
    return f"took back the {line.action} of version {line.version}, which had been interrupted before it happened"


def finish_interrupted(registry: MlflowRegistry, name: str, *, shared: bool) -> str:
    """``recover``, where a killed process left something: a move that is pending, or its lock."""
    left = PENDING in registry.read(name).tags or (shared and registry.read(_lock_of(name)).exists)
    if not left:
        return ""
    with locked(registry, name, shared=shared):
        return recover(registry, name)


def _lock_of(name: str) -> str:
    return f"{name}--lock"
