"""One check of a model before anything runs: what would fail hours later, or be another model without a word."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from olivepress.catalog import Family, ModelFacts, Target, check_model_config, family_of_model_type
from olivepress.checkpoint import StoredTensor, read_json, stored_tensors
from olivepress.core.errors import RecipeError
from olivepress.models.admission.builder import target_reason
from olivepress.models.admission.config_file import check_config, check_kind
from olivepress.models.admission.content import BaseModel, check_small_weights, read_base_model
from olivepress.models.admission.generation import check_end_token, check_generation_config
from olivepress.models.admission.layout import expected_parameters
from olivepress.models.admission.modules import check_target_modules
from olivepress.models.admission.rope_scaling import check_rope_scaling
from olivepress.models.admission.tokenizer import check_tokenizer
from olivepress.models.admission.weights import check_weights

__all__ = [
    "BaseModel",
    "check_folder",
    "check_model",
    "check_model_for",
    "check_target_modules",
    "facts_of_config",
    "read_base_model",
    "target_reason",
]

_FILES_OF_QUANTIZERS = ("quantize_config.json", "quant_config.json")


def check_folder(directory: Path, *, weights: bool = True) -> None:
    """Raises RecipeError naming file and key: a Hugging Face model folder that cannot be trained, merged and exported
    as the model that it is.

    Reads small files, and the headers of the weights unless they are still to come; the content of large ones is read
    by ``read_base_model``.
    """
    path = directory / "config.json"
    check_model(directory, path, read_json(path), stored_tensors(directory) if weights else None)
    if weights:
        check_small_weights(directory)


def check_model(
    directory: Path, path: Path, config: Mapping[str, Any], tensors: Mapping[str, StoredTensor] | None
) -> None:
    """``check_folder`` of a config.json that messages call ``path``, and of those tensors by their names in the model;
    None where the weights are still to come."""
    for name in _FILES_OF_QUANTIZERS:
        if (directory / name).exists():
            raise RecipeError(
                f"{directory / name}: the weights are quantized already, expected the unquantized model",
                next_step="give the model that this was quantized from (method: qlora trains it in 4 bits)",
            )
    check_config(path, config)
    check_rope_scaling(path, config)
    if tensors is not None:
        check_weights(directory, config, tensors)
    check_tokenizer(directory, config)
    check_generation_config(directory, config)
    check_end_token(directory, config)


def facts_of_config(path: Path, config: dict[str, Any], *, copy: str) -> ModelFacts:
    """Facts of a model of which nothing but config.json is known; ``path`` names it in messages and is not read.

    Raises RecipeError as ``check_folder`` does for a config.json; ``copy`` is how a copy is made that can be corrected.
    """
    check_model_config(path, config)
    family_of_model_type(config["model_type"], path)
    check_kind(path, config)
    try:
        check_config(path, config)
        check_rope_scaling(path, config)
    except RecipeError as error:
        step = f"{error.next_step or 'correct it'}, in a copy: {copy}"
        raise RecipeError(error.message, next_step=step) from error
    return ModelFacts(parameters=expected_parameters(config), config=config)


def check_model_for(
    recipe: str, model: str, family: Family, config: Mapping[str, Any], targets: Iterable[Target]
) -> None:
    """Raises RecipeError for the first target that cannot take a model with this config.json."""
    for target in targets:
        if reason := target_reason(family, config, target):
            raise RecipeError(
                f"recipe {recipe}: target {target.target} cannot take {model}: {reason}",
                next_step=f"remove {target.target} from the recipe's targets, or choose another model",
            )
