"""The plans that the rehearsals ran, without their random models."""

from __future__ import annotations

from olivepress.catalog import targets
from olivepress.data.build import build_dataset
from olivepress.pipeline.rehearse import rehearsal_recipe
from olivepress.workflow.find_recipe import data_of, find_recipe
from olivepress.workflow.model import resolve_model
from olivepress.workflow.plan import Job, Plan

__all__ = ["rehearsed_plan"]


def rehearsed_plan(name: str) -> Plan:
    """Fine-tune, merge and int4 export of ``rehearse NAME``."""
    real = find_recipe(name)[0]
    recipe = rehearsal_recipe(real)
    jobs = (
        Job(id="finetune", kind="finetune", parent=None),
        Job(id="merge", kind="merge", parent="finetune"),
        # Round to nearest is what the rehearsals of that day exported.
        Job(id="export-cpu-int4-rtn", kind="export", parent="merge", target=targets()["cpu-int4-rtn"]),
    )
    return Plan(recipe=recipe, model=resolve_model(real), dataset=build_dataset(data_of(recipe, "rehearse")), jobs=jobs)
