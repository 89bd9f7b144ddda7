"""Our fine-tune workflow beside stock Olive's and a plain Trainer: real tokens a second, and peak memory.

    make training-benchmark

The same rows, base model, LoRA and number of steps; each training in a process of its own, in interleaved rounds. A
real token is one that is attended to: padding is work for nothing. What is supervised differs (ours and the plain
script: the answers; stock Olive: the whole text), which costs no time. Writes benchmarks/training.json and a section
of benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from finetuning.table import GOALS, markdown
from peers.rounds import rotated
from peers.summary import median, paired_ratio, verdict
from sections import write_section

from olivepress.core.process import BEFORE_EXEC
from olivepress.data.store.reader import read_split
from olivepress.report.machine import fingerprint
from olivepress.runtimes.chat_template.prompts import render_prompt

OUT = Path(__file__).parent / "training.json"
NAME, BATCH, STEPS, LENGTH, ROUNDS = "training", 16, 40, 256, 5
LORA = {"r": 16, "lora_alpha": 32, "lora_dropout": 0.0}
MODULES = ["qkv_proj", "o_proj", "gate_up_proj", "down_proj"]
ARGUMENTS = {
    "max_steps": STEPS, "per_device_train_batch_size": BATCH, "learning_rate": 3e-3, "logging_steps": 1,
    "save_strategy": "no", "disable_tqdm": True, "lr_scheduler_type": "cosine",
}  # fmt: skip
TITLES = {
    "olivepress": "olivepress, the recipe's finetune workflow",
    "olive": "stock Olive: olive finetune (rows joined to full sequences)",
    "olive-rows": "stock Olive, rows apart (strategy line-by-line, its padding)",
    "plain": "plain transformers Trainer, dynamic padding",
}


def prepare(project: Path) -> tuple[Path, Path, Path]:
    """(workflow, base model, rows as text): rendered and written by olivepress itself, in ``project``."""
    recipe = {
        "name": NAME, "model": {"path": "embedded:tiny-phi"}, "targets": ["cpu-fp32"],
        "data": {"demo": "device-command", "max_train_rows": BATCH * STEPS, "max_length": LENGTH},
        "finetune": {"r": LORA["r"], "alpha": LORA["lora_alpha"], "batch_size": BATCH, "max_steps": STEPS,
                     "learning_rate": ARGUMENTS["learning_rate"], "torch_dtype": "float32", "save_steps": STEPS,
                     "eval_steps": 0, "keep": "last"},  # as the others, which are not evaluated
    }  # fmt: skip
    (project / "recipes").mkdir(exist_ok=True)
    (project / "recipes" / f"{NAME}.yaml").write_text(json.dumps(recipe), encoding="utf-8")
    command = [sys.executable, "-c", "from olivepress.cli.main import main; main()", "render", NAME]
    subprocess.run(command, cwd=project, check=True, stdout=subprocess.DEVNULL)
    model, rows = project / "models" / "tiny-phi", project / "rows.jsonl"
    (dataset,) = (project / "datasets").iterdir()
    with rows.open("w", encoding="utf-8") as file:
        for row in read_split(dataset, "train").rows:
            rendered = render_prompt(model, row.messages, row.tools)
            file.write(json.dumps({"prompt": rendered.prefix, "text": rendered.full}) + "\n")
    return project / "olive_configs" / NAME / "finetune.yaml", model, rows


def commands(project: Path) -> dict[str, Callable[[Path], list[str]]]:
    """By subject: the arguments of ``finetuning.counted``, given a fresh folder for what it writes."""
    workflow, model, rows = prepare(project)

    def ours(out: Path) -> list[str]:
        return ["olive", "run", "--config", str(workflow.relative_to(project)), "--disable_telemetry"]

    def stock(out: Path) -> list[str]:
        extra = [part for key, value in ARGUMENTS.items() for part in (f"--{key}", str(value))]
        return [
            "olive", "finetune", "-m", str(model), "-d", "json", "--data_files", str(rows), "--text_field", "text",
            "--max_seq_len", str(LENGTH), "--max_samples", str(BATCH * STEPS), "--lora_r", str(LORA["r"]),
            "--lora_alpha", str(LORA["lora_alpha"]), "--target_modules", ",".join(MODULES), "--torch_dtype", "float32",
            "-o", str(out / "adapter"), "--disable_telemetry", *extra,
        ]  # fmt: skip

    def by_row(out: Path) -> list[str]:
        config = out / "workflow.json"
        config.write_text(json.dumps(by_row_workflow(model, rows, out)), encoding="utf-8")
        return ["olive", "run", "--config", str(config), "--disable_telemetry"]

    def plain(out: Path) -> list[str]:
        spec = {"model": str(model), "rows": str(rows), "lora": LORA | {"target_modules": MODULES},
                "arguments": ARGUMENTS | {"output_dir": str(out / "trainer"), "report_to": []}}  # fmt: skip
        return ["plain", json.dumps(spec)]

    return {"olivepress": ours, "olive": stock, "olive-rows": by_row, "plain": plain}


def by_row_workflow(model: Path, rows: Path, out: Path) -> dict[str, Any]:
    """What ``olive finetune`` renders, with the strategy that its command line has no option for."""
    return {
        "input_model": {"type": "HfModel", "model_path": str(model), "task": "text-generation"},
        "systems": {"here": {"type": "LocalSystem",
                             "accelerators": [{"device": "cpu", "execution_providers": ["CPUExecutionProvider"]}]}},
        "data_configs": [{
            "name": "train_data", "type": "HuggingfaceContainer",
            "load_dataset_config": {"data_name": "json", "data_files": [str(rows)], "split": "train"},
            "pre_process_data_config": {"text_cols": "text", "strategy": "line-by-line", "max_seq_len": LENGTH,
                                        "max_samples": BATCH * STEPS, "add_special_tokens": False},
        }],
        "passes": {"f": {"type": "LoRA", "r": LORA["r"], "alpha": LORA["lora_alpha"], "target_modules": MODULES,
                         "torch_dtype": "float32", "train_data_config": "train_data", "training_args": ARGUMENTS}},
        "host": "here", "target": "here", "no_artifacts": True,
        "output_dir": str(out / "adapter"), "cache_dir": str(out / "cache"),
    }  # fmt: skip


def train(arguments: list[str], project: Path) -> dict[str, float]:
    """One training. What an earlier one left is removed: Olive would go on from there, or train nothing at all."""
    for left in ("runs", ".olive-cache"):
        shutil.rmtree(project / left, ignore_errors=True)
    path = os.pathsep.join(filter(None, [str(Path(__file__).parent), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-m", "finetuning.counted", *arguments], cwd=project, capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": path, "CI": "1", "OLIVE_DISABLE_TELEMETRY": "1", "HF_HUB_OFFLINE": "1",
                          "HF_DATASETS_CACHE": str(project / "cached"), "TOKENIZERS_PARALLELISM": "false"},
        check=False, preexec_fn=BEFORE_EXEC,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{arguments[:2]}: {(done.stderr or done.stdout).strip()[-600:]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(project: Path, rounds: int) -> dict[str, list[dict[str, float]]]:
    subjects = commands(project)
    found: dict[str, list[dict[str, float]]] = {name: [] for name in subjects}
    for number in range(rounds):
        for name in rotated(list(subjects), number):
            with tempfile.TemporaryDirectory() as scratch:
                found[name].append(train(subjects[name](Path(scratch)), project))
            latest = found[name][-1]
            print(f"round {number + 1} {name}: {latest['real'] / latest['seconds']:,.0f} tok/s {latest}", flush=True)
    return found


def summarize(found: Mapping[str, list[dict[str, float]]]) -> dict[str, Any]:
    """Figures of each subject and the goals. AssertionError when two that see the same rows do not count alike."""
    for count in ("all_real", "all_supervised", "steps"):
        ours, plain = found["olivepress"][0][count], found["plain"][0][count]
        assert ours == plain, f"{count}: {ours} in our workflow, {plain} in the plain script"
    rates = {name: [one["real"] / one["seconds"] for one in runs] for name, runs in found.items()}
    subjects = {
        name: {
            "title": TITLES[name], "real_tps": median(rates[name]),
            "supervised_tps": median([one["supervised"] / one["seconds"] for one in runs]),
            "peak_memory_bytes": median([one["peak_memory_bytes"] for one in runs]),
            "padding": median([1 - one["real"] / one["positions"] for one in runs]),
            **{key: runs[0][key] for key in ("steps", "all_real", "all_supervised", "all_positions")},
            "seconds": median([one["seconds"] for one in runs]), "rounds": rates[name],
        }
        for name, runs in found.items()
    }  # fmt: skip
    goals = []
    for title, peer, times in GOALS:
        ratio = paired_ratio(rates["olivepress"], rates[peer])
        goals.append({"goal": title, "at_least": times, "ratio": ratio, "verdict": verdict(ratio, times)})
    return {"subjects": subjects, "goals": goals}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        found = measure(Path(scratch).resolve(), given.rounds)
    record = {
        "machine": fingerprint().model_dump(mode="json"), "date": datetime.date.today().isoformat(),
        "rounds": given.rounds, "batch": BATCH, "steps": STEPS, "length": LENGTH, "lora": LORA,
        "synthetic_data": True, **summarize(found),
    }  # fmt: skip
    if given.rounds >= ROUNDS:
        OUT.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        write_section("training", markdown(record))
    print(markdown(record))


if __name__ == "__main__":
    main()
