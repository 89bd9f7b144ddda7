"""The artifacts that a project has recorded: manifests, records of runs, audit logs; and which of them a text names."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from olivepress.core.artifact import MANIFEST, Manifest, read_manifest
from olivepress.core.bounded import CONFIG, parse_json, read_text
from olivepress.core.errors import AuditError, OlivepressError, ReportError, UsageError
from olivepress.core.layout import REGISTRY, manifests, promotion_logs
from olivepress.registry.audit_log import LogLine, challenger, champions, read_log
from olivepress.track.record import Facts
from olivepress.track.runs import TrackedRun, all_runs

__all__ = ["KnownArtifacts", "find_artifact", "known_artifacts"]

_HASH = re.compile(r"[0-9a-f]{6,64}\Z")


@dataclass(frozen=True, kw_only=True)
class KnownArtifacts:
    """What the project has recorded, by the hash of the artifact; of several runs with one result the last."""

    manifests: Mapping[str, Manifest]
    runs: Mapping[str, TrackedRun]
    logs: tuple[LogLine, ...]

    def job(self, sha256: str) -> str | None:
        if sha256 in self.manifests:
            return f"{self.manifests[sha256].recipe}/{self.manifests[sha256].job}"
        run = self.runs.get(sha256)
        return f"{run.started.recipe}/{run.started.job}" if run else None

    def facts(self, sha256: str) -> Facts:
        """What it was made from: as its run recorded it, and its manifest."""
        run, manifest = self.runs.get(sha256), self.manifests.get(sha256)
        facts = run.facts if run else Facts()
        if manifest is None:
            return facts
        stated = {
            "dataset": manifest.dataset,
            "dataset_version": manifest.dataset_version,
            "synthetic_data": manifest.synthetic_data,
            "base_model": manifest.base_model,
            "base_revision": manifest.base_model_revision,
            "random_weights": manifest.random_weights,
            "parent_sha256": manifest.parent_sha256,
            "git_commit": manifest.git_commit,
            "seed": manifest.seed,
        }
        return facts.model_copy(update=stated)


def known_artifacts() -> KnownArtifacts:
    lines = [line for path in promotion_logs() for line in read_log(path).lines]
    kept = dict[str, Manifest]()
    for path in [*sorted(REGISTRY.glob("*/*/artifact.json")), *manifests()]:
        with contextlib.suppress(OlivepressError, OSError, ValueError):
            manifest = read_manifest(path.parent) if path.name == MANIFEST else _kept_manifest(path)
            kept[manifest.sha256] = manifest
    runs = {run.sha256: run for run in all_runs() if run.sha256 is not None}
    return KnownArtifacts(manifests=kept, runs=runs, logs=tuple(lines))


def _kept_manifest(path: Path) -> Manifest:
    text = read_text(path, CONFIG, ReportError)
    parse_json(text)
    return Manifest.model_validate_json(text)


def find_artifact(text: str, known: KnownArtifacts) -> str:
    """The sha256 of the artifact that ``text`` names, as in ``lineage``. UsageError for none and for several."""
    if Path(text).is_dir():
        return read_manifest(Path(text)).sha256
    model, _, alias = text.rpartition("@")
    if alias in ("champion", "challenger"):
        return _of_alias(model, alias)
    hashes = {*known.manifests, *known.runs, *(line.artifact_sha256 for line in known.logs)}
    found = {each for each in hashes if known.job(each) == text}
    here = {each for each in found if each in {m.sha256 for m in _present()}}
    found = here or found
    if not found and _HASH.match(text):
        found = {each for each in hashes if each.startswith(text)}
    if not found:
        raise UsageError(f"no artifact {text!r}", next_step="olivepress runs list, or the folder of an artifact")
    if len(found) > 1:
        names = ", ".join(sorted(each[:12] for each in found)[:4])
        raise UsageError(f"{text!r} is several artifacts: {names}", next_step="give one of these hashes")
    return found.pop()


def _present() -> Iterator[Manifest]:
    for path in manifests():
        with contextlib.suppress(ReportError):
            yield read_manifest(path.parent)


def _of_alias(model: str, alias: str) -> str:
    """The audit log's: ``olivepress audit`` compares it with the registry. AuditError for one that is not whole."""
    logs = {path.stem: read_log(path) for path in promotion_logs()}
    chosen = [model.replace("/", "--")] if model else [name for name, log in logs.items() if log.lines or log.problem]
    if len(chosen) > 1:
        names = ", ".join(f"{name}@{alias}" for name in chosen[:4])
        raise UsageError(f"{alias}: several models have one", next_step=f"one of {names}")
    log = logs.get(chosen[0]) if chosen else None
    if log is not None and log.problem:
        raise AuditError(
            f"{log.path}: {log.problem}: it does not say which version is the {alias}",
            next_step=f"olivepress audit, which says more; then restore {log.path} (git checkout)",
        )
    line = _with_alias(log.lines, alias) if log is not None else None
    if line is None:
        known = ", ".join(sorted(logs)) or "none"
        message = f"no {alias} of {chosen[0] if chosen else 'any model'}; promoted models: {known}"
        raise UsageError(message, next_step="olivepress promote RECIPE --target TARGET")
    return line.artifact_sha256


def _with_alias(lines: Sequence[LogLine], alias: str) -> LogLine | None:
    if alias == "challenger":
        return challenger(lines)
    stack = champions(lines)
    return stack[-1] if stack else None
