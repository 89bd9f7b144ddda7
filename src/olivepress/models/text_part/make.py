"""From a checkpoint of a model of images and text to ``models/text-of-NAME``: written beside, put in place when it is
complete."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from olivepress.checkpoint import (
    GENERATION_CONFIG,
    SMALL_FILES,
    TOKENIZER_FILES,
    StoredTensor,
    named_weights,
    read_json,
)
from olivepress.core.errors import SetupError
from olivepress.core.files import cannot_write, new_directory
from olivepress.core.hub import fetch
from olivepress.core.layout import BASE_MODEL_HASHES
from olivepress.core.process import in_turn
from olivepress.core.progress import StageProgress
from olivepress.models.admission import check_folder, read_base_model
from olivepress.models.hub import hub_commit
from olivepress.models.text_part.config import text_config
from olivepress.models.text_part.record import CONFIG_FILE, MARKER, TextPart, check_source, read_marker
from olivepress.models.text_part.weights import write_text_weights

__all__ = ["make_text_part"]

_FORMAT = 1
_TEMPLATES, _RANDOM = "additional_chat_templates", "random-weights.json"
_SPARE = 100_000_000


def make_text_part(part: TextPart, *, on_progress: StageProgress) -> Path:
    """The text part's folder; taken out of its source when it is not there, or is of other weights.

    Of a Hub id the files are fetched, unless the folder is of the same commit. Raises RecipeError as ``check_folder``
    and for NaN in the weights; SetupError: a folder with other content, a full disk, no access to the Hub; JobError
    when another process makes models for an hour.
    """
    folder, source, commit = part.folder, Path(part.source), None
    made = read_marker(folder)
    if part.on_hub:
        commit = hub_commit(part.source, part.revision)
        if made is not None and made.get("revision") == commit:
            return folder
        source = fetch(part.source, commit, SMALL_FILES)
        check_source(source, weights=False)
        source = fetch(part.source, commit, named_weights(source))
    tensors = check_source(source)
    on_progress("read the weights of the whole model", 0, 0)
    base = read_base_model(source, BASE_MODEL_HASHES, lambda done, total: on_progress("read the weights", done, total))
    origin = {"format": _FORMAT, "source": Path(part.source).name, "revision": commit, "sha256": base.whole}
    if made == origin:
        return folder
    try:
        with in_turn(folder.parent, on_progress):
            if read_marker(folder) != origin:  # another process may have made it in between
                _make(part, source, tensors, origin, on_progress)
    except OSError as error:
        raise cannot_write(folder, folder.parent, error) from error
    return folder


def _make(
    part: TextPart, source: Path, tensors: Mapping[str, StoredTensor], origin: Mapping[str, Any], report: StageProgress
) -> None:
    needed = sum(tensor.end - tensor.start for tensor in tensors.values()) + _SPARE
    free = shutil.disk_usage(part.folder.parent).free
    if free < needed:
        raise SetupError(
            f"{part.source}: needs about {needed / 1e9:.1f} GB of disk for its text part, {free / 1e9:.1f} GB are free",
            next_step="free disk space, then run the same command",
        )
    # The source's own: of a model of the catalog the plan knows the catalog's.
    config = text_config(source / CONFIG_FILE, read_json(source / CONFIG_FILE))
    with new_directory(part.folder) as folder:
        (folder / CONFIG_FILE).write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
        for name in (GENERATION_CONFIG, *TOKENIZER_FILES, _RANDOM):
            if (source / name).is_file():
                shutil.copyfile(source / name, folder / name)
        for path in sorted((source / _TEMPLATES).glob("*.jinja")):
            (folder / _TEMPLATES).mkdir(exist_ok=True)
            shutil.copyfile(path, folder / _TEMPLATES / path.name)
        write_text_weights(tensors, folder, lambda done, total: report("take out the text part", done, total))
        check_folder(folder)
        (folder / MARKER).write_text(json.dumps(dict(origin), indent=1) + "\n", encoding="utf-8")
