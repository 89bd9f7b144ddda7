"""One carried report, from bytes to what counts of it. Nothing in the file is parsed before its signature holds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from olivepress.bundle.archive import read_archive
from olivepress.bundle.contents import CarriedReport
from olivepress.bundle.receive import check_names
from olivepress.core.errors import OlivepressError, ReportError
from olivepress.core.timestamps import parse_timestamp
from olivepress.fleet.answers import answers_metrics
from olivepress.fleet.machines import Machine, key_text
from olivepress.fleet.records import Release
from olivepress.registry.signatures import BadSignatureError, key_id, public_key, verify
from olivepress.report.device_report import DeviceReport, parse_report
from olivepress.report.examples import Scores, parse_examples, scores_of
from olivepress.report.registry import METRICS

__all__ = ["KINDS", "LARGEST", "Accepted", "Kind", "RefusedError", "Reported", "check_report", "machine_of"]

LARGEST = 32 * 1024 * 1024  # bytes of a report with its answers: some hundred kB as a rule
_LONGEST_REASON = 300  # characters: a report may name a field of a megabyte
_CLOCK = timedelta(days=1)  # by which a machine's clock may be ahead of ours
Kind = Literal[
    "oversized", "unreadable", "not signed", "unknown key", "forged or damaged", "damaged", "other bundle",
    "other machine", "wrong clock", "replayed",
]  # fmt: skip
KINDS: tuple[Kind, ...] = get_args(Kind)


class RefusedError(Exception):
    """A file that does not count: its ``kind``, and the reason in words. ``machine`` where its signature holds."""

    def __init__(self, kind: Kind, reason: str, machine: str | None = None) -> None:
        super().__init__(reason)
        self.kind, self.machine = kind, machine
        self.reason = reason[:_LONGEST_REASON].encode("utf-8", "backslashreplace").decode("utf-8")  # names of any bytes


@dataclass(frozen=True, kw_only=True)
class Reported:
    """What a machine says of a release. ``metrics`` are those with a value; ``labels`` what every reader must know.

    Times of two reports mean the same where ``processor`` and ``workload`` are equal, answers where ``questions`` are
    (compare.comparable).
    """

    machine: str
    key: str
    release: int
    created_at: str
    processor: str
    workload: str
    questions: str
    labels: tuple[str, ...]
    metrics: Mapping[str, float]

    @property
    def created(self) -> float:
        """Seconds since 1970."""
        return parse_timestamp(self.created_at).timestamp()


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """A report that counts; ``scores``: metric → a number per example, in the order of ``ids``."""

    sha256: str
    reported: Reported
    ids: tuple[str, ...] = ()
    scores: Mapping[str, np.ndarray] = field(default_factory=dict)


def machine_of(signature: bytes, machines: Mapping[str, Machine]) -> tuple[str, Machine]:
    """Id of the key that a signature names, and its machine. RefusedError for a key of no machine."""
    try:
        key = key_id(signature)
    except ValueError:
        raise RefusedError("forged or damaged", "its signature is damaged") from None
    machine = machines.get(key)
    if machine is None:
        raise RefusedError("unknown key", f"signed with key {key}, which no machine of this fleet has")
    return key, machine


def check_report(
    data: bytes,
    signature: bytes,
    path: Path,
    *,
    machines: Mapping[str, Machine],
    releases: Sequence[Release],
    now: datetime,
) -> Accepted:
    """The report in ``data``, verified. ``machines``: key id → machine. RefusedError with the reason otherwise."""
    key, machine = machine_of(signature, machines)
    try:
        verify(data, signature, public_key(key_text(machine.key)))
    except (BadSignatureError, ValueError) as error:
        raise RefusedError("forged or damaged", f"{error}, or is signed with another key than {key}") from None
    try:
        report, scores = _parse(data, Path(path.name))
    except OlivepressError as error:
        raise RefusedError("damaged", _short(error), machine.name) from None
    release = _release(report, releases, machine)
    _check_machine(report, key, machine)
    _check_clock(report, machine, now)
    reported = Reported(
        machine=machine.name,
        key=key,
        release=release.number,
        created_at=report.created_at,
        processor=report.machine.id,
        workload=(report.headline_workload or "")[:64],
        questions=_questions(report),
        labels=_labels(report),
        metrics=_metrics(report),
    )
    wanted = (
        {} if scores is None else {name: scores.values[name] for name in answers_metrics() if name in scores.values}
    )
    return Accepted(sha256=report.report_sha256, reported=reported, ids=scores.ids if scores else (), scores=wanted)


def _parse(data: bytes, path: Path) -> tuple[DeviceReport, Scores | None]:
    contents, members = read_archive(data, path, CarriedReport)
    if contents.report not in members or len(members) > 2:
        raise ReportError(f"{path}: expected a report and its answers")
    report = parse_report(members[contents.report], path)
    check_names(report, path)
    answers = members.get(report.examples_file or "")
    if answers is None:
        return report, None
    return report, scores_of(parse_examples(answers, report, path))


def _release(report: DeviceReport, releases: Sequence[Release], machine: Machine) -> Release:
    bundle = report.settings.get("bundle_sha256")
    release = next((each for each in releases if each.bundle_sha256 == bundle), None)
    if release is None:
        shown = ascii(bundle)[1:13] if bundle else "none"
        raise RefusedError("other bundle", f"measured from bundle {shown}, no release of this fleet", machine.name)
    hashes = (report.artifact_sha256, report.settings.get("untuned_sha256"))
    if release.artifact_sha256 not in hashes or (report.recipe, report.job) != (release.recipe, release.job):
        raise RefusedError("other bundle", f"its artifact is not that of {release.bundle}", machine.name)
    return release


def _check_machine(report: DeviceReport, key: str, machine: Machine) -> None:
    """The machine names its key before it measures: nobody can sign what another machine has measured."""
    named = report.settings.get("signing_key")
    if named != key:
        reason = f"measured for key {ascii(named)[1:17]}" if named else "measured without a key"
        raise RefusedError("other machine", f"{reason}, signed with key {key}", machine.name)


def _check_clock(report: DeviceReport, machine: Machine, now: datetime) -> None:
    """A report from the future would be the newest of its machine for ever."""
    if parse_timestamp(report.created_at) > now + _CLOCK:
        raise RefusedError("wrong clock", f"measured at {report.created_at}, which has not come yet", machine.name)


def _questions(report: DeviceReport) -> str:
    """Equal where the same questions were asked in the same way."""
    data = report.dataset
    facts = [data.version, data.split, report.settings.get("json_schema_sha256")] if data else []
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def _labels(report: DeviceReport) -> tuple[str, ...]:
    labels = {
        "emulated": report.emulated,
        "random weights": report.random_weights,
        "synthetic data": report.synthetic_data,
        "nodes on the CPU": bool(report.placement and report.placement.fallback),
    }
    return tuple(label for label, holds in labels.items() if holds)


def _metrics(report: DeviceReport) -> dict[str, float]:
    """Name → value of what was measured; an emulated device's times are left out."""
    without = ("latency", "reliability") if report.emulated else ()
    return {
        name: measurement.value
        for name, measurement in report.metrics.items()
        if measurement.value is not None and name in METRICS and METRICS[name].group not in without
    }


def _short(error: OlivepressError) -> str:
    """The reason without the file's name, which stands beside it."""
    return error.message.partition(": ")[2] or error.message
