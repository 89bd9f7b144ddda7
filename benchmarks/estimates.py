"""What jobs took, beside what ``plan`` says beforehand: ``make estimates``.

    python benchmarks/estimates.py --smollm2 FOLDER    measures what estimates.json does not hold yet
    python benchmarks/estimates.py                     the same without that model; nothing missing: only the table

Each job is run by ``olivepress run``'s own runner in a project of its own, two steps on rows of one length, with as
many threads as the environment says (OMP_NUM_THREADS). Its peak of memory is what its manifest says; its time is the
processors' own, which other work on the machine does not stretch. Writes benchmarks/estimates.json and estimates.md.
The constants of ``olivepress.workflow.estimate`` are fitted on these figures and on those of benchmarks/rehearsals, and
tests/workflow/test_estimate.py holds each against its estimate.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from estimating import rehearsed_plan

from olivepress.catalog import ModelFacts, targets
from olivepress.core.artifact import read_manifest
from olivepress.pipeline.plan import load_plan
from olivepress.pipeline.prepare import prepare
from olivepress.pipeline.render import write_workflows
from olivepress.recipe.schema import Finetune
from olivepress.run import run_plan
from olivepress.run.outcome import JobOutcome
from olivepress.synthetic.embedded.words import POOLS
from olivepress.workflow import estimate as estimates
from olivepress.workflow.estimate import (
    Shape,
    export_memory,
    export_seconds,
    finetune_memory,
    finetune_seconds,
    merge_memory,
    merge_seconds,
    need,
    reference_tokens,
)
from olivepress.workflow.machine_rates import MachineRates, machine_rates, measure_machine, rates_of
from olivepress.workflow.plan import Plan
from olivepress.workflow.row_lengths import RowLengths, row_lengths

OUT = Path(__file__).parent / "estimates.json"
STEPS, VALIDATION_ROWS = 2, 64
ONE_THREAD = 1.22e11  # float32 operations a second of a thread of the machine that most jobs were measured on
# Of the recipe's finetune, what memory depends on.
SETTINGS = (
    "method",
    "r",
    "batch_size",
    "gradient_accumulation_steps",
    "max_steps",
    "torch_dtype",
    "gradient_checkpointing",
)
SMOLLM2 = "SmolLM2-135M-Instruct"


@dataclass(frozen=True, kw_only=True)
class Case:
    """A fine-tune of ``batch`` rows of about ``length`` tokens, and for what exports it is merged; none: it is not."""

    model: str
    batch: int
    length: int
    dtype: str = "float32"
    checkpointing: bool = False
    method: str = "lora"
    targets: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        more = " checkpointing" if self.checkpointing else ""
        return f"{self.model.removeprefix('embedded:')} {self.method} {self.batch}x{self.length} {self.dtype}{more}"

    @property
    def jobs(self) -> tuple[str, ...]:
        return ("finetune", "merge", *(f"export-{name}" for name in self.targets)) if self.targets else ("finetune",)


EXPORTS = ("cpu-fp32", "cpu-int8", "cpu-int4-rtn", "cpu-int4", "cpu-int4-compact")
CASES = (
    Case(model="embedded:tiny-phi", batch=16, length=128, targets=EXPORTS),
    Case(model="embedded:tiny-llama", batch=8, length=64, targets=("cpu-int4",)),
    Case(model="embedded:tiny-qwen", batch=8, length=64, targets=("cpu-int4",)),
    Case(model=SMOLLM2, batch=8, length=64, targets=EXPORTS),
    Case(model=SMOLLM2, batch=8, length=128),
    Case(model=SMOLLM2, batch=8, length=128, checkpointing=True),
    Case(model=SMOLLM2, batch=8, length=128, dtype="bfloat16"),
    Case(model=SMOLLM2, batch=2, length=256),
    Case(model=SMOLLM2, batch=2, length=64),
    Case(model=SMOLLM2, batch=4, length=256, checkpointing=True),
    Case(model=SMOLLM2, batch=4, length=128, dtype="bfloat16", checkpointing=True),
    Case(model=SMOLLM2, batch=4, length=128, method="qlora"),
    Case(model=SMOLLM2, batch=4, length=128, method="dora"),
)


def rows(case: Case, folder: Path, model: Path) -> int:
    """Write splits whose rows have the case's length or a little less, in tokens of the model; returns the length."""
    from transformers import AutoTokenizer

    from olivepress.runtimes.chat_template.prompts import render_prompt

    tokenizer = AutoTokenizer.from_pretrained(str(model))
    known = [word for pool in POOLS for word in pool]

    def row(number: int, words: int) -> dict[str, str]:
        chosen = random.Random(number)  # rows that are no near duplicates
        return {"prompt": " ".join(chosen.choices(known, k=words)), "completion": known[number % len(known)]}

    def tokens(number: int, words: int) -> int:
        fields = row(number, words)
        messages = [
            {"role": "user", "content": fields["prompt"]},
            {"role": "assistant", "content": fields["completion"]},
        ]
        return len(tokenizer(render_prompt(model, messages).full, add_special_tokens=False)["input_ids"])

    def fitting(number: int) -> int:
        words = 1
        while tokens(number, words + 1) <= case.length:
            words += 1
        return words

    longest, number = 0, 0
    folder.mkdir()
    for split, count in (("train", STEPS * case.batch), ("validation", VALIDATION_ROWS), ("test", 16)):
        with (folder / f"{split}.jsonl").open("w", encoding="utf-8") as file:
            for _ in range(count):
                words = fitting(number)
                longest = max(longest, tokens(number, words)) if split == "train" else longest
                file.write(json.dumps(row(number, words)) + "\n")
                number += 1
    return longest


