"""Ways of fine-tuning the real model, each with validation: the base, the base with examples, LoRA, DoRA, full.

    python benchmarks/methods.py [--methods lora full] [--seeds 0 1]

Banking77, by olivepress itself, on the GPU where there is one; the merged model answers the same test rows in PyTorch,
float32, on the CPU. What a fine-tune's model answered is a cell of benchmarks/methods.json: a run goes on where another
one ended, on another day or machine as well, and whole work that a kill cut is resumed from the work folder. A cell is
made again when its recipe changes; it says the packages it was made with. Writes methods.json and a section of
benchmarks/gain_retained.md after every cell.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gain.answered import Questions, answers, outcomes, questions
from gain.subjects import BASE, MERGED, job, reference
from gain.tasks import TASKS
from gain.trained import Trained, train
from gain.work import key_of
from gain_retained import ENVIRONMENTS, FAMILY, METHODS_SECTION, MODEL, PAGE, ROOT, ROWS, SEEDS, versions
from pairs import Outcomes, difference, share
from peers.subjects import THREADS
from sections import write_section

from olivepress.core.artifact import read_manifest
from olivepress.core.files import write_text
from olivepress.core.jsonl import read_json_lines
from olivepress.core.layout import TRAINING
from olivepress.report.machine import fingerprint, usable_cores
from olivepress.report.training_record import shipped_step
from olivepress.run.training_device import training_device

OUT = Path(__file__).parent / "methods.json"
TASK = next(task for task in TASKS if task.name == "banking77")
SHOTS = 10  # as many examples as fit the time: one of each class are 77
FEW_SHOT, HOUR = "few-shot", "lora-hour"
# Half of the 8,800 training rows, once. The validation loss decides which checkpoint ships and when it ends. Rates: the
# usual ones of each method for a model of this size. The last method is what two slow cores can do within an hour.
COMMON: Mapping[str, Any] = {
    "batch_size": 8, "max_steps": 540, "torch_dtype": "float32", "eval_steps": 90, "eval_rows": 128,
    "early_stopping": {"patience": 3},
}  # fmt: skip
ADAPTER = {"r": 16, "alpha": 32, "learning_rate": 1.0e-3}
METHODS: Mapping[str, Mapping[str, Any]] = {
    "lora": {**ADAPTER, "method": "lora"},
    "dora": {**ADAPTER, "method": "dora"},
    "full": {"method": "full", "learning_rate": 1.0e-4},
    HOUR: {**ADAPTER, "method": "lora", "max_steps": 400, "eval_steps": 80},
}
TITLES = {
    BASE: "the base model, zero-shot", FEW_SHOT: f"the base model, {SHOTS} examples", "lora": "LoRA, r 16",
    HOUR: "LoRA, r 16, 400 steps", "dora": "DoRA, r 16", "full": "full fine-tuning",
}  # fmt: skip
Cell = dict[str, Any]


def read_cells() -> list[Cell]:
    """The cells of earlier runs; none where there is no file."""
    return list(json.loads(OUT.read_text(encoding="utf-8"))["cells"]) if OUT.is_file() else []


def right_rows(cell: Cell, rows: list[str]) -> Outcomes:
    """Row → whether it was answered rightly, from the cell's hexadecimal digits, one bit a row, the first row first."""
    bits = f"{int(cell['right'], 16):0{len(rows)}b}"
    return {row: bit == "1" for row, bit in zip(rows, bits, strict=True)}


def packed(outcomes: Outcomes, rows: list[str]) -> str:
    """The inverse of ``right_rows``."""
    return f"{int(''.join('1' if outcomes[row] else '0' for row in rows), 2):x}"


def answered(model: str, trained: Trained, asked: Questions, given: argparse.Namespace) -> Outcomes:
    one = job(reference(model, trained), given.work, ENVIRONMENTS, threads=THREADS, task="answers")
    return outcomes(answers(one, asked, given.work, versions=versions())[0], asked, trained)


