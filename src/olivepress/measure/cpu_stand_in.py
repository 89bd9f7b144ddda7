"""A model for an accelerator that is not here, opened on the CPU: only where the user allowed that."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from olivepress.core.bounded import CONFIG, read_json
from olivepress.core.errors import JobError
from olivepress.runtimes.base import runtime_of
from olivepress.runtimes.openvino_model import DEVICE_FILE, NPU_ON_CPU, device_text, read_device
from olivepress.runtimes.weights import ACTIVE_ADAPTER, EVERY_POSITION, LAST_POSITION

if TYPE_CHECKING:
    from olivepress.measure.latency.grid import Subject

__all__ = ["cpu_copy", "emulated", "linked_copy", "linked_with_adapter", "npu_on_cpu", "on_cpu", "provider_is_missing"]
__all__ += ["with_every_position"]


def provider_is_missing(subject: Subject) -> bool:
    """Whether the installed runtime lacks the provider that an exported artifact is for: genai would not open it."""
    if subject.runtime != "onnxruntime-genai":
        return False
    from olivepress.measure.worker.interpreters import try_provider

    return not try_provider(subject.interpreter, subject.execution_provider).works


def on_cpu(subject: Subject, folder: Path) -> Subject:
    """The same subject from a copy in ``folder`` that asks for no provider. JobError as ``cpu_copy``."""
    return replace(subject, model_dir=cpu_copy(subject.model_dir, folder))


def emulated(subject: Subject, folder: Path) -> Subject:
    """The same subject, an OpenVINO model for the NPU from a copy in ``folder`` that its emulation opens."""
    if not subject.emulated or subject.runtime != "openvino":
        return subject
    return replace(subject, model_dir=npu_on_cpu(subject.model_dir, folder))


def cpu_copy(model_dir: Path, folder: Path) -> Path:
    """Fill ``folder`` with links to the model's files and a genai_config.json that asks for no provider; returns it.

    JobError when that file cannot be read.
    """
    if runtime_of(model_dir) == "openvino":
        return linked_copy(model_dir, folder, {DEVICE_FILE: device_text("CPU", {})})
    file = model_dir / "genai_config.json"
    try:
        config = read_json(file, CONFIG, JobError)
        _without_providers(config)
    except (OSError, ValueError, RecursionError) as error:
        raise JobError(f"{file}: not readable as JSON", next_step="export the model again") from error
    return linked_copy(model_dir, folder, {file.name: json.dumps(config)})


def npu_on_cpu(model_dir: Path, folder: Path) -> Path:
    """Fill ``folder`` with links to the files of an OpenVINO model for the NPU, to be run by its emulation."""
    device, properties = read_device(model_dir)
    return linked_copy(model_dir, folder, {DEVICE_FILE: device_text(device, properties | NPU_ON_CPU)})


def linked_copy(model_dir: Path, folder: Path, changed: Mapping[str, str], *, without: Collection[str] = ()) -> Path:
    """Links to everything in ``model_dir`` but ``without``, and ``changed`` (name → text) in place of some."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for path in model_dir.iterdir():
        if path.name not in changed and path.name not in without:
            _link(path.resolve(), folder / path.name)
    for name, text in changed.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def linked_with_adapter(package_dir: Path, file: Path, folder: Path) -> Path:
    """Links to a package's base and to one of its adapters, which is then the active one: what a device needs."""
    linked_copy(package_dir, folder, {}, without=("adapters", "package.json", "manifest.json", ".lock"))
    _link(file.resolve(), folder / ACTIVE_ADAPTER)
    return folder


def with_every_position(model_dir: Path, folder: Path) -> Path:
    """The folder itself; or, where it ships a graph for the last position only, links to it with the other one named:
    for programs that open a folder by themselves."""
    if not (model_dir / LAST_POSITION).is_file():
        return model_dir
    config = read_json((model_dir / "genai_config.json"), CONFIG, JobError)
    config["model"]["decoder"]["filename"] = EVERY_POSITION
    return linked_copy(model_dir, folder, {"genai_config.json": json.dumps(config)})


def _link(path: Path, place: Path) -> None:
    """A symbolic link; where Windows lets nobody make one, a hard link to a file and a copy of a folder."""
    try:
        place.symlink_to(path, target_is_directory=path.is_dir())
    except OSError:
        if path.is_dir():
            shutil.copytree(path, place)
        else:
            place.hardlink_to(path)


def _without_providers(config: Any) -> None:
    """Empty every ``provider_options`` list, wherever a model of several parts has one."""
    values = config.values() if isinstance(config, dict) else config if isinstance(config, list) else ()
    if isinstance(config, dict) and "provider_options" in config:
        config["provider_options"] = []
    for value in values:
        _without_providers(value)
