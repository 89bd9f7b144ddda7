"""Builds the device report from the measurements of one model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from olivepress.data.store.reader import Split
from olivepress.measure.bench_session import BenchSession
from olivepress.measure.latency.cells import Cell, headline, headline_metrics
from olivepress.measure.settings import Settings
from olivepress.measure.subject import Subject
from olivepress.measure.tuning.record import threads_warning, untuned_sha256
from olivepress.measure.worker.interpreters import machine_of
from olivepress.report import ceiling
from olivepress.report.attribution import gain_retained
from olivepress.report.device_report import (
    Ceiling,
    DatasetUsed,
    DeviceReport,
    Measurement,
    Placement,
    ProcessSample,
    WorkloadResult,
    measured,
    not_measured,
)
from olivepress.report.disturbances import disturbances
from olivepress.report.machine import usable_cores
from olivepress.report.noise import decode_by_round, drift, noise_floor
from olivepress.report.task_metrics import Answers, task_metrics
from olivepress.runtimes.onnx_graph import GraphError
from olivepress.runtimes.session import session_options, size_on_disk_bytes
from olivepress.runtimes.weights import decode_read_bytes, kv_bytes_per_token

__all__ = ["SubjectResults", "assemble"]

OVERHEAD = 0.001  # share of a measurement above which a report warns
ROOFLINE = ("bytes_per_token", "roofline_fraction")
TRUST = ("noise_floor", "drift", *ROOFLINE)
NO_TRAINING = "no manifest of a finetune job belongs to it"
NO_BUILD = "no manifest of a merge or export job belongs to it"
NO_PRICE = "no rate was stated (benchmark.price_per_hour)"

Metrics = dict[str, Measurement]


@dataclass(frozen=True, kw_only=True)
class SubjectResults:
    """What the stages of a bench measured of one subject.

    ``outcomes`` are the right and wrong answers of the base and of the fine-tuned model, by report name.
    """

    subject: Subject
    data: Split | None
    placement: Placement | None = None
    ceiling: Ceiling | None = None
    cells: tuple[Cell, ...] = ()
    answers: Answers = field(default_factory=lambda: Answers(examples=()))
    metrics: Mapping[str, Measurement] = field(default_factory=dict)
    lm_eval: Mapping[str, Measurement] = field(default_factory=dict)
    settings: Mapping[str, int | float | str | None] = field(default_factory=dict)
    outcomes: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)


def assemble(results: SubjectResults, *, session: BenchSession, settings: Settings, now: datetime) -> DeviceReport:
    """The report, not written to disk. ``session`` states the seconds and memory that measuring took."""
    subject = results.subject
    workloads = tuple(cell.result() for cell in results.cells)
    processes = tuple(sorted((p for cell in results.cells for p in cell.processes), key=lambda p: p.order))
    trust, trust_warnings = _trust(results, workloads)
    metrics = {
        **headline_metrics(workloads, processes, subject.no_latency_reason or "no workload was requested"),
        "size_on_disk_bytes": measured("size_on_disk_bytes", float(_size(subject)), n=1),
        **trust,
        **task_metrics(results.answers),
        **results.metrics,
        "gain_retained": _gain(results),
        **_cost(subject, session, settings),
    }
    return DeviceReport(
        recipe=subject.recipe,
        job=subject.job,
        artifact_sha256=subject.artifact_sha256,
        runtime=subject.runtime,
        execution_provider=subject.execution_provider,
        device=subject.device,
        precision=subject.precision,
        machine=machine_of(subject.interpreter).model_copy(update={"name": settings.machine_name}),
        dataset=_dataset(results.data),
        created_at=now.astimezone(UTC).isoformat(timespec="seconds"),
        settings=_settings(results, settings),
        git_commit=subject.git_commit,
        bench_session=session.session_id if processes else None,
        ceiling=results.ceiling,
        placement=results.placement,
        lm_eval=dict(results.lm_eval),
        warnings=(*trust_warnings, *_warnings(results, processes, session)),
        headline_workload=headline(workloads),
        workloads=workloads,
        metrics=metrics,
        samples=tuple(sample for cell in results.cells for sample in cell.samples),
        processes=processes,
        examples_file=None,
        examples_sha256=None,
        emulated=subject.emulated,
        random_weights=subject.random_weights,
        synthetic_data=bool(results.data and results.data.synthetic),
    )


def _settings(results: SubjectResults, settings: Settings) -> dict[str, int | float | str | None]:
    """The settings that the report states: of the bench, of the stages, and of the model's session."""
    model_dir = results.subject.model_dir
    devices = [cell.runtime_device for cell in results.cells if cell.runtime_device]
    stated: dict[str, int | float | str | None] = {
        "rounds": settings.rounds,
        "repetitions": settings.repetitions,
        "warmups": settings.warmups,
        **results.settings,
        **session_options(model_dir),
    }
    if untuned := untuned_sha256(model_dir):
        stated["untuned_sha256"] = untuned
    stated["runtime_device"] = devices[0] if devices else None
    stated["currency"] = settings.currency
    if settings.bundle_sha256:
        stated["bundle_sha256"] = settings.bundle_sha256
    if settings.signing_key:
        stated["signing_key"] = settings.signing_key
    return stated


def _size(subject: Subject) -> int:
    """Bytes of the model folder, and of the adapter where it is not merged."""
    adapter = size_on_disk_bytes(subject.adapter_dir) if subject.adapter_dir else 0
    return size_on_disk_bytes(subject.model_dir) + adapter