def taken(trained: Trained) -> Cell:
    """Where the fine-tune ran, what it took, and which of its steps ships."""
    folder = trained.project / "runs" / trained.name / "finetune"
    resources = read_manifest(folder).resources
    shipped = shipped_step(read_json_lines(folder / TRAINING))
    return {
        "seconds": round(resources.seconds), "peak_memory_bytes": resources.peak_memory_bytes,
        "shipped": None if shipped is None else shipped.model_dump(mode="json"), "machine": fingerprint().id,
        "threads": int(os.environ.get("OMP_NUM_THREADS", usable_cores())), "device": training_device(),
        "accelerator": accelerator(),
    }  # fmt: skip


def accelerator() -> str | None:
    """What the first CUDA GPU calls itself."""
    if training_device() == "cpu":
        return None
    import torch

    return str(torch.cuda.get_device_name())


def measure(
    method: str, seed: int, known: Collection[str], given: argparse.Namespace
) -> Iterator[tuple[Cell, list[str]]]:
    """The cell of one fine-tune and those of the base, but what is known, each as soon as it is measured; and the names
    of the test rows in order."""
    settings = dict(COMMON) | dict(METHODS[method])
    trained = train(
        TASK, seed, given.work / "project", model={"path": MODEL, "family": FAMILY}, data=given.data,
        finetune=settings, suffix=f"-{method}",
    )  # fmt: skip
    asked = questions(trained, given.rows)
    rows = list(asked.expected)
    if cell_key(method, seed) not in known:
        own = {"method": method, "seed": seed, "key": cell_key(method, seed), "versions": versions(), **taken(trained)}
        yield own | {"right": packed(answered(MERGED, trained, asked, given), rows)}, rows
    for name in (BASE, FEW_SHOT):
        if cell_key(name, None) not in known:
            of_base = questions(trained, given.rows, shots=SHOTS) if name == FEW_SHOT else asked
            right = packed(answered(BASE, trained, of_base, given), rows)
            own = {"method": name, "seed": None, "key": cell_key(name, None), "versions": versions()}
            yield own | {"device": "cpu", "right": right}, rows


def cell_key(method: str, seed: int | None, device: str | None = None) -> str:
    """Of what a cell depends on: its settings, and where it is trained, here when left out."""
    if method not in METHODS:
        return key_of(MODEL, TASK.name, method, seed, {"shots": SHOTS})
    settings = dict(COMMON) | dict(METHODS[method])
    return key_of(MODEL, TASK.name, method, seed, settings, device or training_device())


def seeds_of(method: str) -> Sequence[int]:
    return SEEDS[:1] if method == HOUR else SEEDS


def summary(cells: list[Cell], rows: list[str]) -> list[dict[str, Any]]:
    """A record for each method and device that has a cell: its accuracy seed by seed, and its difference from LoRA's
    there."""
    outcomes_of: dict[tuple[str, str], dict[int | None, Outcomes]] = {}
    for cell in cells:
        outcomes_of.setdefault((cell["method"], cell["device"]), {})[cell["seed"]] = right_rows(cell, rows)
    records = []
    for method, device in itertools.product(TITLES, ("cuda", "cpu")):
        own, lora = outcomes_of.get((method, device)), outcomes_of.get(("lora", device), {})
        if own is None:
            continue
        pairs = [(lora[seed], own[seed]) for seed in own if seed in lora and method != "lora"]
        own_cells = [cell for cell in cells if (cell["method"], cell["device"]) == (method, device)]
        records.append({
            "method": method, "title": TITLES[method], "seeds": [share(own[seed]) | {"seed": seed} for seed in own],
            "to_lora": difference(pairs) if pairs else None, "cells": own_cells,
        })  # fmt: skip
    return records


