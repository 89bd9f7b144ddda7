"""Whether the audit logs are whole, and agree with the registry and with what each promotion was decided from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from olivepress.core.layout import promotion_log, promotion_logs
from olivepress.core.messages import counted
from olivepress.recipe.schema import recipe_files
from olivepress.registry.audit_log import Log, challenger, champions, head_text, line_hash, parse_line, read_log
from olivepress.registry.mlflow_registry import CHALLENGER, CHAMPION, HEAD, PENDING, MlflowRegistry, Registered
from olivepress.registry.records import records_hash, records_of

__all__ = ["Audited", "audit", "models_here"]


@dataclass(frozen=True, kw_only=True)
class Audited:
    """One registered model. ``problems`` are sentences; ``notes`` are nothing wrong, and worth knowing."""

    model: str
    lines: int
    champion: int | None
    problems: tuple[str, ...]
    notes: tuple[str, ...]


def models_here(registry: MlflowRegistry) -> list[str]:
    """Every model with a log here, and those of recipes that are here: their log may have been removed."""
    recipes = recipe_files()
    known = [
        name
        for name, tags in registry.names().items()
        if tags["olivepress.recipe"].partition(".")[0] in recipes
        and HEAD in tags  # of several adapters: recipe.adapter
    ]
    return sorted({path.stem for path in promotion_logs()} | set(known))


def audit(registry: MlflowRegistry, model: str) -> Audited:
    """Read everything and change nothing. AuditError where the log is no text file, SetupError without a registry."""
    log, registered = read_log(promotion_log(model)), registry.read(model)
    notes = list[str]()
    pending = registered.tags.get(PENDING)
    agreement = [*_log(log, registered.tags), *_aliases(log, registered)]
    if pending is not None:
        notes.append("a promotion was interrupted; the next promote or rollback finishes it or takes it back")
        agreement = _interrupted(log, registered, pending)
    problems = [*agreement, *_artifacts(log, registered), *_records(log)]
    gone = sorted({line.version for line in log.lines} - registered.versions.keys())
    if registered.exists and gone:
        notes.append(f"deleted in the registry: version {', '.join(map(str, gone))}")
    return Audited(
        model=model,
        lines=len(log.lines),
        champion=registered.aliases.get(CHAMPION),
        problems=tuple(problems),
        notes=tuple(notes),
    )


def _interrupted(log: Log, registered: Registered, pending: str) -> list[str]:
    """The problems of a log but for what the pending line explains: it may be there, be torn or be missing, and the
    alias may have moved or not."""
    try:
        line = parse_line(pending)
    except ValueError:
        return [f"its tag {PENDING} in the registry is no line of an audit log"]
    before = log
    if log.torn and pending.startswith(log.torn):
        before = replace(log, problem="", torn="")
    elif log.texts and log.texts[-1] == pending:
        before = replace(log, texts=log.texts[:-1], lines=log.lines[:-1])
    aliases: dict[str, int | None] = dict(registered.aliases)
    expected = _expected(before)
    moved = aliases.get(line.alias) == line.version
    if moved:
        aliases[line.alias] = expected[line.alias]
    if moved and line.alias == CHAMPION and expected[CHALLENGER] == line.version:
        aliases[CHALLENGER] = line.version  # it is no challenger any more, whether or not that was written yet
    known = {alias: version for alias, version in aliases.items() if version is not None}
    old = list(_log(before, registered.tags))
    problems = old and list(_log(log, registered.tags))  # the registry may know the line already
    return [*problems, *_aliases(before, replace(registered, aliases=known))]


def _log(log: Log, tags: Mapping[str, str]) -> Iterator[str]:
    if log.problem:
        yield f"{log.path}: {log.problem}"
        return
    head = tags.get(HEAD)
    if head == log.head or (head is None and not log.lines):
        return
    if head is None:
        yield f"{log.path}: the registry knows none of its {counted(len(log.lines), 'line')}"
        return
    number, _, last = head.partition(" ")
    known = int(number) if number.isdigit() else 0
    if known > len(log.lines):
        yield f"{log.path}: was cut after line {len(log.lines)}; the registry knows {counted(known, 'line')}"
    elif known < len(log.lines) and head == head_text(known, line_hash(log.texts[known - 1])):
        yield f"{log.path}: lines were added after line {known}, the last that the registry knows"
    else:
        yield f"{log.path}: was rewritten; its line {known} is not the one that the registry knows ({last[:12]})"


def _expected(log: Log) -> dict[str, int | None]:
    """Where the log has each alias."""
    stack, last = champions(log.lines), challenger(log.lines)
    return {CHAMPION: stack[-1].version if stack else None, CHALLENGER: last.version if last else None}


def _aliases(log: Log, registered: Registered) -> Iterator[str]:
    if log.problem:
        return
    for alias, expected in _expected(log).items():
        version = registered.aliases.get(alias)
        if version == expected or (version is None and expected not in registered.versions):
            continue
        has, should = (f"version {each}" if each else "no version" for each in (version, expected))
        yield f"the alias {alias} is at {has}; the log has it at {should}"


def _artifacts(log: Log, registered: Registered) -> Iterator[str]:
    for line in log.lines:
        version = registered.versions.get(line.version)
        if version is not None and version.artifact_sha256 != line.artifact_sha256:
            yield f"line {line.number}: version {line.version} in the registry is of another artifact"


def _records(log: Log) -> Iterator[str]:
    for line in log.lines:
        if line.records_sha256 is None:
            continue
        folder = records_of(line)
        if not folder.is_dir():
            yield f"line {line.number}: {folder.as_posix()} is missing, which it was decided from"
        elif records_hash(folder) != line.records_sha256:
            yield f"line {line.number}: {folder.as_posix()} was changed, which it was decided from"
