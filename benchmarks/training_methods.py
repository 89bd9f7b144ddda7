"""What fine-tuning buys on the real model, method by method: base, few-shot, LoRA, DoRA and full, three seeds each.

    python benchmarks/training_methods.py --data BANKING77 --work FOLDER

SmolLM2-135M-Instruct learns the 77 intents of Banking77; the best checkpoint by validation loss ships, and PyTorch
answers 1,000 test rows with it. Takes many hours and may be cut at any time: start the same command again. Fine-tunes
that are not finished go on from FOLDER; who was right where is kept in training_methods.json, from which another
machine goes on. Writes training_methods.md when all is there.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pairs import Outcomes, difference, share

from olivepress.core.files import write_text
from olivepress.core.layout import device_report
from olivepress.core.process import exclusive
from olivepress.report.device_report import read_report
from olivepress.report.examples import read_outcomes
from olivepress.report.machine import fingerprint
from olivepress.track.runs import find_run

HERE = Path(__file__).resolve().parent
STATE = HERE / "training_methods.json"
COMMAND = (sys.executable, "-c", "from olivepress.cli.main import main; main()")
SEEDS, ROWS, FEW_SHOT = (0, 1, 2), 1000, 5
GOAL, MINUTES = 0.75, 60.0  # of a LoRA: right answers, and how long it may take on two cores
SHARED = {"batch_size": 8, "max_steps": 1200, "torch_dtype": "float32", "early_stopping": {"patience": 3}}
METHODS: dict[str, dict[str, Any]] = {
    "lora": {"method": "lora", "r": 16, "alpha": 32, "learning_rate": 1.0e-3},
    "dora": {"method": "dora", "r": 16, "alpha": 32, "learning_rate": 1.0e-3},
    "full": {"method": "full", "learning_rate": 1.0e-4},
}
TITLES = {"base": "base model", "few-shot": f"base model, {FEW_SHOT} examples in the prompt", "lora": "LoRA",
          "dora": "DoRA", "full": "full fine-tuning"}  # fmt: skip


def recipe(method: str, seed: int, source: str) -> dict[str, Any]:
    """The recipe of one fine-tune."""
    return {
        "name": f"{method}-{seed}",
        "model": {"path": "pypi:smollm2-135m-instruct"},
        "data": {"source": source, "instruction": "Name the banking intent of this message.", "max_length": 256},
        "finetune": {**SHARED, **METHODS[method], "seed": seed},
        "targets": ["cpu-fp32"],
        "benchmark": {"max_examples": ROWS, "few_shot": FEW_SHOT},
        "tracking": False,
    }


def olivepress(*arguments: str) -> None:
    """A verb of olivepress. SystemExit when it fails: what it printed is above."""
    print(f"olivepress {' '.join(arguments)}", flush=True)
    if code := subprocess.run([*COMMAND, *arguments], check=False).returncode:
        raise SystemExit(f"olivepress {' '.join(arguments)}: exit code {code}")


def answered(name: str, job: str) -> dict[str, bool]:
    """Test row → whether it was answered rightly, of one job of a recipe."""
    olivepress("bench", name, "--job", job, "--quiet")
    outcomes = read_outcomes(read_report(device_report(fingerprint().id, name, job)))
    assert outcomes is not None and len(outcomes) >= ROWS, f"{name}: too few test rows"
    return {row: bool(right) for row, right in outcomes.items()}


def trained(name: str) -> dict[str, Any]:
    """How long the fine-tune took, and what ships."""
    run = find_run(f"{name}/finetune")
    loss = run.curves["validation_loss"]
    return {
        "seconds": run.seconds, "resumed": run.resumed, "steps": run.curves["loss"].last_step,
        "lowest_validation_loss": loss.lowest, "last_validation_loss": loss.last,
    }  # fmt: skip


def collect(state: dict[str, Any], source: str) -> None:
    """Everything that is not in the state yet, one fine-tune after the other; saved after each."""
    for seed in SEEDS:
        for method in METHODS:
            made = recipe(method, seed, source)
            name = made["name"]
            if name in state["answers"]:
                continue
            write_text(Path("recipes", f"{name}.yaml"), yaml.safe_dump(made, sort_keys=False))
            olivepress("run", name, "--job", "finetune")
            for job in ("base", "few-shot"):
                if job not in state["answers"]:
                    save(state, job, answered(name, job))
            state["trained"][name] = trained(name) | {"machine": fingerprint().id}
            save(state, name, answered(name, "finetune"))


def save(state: dict[str, Any], name: str, outcomes: Outcomes) -> None:
    """Keep who was right where: the ids once, and a digit for each of them."""
    state["rows"] = state["rows"] or sorted(outcomes)
    if state["rows"] != sorted(outcomes):
        raise SystemExit(f"{name}: answered other rows than those of {STATE.name}")
    state["answers"][name] = "".join(str(int(outcomes[row])) for row in state["rows"])
    write_text(STATE, json.dumps(state, indent=1) + "\n")


def outcomes_of(state: Mapping[str, Any], name: str) -> dict[str, bool]:
    """The reverse of ``save``."""
    return {row: digit == "1" for row, digit in zip(state["rows"], state["answers"][name], strict=True)}


def by_seed(state: Mapping[str, Any], subject: str) -> list[dict[str, bool]]:
    """The answers of a method with each seed; the base's are the same for all."""
    names = [subject] * len(SEEDS) if subject not in METHODS else [f"{subject}-{seed}" for seed in SEEDS]
    return [outcomes_of(state, name) for name in names]


