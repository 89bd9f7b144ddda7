"""People who compared the answers blindly do not find them worse than those of the champion."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from olivepress.abtest.filled import check_keys, read_filled, read_key
from olivepress.abtest.records import Artifact, Key
from olivepress.abtest.score import score
from olivepress.abtest.verdict import judge_people
from olivepress.registry.case import Case, Champion
from olivepress.registry.gate import GateResult, absent, from_judgement, not_required, passed

__all__ = ["judge"]

_NEW, _OLD = "the new artifact", "the champion"


def judge(case: Case) -> GateResult:
    required, champion = "people" in case.recipe.promote.require, case.champion
    if champion is None:
        return not_required("there is no champion yet")
    if champion.artifact_sha256 == case.manifest.sha256:
        return passed("it is the artifact of the champion itself")
    filled = [path for paths in case.sheets.values() for path in paths]
    if not filled:
        missing = "no filled sheet of this artifact and the champion"
        step = "olivepress abtest make of both; put the saved votes-*.json beside its key.json"
        return absent(missing, "people have not compared it with the champion", required=required, next_step=step)
    keys = _keys(case, champion)
    judged = judge_people(score(read_filled(filled, keys), keys), challenger=_NEW, champion=_OLD)
    step = "train again, or choose another target"
    if judged.outcome == "inconclusive":
        step = "ask about more prompts: olivepress abtest make with a larger --n"
    return from_judgement(judged, required=required, next_step=step)


def _keys(case: Case, champion: Champion) -> Mapping[str, Key]:
    """The keys with the same two names, whatever the artifacts were called when each sheet was made."""
    names = {case.manifest.sha256: _NEW, champion.artifact_sha256: _OLD}
    return check_keys((path, _named(path, names)) for path in case.sheets)


def _named(path: Path, names: Mapping[str, str]) -> Key:
    key = read_key(path)
    return key.model_copy(update={side: _as(getattr(key, side), names) for side in ("a", "b")})


def _as(artifact: Artifact, names: Mapping[str, str]) -> Artifact:
    return artifact.model_copy(update={"name": names.get(artifact.sha256 or "", artifact.name)})
