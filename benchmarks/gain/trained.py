"""Fine-tune, merge and export by olivepress itself, in a project of its own inside the work folder."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from gain.checks import checked
from gain.tasks import Task
from gain.work import content_key, key_of, read_record, write_record
from olivepress.catalog import targets
from olivepress.recipe.methods import METHODS
from olivepress.report.machine import package_versions

__all__ = ["FINETUNE", "Export", "Trained", "export", "last_line", "our_targets", "train"]

FINETUNE = {
    "r": 16, "alpha": 32, "learning_rate": 5.0e-4, "batch_size": 8, "max_steps": 300, "torch_dtype": "float32",
}  # fmt: skip
MAX_LENGTH = 256
OLIVEPRESS = ("-c", "from olivepress.cli.main import main; main()")


@dataclass(frozen=True, kw_only=True)
class Trained:
    """One fine-tune: its recipe's name, the base it began with, the merged model, the prepared rows."""

    name: str
    task: Task
    seed: int
    project: Path
    base: Path
    merged: Path
    dataset: Path


@dataclass(frozen=True, kw_only=True)
class Export:
    """``state``: what ``olivepress run`` said of it, ``checks`` what it measured; ``model`` is None only when nothing
    came out."""

    target: str
    state: str  # "passed", "refused", "not made"
    reason: str
    model: Path | None
    checks: Mapping[str, Any] | None = None


def olivepress(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A verb of olivepress; its errors are returned, and its output with ``--json``, else it is shown as it comes."""
    print(f"olivepress {' '.join(arguments)}", flush=True)
    command = [sys.executable, *OLIVEPRESS, *arguments]
    output = subprocess.PIPE if "--json" in arguments else None
    return subprocess.run(command, cwd=project, text=True, stdout=output, stderr=subprocess.PIPE, check=False)


def prepared(task: Task, project: Path, data: Path) -> Path:
    """The task's dataset, prepared once. SystemExit with olivepress's own words when that fails."""
    if not (found := sorted((project / "datasets").glob(f"{task.name}-*/dataset.json"))):
        task.write(project / "data" / task.name, data)
        instruction = ["--instruction", task.instruction] if task.instruction else []
        done = olivepress(project, "data", "prepare", f"data/{task.name}", "-o", task.name, *instruction, "--quiet")
        if done.returncode:
            raise SystemExit(f"{task.name}: its rows cannot be prepared: {last_line(done.stderr)}")
        found = sorted((project / "datasets").glob(f"{task.name}-*/dataset.json"))
    return found[0].parent


def last_line(text: str) -> str:
    """The last line that says something."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "no output")


def recipe(
    task: Task, seed: int, model: Mapping[str, str], dataset: Path, finetune: Mapping[str, Any], suffix: str
) -> dict[str, Any]:
    """The recipe of one fine-tune with every target of ours; the limits are the targets' own."""
    return {
        "name": f"{task.name}-seed-{seed}{suffix}", "description": f"{task.title}, training seed {seed}",
        "model": dict(model),
        "data": {"source": f"datasets/{dataset.name}", "max_length": MAX_LENGTH},
        "finetune": {**finetune, "seed": seed}, "targets": our_targets(),
        "benchmark": {"few_shot": 0, "max_examples": 32},  # what Olive's own evaluator looks at; answers come later
    }  # fmt: skip


def our_targets() -> list[str]:
    """Every target of the catalog that plain CPUs run with ONNX Runtime GenAI."""
    return [one.target for one in targets().values() if (one.device, one.environment) == ("cpu", "cpu")]


def train(
    task: Task,
    seed: int,
    project: Path,
    *,
    model: Mapping[str, str],
    data: Path,
    finetune: Mapping[str, Any],
    suffix: str = "",
) -> Trained:
    """Fine-tune, and merge an adapter, unless that is finished; ``model`` is the recipe's section about the base,
    ``suffix`` what the recipe's name ends with. SystemExit with olivepress's own words when it fails."""
    project.mkdir(parents=True, exist_ok=True)
    dataset = prepared(task, project, data)
    content = recipe(task, seed, model, dataset, finetune, suffix)
    name, text = content["name"], yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    (project / "recipes").mkdir(exist_ok=True)
    (project / "recipes" / f"{name}.yaml").write_text(text, encoding="utf-8")
    jobs = ("finetune", "merge") if METHODS[finetune.get("method", "lora")].adapter else ("finetune",)
    merged = project / "runs" / name / jobs[-1] / "model"
    record, key = project / "trained" / f"{name}.json", key_of(text)
    if read_record(record, key) is None or not (merged / "config.json").is_file():
        for job in jobs:
            done = olivepress(project, "run", name, "--job", job)
            if done.returncode:
                raise SystemExit(f"{name}: {job} failed: {last_line(done.stderr)}")
        write_record(record, key, {"recipe": content})
    workflow = yaml.safe_load((project / "olive_configs" / name / "finetune.yaml").read_text(encoding="utf-8"))
    base = project / workflow["input_model"]["model_path"]  # a path of its own stays as it is
    return Trained(name=name, task=task, seed=seed, project=project, base=base, merged=merged, dataset=dataset)


def export(trained: Trained, target: str) -> Export:
    """The target's artifact of one fine-tune; kept with what ``olivepress run`` said of it.

    What its check refuses is measured all the same: whether the check is right is what the table shows.
    """
    merged = content_key(trained.merged, trained.project / "hashes")
    key = key_of(merged, targets()[target].model_dump(mode="json"), trained.dataset.name, versions())
    record = trained.project / "exports" / trained.name / f"{target}.json"
    known = read_record(record, key)
    if known is None or (known["model"] and not (trained.project / known["model"]).is_dir()):
        known = write_record(record, key, _export(trained, target))
    model = trained.project / known["model"] if known["model"] else None
    return Export(target=target, state=known["state"], reason=known["reason"], model=model, checks=known.get("checks"))


def _export(trained: Trained, target: str) -> dict[str, Any]:
    done = olivepress(trained.project, "run", trained.name, "--job", f"export-{target}", "--json")
    runs, checks = Path("runs", trained.name), checked(done.stdout, f"export-{target}")
    if done.returncode == 0:
        return {"state": "passed", "reason": "", "model": str(runs / f"export-{target}"), "checks": checks}
    reason, failed = last_line(done.stderr), runs / f"export-{target}.failed"
    if not (trained.project / failed / "genai_config.json").is_file():
        return {"state": "not made", "reason": reason, "model": None}
    return {"state": "refused", "reason": reason, "model": str(failed), "checks": checks}


def versions() -> dict[str, str | None]:
    """The packages that decide what an export is."""
    found = package_versions()
    return {name: found.get(name) for name in ("olive-ai", "onnxruntime", "onnxruntime-genai", "torch", "transformers")}