def markdown(record: Mapping[str, Any]) -> str:
    lines = [
        "## Ways of fine-tuning", "",
        f"Generated by `python benchmarks/methods.py`: {MODEL}, {TASK.title}, {record['rows']} test rows, greedy, "
        "exact match, 95 % Wilson intervals. Every fine-tune validates on 128 rows each 90 steps, keeps the best "
        "checkpoint and stops after three evaluations without a lower loss. Differences are paired, seed by seed, on "
        "the same device.", "",
        "| | seed | trained on | exact match | shipped | hours x threads | peak memory | minus LoRA, points |",
        "|---|---:|---|---:|---|---:|---:|---:|",
    ]  # fmt: skip
    for one in record["methods"]:
        to_lora = one["to_lora"]
        points = "–"
        if to_lora is not None:
            low, high = (100 * end for end in to_lora["interval"])
            points = f"{100 * to_lora['difference']:+.1f} ({low:+.1f} to {high:+.1f})"
        for number, (seed, cell) in enumerate(zip(one["seeds"], one["cells"], strict=True)):
            lines.append(f"| {one['title']} {row_of(seed, cell)} | {points if number == 0 else ''} |")
    wanted = [(name, seed) for name in METHODS for seed in seeds_of(name)]
    missing = [f"{TITLES[name]}, seed {seed}" for name, seed in wanted if (name, seed) not in record["measured"]]
    if missing:
        lines += ["", f"Not measured yet: {'; '.join(missing)}."]
    return "\n".join(lines + notes(record["methods"])) + "\n"


def notes(methods: Sequence[Mapping[str, Any]]) -> list[str]:
    """Why some were not timed, and the packages of each machine."""
    cells = [cell for one in methods for cell in one["cells"] if one["method"] in METHODS]
    reasons = sorted({cell["not_timed"] for cell in cells if cell.get("not_timed")})
    machines = {cell["machine"].rsplit("-", 1)[0]: cell["versions"] for cell in cells}
    packages = [
        f"{machine}: {', '.join(f'{name} {each[name]}' for name in ('torch', 'transformers', 'peft', 'olive-ai'))}"
        for machine, each in sorted(machines.items())
    ]
    return ["", *(f"Not timed: {reason}.\n" for reason in reasons), f"Packages: {'; '.join(packages)}."]


def row_of(seed: Mapping[str, Any], cell: Cell) -> str:
    low, high = (100 * end for end in seed["interval"])
    shipped, memory = cell.get("shipped"), cell.get("peak_memory_bytes")
    step = f"step {shipped['step']} of {shipped['steps']}" if shipped else "–"
    hours = f"{cell['seconds'] / 3600:.1f} x {cell['threads']}" if cell.get("seconds") else "–"
    peak = f"{memory / 1e9:.1f} GB" if memory else "–"
    label = "–" if seed["seed"] is None else seed["seed"]
    where = cell.get("accelerator") or ("CPU" if "machine" in cell else "–")
    return f"| {label} | {where} | {100 * seed['accuracy']:.1f} % ({low:.1f} to {high:.1f}) | {step} | {hours} | {peak}"


def save(cells: list[Cell], rows: list[str]) -> None:
    measured = {(cell["method"], cell["seed"]) for cell in cells}
    record = {"rows": len(rows), "methods": summary(cells, rows), "measured": measured}
    content = {"model": MODEL, "task": TASK.name, "rows": rows, "cells": cells}
    write_text(OUT, json.dumps(content, indent=1) + "\n")
    write_section(METHODS_SECTION, markdown(record), PAGE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS))
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="the published data sets")
    parser.add_argument("--work", type=Path, default=ENVIRONMENTS / "gain", help="where unfinished work is kept")
    given = parser.parse_args()
    given.work, given.rows = given.work.resolve(), ROWS
    given.work.mkdir(parents=True, exist_ok=True)
    of_base = {cell_key(BASE, None), cell_key(FEW_SHOT, None)}
    trained = itertools.product(METHODS, SEEDS, ("cuda", "cpu"))
    wanted = of_base | {cell_key(method, seed, device) for method, seed, device in trained}
    cells = [cell for cell in read_cells() if cell["key"] in wanted]
    for seed in given.seeds:
        for method in (name for name in given.methods if seed in seeds_of(name)):
            known = {cell["key"] for cell in cells}
            if known >= of_base | {cell_key(method, seed)}:
                continue
            for cell, rows in measure(method, seed, known, given):
                cells.append(cell)
                save(cells, rows)
                print(f"{cell['method']}, seed {cell['seed']}: measured", flush=True)


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    main()
