"""DeviceReport: what one machine measured of one artifact, as a file in which a change by hand is detected."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, Field, PrivateAttr, ValidationError, field_validator, model_validator

from olivepress.core.bounded import REPORT, parse_json, read_bytes
from olivepress.core.errors import ReportError
from olivepress.core.files import write_text
from olivepress.core.strict_json import NotAllowedError, strict_hooks
from olivepress.core.timestamps import Timestamp
from olivepress.report.machine import Conditions, Machine
from olivepress.report.measurement import MOST, Measurement, ReportRecord, measured, not_measured
from olivepress.report.notebook import report_html
from olivepress.report.registry import LARGEST, METRICS, out_of_range

__all__ = [
    "SCHEMA_VERSION",
    "Ceiling",
    "DatasetUsed",
    "DeviceReport",
    "LatencySample",
    "Measurement",
    "Placement",
    "ProcessSample",
    "Runtime",
    "WorkloadResult",
    "measured",
    "not_measured",
    "parse_report",
    "read_report",
    "report_hash",
    "write_report",
]

SCHEMA_VERSION = 2
HOOKS = strict_hooks("is not a measurement; a metric that could not be measured is null with a reason")
MAX_BYTES = REPORT
Count = Annotated[int, Field(ge=0, le=MOST)]
Amount = Annotated[float, Field(ge=0, le=LARGEST)]
# The last three come from importers.
Runtime = Literal["onnxruntime-genai", "openvino", "pytorch", "onnxruntime", "llama.cpp", "other"]


# Others may declare metrics of the answers, so a name that is not ours is no error.
_METRIC_NAME = re.compile(r"[a-z][a-z0-9_]{0,79}")


class DatasetUsed(ReportRecord):
    """The split that was answered: ``version`` is the dataset's sha256, ``n`` the examples measured of ``of``."""

    name: str
    version: str
    split: str
    n: int = Field(ge=0, le=MOST)
    of: int = Field(ge=0, le=MOST)

    @model_validator(mode="after")
    def _no_more_than_all(self) -> DatasetUsed:
        if self.n > self.of:
            raise ValueError(f"{self.n} examples measured of {self.of}")
        return self


class LatencySample(ReportRecord):
    """One timed repetition, raw: milliseconds; ``step_ms`` are the tokens after the first."""

    workload: str
    round: Count
    repetition: Count
    ttft_ms: float = Field(gt=0, le=LARGEST)
    request_ttft_ms: float = Field(gt=0, le=LARGEST)
    step_ms: tuple[Annotated[float, Field(gt=0, le=LARGEST)], ...]

    @property
    def decode_tps(self) -> float:
        """Tokens after the first over the sum of their step times, tokens/s. ZeroDivisionError without steps."""
        return len(self.step_ms) / (sum(self.step_ms) / 1e3)


class ProcessSample(ReportRecord):
    """One measuring process: one workload in one round. ``order`` counts all processes of the bench session."""

    workload: str
    round: Count
    order: Count
    load_ms: Amount
    peak_memory_bytes: Count
    peak_accelerator_memory_bytes: Count | None = None
    energy_j: Amount | None = None
    harness_step_ns: Amount
    conditions: Conditions


class Ceiling(ReportRecord):
    """What the machine can do at most, measured before the model: ``threads`` as the session uses them."""

    threads: int = Field(ge=1, le=MOST)
    read_bytes_per_s: float = Field(gt=0, le=LARGEST)
    matrix_flops: float = Field(gt=0, le=LARGEST)
    method: str


class Placement(ReportRecord):
    """Nodes of the graph per provider that got them; ``fallback_ops`` are the op types that fell back to the CPU.

    ``arithmetic`` of the CPU's nodes only compute with shapes and positions: every provider leaves those there.
    """

    asked: str
    nodes: dict[str, Count]
    fallback: bool
    fallback_ops: tuple[str, ...] = ()
    arithmetic: Count = 0

    @model_validator(mode="after")
    def _arithmetic_is_among_the_nodes(self) -> Placement:
        if self.arithmetic > sum(self.nodes.values()):
            raise ValueError(f"{self.arithmetic} nodes of arithmetic among {sum(self.nodes.values())}")
        return self

    @property
    def placed(self) -> tuple[int, int]:
        """(nodes that the asked provider got, nodes that it should have got: all but arithmetic)."""
        return self.nodes.get(self.asked, 0), sum(self.nodes.values()) - self.arithmetic

    def holds(self, min_placed: float, max_cpu_nodes: int | None) -> bool:
        """Whether the provider got the share of nodes that its target promises, and left few enough to others."""
        taken, total = self.placed
        few = max_cpu_nodes is None or total - taken <= max_cpu_nodes
        return taken > 0 and taken >= min_placed * total and few


