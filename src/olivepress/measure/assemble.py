"""Everything that was measured of one artifact → its DeviceReport."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from olivepress.data.store.reader import Split
from olivepress.measure.bench_session import Sitting
from olivepress.measure.latency.grid import Cell, Subject, headline, headline_metrics
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
from olivepress.report.machine import usable_cores
from olivepress.report.noise import decode_by_round, drift, noise_floor
from olivepress.report.task_metrics import Answers, task_metrics
from olivepress.runtimes import weights
from olivepress.runtimes.session import session_options, size_on_disk_bytes

if TYPE_CHECKING:
    from olivepress.measure.settings import Settings

__all__ = ["Measured", "assemble"]

OTHER_LOAD, STEAL, OVERHEAD = 0.10, 0.05, 0.001  # above which a report warns


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What the stages of a bench found of one subject. ``outcomes``: of the base and the fine-tuned model beside."""

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


def assemble(found: Measured, *, sitting: Sitting, settings: Settings, now: datetime) -> DeviceReport:
    """The report, not yet written. ``sitting`` knows what the measuring took."""
    subject = found.subject
    results = tuple(cell.result() for cell in found.cells)
    processes = tuple(sorted((p for cell in found.cells for p in cell.processes), key=lambda p: p.order))
    trust, doubts = _trust(found, results, processes)
    metrics = {
        **headline_metrics(results, processes, subject.no_latency or "no workload was asked for"),
        "size_on_disk_bytes": measured("size_on_disk_bytes", float(_size(subject)), n=1),
        **trust,
        **task_metrics(found.answers),
        **found.metrics,
        "gain_retained": _gain(found),
        **_cost(subject, sitting, settings),
    }
    untuned = untuned_sha256(subject.model_dir)
    placed = [cell.runtime_device for cell in found.cells if cell.runtime_device]
    return DeviceReport(
        recipe=subject.recipe,
        job=subject.job,
        artifact_sha256=subject.artifact_sha256,
        runtime=subject.runtime,
        execution_provider=subject.execution_provider,
        device=subject.device,
        precision=subject.precision,
        machine=machine_of(subject.interpreter),
        dataset=_dataset(found.data),
        created_at=now.astimezone(UTC).isoformat(timespec="seconds"),
        settings={
            "rounds": settings.rounds,
            "repetitions": settings.repetitions,
            "warmups": settings.warmups,
            **found.settings,
            **session_options(subject.model_dir),
            **({"untuned_sha256": untuned} if untuned else {}),
            "runtime_device": placed[0] if placed else None,
            "currency": settings.currency,
            **({"bundle_sha256": settings.bundle_sha256} if settings.bundle_sha256 else {}),
        },
        git_commit=subject.git_commit,
        sitting=sitting.together if processes else None,
        ceiling=found.ceiling,
        placement=found.placement,
        lm_eval=dict(found.lm_eval),
        warnings=(*doubts, *_warnings(found, processes, sitting)),
        headline_workload=headline(results),
        workloads=results,
        metrics=metrics,
        samples=tuple(sample for cell in found.cells for sample in cell.samples),
        processes=processes,
        examples_file=None,
        examples_sha256=None,
        emulated=subject.emulated,
        random_weights=subject.random_weights,
        synthetic_data=bool(found.data and found.data.synthetic),
    )


def _size(subject: Subject) -> int:
    """Bytes of the model folder, and of the adapter where it is not merged."""
    adapter = size_on_disk_bytes(subject.adapter_dir) if subject.adapter_dir else 0
    return size_on_disk_bytes(subject.model_dir) + adapter


def _trust(
    found: Measured, results: Sequence[WorkloadResult], processes: Sequence[ProcessSample]
) -> tuple[dict[str, Measurement], list[str]]:
    """Noise floor, drift and the share of the physical ceiling of the headline workload; what makes one doubt them."""
    name = headline(results)
    chosen = next((result for result in results if result.name == name), None)
    if chosen is None:
        why = found.subject.no_latency or next((r.reason for r in results if r.reason), None) or "no workload was run"
        names = ("noise_floor", "drift", "bytes_per_token", "roofline_fraction")
        return {name: not_measured(name, why) for name in names}, []
    samples = [sample for cell in found.cells for sample in cell.samples]
    rates = list(decode_by_round(samples, chosen.name).values())
    floor, (change, is_trend) = noise_floor(rates), drift(rates)
    doubts = []
    if is_trend and change.value is not None and change.value > (floor.value or 0.0):
        doubts.append(f"decode_tps drifted by {100 * change.value:.1f} % over the rounds: warm up longer, or cool down")
    roof, flags = _roofline(found, chosen)
    overhead = chosen.metrics["harness_overhead"].value
    if overhead is not None and overhead > OVERHEAD:
        flags.append(f"the measuring loop takes {100 * overhead:.2f} % of a token's time: the tokens are very short")
    return {"noise_floor": floor, "drift": change, **roof}, doubts + flags