def recipe(case: Case, project: Path, model: str) -> Path:
    fields = {
        "name": "estimates",
        "model": {"path": model} | ({"family": "smollm"} if case.model == SMOLLM2 else {}),
        "data": {"source": "rows", "max_length": case.length, "near_duplicates": "ignore"},
        "finetune": {
            "method": case.method, "batch_size": case.batch, "max_steps": STEPS, "torch_dtype": case.dtype,
            "gradient_checkpointing": case.checkpointing, "learning_rate": 5.0e-3, "warmup_ratio": 0.0,
            "eval_steps": 0, "keep": "last",  # what is estimated is a step
        },
        "targets": list(case.targets or ("cpu-int4",)),
        "limits": {"max_kl_divergence": 100, "min_top1_agreement": 0.001},
        "benchmark": {"workloads": [[16, 8]], "few_shot": 0},
    }  # fmt: skip
    path = project / "recipes" / "estimates.yaml"
    path.parent.mkdir()
    path.write_text(json.dumps(fields), encoding="utf-8")
    return path


class Silent:
    """Takes what the runner tells, and says only what went wrong."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None

    def job_ended(self, outcome: JobOutcome) -> None:
        if outcome.error:
            print(f"  {outcome.job}: {outcome.error}")


def processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measured(case: Case, missing: set[str], smollm2: Path | None) -> Iterator[tuple[dict[str, Any], ModelFacts]]:
    """A record of each job of the case up to the last that is missing, and what is known of its model."""
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        try:
            yield from _measured(case, missing, Path(scratch), smollm2)
        finally:
            os.chdir(here)


def _measured(
    case: Case, missing: set[str], project: Path, smollm2: Path | None
) -> Iterator[tuple[dict[str, Any], ModelFacts]]:
    path = str(smollm2) if case.model == SMOLLM2 else case.model
    named = recipe(case, project, path)
    length = rows(case, project / "rows", _model(case, path))
    plan = load_plan(str(named))
    prepare(plan)
    measure_machine()
    workflows = write_workflows(plan)
    for job in plan.jobs[: 1 + max(number for number, job in enumerate(plan.jobs) if job.id in missing)]:
        before = processor_seconds()
        (outcome,) = run_plan(plan, workflows, reporter=Silent(), only=job.id, force=True)
        if outcome.manifest is None:
            continue
        yield record(case, plan, job.id, length, processor_seconds() - before), plan.model.facts


def _model(case: Case, path: str) -> Path:
    """The folder whose tokenizer counts the rows; an embedded model's is written first."""
    if case.model == SMOLLM2:
        return Path(path)
    plan = load_plan(path.removeprefix("embedded:"))  # the recipe of the same name, with the demo's data
    prepare(plan)
    return Path(plan.model.path)


def record(case: Case, plan: Plan, job: str, length: int, seconds: float) -> dict[str, Any]:
    resources = read_manifest(plan.output_dir(plan.job(job))).resources
    settings, lengths = plan.recipe.finetune, row_lengths(plan)
    return {
        "model": case.model.removeprefix("embedded:"),
        "run": case.name,
        "job": job,
        "finetune": {name: getattr(settings, name) for name in SETTINGS},
        "rows": STEPS * case.batch,
        "longest": length,
        "mean": length,
        "longest_logits": lengths.longest_logits,
        "mean_logits": lengths.mean_logits,
        "peak_memory_bytes": resources.peak_memory_bytes,
        "processor_seconds": round(seconds, 1),
        "rates": machine_rates().model_dump(mode="json", exclude={"measured_at"}),
    }


def _rows_of(record: dict[str, Any]) -> RowLengths:
    """Of merges and exports no logits are counted: they read whole rows."""
    logits = {"longest_logits": record["longest"], "mean_logits": record["mean"]} | record
    return RowLengths(**{field.name: logits[field.name] for field in fields(RowLengths)})