class WorkloadResult(ReportRecord):
    """One cell (prompt × generated tokens), or the reason why it has no numbers."""

    name: str
    prompt_tokens: Count  # 0: another tool timed only the other half
    generated_tokens: Count
    metrics: dict[str, Measurement]
    reason: str | None = None


class DeviceReport(ReportRecord):
    """What one machine measured of one artifact. ``report_sha256`` is set by ``write_report``."""

    schema_version: Literal[2] = 2
    recipe: str
    job: str
    artifact_sha256: str
    runtime: Runtime
    execution_provider: str
    device: Literal["cpu", "gpu", "npu", "unknown"]
    precision: str
    machine: Machine
    dataset: DatasetUsed | None
    created_at: Timestamp
    settings: dict[str, int | float | str | None]
    git_commit: str | None = None
    bench_session: str | None = Field(None, validation_alias=AliasChoices("bench_session", "sitting"))
    """Its reports were measured interleaved, round by round; formerly called sitting."""
    ceiling: Ceiling | None = None
    placement: Placement | None = None
    warnings: tuple[str, ...] = ()
    lm_eval: dict[str, Measurement] = Field({})
    headline_workload: str | None
    workloads: tuple[WorkloadResult, ...]
    metrics: dict[str, Measurement]
    samples: tuple[LatencySample, ...]
    processes: tuple[ProcessSample, ...] = ()
    examples_file: str | None
    examples_sha256: str | None
    emulated: bool
    random_weights: bool
    synthetic_data: bool = False
    report_sha256: str = ""

    # Where it was read from, to read the examples beside it; never part of the file.
    _source: Path | None = PrivateAttr(default=None)

    @field_validator("examples_file")
    @classmethod
    def _stays_beside(cls, value: str | None) -> str | None:
        # A report comes from another machine: it must not make us read files elsewhere.
        if value is not None and (PurePosixPath(value).name != value or "\\" in value or value in ("", ".", "..")):
            raise ValueError("examples_file must be a plain file name beside the report")
        return value

    @model_validator(mode="after")
    def _units_are_ours(self) -> DeviceReport:
        for where in (self.metrics, *(w.metrics for w in self.workloads)):
            for name, measurement in where.items():
                if not _METRIC_NAME.fullmatch(name):
                    raise ValueError(f"metric {ascii(name)[:60]}: expected a name of small letters, digits and _")
                if name in METRICS and measurement.unit != METRICS[name].unit:
                    raise ValueError(f"metric {name} is in {measurement.unit}, expected {METRICS[name].unit}")
        return self

    def value(self, metric: str) -> float | None:
        """The value of a metric; None where it was not measured."""
        measurement = self.metrics.get(metric)
        return measurement.value if measurement else None

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        data = f"{self.dataset.n} of {self.dataset.of} examples of {self.dataset.name}" if self.dataset else None
        facts = {"Machine": self.machine.id, "Provider": self.execution_provider, "Data": data}
        return report_html(f"Device report {self.recipe}/{self.job}", facts, self.metrics)

    @property
    def source(self) -> Path | None:
        """The file this report was read from or written to."""
        return self._source


def report_hash(fields: Mapping[str, Any]) -> str:
    """sha256 over the canonical JSON (sorted keys, no spaces, UTF-8) of all fields except ``report_sha256``."""
    body = {key: value for key, value in fields.items() if key != "report_sha256"}
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def write_report(report: DeviceReport, path: Path) -> DeviceReport:
    """Seal the report with its hash and write it in one step: a reader never sees half of it.

    Returns the sealed report. SetupError when the disk does not take it.
    """
    fields = report.model_dump(mode="json")
    fields["report_sha256"] = report_hash(fields)
    write_text(path, json.dumps(fields, indent=1, sort_keys=True, ensure_ascii=True, allow_nan=False) + "\n")
    sealed = report.model_copy(update={"report_sha256": fields["report_sha256"]})
    sealed._source = path
    return sealed


def read_report(path: Path) -> DeviceReport:
    """Read a report file; ReportError for a missing or unreadable one, and for what ``parse_report`` refuses."""
    try:
        data = read_bytes(path, MAX_BYTES, ReportError)
    except FileNotFoundError as error:
        raise ReportError(f"{path}: no such report", next_step="olivepress bench writes one") from error
    except OSError as error:
        raise ReportError(f"{path}: cannot be read ({error.strerror})", next_step="name a report file") from error
    report = parse_report(data, path)
    report._source = path
    return report


