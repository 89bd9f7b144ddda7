"""Rows drawn by the dataset that they were mixed from: by the lineage that mixing writes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from olivepress.core.errors import DataError, RecipeError
from olivepress.data.build import build_dataset
from olivepress.data.derive.mixing import mix
from olivepress.data.store.dataset import Dataset, write_dataset
from olivepress.data.store.reader import read_split
from olivepress.data.store.tasks import labelled_by_task, tasks_of
from olivepress.pipeline.plan import load_plan
from olivepress.recipe.schema import Data
from olivepress.workflow.render import render_all
from tests.end_to_end.families import write_recipe


def plan_of(project: Path, weights: dict[str, float], **changes: Any) -> Any:
    write_recipe(project / "recipes" / "small.yaml", "embedded:tiny-phi", finetune={"task_weights": weights}, **changes)
    return load_plan("small")


def both_tasks() -> Dataset:
    parts = [build_dataset(Data(demo=name)) for name in ("device-command", "phrase-tone")]
    mixed = mix(parts, [2.0, 1.0], name="both", rows=60)
    write_dataset(mixed)
    return mixed


def test_rows_have_the_name_of_their_dataset(project: Path) -> None:
    """Each row, whatever its own label is; rows that were not mixed are an error, and no weight of 1 for all."""
    directory = both_tasks().directory
    rows = read_split(directory, "train").rows
    labelled = labelled_by_task(rows, directory)
    commands = [row for row in labelled if row.answer.startswith("{")]
    assert len(rows) == 60 and len(commands) == 40
    assert {row.label for row in commands} == {"device-command"}
    assert {row.label for row in labelled if not row.answer.startswith("{")} == {"phrase-tone"}
    lineage = directory / "lineage.jsonl"
    first = json.loads(lineage.read_text().splitlines()[0])
    lineage.write_text(json.dumps({**first, "made_by": "noise"}) + "\n")
    assert tasks_of(directory) == tasks_of(None) == {}
    with pytest.raises(DataError, match="names no dataset that its rows were mixed from"):
        labelled_by_task([replace(row, label="own") for row in rows], directory)


def test_weights_of_tasks_that_were_mixed(project: Path) -> None:
    """By the names of the datasets; a name that none has is an error, and so is a weight where nothing was mixed."""
    data = {"source": both_tasks().directory.as_posix(), "max_length": 256}
    plan = plan_of(project, {"phrase-tone": 3.0}, data=data)
    [workflow] = [each for each in render_all(plan) if each.job_id == "finetune"]
    training = workflow.config["passes"]["lora"]
    assert (training["type"], training["weighted"]) == ("ExtendedLoRA", True)
    assert training["training_args"]["group_by_length"] is False
    component = workflow.config["data_configs"][0]["pre_process_data_config"]
    assert component["task_weights"] == {"phrase-tone": 3.0} and "label_weights" not in component
    with pytest.raises(RecipeError, match=r"expected tasks of the training rows \(device-command, phrase-tone\)"):
        plan_of(project, {"tone": 3.0}, data=data)
    with pytest.raises(RecipeError, match=r"task_weights is 'tone', expected tasks .* \(none has a task\)"):
        plan_of(project, {"tone": 3.0})
