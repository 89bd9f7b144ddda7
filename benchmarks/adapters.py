"""Many adapters on one base against as many merged models: size, load, memory, switching, decode rate.

    make adapters

Makes random Llamas of 0.4 B and 1.2 B parameters in a folder of its own, trains one adapter on each for two steps
through the pipeline (so that package and merged twin are verified), adds nine more of random weights, and measures in
child processes. Writes benchmarks/adapters.json and .md. Speed and size do not depend on what the weights are; accuracy
is measured by adapter_accuracy.py.

Why decode is slower with an adapter: a token reads all weights once. LoRA of rank r on a projection of m x n adds
r (m + n) float32 numbers to m n quantized ones, and three small operators, whose cost does not shrink with the bits.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from llama_shape import LLAMA

from olivepress.adapters import add_adapter
from olivepress.core.process import peak_memory_bytes
from olivepress.report.machine import fingerprint
from olivepress.runtimes.genai_model import GenaiModel
from olivepress.runtimes.linked_copy import linked_copy
from olivepress.runtimes.session import size_on_disk_bytes
from olivepress.stats.intervals import bootstrap_median

OUT = Path(__file__).parent / "adapters.json"
SHAPES = {  # the second is Llama 3.2 1B's
    "llama-0.4b": LLAMA,
    "llama-1.2b": LLAMA | {
        "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16, "num_attention_heads": 32,
        "num_key_value_heads": 8, "vocab_size": 128256, "tie_word_embeddings": True,
    },
}  # fmt: skip
CASES = {"llama-0.4b": ("cpu-int4", "cpu-fp32"), "llama-1.2b": ("cpu-int4",)}
RANKS, COUNTS = (8, 32), (1, 3, 10)
ROUNDS, PROMPT, GENERATED = 10, 128, 48


def make(project: Path, shape: str, targets: tuple[str, ...]) -> None:
    """The model, the packages and their merged twins; what is there already is kept."""
    from olivepress.synthetic import make_random_model

    make_random_model(SHAPES[shape], project / "models" / shape, seed=0, dtype="float32")
    data = {"demo": "device-command", "max_train_rows": 8, "max_test_rows": 4, "max_length": 128}
    recipe = {
        "name": shape, "model": {"path": f"models/{shape}"}, "adapter_mode": "multi", "targets": list(targets),
        "adapters": {"trained": {"data": data}},
        "finetune": {"r": RANKS[0], "alpha": 16, "batch_size": 1, "max_steps": 2, "torch_dtype": "float32"},
        "limits": {"max_kl_divergence": 5.0},
    }  # fmt: skip
    (project / "recipes").mkdir(exist_ok=True)
    (project / "recipes" / f"{shape}.yaml").write_text(json.dumps(recipe))
    command = [sys.executable, "-c", "from olivepress.cli.main import main; main()", "run", shape]
    subprocess.run(command, cwd=project, check=True)
    for target in targets:
        for number in range(1, max(COUNTS)):
            rank = RANKS[number % len(RANKS)]
            folder = random_adapter(project, shape, rank, number)
            add_adapter(project / "runs" / shape / f"package-{target}", folder, f"r{rank}-{number}", replace=True)


def random_adapter(project: Path, shape: str, rank: int, seed: int) -> Path:
    """As PEFT saves one: the trained adapter's tensors, drawn anew with another rank."""
    import torch
    from safetensors.torch import load_file, save_file

    trained, folder = (
        project / "runs" / f"{shape}.trained" / "finetune" / "adapter",
        project / "drawn" / f"{shape}-{seed}",
    )
    folder.mkdir(parents=True, exist_ok=True)
    config = json.loads((trained / "adapter_config.json").read_text()) | {"r": rank}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    generator = torch.Generator().manual_seed(seed)
    tensors = {
        name: torch.randn([rank if size == RANKS[0] else size for size in held.shape], generator=generator) * 0.01
        for name, held in load_file(str(trained / "adapter_model.safetensors")).items()
    }
    save_file(tensors, str(folder / "adapter_model.safetensors"))
    return folder