def parse_report(data: bytes, where: Path | str) -> DeviceReport:
    """The report that a file holds; what is not consistent is refused. ``where`` names it in errors.

    ReportError for a truncated text, another schema version, NaN, duplicate keys, unknown fields, wrong types, and a
    body that does not match its own hash (a hand edit).
    """
    fields = _parse(data, where)
    version = fields.get("schema_version")
    if version != SCHEMA_VERSION or isinstance(version, bool):
        raise ReportError(
            f"{where}: schema version {version!r}, this olivepress reads {SCHEMA_VERSION}",
            next_step="measure again with this olivepress, or read it with the one that wrote it",
        )
    try:
        sealed = report_hash(fields)
    except ValueError as error:  # 1e999 is legal JSON and reads as infinity
        raise _refused(where, "holds a number that is not finite") from error
    if fields.get("report_sha256") != sealed:
        raise _refused(where, "its contents do not match report_sha256: it was changed after it was measured")
    try:
        # From the text: strict about types, yet lists become tuples.
        report = DeviceReport.model_validate_json(data, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "report"
        raise _refused(where, f"field {field}: {first['msg']} ({error.error_count()} in all)") from error
    if problem := _impossible(report):
        raise _refused(where, problem)
    return report


def _impossible(report: DeviceReport) -> str | None:
    """The first value that no measurement of its metric can have, or a headline of no workload."""
    if report.headline_workload not in (None, *(workload.name for workload in report.workloads)):
        return f"headline_workload is {ascii(report.headline_workload)[:60]}, none of its workloads"
    for where in (report.metrics, *(workload.metrics for workload in report.workloads)):
        for name, measurement in where.items():
            if name in METRICS and measurement.value is not None and (problem := out_of_range(name, measurement.value)):
                return problem
    examples = report.dataset.n if report.dataset else None
    for name, measurement in report.metrics.items():
        counted = name in METRICS and METRICS[name].counted
        if counted and (problem := _miscounted(name, measurement, examples)):
            return problem
    for name, measurement in _all_measurements(report):
        if not _fits(measurement):
            return f"{name} is {measurement.value:g}, far from its interval or too large"
    return None


def _miscounted(name: str, measurement: Measurement, examples: int | None) -> str | None:
    """What is wrong with a share of right answers: Wilson's interval always holds the share."""
    value, n, low, high = measurement.value, measurement.n, measurement.ci_low, measurement.ci_high
    if value is None:
        return None
    if examples is not None and n is not None and n > examples:
        return f"{name} is of {n} answers, its dataset has {examples} examples"
    if low is not None and high is not None and not low - 1e-9 <= value <= high + 1e-9:
        return f"{name} is {value:g}, outside of its interval"
    return None


def _all_measurements(report: DeviceReport) -> list[tuple[str, Measurement]]:
    measurements = [*report.metrics.items(), *report.lm_eval.items()]
    return measurements + [pair for workload in report.workloads for pair in workload.metrics.items()]


def _fits(measurement: Measurement) -> bool:
    """Whether the value is in or near its interval: a bootstrap of few or skewed values may just miss it."""
    value, low, high = measurement.value, measurement.ci_low, measurement.ci_high
    if value is None or low is None or high is None:
        return value is None or abs(value) <= LARGEST
    slack = (high - low) + 1e-6 * max(abs(low), abs(high), 1.0)
    return max(abs(value), abs(low), abs(high)) <= LARGEST and low - slack <= value <= high + slack


def _parse(data: bytes, where: Path | str) -> dict[str, Any]:
    try:
        parsed = parse_json(data.decode("utf-8"), **HOOKS)
    except json.JSONDecodeError as error:
        raise _refused(where, f"line {error.lineno}: not complete JSON ({error.msg}); truncated?") from error
    except NotAllowedError as error:
        raise _refused(where, str(error)) from error
    except ValueError as error:  # not UTF-8, a number of thousands of digits, endless nesting
        raise _refused(where, f"not a JSON text ({type(error).__name__})") from error
    if not isinstance(parsed, dict):
        raise _refused(where, f"expected a JSON object, not {type(parsed).__name__}")
    return parsed


def _refused(where: Path | str, reason: str) -> ReportError:
    return ReportError(f"{where}: {reason}", next_step="measure again with olivepress bench")
