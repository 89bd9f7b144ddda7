"""The finished LoRA that a preference tuning starts from: which files, and whether they fit."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from olivepress.adapters.peft_adapter import WEIGHTS
from olivepress.adapters.peft_config import CONFIG, read_config, refuse_inexpressible
from olivepress.core.artifact import MANIFEST, read_manifest
from olivepress.core.errors import RecipeError
from olivepress.core.layout import job_dir
from olivepress.recipe.schema import Recipe

__all__ = ["StartAdapter", "check_start", "start_adapter"]

_LORA = "LORA"


@dataclass(frozen=True, kw_only=True)
class StartAdapter:
    """Its folder, relative to the project's root, and a hash of its two files."""

    folder: Path
    sha256: str

    @property
    def record(self) -> dict[str, str]:
        """As a workflow names it."""
        return {"path": self.folder.as_posix(), "sha256": self.sha256}


def start_adapter(name: str) -> StartAdapter:
    """The adapter of a recipe's finished fine-tune, or in a folder: itself, or an artifact's. RecipeError for none."""
    places = [Path(name), Path(name, "adapter")]
    if "/" not in name:
        places.insert(0, job_dir(name, "finetune") / "adapter")
    for folder in places:
        if (folder / CONFIG).is_file() and (folder / WEIGHTS).is_file():
            return StartAdapter(folder=_inside(folder, name), sha256=adapter_sha256(folder))
    raise RecipeError(
        f"finetune.start_from is {name}, expected a recipe with a finished adapter, or the folder of one",
        next_step=f"olivepress run {name}, or correct start_from" if "/" not in name else "correct start_from",
    )


def _inside(folder: Path, name: str) -> Path:
    """The folder itself, which a link of the project's may lead to."""
    if folder.is_absolute() or ".." in folder.parts:
        raise RecipeError(
            f"finetune.start_from is {name}, which lies outside of the project", next_step="copy it into the project"
        )
    return folder


def adapter_sha256(folder: Path) -> str:
    """Over the config and the weights."""
    digest = hashlib.sha256()
    for name in (CONFIG, WEIGHTS):
        with (folder / name).open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def check_start(recipe: Recipe, base_model: str) -> None:
    """Raise RecipeError for an adapter that is not there, is of another kind or base model, or the recipe's own.

    AdapterError for a config that is none, or that changes more than A, B and the scaling do.
    """
    name = recipe.finetune.start_from
    if name is None:
        return
    where = f"recipe {recipe.name}: finetune.start_from"
    folder = start_adapter(name).folder
    if folder.resolve() == (job_dir(recipe.name, "finetune") / "adapter").resolve():
        message = f"{where} is {name}, the adapter that this recipe itself makes"
        raise RecipeError(message, next_step="give this recipe another name, or start from another recipe")
    config = read_config(folder / CONFIG)
    kind = "DoRA" if config.get("use_dora") else str(config["peft_type"])[:40]
    if kind != _LORA:
        raise RecipeError(f"{where} is {name}, a {kind} adapter, expected LoRA", next_step="start from a LoRA")
    refuse_inexpressible(folder, config)
    if (folder.parent / MANIFEST).is_file():
        trained_on = read_manifest(folder.parent).base_model
        if trained_on not in (base_model, Path(base_model).name):  # an absolute path is recorded by its name
            message = f"{where} is {name}, trained on {trained_on}, expected an adapter of {base_model}"
            raise RecipeError(message, next_step="start from an adapter of the same model")