def places(project: Path, case: str) -> tuple[Path, Path, list[Path]]:
    """(merged twin, package, its adapter files, the trained one first)."""
    shape, target = case.split("/")
    package = project / "runs" / shape / f"package-{target}"
    files = sorted(package.glob("adapters/*.onnx_adapter"), key=lambda path: path.stem != "trained")
    return project / "runs" / f"{shape}.trained" / f"export-{target}", package, files


def opened(project: Path, model: Path) -> GenaiModel:
    """The model with a thread for each logical core: left alone, ONNX Runtime takes the physical ones."""
    config = json.loads((model / "genai_config.json").read_text(encoding="utf-8"))
    config["model"]["decoder"]["session_options"]["intra_op_num_threads"] = os.cpu_count()
    folder = project / "every-core" / f"{model.parent.name}-{model.name}"
    return GenaiModel(linked_copy(model, folder, {"genai_config.json": json.dumps(config)}))


def load_many(project: Path, case: str, kind: str, count: int) -> dict[str, float]:
    """In a process of its own: open ``count`` models, or one package with as many adapters, each answering once."""
    twin, package, files = places(project, case)
    before, began = peak_memory_bytes(), time.perf_counter()
    if kind == "merged":
        models = [opened(project, twin) for _ in range(count)]
    else:
        base = opened(project, package)
        models = [base.with_adapter(file) for file in files[:count]]
    seconds = time.perf_counter() - began
    for model in models:
        decode(model, 2)
    return {"load_s": seconds, "peak_memory_bytes": float((peak_memory_bytes() or 0) - (before or 0))}


def decode(model: GenaiModel, tokens: int) -> float:
    """Tokens per second after a prompt of ``PROMPT`` tokens; the first token is not counted."""
    generation = model.generation(PROMPT + tokens + 2, shortest=PROMPT + tokens + 2)
    generation.append((np.arange(PROMPT) * 7 % 30000).tolist())
    generation.step()
    began = time.perf_counter()
    for _ in range(tokens):
        generation.step()
    return tokens / (time.perf_counter() - began)


def speed(project: Path, case: str) -> dict[str, Any]:
    """In a process of its own: decode rates in interleaved rounds, and what a switch to another adapter takes."""
    twin, package, files = places(project, case)
    base = opened(project, package)
    by_rank = {f"package, rank {rank}": next(f for f in files[1:] if f.stem.startswith(f"r{rank}-")) for rank in RANKS}
    subjects = {"merged": opened(project, twin), "package, no adapter": base}
    subjects |= {name: base.with_adapter(file) for name, file in by_rank.items()}
    for model in subjects.values():
        decode(model, 8)
    rates: dict[str, list[float]] = {name: [] for name in subjects}
    for number in range(ROUNDS):
        for name in list(subjects)[:: 1 if number % 2 else -1]:
            rates[name].append(decode(subjects[name], GENERATED))
    loaded = [base.with_adapter(file) for file in files]
    switches, first = [], []
    for number in range(100):
        began = time.perf_counter()
        loaded[number % len(loaded)].generation(256)
        switches.append((time.perf_counter() - began) * 1000)
        began = time.perf_counter()
        base.generation(256)
        first.append((time.perf_counter() - began) * 1000)
    return {
        "decode_tps": {name: summary(values) for name, values in rates.items()},
        "share_of_merged": {
            name: summary([one / merged for one, merged in zip(values, rates["merged"], strict=True)])
            for name, values in rates.items()
        },
        "switch_ms": summary(switches),
        "new_generator_ms": summary(first),
    }


def summary(values: list[float]) -> dict[str, Any]:
    return {"median": statistics.median(values), "n": len(values), "interval": bootstrap_median(values)}


