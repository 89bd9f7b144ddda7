"""Fine-tunes of a small model through Olive itself, in this process: the imports are paid once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file

from olivepress.core.jsonl import read_json_lines
from olivepress.pipeline.plan import load_plan
from olivepress.pipeline.prepare import prepare
from olivepress.pipeline.render import render_files
from olivepress.report.training_record import Shipped, TrainingStep, shipped_step, training_steps
from olivepress.workflow.model import EMBEDDED
from olivepress.workflow.render import render_all
from olivepress.workflow.rendered import Workflow
from tests.end_to_end.families import write_recipe

NAME = "small"
FEW = {"demo": "device-command", "max_train_rows": 8, "max_test_rows": 4, "max_length": 512}


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What a fine-tune left: its tensors, its record, and the step that ships."""

    tensors: Mapping[str, Any]
    steps: tuple[TrainingStep, ...]
    shipped: Shipped | None

    @property
    def validation(self) -> dict[int, float]:
        return {each.step: each.validation_loss for each in self.steps if each.validation_loss is not None}


def rendered(project: Path, finetune: Mapping[str, Any], *, trust: bool = False, **changes: Any) -> Workflow:
    """The workflow of the fine-tune of a recipe with these settings, written with all that it reads."""
    write_recipe(project / "recipes" / f"{NAME}.yaml", EMBEDDED, finetune=dict(finetune), **{"data": FEW} | changes)
    plan = load_plan(NAME, trust_targets=trust)
    prepare(plan)
    for path, text in render_files(plan).items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text)
    return next(each for each in render_all(plan) if each.job_id == "finetune")


def train(project: Path, finetune: Mapping[str, Any], **changes: Any) -> Trained:
    """As ``olive run --config`` does it, from the start or from the checkpoints that are there."""
    return run(rendered(project, finetune, **changes))


def run(workflow: Workflow) -> Trained:
    import datasets
    from olive.common import import_lib
    from olive.workflows import run as olive_run

    # As in a process of its own, where the workflow's script is imported, which seeds.
    import_lib.import_user_module.cache_clear()
    import_lib.import_module_from_file.cache_clear()

    options = {"package_config": workflow.package_config} if workflow.package_config else {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", Path("datasets-cache").absolute())
        olive_run(str(workflow.path), **options)
    output = Path(workflow.config["output_dir"])
    (weights,) = [*output.glob("adapter/*.safetensors")] or [*output.glob("model/*.safetensors")]
    training = workflow.training_dir
    assert training is not None
    lines = read_json_lines(training.with_name(f"{training.name}.jsonl"))
    return Trained(tensors=load_file(weights), steps=training_steps(lines), shipped=shipped_step(lines))


def same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return one.keys() == other.keys() and all((one[name] == other[name]).all() for name in one)


def state_of(checkpoint: Path) -> dict[str, Any]:
    state: dict[str, Any] = json.loads((checkpoint / "trainer_state.json").read_text())
    return state
