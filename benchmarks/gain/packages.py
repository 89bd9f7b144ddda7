"""A package of adapters: the base model in 4 bits, exported once for each task, with one fine-tune's adapter active.

The base is calibrated on the task's rows as it was before the fine-tune. The package is created with an adapter of one
training step, which only gives the base its LoRA inputs; the adapters that are measured are added to it afterwards.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from gain.trained import Export, Trained, last_line, olivepress
from gain.work import content_key
from olivepress.adapters import read_package
from olivepress.runtimes.linked_copy import linked_with_adapter

__all__ = ["PACKAGES", "export_package"]

PACKAGES = {"package-cpu-int4": "cpu-int4"}  # subject → the target of the package's base
# An adapter of one step leaves the base's own unsure answers, which 4 bits change more than those of a fine-tune.
NOTHING_TRAINED = {"rows": 0, "max_kl_divergence": 10.0, "min_top1_agreement": 0.0}


def recipe(trained: Trained, subject: str) -> dict[str, Any]:
    """The recipe of the package, on the model and the rows of the fine-tune."""
    file = trained.project / "recipes" / f"{trained.name}.yaml"
    own = yaml.safe_load(file.read_text(encoding="utf-8"))
    finetune = {key: value for key, value in own["finetune"].items() if key != "seed"}
    return {
        "name": f"{trained.task.name}-{subject}", "description": f"{trained.task.title}, one base for many adapters",
        "model": own["model"], "adapter_mode": "multi",
        "adapters": {trained.task.name: {"task": trained.task.title, "data": own["data"]}},
        "finetune": finetune | {"max_steps": 1, "warmup_ratio": 0.0}, "targets": [PACKAGES[subject]],
        "benchmark": own["benchmark"], "limits": NOTHING_TRAINED,
    }  # fmt: skip


def package_folder(trained: Trained, subject: str) -> tuple[Path | None, str]:
    """The package, exported unless it is there, and what its check says against it; None when it cannot be made."""
    content = recipe(trained, subject)
    name, text = content["name"], yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    (trained.project / "recipes" / f"{name}.yaml").write_text(text, encoding="utf-8")
    folder = trained.project / "runs" / name / subject
    refused = folder.with_name(f"{subject}.failed")
    if folder.is_dir():
        return folder, ""
    done = olivepress(trained.project, "run", name)
    if done.returncode == 0:
        return folder, ""
    return refused if (refused / "package.json").is_file() else None, last_line(done.stderr)


def export_package(trained: Trained, subject: str) -> Export:
    """The package with the fine-tune's own adapter active, as a folder of links."""
    target = PACKAGES[subject]
    folder, reason = package_folder(trained, subject)
    if folder is None:
        return Export(target=target, state="not made", reason=reason, model=None)
    adapter = trained.project / "runs" / trained.name / "finetune" / "adapter"
    key = content_key(adapter, trained.project / "hashes")
    name = f"seed-{trained.seed}-{key}"
    if name not in read_package(folder).adapters:
        done = olivepress(trained.project, "adapters", "add", str(folder), str(adapter), "--name", name)
        if done.returncode:
            return Export(target=target, state="not made", reason=last_line(done.stderr), model=None)
    links = trained.project / "packages" / f"{trained.name}-{subject}-{key}"
    model = linked_with_adapter(folder, folder / read_package(folder).adapters[name].file, links)
    return Export(target=target, state="refused" if reason else "passed", reason=reason, model=model)