def markdown(state: Mapping[str, Any]) -> str:
    """The table, and how a LoRA stands to what is asked of it."""
    lines = [
        "# Methods of fine-tuning on a real model", "",
        f"Generated by `python benchmarks/training_methods.py`, {state['date']}: SmolLM2-135M-Instruct on Banking77 "
        f"(77 labels), {len(SEEDS)} seeds, {len(state['rows'])} test rows, exact match, PyTorch. The checkpoint with "
        "the lowest validation loss ships. Differences pair the answers row by row over all seeds, in points with a "
        "95 % interval. Minutes are from start to end, of a run that was interrupted too.", "",
        "| | right, seed by seed | minutes | over the base | over LoRA |", "|---|---|---|---:|---:|",
    ]  # fmt: skip
    base, lora = by_seed(state, "base"), by_seed(state, "lora")
    for subject, title in TITLES.items():
        own = by_seed(state, subject)
        runs = [state["trained"][f"{subject}-{seed}"] for seed in SEEDS] if subject in METHODS else []
        shown = own if runs else own[:1]
        cells = [
            " / ".join(f"{share(each)['accuracy']:.1%}" for each in shown),
            " / ".join(f"{run['seconds'] / 60:.0f}" for run in runs) or "–",
            "–" if subject == "base" else _points(base, own),
            "–" if subject == "lora" else _points(lora, own),
        ]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    best = max(share(each)["accuracy"] for each in lora)
    longest = max(state["trained"][f"lora-{seed}"]["seconds"] for seed in SEEDS) / 60
    met = min(share(each)["accuracy"] for each in lora) >= GOAL and longest <= MINUTES
    machines = ", ".join(sorted({run["machine"] for run in state["trained"].values()}))
    lines += [
        "",
        f"Asked of a LoRA: {GOAL:.0%} with every seed within {MINUTES:.0f} minutes: {'yes' if met else 'no'} "
        f"(best {best:.1%}, at most {longest:.0f} minutes; fine-tuned on {machines}).",
    ]
    return "\n".join(lines) + "\n"


def _points(first: list[dict[str, bool]], second: list[dict[str, bool]]) -> str:
    found = difference(list(zip(first, second, strict=True)))
    low, high = (100 * end for end in found["interval"])
    return f"{100 * found['difference']:+.1f} ({low:+.1f} to {high:+.1f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="Banking77: train.csv and test.csv")
    parser.add_argument("--work", type=Path, required=True, help="a folder that is kept from call to call")
    given = parser.parse_args()
    data = given.data.resolve(strict=True)
    given.work.mkdir(parents=True, exist_ok=True)
    os.chdir(given.work)
    state: dict[str, Any] = {"shared": SHARED, "methods": METHODS, "rows": [], "answers": {}, "trained": {}}
    if STATE.exists():
        state = json.loads(STATE.read_text(encoding="utf-8"))
    if (state["shared"], state["methods"]) != (SHARED, METHODS):
        raise SystemExit(f"{STATE}: was made with other settings; move it away")
    with exclusive(Path("running")):
        collect(state, str(data))
    state["date"] = datetime.date.today().isoformat()
    write_text(STATE, json.dumps(state, indent=1) + "\n")
    write_text(STATE.with_suffix(".md"), markdown(state))
    print(markdown(state))


if __name__ == "__main__":
    main()
