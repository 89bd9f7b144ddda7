"""Where an artifact comes from and what became of it: data, base, recipe, commit, jobs, reports, promotions.

Read from the files of the project alone: manifests, records of runs, device reports and audit logs. What was replaced
since is known from the records of its runs, and from what its promotion was decided from.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from olivepress.core.errors import DataError, ReportError
from olivepress.core.layout import REGISTRY, RESULTS, dataset_dir, promotion_log
from olivepress.core.timestamps import time_text
from olivepress.data.store.reader import read_facts
from olivepress.registry.known_artifacts import KnownArtifacts, find_artifact, known_artifacts
from olivepress.report.device_report import DeviceReport, read_report
from olivepress.track.record import Facts

__all__ = ["Lineage", "Node", "lineage"]

_LONGEST = 10  # artifacts that are made from each other
_SHOWN = ("exact_match", "gain_retained", "decode_tps", "size_on_disk_bytes")


@dataclass(frozen=True, kw_only=True)
class Node:
    """``title`` of a part, with ``facts`` (name → text, those that are known) and the parts below it."""

    title: str
    facts: Mapping[str, str] = field(default_factory=dict)
    children: tuple[Node, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Lineage:
    sha256: str
    root: Node


def lineage(text: str) -> Lineage:
    """Of what ``text`` names: an artifact's folder, ``recipe/job``, the first digits of its sha256, or an alias as
    ``tickets--cpu-int4@champion``; ``champion`` alone where one model is promoted.

    UsageError for none and for several.
    """
    known = known_artifacts()
    sha256 = find_artifact(text, known)
    return Lineage(sha256=sha256, root=_root(sha256, known))


def _root(sha256: str, known: KnownArtifacts) -> Node:
    chain, facts = _chain(sha256, known), known.facts(sha256)
    parts = [_data(facts), _base(facts), _recipe(chain, known), _commit(facts)]
    parts.append(Node(title="jobs", children=tuple(_job(each, known) for each in reversed(chain))))
    parts.append(Node(title="reports", children=tuple(_reports(sha256, known))))
    parts.append(Node(title="promotions", children=tuple(_promotions(sha256, known))))
    return Node(title=known.job(sha256) or "an artifact", facts={"sha256": sha256}, children=tuple(parts))


def _chain(sha256: str, known: KnownArtifacts) -> list[str]:
    """The artifact and what it was made from, the nearest first."""
    chain = [sha256]
    while (parent := known.facts(chain[-1]).parent_sha256) and parent not in chain and len(chain) < _LONGEST:
        chain.append(parent)
    return chain


def _facts(**values: Any) -> dict[str, str]:
    return {name.replace("_", " "): str(value) for name, value in values.items() if value not in (None, "", ())}


def _data(facts: Facts) -> Node:
    if not facts.dataset or not facts.dataset_version:
        return Node(title="data", facts={"": "not recorded here"})
    stored: dict[str, Any] = {}
    with contextlib.suppress(DataError):
        stored = read_facts(dataset_dir(facts.dataset, facts.dataset_version))
    source, parents = stored.get("source"), stored.get("parents")
    source = source if isinstance(source, dict) else {}
    files = source.get("files")
    shown = _facts(
        name=facts.dataset,
        version=facts.dataset_version,
        synthetic="yes" if facts.synthetic_data else "",
        files=", ".join(map(str, files)) if isinstance(files, list) else "",
        source=source.get("origin"),
        licence=source.get("licence"),
    )
    below = [Node(title="derived from", facts={"": str(each)[:200]}) for each in parents or ()]
    return Node(title="data", facts=shown, children=tuple(below))


def _base(facts: Facts) -> Node:
    random = "yes" if facts.random_weights else ""
    name = facts.base_model or "not recorded here"
    return Node(title="base model", facts=_facts(name=name, revision=facts.base_revision, random=random))


def _recipe(chain: Sequence[str], known: KnownArtifacts) -> Node:
    """The recipe's name, and the keys of the fine-tune that its record has."""
    name = (known.job(chain[0]) or "not recorded here").partition("/")[0]
    runs = [known.runs[each] for each in chain if each in known.runs]
    trained = next((run for run in runs if run.started.kind == "finetune"), None)
    params = trained.started.params if trained else {}
    keys = [f"{key.removeprefix('finetune.')} {value}" for key, value in params.items() if key.startswith("finetune.")]
    return Node(title="recipe", facts=_facts(name=name, seed=known.facts(chain[0]).seed, finetune=", ".join(keys)))


def _commit(facts: Facts) -> Node:
    state = "with uncommitted changes" if facts.git_dirty else ""
    return Node(title="commit", facts=_facts(commit=facts.git_commit or "not recorded", state=state))


def _job(sha256: str, known: KnownArtifacts) -> Node:
    run, manifest = known.runs.get(sha256), known.manifests.get(sha256)
    name = known.job(sha256)
    if name is None:
        return Node(title="not recorded here", facts={"sha256": sha256})
    shown = _facts(sha256=sha256)
    if run is not None:
        ended = time_text(run.ended_at) if run.ended_at is not None else None
        shown |= _facts(run=run.name, finished=ended, machine=run.facts.machine)
    if manifest is not None:
        shown |= _facts(finished=manifest.created_at, verified=manifest.verified)
    return Node(title=name.partition("/")[2], facts=shown)


def _reports(sha256: str, known: KnownArtifacts) -> Iterator[Node]:
    """Device reports of the artifact, each once: those stored now, and those that promotions were decided from."""
    seen = set[str]()
    recipe, _, job = (known.job(sha256) or "").partition("/")
    stored = sorted(RESULTS.glob(f"*/{recipe}/{job}.json")) if job else []
    for path in [*stored, *sorted(REGISTRY.glob(f"*/*-{sha256[:12]}/reports/*/*.json"))]:
        with contextlib.suppress(ReportError):
            report = read_report(path)
            if report.artifact_sha256 == sha256 and report.report_sha256 not in seen:
                seen.add(report.report_sha256)
                yield _report(report, path)


def _report(report: DeviceReport, path: Path) -> Node:
    numbers = {name: report.value(name) for name in _SHOWN}
    shown = {name: f"{value:g}" for name, value in numbers.items() if value is not None}
    facts = _facts(measured=report.created_at, file=path.as_posix(), report_sha256=report.report_sha256)
    return Node(title=report.machine.name or report.machine.id, facts=facts | shown)


def _promotions(sha256: str, known: KnownArtifacts) -> Iterator[Node]:
    """Every line of an audit log that names the artifact."""
    for line in known.logs:
        if line.artifact_sha256 == sha256:
            gates = [f"{name} {outcome}" for name, outcome in line.gates.items() if outcome != "not required"]
            yield Node(
                title=f"{line.action} of version {line.version}",
                facts=_facts(
                    model=line.model,
                    at=line.at,
                    by=line.by or "not given",
                    gates=", ".join(gates),
                    signed_by=line.signed_by,
                    log=f"{promotion_log(line.model).as_posix()}, line {line.number}",
                ),
            )
