"""What a plan knows of a text part before it is taken out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from olivepress.catalog import ModelFacts
from olivepress.checkpoint import StoredTensor, read_json, stored_tensors
from olivepress.core import bounded
from olivepress.core.errors import SetupError
from olivepress.core.layout import MODELS
from olivepress.core.names import slug
from olivepress.models.admission import check_model
from olivepress.models.hub import is_commit
from olivepress.models.text_part.config import text_config
from olivepress.models.text_part.weights import text_tensors

__all__ = ["MARKER", "TextPart", "check_source", "is_text_part", "read_marker", "text_part_of", "text_part_on_hub"]

_PREFIX = "text-of-"
CONFIG_FILE, MARKER = "config.json", "text-part.json"


@dataclass(frozen=True, kw_only=True)
class TextPart:
    """``source`` is the folder of the whole model, or with ``on_hub`` its Hub id; ``config`` is the text part's own.

    ``revision`` is the commit, tag or branch of a Hub id; None for one that follows the Hub's main.
    """

    source: str
    config: Mapping[str, Any]
    on_hub: bool = False
    revision: str | None = None

    @property
    def folder(self) -> Path:
        """Its folder, below the project's root."""
        return MODELS / f"{_PREFIX}{slug(self.source.replace(chr(92), '/').rstrip('/').rpartition('/')[2])}"

    @property
    def commit(self) -> str | None:
        """The commit of a Hub id: the one that is asked for, else the one that the folder was taken out of; None before
        that, and of a local source."""
        if is_commit(self.revision):
            return self.revision
        marker = read_marker(self.folder) if self.on_hub else None
        return None if marker is None else marker.get("revision")

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
    return TextPart(source=model_id, config=text_config(path, config), on_hub=True, revision=commit)


def read_marker(folder: Path) -> dict[str, Any] | None:
    """Where the folder's content is from; None without a folder. SetupError for a folder that is none of ours."""
    if not folder.exists():
        return None
    try:
        value = bounded.read_json(folder / MARKER, bounded.CONFIG, SetupError)
    except (OSError, ValueError):
        value = None
    if not isinstance(value, dict):
        raise SetupError(
            f"{folder}: contains something other than the text part of a model",
            next_step=f"move {folder} elsewhere, and name that folder in model.path if it is the model to train",
        )
    return value


def check_source(directory: Path, *, weights: bool = True) -> dict[str, StoredTensor]:
    """The text part's tensors in a whole model's folder; none where the weights are still to come.

    Raises RecipeError as ``check_folder`` does, for the text part alone.
    """
    path = directory / CONFIG_FILE
    config = text_config(path, read_json(path))
    tensors = text_tensors(directory, stored_tensors(directory)) if weights else None
    check_model(directory, Path(f"{path} (text_config)"), config, tensors)
    return tensors or {}
