"""Judge an artifact by every gate, and give it the alias that follows from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from olivepress.core.errors import JobError, UsageError
from olivepress.core.layout import promotion_records
from olivepress.registry.audit_log import Action, LogLine, champions
from olivepress.registry.case import Case, Champion
from olivepress.registry.gate import GateResult
from olivepress.registry.gates import judge_all
from olivepress.registry.mlflow_registry import CHALLENGER, MlflowRegistry
from olivepress.registry.moves import Current, current, locked, move, recover
from olivepress.registry.records import keep_records, remove_records_after, reports_of

__all__ = ["Promotion", "Verdict", "champion_of", "checked_name", "earlier_champions", "promote", "verdict_of"]

Verdict = Literal["pass", "fail", "inconclusive"]
LONGEST_NAME = 100


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """What was decided, and what was done: ``line`` is the new line of the audit log, None where no alias moved.

    ``already``: the artifact is the champion; ``verdict`` is None where it was not judged again.
    ``notes`` are what else a person should know, such as an interrupted promotion that was finished.
    """

    model: str
    verdict: Verdict | None
    gates: tuple[GateResult, ...]
    champion: int | None
    line: LogLine | None = None
    notes: tuple[str, ...] = ()
    already: bool = False


def checked_name(by: str | None) -> str | None:
    """``--by``: a name in one line; nothing is recorded that was not given. UsageError for another text."""
    name = (by or "").strip()
    if len(name) > LONGEST_NAME or not name.isprintable():
        raise UsageError(f"--by: expected at most {LONGEST_NAME} characters in one line", next_step="give a name")
    return name or None


def verdict_of(gates: Sequence[GateResult]) -> Verdict:
    """pass: every gate passes or is not required; fail: one fails; else inconclusive."""
    outcomes = {gate.outcome for gate in gates}
    if "fail" in outcomes:
        return "fail"
    return "inconclusive" if "inconclusive" in outcomes else "pass"


def champion_of(now: Current) -> Champion | None:
    """The present champion with its reports, as the gates read it."""
    line = now.champion
    if line is None:
        return None
    return Champion(version=line.version, artifact_sha256=line.artifact_sha256, reports=reports_of(line))


def earlier_champions(now: Current) -> tuple[Champion, ...]:
    """Those before the present one that one can go back to, as far as their reports are here; each artifact once."""
    known = {line.artifact_sha256: line for line in champions(now.log.lines)[:-1]}
    if now.champion is not None:
        known.pop(now.champion.artifact_sha256, None)
    read = (
        Champion(version=line.version, artifact_sha256=line.artifact_sha256, reports=reports_of(line))
        for line in known.values()
    )
    return tuple(each for each in read if each.reports)


def promote(
    registry: MlflowRegistry, case: Case, *, name: str, shared: bool, by: str | None, gates: Sequence[GateResult] = ()
) -> Promotion:
    """Judge the case and move the alias: champion where every gate holds, challenger where none fails.

    The case was judged against ``case.champion``: JobError where that is not the champion any more.
    """
    gates = tuple(gates) or judge_all(case)
    verdict = verdict_of(gates)
    decided = Promotion(model=name, verdict=verdict, gates=tuple(gates), champion=_number(case.champion))
    if verdict == "fail":
        return decided
    with locked(registry, name, shared=shared):
        done = recover(registry, name)
        now = current(registry, name)
        remove_records_after(name, len(now.log.lines))
        notes = tuple(filter(None, (done, _deleted(now))))
        if now.champion is not None and now.champion.artifact_sha256 == case.manifest.sha256 and not now.deleted:
            return replace(decided, notes=notes, already=True)
        _check_champion(case.champion, now)
        if verdict == "inconclusive" and _is_challenger(now, case.manifest.sha256):
            return replace(decided, notes=notes)
        line = _register(registry, case, now, gates, verdict=verdict, by=by)
        return replace(decided, notes=notes, line=move(registry, now, line))


def _number(champion: Champion | None) -> int | None:
    return champion.version if champion else None


def _deleted(now: Current) -> str:
    if not now.deleted or now.champion is None:
        return ""
    return f"version {now.champion.version}, the champion, was deleted in the registry; its reports are kept here"


def _check_champion(judged: Champion | None, now: Current) -> None:
    present = now.champion.version if now.champion else None
    if _number(judged) != present:
        by = f" by {now.champion.by}" if now.champion and now.champion.by else ""
        raise JobError(
            f"{now.name}: version {present} became the champion{by} meanwhile; nothing was promoted",
            next_step="the same command again, which compares with it",
        )


def _is_challenger(now: Current, sha256: str) -> bool:
    version = now.registered.versions.get(now.registered.aliases.get(CHALLENGER, 0))
    return version is not None and version.artifact_sha256 == sha256


def _register(
    registry: MlflowRegistry, case: Case, now: Current, gates: Sequence[GateResult], *, verdict: Verdict, by: str | None
) -> LogLine:
    """The line of the move, with its version and its records in place."""
    sha256, number = case.manifest.sha256, len(now.log.lines) + 1
    records = keep_records(case, gates, promotion_records(now.name, number, sha256))
    version = now.registered.version_of(sha256)
    if version is None:
        registry.create_model(now.name, case.recipe.name, case.target)
        text = f"runs/{case.recipe.name}/{case.manifest.job}, sha256 {sha256}"
        version = registry.create_version(now.name, sha256, _tags(case), text)
    action: Action = "promote" if verdict == "pass" else "challenge"
    alias = "champion" if verdict == "pass" else CHALLENGER
    return LogLine(
        number=number,
        at=case.now.isoformat(timespec="seconds"),
        action=action,
        model=now.name,
        version=version,
        artifact_sha256=sha256,
        replaces=now.registered.aliases.get(alias),
        by=by,
        reports={item.report.machine.id: item.report.report_sha256 for item in case.reports},
        gates={gate.name: gate.outcome for gate in gates},
        signed_by=case.signed_by,
        records_sha256=records,
        previous=now.log.last,
    )


def _tags(case: Case) -> Mapping[str, str]:
    manifest = case.manifest
    return {
        "olivepress.recipe": case.recipe.name,
        "olivepress.job": manifest.job,
        "olivepress.target": case.target,
        "olivepress.base_model": manifest.base_model,
        "olivepress.dataset": f"{manifest.dataset} {manifest.dataset_version[:12]}",
        "olivepress.git_commit": manifest.git_commit or "none",
    }