def _roofline(found: Measured, chosen: WorkloadResult) -> tuple[dict[str, Measurement], list[str]]:
    """bytes_per_token = weights read by a step + KV cache at the middle of the generated tokens; share of bandwidth."""
    directory, rate = found.subject.model_dir, chosen.metrics["decode_tps"].value
    read, cached = weights.decode_read_bytes(directory), weights.kv_bytes_per_token(directory)
    reason = next((why for why in (read, cached) if isinstance(why, str)), None)
    if reason is None and (found.ceiling is None or found.subject.device != "cpu"):
        reason = "the accelerator's memory bandwidth was not measured"
    if reason is not None or isinstance(read, str) or isinstance(cached, str) or found.ceiling is None or not rate:
        why = reason or "decode was not measured"
        return {name: not_measured(name, why) for name in ("bytes_per_token", "roofline_fraction")}, []
    per_token = read + cached * (chosen.prompt_tokens + chosen.generated_tokens / 2)
    fraction = per_token * rate / found.ceiling.read_bytes_per_s
    flags = ceiling.flags(fraction, int(per_token), machine_of(found.subject.interpreter).caches)
    return {
        "bytes_per_token": measured("bytes_per_token", per_token, n=1),
        "roofline_fraction": measured("roofline_fraction", fraction, n=chosen.metrics["decode_tps"].n),
    }, flags


def _warnings(found: Measured, processes: Sequence[ProcessSample], sitting: Sitting) -> list[str]:
    said = []
    for cell in found.cells:
        if cell.samples and cell.failures:
            died = len(cell.failures)
            said.append(f"{cell.workload.name}: {died} of {died + len(cell.processes)} processes: {cell.failures[0]}")
    for name, limit, title in (
        ("other_load", OTHER_LOAD, "other programs used"),
        ("steal", STEAL, "the hypervisor took"),
    ):
        shares = [value for p in processes if (value := getattr(p.conditions, name)) is not None]
        if shares and float(np.median(shares)) > limit:
            said.append(f"{title} {100 * float(np.median(shares)):.0f} % of the cores while it was measured")
    throttled = sum(p.conditions.throttled or 0 for p in processes)
    if throttled:
        said.append(f"the processor throttled {throttled} times for heat")
    if sitting.resumed:
        said.append("resumed after an interruption: its rounds are of two sittings")
    shown = found.settings.get("few_shot")
    if isinstance(shown, int) and shown < found.subject.few_shot:
        said.append(f"the context held {shown} of {found.subject.few_shot} few-shot examples")
    asked = session_options(found.subject.model_dir)["intra_op_num_threads"]
    tuned = threads_warning(found.subject.model_dir, int(asked) if asked else None, usable_cores())
    if tuned:
        said.append(tuned)
    if found.placement and found.placement.fallback:
        said.append(f"asked for {found.placement.asked}, but nodes ran on the CPU: {found.placement.nodes}")
    return said


def _gain(found: Measured) -> Measurement:
    if found.subject.job in ("base", "few-shot"):
        return not_measured("gain_retained", "this model was not fine-tuned")
    merged = found.outcomes.get("merge") if found.subject.job != "merge" else None
    tuned = found.outcomes.get("finetune") or merged
    if found.subject.job == "finetune":
        return not_measured("gain_retained", "it is the fine-tuned model that the others are held against")
    own = {example.id: example.correct for example in found.answers.examples} or None
    return gain_retained(found.outcomes.get("base"), tuned, own)


def _cost(subject: Subject, sitting: Sitting, settings: Settings) -> dict[str, Measurement]:
    """Seconds, memory and money; the rate is the recipe's."""
    train, build, memory = subject.spent.train_s, subject.spent.build_s, subject.spent.train_peak_memory_bytes
    spent = sitting.seconds
    none = "no manifest of a finetune job belongs to it"
    price = settings.price_per_hour
    hours = ((train or 0.0) + (build or 0.0) + spent) / 3600
    return {
        "train_s": not_measured("train_s", none) if train is None else measured("train_s", train, n=1),
        "train_peak_memory_bytes": not_measured("train_peak_memory_bytes", none)
        if memory is None
        else measured("train_peak_memory_bytes", float(memory), n=1),
        "build_s": not_measured("build_s", "no manifest of a merge or export job belongs to it")
        if build is None
        else measured("build_s", build, n=1),
        "evaluation_s": measured("evaluation_s", spent, n=1),
        "evaluation_peak_memory_bytes": measured("evaluation_peak_memory_bytes", float(sitting.peak_memory_bytes), n=1),
        "cost": not_measured("cost", "no rate was stated (benchmark.price_per_hour)")
        if price is None
        else measured("cost", hours * price, n=1),
    }


def _dataset(data: Split | None) -> DatasetUsed | None:
    if data is None:
        return None
    return DatasetUsed(name=data.name, version=data.version, split=data.split, n=len(data.rows), of=data.of)