def estimated(record: dict[str, Any], facts: ModelFacts) -> float:
    """Bytes that the job of the record is estimated to take at its peak."""
    shape, settings = Shape.of(facts), Finetune.model_validate_json(json.dumps(record["finetune"]))
    if record["job"] == "finetune":
        return finetune_memory(shape, settings, _rows_of(record))
    if record["job"] == "merge":
        return merge_memory(shape, settings)
    target = targets()[record["job"].removeprefix("export-")]
    return export_memory(shape, target, 4 if settings.torch_dtype == "float32" else 2)


def estimated_seconds(record: dict[str, Any], facts: ModelFacts) -> float:
    """At the rates of the machine that the job was measured on, one thread of it."""
    rates = MachineRates.model_validate(record["rates"]) if "rates" in record else rates_of(ONE_THREAD, bfloat16=True)
    estimates.machine_rates = lambda: rates
    shape, settings = Shape.of(facts), Finetune.model_validate_json(json.dumps(record["finetune"]))
    rows = _rows_of(record)
    if record["job"] == "finetune":
        return finetune_seconds(shape, settings, rows)
    tokens = reference_tokens(shape, facts.config, VALIDATION_ROWS, record["mean"])
    if record["job"] == "merge":
        return merge_seconds(shape, settings, tokens)
    return export_seconds(shape, targets()[record["job"].removeprefix("export-")], tokens, rows)


def markdown(records: Mapping[str, Any]) -> str:
    """The tables; time at the rates of the machines that were measured on, whatever machine this is."""
    lines = [
        "# What jobs take: estimated and measured",
        "",
        "Generated by `make estimates`. Peak resident memory of a job, as its manifest says it, beside what",
        "`plan` says beforehand (`src/olivepress/workflow/estimate.py`). Runs: method, rows a step x tokens, dtype of",
        f"training; {STEPS} steps. Time: seconds of one processor, estimated at the rates of the machine that ran it.",
        "",
        "| model | run | job | memory | estimated | ratio | time | estimated | ratio |",
        "|---|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for one in records["jobs"]:
        facts = ModelFacts.model_validate(records["models"][one["model"]])
        size, took = estimated(one, facts), one["peak_memory_bytes"]
        memory = f"{took / 1e9:.2f} GB | {size / 1e9:.2f} GB | {size / took:.2f}"
        seconds, time = estimated_seconds(one, facts), "- | - | -"
        if one["processor_seconds"] is not None:
            time = f"{one['processor_seconds']:.0f} s | {seconds:.0f} s | {seconds / one['processor_seconds']:.2f}"
        lines.append(f"| {one['model']} | {one['run']} | {one['job']} | {memory} | {time} |")
    lines += ["", *rehearsals()]
    return "\n".join(lines) + "\n"


def rehearsals() -> Iterator[str]:
    """The rehearsed models."""
    yield "Rehearsed on random weights of the real shape (`make rehearse`):"
    yield ""
    yield "| model | job | measured | estimated | ratio |"
    yield "|---|---|---:|---:|---:|"
    for path in sorted((OUT.parent / "rehearsals").glob("*.json")):
        plan = rehearsed_plan(path.stem)
        steps = {step["name"]: step for step in json.loads(path.read_text(encoding="utf-8"))["steps"]}
        for job in plan.jobs:
            took, size = steps[job.id]["peak_memory_bytes"], need(plan, job).memory_bytes
            sizes = f"{took / 1e9:.2f} GB | {size / 1e9:.2f} GB | {size / took:.2f}"
            yield f"| {path.stem} | {job.id} | {sizes} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smollm2", type=Path, metavar="FOLDER", help="SmolLM2-135M-Instruct as a Hugging Face folder")
    given = parser.parse_args()
    records = json.loads(OUT.read_text(encoding="utf-8")) if OUT.is_file() else {"models": {}, "jobs": []}
    known = {(one["run"], one["job"]) for one in records["jobs"]}
    for case in CASES:
        missing = {job for job in case.jobs if (case.name, job) not in known}
        if not missing or (case.model == SMOLLM2 and given.smollm2 is None):
            continue
        print(case.name, flush=True)
        for one, facts in measured(case, missing, given.smollm2 and given.smollm2.resolve()):
            print(f"  {one['job']}: {one['peak_memory_bytes'] / 1e9:.2f} GB, {one['processor_seconds']} s", flush=True)
            records["models"][one["model"]] = {"parameters": facts.parameters, "config": facts.config}
            kept = [other for other in records["jobs"] if (other["run"], other["job"]) != (one["run"], one["job"])]
            records["jobs"] = [*kept, one]
            OUT.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")
    OUT.with_suffix(".md").write_text(markdown(records), encoding="utf-8")


if __name__ == "__main__":
    main()
