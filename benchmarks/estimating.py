"""The plans that the rehearsals ran, without their random models."""

from __future__ import annotations

import json
from pathlib import Path

from olivepress.catalog import targets
from olivepress.data.build import build_dataset
from olivepress.pipeline.rehearse import rehearsal_recipe
from olivepress.workflow.find_recipe import data_of, find_recipe
from olivepress.workflow.model import resolve_model
from olivepress.workflow.plan import Job, Plan

__all__ = ["rehearsed_plan"]

_REHEARSALS = Path(__file__).parent / "rehearsals"


def rehearsed_plan(name: str) -> Plan:
    """Fine-tune, merge and int4 export of ``rehearse NAME``: the target that its record says."""
    record = json.loads((_REHEARSALS / f"{name}.json").read_text(encoding="utf-8"))
    export = next(step["name"] for step in record["steps"] if step["name"].startswith("export-"))
    real = find_recipe(record["model"])[0]
    recipe = rehearsal_recipe(real)
    jobs = (
        Job(id="finetune", kind="finetune", parent=None),
        Job(id="merge", kind="merge", parent="finetune"),
        Job(id=export, kind="export", parent="merge", target=targets()[export.removeprefix("export-")]),
    )
    return Plan(recipe=recipe, model=resolve_model(real), dataset=build_dataset(data_of(recipe, "rehearse")), jobs=jobs)
