"""The record of a rehearsal, and its table in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from olivepress.catalog import ModelFacts
from olivepress.core.artifact import Manifest, read_manifest
from olivepress.core.layout import TRAINING
from olivepress.data.build import build_dataset
from olivepress.pipeline.random_model import Step, unfinished_tries
from olivepress.recipe.schema import Recipe
from olivepress.report.machine import fingerprint
from olivepress.report.registry import METRICS
from olivepress.report.training_record import read_training
from olivepress.report.values import format_value
from olivepress.workflow.find_recipe import data_of
from olivepress.workflow.plan import Plan

__all__ = ["EXPORT", "STEPS", "job_steps", "rehearsal_markdown", "rehearsal_record"]

EXPORT = "export-cpu-int4"
STEPS = 3  # killed after the first, the time between the other two is still a clean step


def job_steps(plan: Plan) -> list[Step]:
    """What each job of the rehearsal took."""
    steps = []
    for job in plan.jobs:
        manifest = read_manifest(plan.output_dir(job))
        steps.append(
            Step(
                name=job.id,
                seconds=manifest.resources.seconds,
                peak_memory_bytes=manifest.resources.peak_memory_bytes,
                peak_disk_bytes=manifest.resources.peak_disk_bytes,
                size_bytes=sum(file.bytes for file in manifest.files.values()),
                unfinished_tries=unfinished_tries(plan.recipe.name, job.id),
            )
        )
    return steps


def rehearsal_record(
    real: Recipe, plan: Plan, facts: ModelFacts, steps: Sequence[Step], measured: dict[str, Any]
) -> dict[str, Any]:
    """The rehearsal as data; ``null`` is what could not be measured."""
    finetune = read_manifest(plan.output_dir(plan.job("finetune")))
    return {
        "schema_version": 1,
        "recipe": real.name,
        "model": real.model.path,
        "random_weights": True,
        "parameters": facts.parameters,
        "vocab_size": facts.config["vocab_size"],
        "machine": fingerprint().model_dump(mode="json"),
        "steps": [vars(step) for step in steps],
        "checks": {job.id: _checks(read_manifest(plan.output_dir(job))) for job in plan.jobs},
        **measured,
        "bench_unfinished_tries": unfinished_tries(plan.recipe.name, "bench"),
        "seconds_per_example": _seconds_per_example(plan),
        "finetune_hours_for_the_recipe": _real_hours(real, _seconds_per_example(plan)),
        "versions": finetune.versions,
        "git_commit": finetune.git_commit,
    }


def _checks(manifest: Manifest) -> list[dict[str, Any]]:
    return [check.model_dump() for check in manifest.checks]


def _seconds_per_example(plan: Plan) -> float | None:
    """Seconds between the last two training steps of one process (batch of one); None when there are no two."""
    path = plan.output_dir(plan.job("finetune")) / TRAINING
    seconds = [step.seconds for step in read_training(path) if step.seconds is not None]
    if len(seconds) < 2 or seconds[-1] <= seconds[-2]:
        return None
    return round(float(seconds[-1] - seconds[-2]), 2)


def _real_hours(real: Recipe, seconds: float | None) -> float | None:
    """Hours that the recipe's whole fine-tune would take at this rate on this machine."""
    if seconds is None:
        return None
    settings = real.finetune
    rows = len(build_dataset(data_of(real, "rehearse")).splits["train"])
    examples = settings.epochs * rows
    if settings.max_steps:
        examples = settings.max_steps * settings.batch_size * settings.gradient_accumulation_steps
    return round(examples * seconds / 3600, 1)


def rehearsal_markdown(record: dict[str, Any]) -> str:
    machine = record["machine"]
    lines = [
        f"# Rehearsal of {record['recipe']}: {record['model']}, {record['parameters'] / 1e9:.2f} B parameters",
        "",
        f"Random weights of the real shape, a synthetic tokenizer of the real size ({record['vocab_size']:,} tokens), "
        f"{STEPS} fine-tuning steps of one example. Machine: {machine['cpu']}, {machine['logical_cores']} cores, "
        f"{machine['memory_bytes'] / 1e9:.0f} GB. Made by `olivepress rehearse {record['recipe']}`.",
        "",
        "| step | seconds | peak memory | disk high-water | left on disk | killed or failed before |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for step in record["steps"]:
        sizes = [step["peak_memory_bytes"], step["peak_disk_bytes"], step["size_bytes"]]
        shown = " | ".join("not measured" if size is None else f"{size / 1e9:.2f} GB" for size in sizes)
        lines.append(f"| {step['name']} | {step['seconds']:.0f} | {shown} | {step['unfinished_tries']} |")
    lines += ["", *_bench_lines(record)]
    if record["finetune_hours_for_the_recipe"] is not None:
        lines += [
            "",
            f"The real run on this machine: {record['seconds_per_example']} s an example of fine-tuning, so about "
            f"**{record['finetune_hours_for_the_recipe']} hours** for the recipe's epochs on its data; "
            "merge and export as above.",
        ]
    return "\n".join(lines) + "\n"


def _bench_lines(record: dict[str, Any]) -> list[str]:
    how = f"prompt 128, 32 generated tokens; killed or failed before: {record['bench_unfinished_tries']}"
    measured = f"CPU int4, measured ({how}): {_shown(record['bench'])}"
    kl = [check for check in record["checks"][EXPORT] if check["name"] in ("kl_answer", "kl_divergence")]
    if kl:
        measured += f"; KL to the PyTorch parent {kl[0]['value']:.2e} nats a token (on random weights this says little)"
    lines = [f"{measured}."]
    if record["tuned"]:
        lines += ["", f"Tuned on this machine ({record['tuning']['settings']}): {_shown(record['tuned'])}."]
    else:
        lines += ["", f"`olivepress tune` found nothing better on this machine: {record['tuning']['reason']}."]
    return lines


def _shown(metrics: dict[str, Any]) -> str:
    names = ("load_ms", "ttft_ms", "prefill_tps", "decode_tps", "peak_memory_bytes", "size_on_disk_bytes")
    texts = []
    for name in names:
        measurement = metrics.get(name, {})
        if measurement.get("value") is not None:
            value = format_value(METRICS[name].unit, measurement["value"])
            texts.append(f"{METRICS[name].title.lower()} {value} (n={measurement['n']})")
    return ", ".join(texts)
