"""What a recipe asks of its model and data that would fail, checked before anything runs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from olivepress.catalog import ModelFacts
from olivepress.core.errors import RecipeError
from olivepress.data.store.dataset import Dataset
from olivepress.data.store.tasks import tasks_of
from olivepress.models.admission.rope_parameters import built_context
from olivepress.recipe.methods import METHODS
from olivepress.recipe.schema import Recipe
from olivepress.workflow.evaluation import check_evaluation

__all__ = ["check_recipe", "check_revision"]

_MOST_LISTED = 5
_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,199}")


def check_recipe(recipe: Recipe, facts: ModelFacts, dataset: Dataset) -> None:
    """Raise RecipeError naming the key whose value this model or these rows cannot take."""
    train_rows = len(dataset.splits["train"])
    width, (context, called) = facts.config["hidden_size"], _context(facts)
    if recipe.finetune.r > width:
        _refuse(recipe, "finetune.r", recipe.finetune.r, f"at most the width of the model, {width}")
    layers, frozen = facts.config.get("num_hidden_layers"), recipe.finetune.freeze_layers
    if isinstance(layers, int) and frozen >= layers:
        _refuse(recipe, "finetune.freeze_layers", frozen, f"less than the {layers} layers of the model")
    if recipe.data is not None and isinstance(context, int) and recipe.data.max_length > context:
        _refuse(recipe, "data.max_length", recipe.data.max_length, f"at most {called}, {context}")
    if recipe.benchmark.few_shot > train_rows:
        _refuse(recipe, "benchmark.few_shot", recipe.benchmark.few_shot, f"at most the {train_rows} training rows")
    if recipe.benchmark.text is not None and not Path(recipe.benchmark.text).is_file():
        _refuse(recipe, "benchmark.text", repr(recipe.benchmark.text), "a text file that is here")
    window = recipe.benchmark.text_window
    if window is not None and recipe.benchmark.text is None:
        _refuse(recipe, "benchmark.text_window", window, "a text for it in benchmark.text")
    if window is not None and isinstance(context, int) and window > context:
        _refuse(recipe, "benchmark.text_window", window, f"at most {called}, {context}")
    _check_labels(recipe, dataset)
    _check_pairs(recipe, dataset)
    check_evaluation(recipe, dataset)
    _check_budget(recipe, dataset)


def _context(facts: ModelFacts) -> tuple[object, str]:
    """The longest text in tokens, and what it is called."""
    context, built = facts.config.get("max_position_embeddings"), built_context(facts.config)
    if built is not None and isinstance(context, int) and built < context:
        return built, "the original context of the model, beyond which onnxruntime-genai builds another model"
    return context, "the context of the model"


def _check_labels(recipe: Recipe, dataset: Dataset) -> None:
    """A weight of a label or a task that no row has would be ignored."""
    settings = recipe.finetune
    if settings.label_weights:
        labels = {row.label for row in dataset.splits["train"] if row.label is not None}
        _check_weights(recipe, "label", settings.label_weights, labels)
    if settings.task_weights:
        _check_weights(recipe, "task", settings.task_weights, set(tasks_of(dataset.files).values()))


def _check_weights(recipe: Recipe, kind: str, weights: Mapping[str, float], known: set[str]) -> None:
    listed = ", ".join(sorted(known)[:_MOST_LISTED]) or f"none has a {kind}"
    for name in weights:
        if name not in known:
            _refuse(recipe, f"finetune.{kind}_weights", repr(name), f"{kind}s of the training rows ({listed})")


def _check_pairs(recipe: Recipe, dataset: Dataset) -> None:
    """A preference is learned from pairs alone: a row without a rejected answer has nothing to say."""
    if not METHODS[recipe.finetune.method].pairs:
        return
    for split in ("train", "validation"):
        alone = next((row.id for row in dataset.splits[split] if row.rejected is None), None)
        if alone is not None:
            raise RecipeError(
                f"recipe {recipe.name}: finetune.method is {recipe.finetune.method}, and row {alone} of {split} has no "
                "rejected answer",
                next_step="give rows with prompt, chosen and rejected, or set finetune.method: lora",
            )


def check_revision(recipe: Recipe, *, is_local: bool) -> None:
    """Raise RecipeError for a revision of a local model, or a name that no revision can have."""
    revision = recipe.model.revision
    if revision is None:
        return
    if is_local:
        _refuse(recipe, "model.revision", repr(revision), "none for a model that is not fetched from the Hub")
    if not _REVISION.fullmatch(revision) or ".." in revision:
        _refuse(recipe, "model.revision", repr(revision), "a commit, a tag or a branch")


def _check_budget(recipe: Recipe, dataset: Dataset) -> None:
    """A limit of something that is not measured is never met: after hours, nothing could be shipped."""
    missing = {
        "max_cost": None if recipe.benchmark.price_per_hour is not None else "benchmark.price_per_hour and currency",
        "min_json_schema_match": None if dataset.json_schema is not None else "a JSON Schema in data.json_schema",
        "min_json_valid": None if _any_json(dataset) else "test rows whose answers are JSON objects",
        "min_label_accuracy_constrained": None if _any_label(dataset) else "test rows with a label",
    }
    for target, budget in recipe.budget.items():
        for name in budget.limits:
            if wanted := missing.get(name):
                where = f"recipe {recipe.name}: budget.{target}.{name}"
                message = f"{where} is measured only with {wanted}, so nothing here could meet it"
                raise RecipeError(message, next_step=f"add that, or remove {name}")


def _any_label(dataset: Dataset) -> bool:
    return any(example.label is not None for example in dataset.splits["test"])


def _any_json(dataset: Dataset) -> bool:
    return any(example.answer.lstrip()[:1] in ("{", "[") for example in dataset.splits["test"])


def _refuse(recipe: Recipe, key: str, value: object, expected: str) -> None:
    raise RecipeError(f"recipe {recipe.name}: {key} is {value}, expected {expected}", next_step=f"change {key}")
