"""What a plan knows of a text part before it is taken out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from olivepress.catalog import ModelFacts
from olivepress.checkpoint import StoredTensor, read_json, stored_tensors
from olivepress.core.layout import MODELS
from olivepress.core.names import slug
from olivepress.models.admission import check_model
from olivepress.models.text_part.config import text_config
from olivepress.models.text_part.weights import text_tensors

__all__ = ["TextPart", "check_source", "is_text_part", "text_part_of", "text_part_on_hub"]

_PREFIX = "text-of-"
CONFIG_FILE = "config.json"


@dataclass(frozen=True, kw_only=True)
class TextPart:
    """``source`` is the folder or Hub id of the whole model, ``config`` the text part's own."""

    source: str
    config: Mapping[str, Any]
    revision: str | None = None

    @property
    def folder(self) -> Path:
        """Its folder, below the project's root."""
        return MODELS / f"{_PREFIX}{slug(self.source.replace(chr(92), '/').rstrip('/').rpartition('/')[2])}"

    @property
    def note(self) -> str:
        return (
            f"{self.source} is a model of images and text: its text part alone ({self.config['architectures'][0]}) is "
            f"trained and exported, from {self.folder.as_posix()}; no artifact takes an image"
        )


def is_text_part(path: str) -> bool:
    """Whether a workflow names the folder of a text part, which may still have to be taken out."""
    return Path(path).parent == MODELS and Path(path).name.startswith(_PREFIX)


def text_part_of(directory: Path) -> tuple[TextPart, ModelFacts]:
    """Of a whole model's folder, by config.json and the headers of its weights. Raises RecipeError as the checks."""
    config = text_config(directory / CONFIG_FILE, read_json(directory / CONFIG_FILE))
    tensors = text_tensors(directory, stored_tensors(directory))
    facts = ModelFacts(parameters=sum(tensor.numel for tensor in tensors.values()), config=config)
    return TextPart(source=str(directory), config=config), facts


def text_part_on_hub(model_id: str, commit: str, path: Path, config: Mapping[str, Any]) -> TextPart:
    """Of a Hub id, of which nothing but config.json is known; ``path`` names it in messages. Raises as that."""
    return TextPart(source=model_id, config=text_config(path, config), revision=commit)


def check_source(directory: Path, *, weights: bool = True) -> dict[str, StoredTensor]:
    """The text part's tensors in a whole model's folder; none where the weights are still to come.

    Raises RecipeError as ``check_folder`` does, for the text part alone.
    """
    path = directory / CONFIG_FILE
    config = text_config(path, read_json(path))
    tensors = text_tensors(directory, stored_tensors(directory)) if weights else None
    check_model(directory, Path(f"{path} (text_config)"), config, tensors)
    return tensors or {}
