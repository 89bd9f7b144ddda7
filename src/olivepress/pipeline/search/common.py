"""What all trials of a study have in common, without which their values could not be compared."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from olivepress.core.errors import SetupError
from olivepress.pipeline.search.trial import Searched
from olivepress.recipe.finetune import Finetune
from olivepress.recipe.schema import Recipe
from olivepress.report.machine import fingerprint
from olivepress.study.space import Params, params_of
from olivepress.study.storage import Study, storage_errors
from olivepress.workflow.own_loss import loss_sha256

__all__ = ["DEFAULT", "check_same", "default_params", "loss_file", "study_facts"]

DEFAULT = "default"  # what the recipe's own settings are called


def default_params(searched: Searched) -> Params:
    """The recipe's own settings, as a point."""
    return params_of(searched.search, searched.recipe.finetune)


def study_facts(searched: Searched) -> dict[str, Any]:
    """What all trials of a study have in common: only then their values can be compared."""
    recipe, search = searched.recipe, searched.search
    finetune = recipe.finetune.model_dump(
        mode="json", exclude={*search.axes, "report_to", "save_steps", "gradient_checkpointing"}
    )
    axes = {key: axis.model_dump(mode="json", exclude_unset=True) for key, axis in search.axes.items()}
    return {
        "space": {f"search.{key}": value for key, value in axes.items()},
        "fixed": {
            "data": searched.dataset.version,
            "model.path": recipe.model.path,
            "model.revision": recipe.model.revision,
            "data.max_length": recipe.data.max_length if recipe.data else None,
            "search.length": search.length,
            "search.seeds": search.seeds,
            **{f"finetune.{key}": value for key, value in finetune.items()},
            "finetune.eval_rows": searched.evaluated_rows,
            "the file of finetune.loss": loss_file(recipe),
            **{f"finetune.{key} (default)": value for key, value in default_params(searched).items()},
            **_measured_on(searched),
        },
        "metric": {"metric": searched.metric},
    }


def loss_file(recipe: Recipe) -> str | None:
    """The sha256 of the user's own loss: what its file says decides what every validation loss means."""
    loss = recipe.finetune.loss
    return None if loss is None else loss_sha256(loss)


def _measured_on(searched: Searched) -> dict[str, Any]:
    """What the values of exported artifacts depend on besides."""
    if searched.search.joint is None:
        return {}
    benchmark = searched.recipe.benchmark
    return {
        "search.joint.targets": list(searched.search.joint.targets),
        "joint metric": searched.test_metric,
        "benchmark.workloads": list(benchmark.workloads[0]),
        "benchmark.max_examples": benchmark.max_examples,
        "machine": fingerprint().id,
    }


def check_same(study: Study, facts: Mapping[str, Any], searched: Searched) -> None:
    """SetupError naming the first thing that is another one than when the study began."""
    joint = " --joint" if searched.search.joint is not None else ""
    with storage_errors():
        then = study.user_attrs
    for group, now in facts.items():
        before = then.get(group, {})
        for key in sorted({*now, *before}):
            was, is_now = (json.dumps(each.get(key)) for each in (before, now))
            if was != is_now and not (key not in before and _is_default(key, now[key])):
                raise SetupError(
                    f"study {study.study_name}: {key} was {was} when it began and is {is_now} now, so its trials "
                    "cannot be compared with new ones",
                    next_step=f"restore it, or olivepress search finetune {searched.recipe.name}{joint} --new",
                )


def _is_default(key: str, value: Any) -> bool:
    """Whether a key of ``finetune`` has the value that it has where it is not given: one of a newer olivepress."""
    name = key.removeprefix("finetune.")
    return name in Finetune.model_fields and value == Finetune().model_dump(mode="json")[name]
