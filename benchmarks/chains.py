"""What a recipe with several targets costs beside as many stand-alone Olive chains, and how a recipe's cost grows.

    make chain-cost

A stand-alone chain is one ``olive run`` for one target: our passes of fine-tune, merge and export in one workflow and
one process, with a folder and a cache of its own, and none of our checks. The recipe's time is of ``olivepress run``
with all targets, verification included, once here and once over two workers of a cluster on this machine, each with
one thread. How the cost grows is read from the journals of the same run and of three
small ones on random weights. Writes benchmarks/chains.json, chains.png and a section of benchmarks/README.md. It takes
about an hour; cut and started again on the same day, it goes on with the part that it was at.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from chaining.chart import chart
from chaining.table import markdown
from cluster import processes, wait_for_workers
from gain.work import key_of, read_record, write_record
from llama_shape import LLAMA
from sections import write_section

from olivepress.charts.svg import render_png
from olivepress.core.artifact import read_manifest
from olivepress.report.machine import fingerprint
from olivepress.run.executors.cluster import Cluster
from olivepress.run.journal import events
from olivepress.synthetic import make_random_model, weight_bytes

OUT = Path(__file__).parent / "chains.json"
PARTS = OUT.with_suffix(".parts.json")  # what a run that was cut has measured
TARGETS = ("cpu-int4", "cpu-int8", "cpu-int4-compact", "cuda-int4", "directml-int4", "webgpu-int4")
DEMO = Path(__file__).parent.parent / "recipes" / "tiny-phi.yaml"
STEPS = 600  # of 32 examples: a fine-tune of over a minute. The demo's own 250 are over in half of one
# (hidden size, layers) of the Llamas that show how cost grows with the size of the model.
SIZES = ((256, 8), (512, 12), (1024, 24))


def recipe(project: Path, name: str, changes: Mapping[str, Any]) -> None:
    """The demo's recipe, with ``changes``, as recipes/<name>.yaml of the project."""
    content = yaml.safe_load(DEMO.read_text(encoding="utf-8"))
    content = {key: value for key, value in content.items() if key not in ("description", "budget")}
    (project / "recipes").mkdir(exist_ok=True)
    text = json.dumps(content | {"name": name} | dict(changes))
    (project / "recipes" / f"{name}.yaml").write_text(text, encoding="utf-8")


def timed(command: list[str], project: Path) -> float:
    """Seconds of one process. SystemExit with the end of its log when it fails."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, *command], cwd=project, capture_output=True, text=True, check=False,
        env=os.environ | {"CI": "1", "OLIVE_DISABLE_TELEMETRY": "1", "HF_HUB_OFFLINE": "1",
                          "TOKENIZERS_PARALLELISM": "false"},
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{command}: {(done.stdout + done.stderr)[-800:]}")
    return time.monotonic() - began


def olivepress(arguments: list[str], project: Path) -> float:
    return timed(["-c", "from olivepress.cli.main import main; main()", *arguments], project)


def job_seconds(project: Path, name: str) -> dict[str, float]:
    """Seconds of each job with its checks, from the journal (whole seconds)."""
    found: dict[str, float] = {}
    for event in events(project / "runs" / name / "journal.jsonl"):
        at = datetime.datetime.fromisoformat(event["at"]).timestamp()
        found[event["job"]] = at - found[event["job"]] if event["event"] == "finished" else at
    return found


def measured_once(name: str, measure: Callable[[], Any]) -> Any:
    """What ``measure`` returns, or what it returned today on this machine in a run that was cut."""
    key = key_of(fingerprint().id, datetime.date.today().isoformat(), STEPS)
    parts = (read_record(PARTS, key) or {"parts": {}})["parts"]
    if name not in parts:
        parts[name] = measure()
        write_record(PARTS, key, {"parts": parts})
    print(f"{name}: {parts[name]}"[:200], flush=True)
    return parts[name]


def workflows(project: Path, name: str, target: str) -> list[str]:
    """The rendered workflows that lead to ``target``."""
    folder = project / "olive_configs" / name
    jobs = ("finetune", "merge", f"export-{target}")
    return [(folder / f"{job}.yaml").read_text(encoding="utf-8") for job in jobs]


def pass_list(project: Path, name: str, target: str) -> dict[str, Any]:
    """Olive's own list of passes, and those of the lists that the workflows' comments name for ``olive run``."""
    from olive.package_config import OlivePackageConfig

    listed: dict[str, Any] = json.loads(Path(OlivePackageConfig.get_default_config_path()).read_text(encoding="utf-8"))
    for text in workflows(project, name, target):
        for path in re.findall(r"--package-config (\S+)", text):
            listed["passes"] |= json.loads((project / path).read_text(encoding="utf-8"))["passes"]
    return listed


def chain(project: Path, name: str, target: str, out: Path) -> dict[str, Any]:
    """One workflow of all passes that lead to ``target``, as somebody would write it who ships to one device."""
    parts = [yaml.safe_load(text) for text in workflows(project, name, target)]
    first, *_, last = parts
    passes = {key: one for part in parts for key, one in part["passes"].items()}
    passes["lora"]["training_args"]["output_dir"] = str(out / "training")
    data = {one["name"]: one for part in parts for one in part.get("data_configs", [])}
    return {
        "input_model": first["input_model"], "systems": last["systems"], "data_configs": list(data.values()),
        "passes": passes, "host": "here", "target": "here", "evaluate_input_model": False,
        "output_dir": str(out / "model"), "cache_dir": str(out / "cache"),
    }  # fmt: skip


def chain_seconds(project: Path, name: str, target: str) -> float:
    """One stand-alone chain. SystemExit when no model came out: Olive exits 0 all the same."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch).resolve()
        config = out / "chain.json"
        config.write_text(json.dumps(chain(project, name, target, out)), encoding="utf-8")
        passes = out / "passes.json"
        passes.write_text(json.dumps(pass_list(project, name, target)), encoding="utf-8")
        options = ["--package-config", str(passes), "--disable_telemetry"]
        seconds = timed(["-m", "olive", "run", "--config", str(config), *options], project)
        if not list((out / "model").rglob("*.onnx")):
            raise SystemExit(f"the chain to {target} made no model")
    return seconds