def _trust(results: SubjectResults, workloads: Sequence[WorkloadResult]) -> tuple[Metrics, list[str]]:
    """Noise floor, drift and share of the physical ceiling of the headline workload, and the warnings that follow."""
    name = headline(workloads)
    chosen = next((workload for workload in workloads if workload.name == name), None)
    if chosen is None:
        first_reason = next((workload.reason for workload in workloads if workload.reason), None)
        reason = results.subject.no_latency_reason or first_reason or "no workload was run"
        return _not_measured(TRUST, reason), []
    samples = [sample for cell in results.cells for sample in cell.samples]
    rates = list(decode_by_round(samples, chosen.name).values())
    floor, (change, is_trend) = noise_floor(rates), drift(rates)
    warnings = []
    if is_trend and change.value is not None and change.value > (floor.value or 0.0):
        warnings.append(
            f"decode_tps drifted by {100 * change.value:.1f} % over the rounds: warm up longer, or cool down"
        )
    roofline, flags = _roofline(results, chosen)
    overhead = chosen.metrics["harness_overhead"].value
    if overhead is not None and overhead > OVERHEAD:
        flags.append(f"the measuring loop takes {100 * overhead:.2f} % of a token's time: the tokens are very short")
    return {"noise_floor": floor, "drift": change, **roofline}, warnings + flags


def _roofline(results: SubjectResults, chosen: WorkloadResult) -> tuple[Metrics, list[str]]:
    """Bytes per token and the share of the memory bandwidth that they use, and warnings about that share.

    bytes_per_token = weights read by one step + KV cache at the middle of the generated tokens.
    """
    subject, rate = results.subject, chosen.metrics["decode_tps"].value
    try:
        weight_bytes, kv_bytes = decode_read_bytes(subject.model_dir), kv_bytes_per_token(subject.model_dir)
    except GraphError as error:
        return _not_measured(ROOFLINE, error.message), []
    if results.ceiling is None or subject.device != "cpu":
        return _not_measured(ROOFLINE, "the accelerator's memory bandwidth was not measured"), []
    if not rate:
        return _not_measured(ROOFLINE, "decode was not measured"), []
    per_token = weight_bytes + kv_bytes * (chosen.prompt_tokens + chosen.generated_tokens / 2)
    fraction = per_token * rate / results.ceiling.read_bytes_per_s
    flags = ceiling.flags(fraction, int(per_token), machine_of(subject.interpreter).caches)
    return {
        "bytes_per_token": measured("bytes_per_token", per_token, n=1),
        "roofline_fraction": measured("roofline_fraction", fraction, n=chosen.metrics["decode_tps"].n),
    }, flags


def _not_measured(names: Sequence[str], reason: str) -> Metrics:
    return {name: not_measured(name, reason) for name in names}


def _warnings(results: SubjectResults, processes: Sequence[ProcessSample], session: BenchSession) -> list[str]:
    subject, warnings = results.subject, _failed_processes(results.cells) + disturbances(processes)
    if session.resumed:
        warnings.append("resumed after an interruption: its rounds are of two sessions")
    shown = results.settings.get("few_shot")
    if isinstance(shown, int) and shown < subject.few_shot:
        warnings.append(f"the context fits {shown} of {subject.few_shot} few-shot examples")
    threads = session_options(subject.model_dir)["intra_op_num_threads"]
    tuned = threads_warning(subject.model_dir, int(threads) if threads else None, usable_cores())
    if tuned:
        warnings.append(tuned)
    if results.placement and results.placement.fallback:
        placement = results.placement
        warnings.append(f"requested {placement.asked}, but nodes ran on the CPU: {placement.nodes}")
    return warnings


def _failed_processes(cells: Sequence[Cell]) -> list[str]:
    """One warning for each workload of which some processes failed."""
    warnings = []
    for cell in cells:
        if cell.samples and cell.failures:
            failed = len(cell.failures)
            total = failed + len(cell.processes)
            warnings.append(f"{cell.workload.name}: {failed} of {total} processes failed: {cell.failures[0]}")
    return warnings


def _gain(results: SubjectResults) -> Measurement:
    """The share of the fine-tuning gain that this artifact retains, by paired answers."""
    job = results.subject.job
    if job in ("base", "few-shot"):
        return not_measured("gain_retained", "this model was not fine-tuned")
    if job == "finetune":
        return not_measured("gain_retained", "this is the fine-tuned model that the others are compared with")
    tuned = results.outcomes.get("finetune")
    if not tuned:
        tuned = None if job == "merge" else results.outcomes.get("merge")
    own = {example.id: example.correct for example in results.answers.examples} or None
    return gain_retained(results.outcomes.get("base"), tuned, own)


def _cost(subject: Subject, session: BenchSession, settings: Settings) -> Metrics:
    """Seconds and memory of training, building and measuring; the price of all seconds at the recipe's hourly rate."""
    costs, price = subject.job_costs, settings.price_per_hour
    hours = ((costs.train_s or 0.0) + (costs.build_s or 0.0) + session.seconds) / 3600
    memory = session.peak_memory_bytes
    return {
        "train_s": _once("train_s", costs.train_s, NO_TRAINING),
        "train_peak_memory_bytes": _once("train_peak_memory_bytes", costs.train_peak_memory_bytes, NO_TRAINING),
        "build_s": _once("build_s", costs.build_s, NO_BUILD),
        "evaluation_s": measured("evaluation_s", session.seconds, n=1),
        "evaluation_peak_memory_bytes": measured("evaluation_peak_memory_bytes", float(memory), n=1),
        "cost": _once("cost", None if price is None else hours * price, NO_PRICE),
    }


def _once(name: str, value: float | None, reason: str) -> Measurement:
    """A value that was measured once, or null with ``reason``."""
    return not_measured(name, reason) if value is None else measured(name, float(value), n=1)


def _dataset(data: Split | None) -> DatasetUsed | None:
    if data is None:
        return None
    return DatasetUsed(name=data.name, version=data.version, split=data.split, n=len(data.rows), of=data.of)
