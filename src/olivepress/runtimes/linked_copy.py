"""Folders of links to a model's files with some files replaced: another provider, another graph, an active adapter."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from olivepress.core.bounded import CONFIG, read_json
from olivepress.core.errors import JobError
from olivepress.runtimes.base import runtime_of
from olivepress.runtimes.openvino_model import DEVICE_FILE, NPU_ON_CPU, device_text, read_device
from olivepress.runtimes.weights import ACTIVE_ADAPTER, EVERY_POSITION, LAST_POSITION

__all__ = ["cpu_copy", "linked_copy", "linked_with_adapter", "npu_on_cpu", "with_every_position"]


def cpu_copy(model_dir: Path, folder: Path) -> Path:
    """Fill ``folder`` with links to the model's files and a configuration that names no provider; returns ``folder``.

    JobError when genai_config.json cannot be read.
    """
    if runtime_of(model_dir) == "openvino":
        return linked_copy(model_dir, folder, {DEVICE_FILE: device_text("CPU", {})})
    file = model_dir / "genai_config.json"
    try:
        config = read_json(file, CONFIG, JobError)
        _clear_providers(config)
    except (OSError, ValueError, RecursionError) as error:
        raise JobError(f"{file}: not readable as JSON", next_step="export the model again") from error
    return linked_copy(model_dir, folder, {file.name: json.dumps(config)})


def npu_on_cpu(model_dir: Path, folder: Path) -> Path:
    """Fill ``folder`` with links to the files of an OpenVINO NPU model, configured for its emulation on the CPU."""
    device, properties = read_device(model_dir)
    return linked_copy(model_dir, folder, {DEVICE_FILE: device_text(device, properties | NPU_ON_CPU)})


def linked_copy(model_dir: Path, folder: Path, changed: Mapping[str, str], *, without: Collection[str] = ()) -> Path:
    """Replace ``folder`` by links to the files of ``model_dir``; returns ``folder``.

    ``changed`` (name → text) are files that are written instead of linked, ``without`` names that are left out.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for path in model_dir.iterdir():
        if path.name not in changed and path.name not in without:
            _link(path.resolve(), folder / path.name)
    for name, text in changed.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def linked_with_adapter(package_dir: Path, file: Path, folder: Path) -> Path:
    """Links to a package's base and to one adapter ``file``, which becomes the active one; returns ``folder``."""
    linked_copy(package_dir, folder, {}, without=("adapters", "package.json", "manifest.json", ".lock"))
    _link(file.resolve(), folder / ACTIVE_ADAPTER)
    return folder


def with_every_position(model_dir: Path, folder: Path) -> Path:
    """A model folder whose configured graph returns the logits of every position, for programs that open it themselves.

    ``model_dir`` itself, or links to it in ``folder`` when it ships a graph for the last position only.
    """
    if not (model_dir / LAST_POSITION).is_file():
        return model_dir
    config = read_json((model_dir / "genai_config.json"), CONFIG, JobError)
    config["model"]["decoder"]["filename"] = EVERY_POSITION
    return linked_copy(model_dir, folder, {"genai_config.json": json.dumps(config)})


def _link(path: Path, place: Path) -> None:
    """A symbolic link; where Windows does not permit one, a hard link to a file or, as of a folder, a copy."""
    try:
        place.symlink_to(path, target_is_directory=path.is_dir())
    except OSError:
        if path.is_dir():
            shutil.copytree(path, place)
            return
        try:
            place.hardlink_to(path)
        except OSError:  # on another drive
            shutil.copyfile(path, place)


def _clear_providers(config: Any) -> None:
    """Empty every ``provider_options`` list, at any depth: models of several parts have more than one."""
    if isinstance(config, list):
        for value in config:
            _clear_providers(value)
    if not isinstance(config, dict):
        return
    if "provider_options" in config:
        config["provider_options"] = []
    for value in config.values():
        _clear_providers(value)