def child(project: Path, *arguments: str) -> Any:
    command = [sys.executable, __file__, "--child", str(project), *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def measure(project: Path, cases: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for case in cases:
        twin, package, files = places(project, case)
        adapters = [file.stat().st_size for file in files]
        each = size_on_disk_bytes(twin)
        base = size_on_disk_bytes(package) - sum(adapters)
        rows = []
        for count in COUNTS:
            row: dict[str, Any] = {"adapters": count}
            row["merged_bytes"], row["package_bytes"] = each * count, base + sum(adapters[:count])
            for kind in ("merged", "package"):
                row |= {f"{kind}_{name}": value for name, value in loaded(project, case, kind, count).items()}
            rows.append(row)
        found[case] = {"counts": rows, **child(project, case, "speed", "0")}
    return {"machine": fingerprint().model_dump(mode="json"), "random_weights": True, "cases": found}


def loaded(project: Path, case: str, kind: str, count: int) -> dict[str, float | None]:
    """Medians of three processes; None where the models would not fit into this machine's memory."""
    twin, _, _ = places(project, case)
    if kind == "merged" and count * size_on_disk_bytes(twin) * 2 > psutil.virtual_memory().available:
        return {"load_s": None, "peak_memory_bytes": None}
    tries = [child(project, case, kind, str(count)) for _ in range(3)]
    return {name: statistics.median(one[name] for one in tries) for name in tries[0]}


def markdown(record: dict[str, Any]) -> str:
    machine = record["machine"]
    lines = [
        "# Many adapters on one base, against as many merged models", "",
        "Generated by `make adapters`. Llamas of random weights (speed and size are a trained one's), LoRA on all "
        f"projections, ranks 8 and 32 in turn; {machine['id']}, {machine['logical_cores']} threads. "
        "Load and memory: median of three processes, in which every model answers once; left out where as many merged "
        "models would not fit into this machine.", "",
        "| model, target | adapters | disk, merged | package | load, merged | package | memory, merged | package |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]  # fmt: skip
    for case, found in record["cases"].items():
        for row in found["counts"]:
            cells = [
                shown(row[f"{kind}_{name}"], *unit)
                for name, unit in (("bytes", (1e6, "MB")), ("load_s", (1, "s")), ("peak_memory_bytes", (1e6, "MB")))
                for kind in ("merged", "package")
            ]
            lines.append(f"| {case} | {row['adapters']} | {' | '.join(cells)} |")
    lines += ["", f"Decode after {PROMPT} tokens, {ROUNDS} interleaved rounds of {GENERATED} tokens in one process; "
              "the share is of the merged export in the same round (median, 95 % interval).", "",
              "| model, target | | decode | share of merged |", "|---|---|---:|---:|"]  # fmt: skip
    for case, found in record["cases"].items():
        for name, rate in found["decode_tps"].items():
            share = found["share_of_merged"][name]
            low, high = share["interval"]
            lines.append(
                f"| {case} | {name} | {rate['median']:.1f} tok/s | {share['median']:.3f} ({low:.3f} to {high:.3f}) |"
            )
    for case, found in record["cases"].items():
        switch, plain = found["switch_ms"], found["new_generator_ms"]
        lines += ["", f"Switching on {case}: a new generator with another loaded adapter {switch['median']:.2f} ms, "
                  f"without adapter {plain['median']:.2f} ms (medians of {switch['n']})."]  # fmt: skip
    return "\n".join(lines) + "\n"


def shown(value: float | None, unit: float, name: str) -> str:
    return "-" if value is None else f"{value / unit:,.{2 if unit == 1 else 0}f} {name}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--child", nargs=4, metavar=("PROJECT", "CASE", "KIND", "COUNT"), help=argparse.SUPPRESS)
    parser.add_argument("--project", type=Path, help="a folder whose models are kept for the next run")
    parser.add_argument("--shapes", nargs="+", choices=CASES, default=CASES, help="which models")
    given = parser.parse_args()
    if given.child:
        project, case, kind, count = given.child
        where = Path(project)
        found = speed(where, case) if kind == "speed" else load_many(where, case, kind, int(count))
        print(json.dumps(found))
        return
    with tempfile.TemporaryDirectory() as scratch:
        project = (given.project or Path(scratch)).resolve()
        project.mkdir(parents=True, exist_ok=True)
        for shape in given.shapes:
            make(project, shape, CASES[shape])
        record = measure(project, [f"{shape}/{target}" for shape in given.shapes for target in CASES[shape]])
    OUT.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    OUT.with_suffix(".md").write_text(markdown(record), encoding="utf-8")
    print(markdown(record))


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    main()
