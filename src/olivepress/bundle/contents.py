"""The index of a bundle and of a carried report, and the log of the bundles that were made."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import field_validator

from olivepress.bundle.archive import Contents, Name, Sha256
from olivepress.core.bounded import CONFIG, read_text
from olivepress.core.errors import ReportError
from olivepress.core.jsonl import append_json_line, read_json_lines
from olivepress.core.layout import bundle_log
from olivepress.core.yaml_document import Record
from olivepress.recipe.schema import Benchmark

__all__ = [
    "ARTIFACT",
    "DATASET",
    "IDS",
    "TEXT",
    "Bundle",
    "CarriedReport",
    "Ids",
    "LoggedBundle",
    "log_bundle",
    "read_bundle_log",
    "read_ids",
]

MOST_ROUNDS, MOST_TOKENS = 1000, 10_000_000
ARTIFACT, DATASET, IDS, TEXT = "artifact", "dataset", "dataset/ids.json", "text.txt"


class Bundle(Contents):
    """``bundle.json``: one artifact and what its device needs to measure it as its recipe asks.

    ``outcomes``: report name of the base and the fine-tuned model → example id → whether it was right, so that the
    device can say what share of the gain the artifact kept.
    """

    INDEX: ClassVar[str] = "bundle.json"
    NEXT_STEP: ClassVar[str] = "olivepress bundle again, and carry the file unchanged"

    kind: Literal["bundle"] = "bundle"
    recipe: Name
    job: Name
    artifact_sha256: Sha256
    execution_provider: str
    dataset: str
    dataset_version: str
    ids_only: bool
    benchmark: Benchmark
    outcomes: dict[str, dict[str, bool]]

    @field_validator("benchmark")
    @classmethod
    def _is_bounded(cls, value: Benchmark) -> Benchmark:
        # A bundle may ask this machine for work without end.
        most = max((max(cell) for cell in value.workloads), default=0)
        if max(value.rounds, value.repetitions) > MOST_ROUNDS or most > MOST_TOKENS or len(value.workloads) > 100:
            raise ValueError(
                f"at most {MOST_ROUNDS} rounds and repetitions, 100 workloads and {MOST_TOKENS:,} tokens are measured"
            )
        return value


class Ids(Record):
    """``dataset/ids.json`` instead of the test split: its ids and the sha256 of its file, but no hash of a row.

    A short row could be guessed from its own hash. An id that was not in the data is the start of its row's hash.
    """

    name: str
    version: str
    split: Literal["test"] = "test"
    sha256: Sha256
    ids: tuple[str, ...]


class CarriedReport(Contents):
    """``carried.json``: a device report and its answers, to be imported where the bundle was made."""

    INDEX: ClassVar[str] = "carried.json"
    NEXT_STEP: ClassVar[str] = "olivepress bench on the device again, and carry the file unchanged"

    kind: Literal["report"] = "report"
    report: Name


class LoggedBundle(Record):
    """A line of ``runs/<recipe>/bundles.jsonl``: a bundle that was made here."""

    at: str
    bundle: str
    bundle_sha256: Sha256
    artifact_sha256: Sha256
    recipe: Name
    job: Name
    dataset_version: str
    ids_only: bool


def read_bundle_log(path: Path) -> Iterator[LoggedBundle]:
    """The bundles in a log; a line that is not a whole entry is skipped."""
    for line in read_json_lines(path, CONFIG, ReportError):
        with contextlib.suppress(ValueError):
            yield LoggedBundle.model_validate(line)


def read_ids(path: Path) -> Ids:
    """The ids of a split that was not packed. ReportError for any other file."""
    try:
        return Ids.model_validate_json(read_text(path, CONFIG, ReportError))
    except (OSError, ValueError) as error:
        raise ReportError(f"{path}: not the ids of a split", next_step=Bundle.NEXT_STEP) from error


def log_bundle(entry: LoggedBundle) -> None:
    """Add a bundle to the log of its recipe."""
    append_json_line(bundle_log(entry.recipe), entry.model_dump(mode="json"))
