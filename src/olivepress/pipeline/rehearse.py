"""``olivepress rehearse``: the whole chain at real size on random weights, before anyone downloads or waits.

The jobs are the recipe's own, run by the same runner; only the weights are random, the rows and steps few.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from olivepress.catalog import ModelFacts
from olivepress.core.artifact import Manifest, read_manifest
from olivepress.core.errors import JobError
from olivepress.core.process import report_progress
from olivepress.data.build import build_dataset
from olivepress.recipe.schema import Recipe
from olivepress.run.executor import child_environment, failure_in, run_child
from olivepress.run.journal import append, events
from olivepress.workflow.plan import Plan, data_of, find_recipe, make_plan, resolve_model

if TYPE_CHECKING:
    from olivepress.pipeline.console import ConsoleReporter
    from olivepress.report.device_report import DeviceReport

__all__ = ["REHEARSALS", "rehearsal_recipe", "rehearse"]

REHEARSALS = Path("benchmarks", "rehearsals")
_SEED = 0
_ROWS = {"max_train_rows": 8, "max_test_rows": 4}
_EXPORT = "export-cpu-int4"
_TUNING_S = 960.0  # at 3.8 B on 2 cores: the threads, and ten rounds that confirm them
_STEPS = 3  # killed after the first, the time between the other two is still a clean step


@dataclass(frozen=True, kw_only=True)
class Step:
    """One line of the table: what it took, and how often it was killed or failed before it finished."""

    name: str
    seconds: float
    peak_memory_bytes: int | None
    peak_disk_bytes: int | None
    size_bytes: int | None
    unfinished_tries: int


def rehearse(model: str, *, reporter: ConsoleReporter, keep: bool, as_json: bool) -> str:
    """Run or finish the rehearsal of ``model`` and write its table; returns what is to be printed.

    A kill at any point loses the running step only: the same command goes on. Raises what the runner raises.
    """
    from olivepress.pipeline import verbs as pipeline

    real, _ = find_recipe(model)
    data_of(real, "rehearse")
    facts = resolve_model(real).facts
    recipe = rehearsal_recipe(real)
    made = _random_model(facts, recipe, reporter)
    plan = make_plan(recipe, build_dataset(data_of(recipe, "rehearse")))
    pipeline.raise_failed(pipeline.run(plan, reporter=reporter))
    steps = [made, *_steps(plan)]
    record = _record(real, plan, facts, steps, _measured(plan, reporter))
    REHEARSALS.mkdir(parents=True, exist_ok=True)
    text = _markdown(record)
    path = REHEARSALS / f"{real.name}.json"
    path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    path.with_suffix(".md").write_text(text, encoding="utf-8")
    if not keep:
        shutil.rmtree(Path("runs", recipe.name), ignore_errors=True)
        shutil.rmtree(Path(recipe.model.path), ignore_errors=True)
    return json.dumps(record, indent=2) + "\n" if as_json else text


def rehearsal_recipe(real: Recipe) -> Recipe:
    """``real`` with random weights of its shape, a few short steps and the CPU target only."""
    fields = real.model_dump(mode="json")
    fields["name"] = f"rehearsal-{real.name}"
    fields["model"] = {"path": f"models/rehearsal-{real.name}"}
    fields["data"] |= _ROWS
    # A checkpoint after every step, so that a killed rehearsal shows that a fine-tune goes on.
    fields["finetune"] |= {
        "max_steps": _STEPS,
        "batch_size": 1,
        "gradient_accumulation_steps": 1,
        "save_steps": 1,
    }
    fields["targets"] = [_EXPORT.removeprefix("export-")]
    # Rounding piles up through layers that learned nothing: on random weights the divergence says little.
    fields["limits"] = {"max_kl_divergence": 5.0}
    fields["benchmark"] = {"max_examples": 2, "workloads": [[128, 32]], "rounds": 1, "repetitions": 3, "few_shot": 0}
    return Recipe.model_validate_json(json.dumps(fields))


def _random_model(facts: ModelFacts, recipe: Recipe, reporter: ConsoleReporter) -> Step:
    """Make the model in a child process, so that its memory is its own; made once, noted beside the journal."""
    work = Path("runs", recipe.name)
    note, journal = work / "model.json", work / "journal.jsonl"
    directory = Path(recipe.model.path)
    reporter.begin("random model of the real shape")
    if not (note.is_file() and directory.is_dir()):
        work.mkdir(parents=True, exist_ok=True)
        spec = work / "make-model.json"
        spec.write_text(json.dumps({"config": facts.config, "out": str(directory)}), encoding="utf-8")
        append(journal, "started", "random-model", "model")
        log = work / "logs" / "random-model.log"
        log.unlink(missing_ok=True)
        progress = work / "model-progress.jsonl"
        progress.unlink(missing_ok=True)
        result = run_child(
            None,
            ["-m", "olivepress.pipeline.rehearse", str(spec)],
            log=log,
            environment=child_environment(scratch=work, progress=progress, offline=True),
            progress=progress,
            on_progress=lambda done, total, _: reporter.update("writing", done, total),
        )
        if result.exit_code != 0:
            raise failure_in(log, result)
        fields = {
            "seconds": round(result.seconds, 1),
            "peak_memory_bytes": result.peak_memory_bytes,
            "peak_disk_bytes": result.peak_disk_bytes,
        }
        note.write_text(json.dumps(fields), encoding="utf-8")
        append(journal, "finished", "random-model", "model")
    reporter.end(f"{directory}: {_size(directory) / 1e9:.2f} GB of random weights")
    fields = json.loads(note.read_text(encoding="utf-8"))
    return Step(
        name="random model",
        size_bytes=_size(directory),
        unfinished_tries=_unfinished(journal, "random-model"),
        **fields,
    )


def _size(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def _unfinished(journal: Path, job: str) -> int:
    """How often the job was started and did not finish."""
    mine = [event["event"] for event in events(journal) if event["job"] == job]
    return mine.count("started") - mine.count("finished")


def _steps(plan: Plan) -> list[Step]:
    journal = Path("runs", plan.recipe.name, "journal.jsonl")
    found = []
    for job in plan.jobs:
        manifest = read_manifest(plan.output_dir(job))
        found.append(
            Step(
                name=job.id,
                seconds=manifest.resources.seconds,
                peak_memory_bytes=manifest.resources.peak_memory_bytes,
                peak_disk_bytes=manifest.resources.peak_disk_bytes,
                size_bytes=sum(file.bytes for file in manifest.files.values()),
                unfinished_tries=_unfinished(journal, job.id),
            )
        )
    return found


def _measured(plan: Plan, reporter: ConsoleReporter) -> dict[str, Any]:
    """The export as it ships, its session tuned on this machine, and measured again; a finished tuning is kept."""
    from olivepress.measure.tuning.record import read_tuning
    from olivepress.pipeline.tune import reset, tune
    from olivepress.report.device_report import write_text

    directory = plan.output_dir(plan.job(_EXPORT))
    tuning = read_tuning(directory)
    sha256 = tuning.untuned_sha256 if tuning else read_manifest(directory).sha256
    kept = Path("runs", plan.recipe.name, f"as-exported-{sha256[:12]}.json")
    if not kept.is_file():
        if tuning is not None and tuning.winner is not None:
            reset(directory)
            tuning = None
        write_text(kept, json.dumps(_numbers(_bench(plan, reporter))))
    if tuning is None or not tuning.alternatives:  # the last one's time was over before it tried anything
        reporter.begin(f"tune {_EXPORT}")
        tuning = tune(
            directory,
            budget_s=_TUNING_S,
            repetitions=1,
            answers=2,
            tell=lambda _, stage, done, total: reporter.update(stage, done, total),
        )
        reporter.end(f"tuned {_EXPORT}")
    untuned = json.loads(kept.read_text(encoding="utf-8"))
    return {
        "bench": untuned,
        "tuned": _numbers(_bench(plan, reporter)) if tuning.winner else None,
        "tuning": {"settings": tuning.winner.text if tuning.winner else None, "why": tuning.why},
    }


def _numbers(report: DeviceReport) -> dict[str, Any]:
    return {name: value.model_dump(mode="json") for name, value in report.metrics.items()}


def _bench(plan: Plan, reporter: ConsoleReporter) -> DeviceReport:
    from olivepress.pipeline.device_reports import bench_plan
    from olivepress.report.device_report import read_report

    journal = Path("runs", plan.recipe.name, "journal.jsonl")
    append(journal, "started", "bench", "bench")
    reporter.begin(f"measure {_EXPORT}")
    paths = bench_plan(plan, only={_EXPORT}, tell=lambda _, stage, done, total: reporter.update(stage, done, total))
    reporter.end(f"measured {_EXPORT}")
    append(journal, "finished", "bench", "bench")
    return read_report(paths[0])


def _record(
    real: Recipe, plan: Plan, facts: ModelFacts, steps: Sequence[Step], measured: dict[str, Any]
) -> dict[str, Any]:
    """The rehearsal as data; ``null`` is what could not be measured."""
    from olivepress.report.machine import fingerprint

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
        "bench_unfinished_tries": _unfinished(Path("runs", plan.recipe.name, "journal.jsonl"), "bench"),
        "seconds_per_example": _seconds_per_example(plan),
        "finetune_hours_for_the_recipe": _real_hours(real, _seconds_per_example(plan)),
        "versions": finetune.versions,
        "git_commit": finetune.git_commit,
    }


def _checks(manifest: Manifest) -> list[dict[str, Any]]:
    return [check.model_dump() for check in manifest.checks]


def _seconds_per_example(plan: Plan) -> float | None:
    """Seconds between the last two training steps of one process (batch of one); None when there are no two."""
    path = plan.output_dir(plan.job("finetune")) / "training.jsonl"
    if not path.is_file():
        return None
    seconds = [json.loads(line)["seconds"] for line in path.read_text(encoding="utf-8").splitlines()]
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


def _markdown(record: dict[str, Any]) -> str:
    machine = record["machine"]
    lines = [
        f"# Rehearsal of {record['recipe']}: {record['model']}, {record['parameters'] / 1e9:.2f} B parameters",
        "",
        f"Random weights of the real shape, a synthetic tokenizer of the real size ({record['vocab_size']:,} tokens), "
        f"{_STEPS} fine-tuning steps of one example. Machine: {machine['cpu']}, {machine['logical_cores']} cores, "
        f"{machine['memory_bytes'] / 1e9:.0f} GB. Made by `make rehearse MODEL={record['recipe']}`.",
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
    kl = [check for check in record["checks"][_EXPORT] if check["name"] in ("kl_answer", "kl_divergence")]
    held = f"; KL to the PyTorch parent {kl[0]['value']:.2e} nats a token (on random weights this says little)"
    how = f"prompt 128, 32 generated tokens; killed or failed before: {record['bench_unfinished_tries']}"
    lines = [f"CPU int4, measured ({how}): {_shown(record['bench'])}{held if kl else ''}."]
    if record["tuned"]:
        lines += ["", f"Tuned on this machine ({record['tuning']['settings']}): {_shown(record['tuned'])}."]
    else:
        lines += ["", f"`olivepress tune` found nothing better on this machine: {record['tuning']['why']}."]
    return lines


def _shown(found: dict[str, Any]) -> str:
    from olivepress.report.registry import METRICS
    from olivepress.report.values import format_value

    names = ("load_ms", "ttft_ms", "prefill_tps", "decode_tps", "peak_memory_bytes", "size_on_disk_bytes")
    return ", ".join(
        f"{METRICS[name].title.lower()} {format_value(METRICS[name].unit, found[name]['value'])} (n={found[name]['n']})"
        for name in names
        if found.get(name, {}).get("value") is not None
    )


def main(arguments: Sequence[str]) -> int:
    """Entry of the child that writes the random model."""
    from olivepress.synthetic.model import make_random_model

    spec = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    last = 0.0

    def tell(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last > 1.0:
            last = time.monotonic()
            report_progress(done, total)

    try:
        make_random_model(spec["config"], Path(spec["out"]), seed=_SEED, progress=tell)
    except JobError as error:
        print(f"JobError: {error}")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
