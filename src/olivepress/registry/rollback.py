"""Back to the champion before the present one. The alias moves, no file does."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from olivepress.core.errors import UsageError
from olivepress.registry.audit_log import LogLine, champions
from olivepress.registry.mlflow_registry import MlflowRegistry
from olivepress.registry.moves import current, locked, move, recover
from olivepress.registry.records import records_of, remove_records_after, reports_of

__all__ = ["Rollback", "rollback"]


@dataclass(frozen=True, kw_only=True)
class Rollback:
    """``skipped`` are versions that were champion later than the one that is now, and were deleted in the registry."""

    line: LogLine
    skipped: tuple[int, ...]
    notes: tuple[str, ...]


def rollback(registry: MlflowRegistry, name: str, *, shared: bool, by: str | None, now: datetime) -> Rollback:
    """Give the alias champion to the version that had it before. UsageError where there was none, AuditError where the
    log, or what that version was promoted with, was changed."""
    with locked(registry, name, shared=shared):
        done = recover(registry, name)
        present = current(registry, name)
        remove_records_after(name, len(present.log.lines))
        before = champions(present.log.lines)[:-1]
        now_at = present.registered.aliases.get("champion")
        there = [line for line in before if line.version in present.registered.versions and line.version != now_at]
        if not there:
            gone = ", ".join(f"version {line.version}" for line in before if line.version != now_at)
            reason = f"the champions before were deleted in the registry ({gone})" if gone else "no champion before"
            raise UsageError(
                f"{name}: {reason}, nothing to go back to", next_step="olivepress promote another artifact"
            )
        target = there[-1]
        line = LogLine(
            number=len(present.log.lines) + 1,
            at=now.isoformat(timespec="seconds"),
            action="rollback",
            model=name,
            version=target.version,
            artifact_sha256=target.artifact_sha256,
            replaces=present.registered.aliases.get("champion"),
            by=by,
            previous=present.log.last,
        )
        reports = reports_of(target)
        move(registry, present, line)
        current(registry, name)  # alias, log and registry agree on it
    later = (each.version for each in before if each.number > target.number)
    skipped = tuple(version for version in later if version not in present.registered.versions)
    notes = [done] if done else []
    if not reports:
        notes.append(
            f"{records_of(target).as_posix()} is not here: the next artifact cannot be compared with version "
            f"{target.version} until it is restored (git checkout)"
        )
    return Rollback(line=line, skipped=skipped, notes=tuple(notes))