def cluster_seconds(project: Path, name: str) -> float:
    """``olivepress run`` over two workers on this machine."""
    with tempfile.TemporaryDirectory() as scratch, processes(Path(scratch).resolve()) as address:
        with Cluster(address, None, topic="chains") as cluster:
            wait_for_workers(cluster)
        return olivepress(["run", name, "--engine", "dask", "--scheduler", address], project)


def recipe_run(project: Path, name: str, batch_size: int) -> dict[str, Any]:
    """``olivepress run`` here: its seconds, those of each job, and when each step of the fine-tune was done."""
    seconds = olivepress(["run", name], project)
    lines = (project / "runs" / name / "finetune" / "training.jsonl").read_text(encoding="utf-8").splitlines()
    steps = [step for line in lines if "loss" in (step := json.loads(line))]  # the last line names what ships
    examples = [{"examples": one["done"] * batch_size, "seconds": one["seconds"]} for one in steps]
    return {"recipe_seconds": seconds, "jobs": job_seconds(project, name), "examples": examples}


def side_by_side(project: Path) -> dict[str, Any]:
    """The recipe with all targets, here and over two workers, then the chains, each alone on the machine."""
    name, shared = "chains", "chains-shared"
    settings = yaml.safe_load(DEMO.read_text(encoding="utf-8"))["finetune"] | {"max_steps": STEPS}
    for each in (name, shared):
        recipe(project, each, {"targets": list(TARGETS), "finetune": settings})
        olivepress(["prepare", each], project)
        olivepress(["render", each], project)
    ours = measured_once("recipe", lambda: recipe_run(project, name, settings["batch_size"]))
    over_two = measured_once("cluster_seconds", lambda: cluster_seconds(project, shared))
    chains = {each: measured_once(f"chain {each}", partial(chain_seconds, project, name, each)) for each in TARGETS}
    return {**ours, "cluster_seconds": over_two, "chains": chains}


def of_size(project: Path, hidden: int, layers: int) -> dict[str, Any]:
    """Fine-tune (four steps of one example), merge and one export of a Llama with random weights."""
    name = f"size-{hidden}x{layers}"
    shape = LLAMA | {
        "hidden_size": hidden, "num_hidden_layers": layers, "intermediate_size": hidden * 11 // 4,
        "num_attention_heads": hidden // 64, "num_key_value_heads": max(1, hidden // 256),
    }  # fmt: skip
    make_random_model(shape, project / "models" / name, seed=0, dtype="float32")
    recipe(project, name, {
        "model": {"path": f"models/{name}"}, "targets": ["cpu-int4"],
        "data": {"demo": "device-command", "max_length": 256, "max_train_rows": 8, "max_test_rows": 4},
        "finetune": {"r": 16, "alpha": 32, "learning_rate": 3e-3, "batch_size": 1, "max_steps": 4, "save_steps": 4,
                     "torch_dtype": "float32"},
        "limits": {"max_kl_divergence": 5.0}, "benchmark": {"max_examples": 2},
    })  # fmt: skip
    olivepress(["prepare", name], project)
    total = olivepress(["run", name], project)
    jobs = job_seconds(project, name)
    peak = {job: read_manifest(project / "runs" / name / job).resources.peak_memory_bytes for job in jobs}
    shutil.rmtree(project / "runs" / name)
    shutil.rmtree(project / "models" / name)
    parameters = weight_bytes(shape, dtype="float32") // 4
    return {"parameters": parameters, "seconds": total, "jobs": jobs, "peak_memory_bytes": peak}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.parse_args()

    with tempfile.TemporaryDirectory() as scratch:
        project = Path(scratch).resolve()
        sizes = [
            measured_once(f"size {hidden}x{layers}", partial(of_size, project, hidden, layers))
            for hidden, layers in SIZES
        ]
        measured = side_by_side(project)
    record = {
        "machine": fingerprint().model_dump(mode="json"), "date": datetime.date.today().isoformat(), "n": 1,
        "targets": TARGETS, **measured, "sizes": sizes,
    }  # fmt: skip
    OUT.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    OUT.with_suffix(".png").write_bytes(render_png(chart(record)))
    write_section("chains", markdown(record))
    PARTS.unlink()
    print(markdown(record))


if __name__ == "__main__":
    main()
