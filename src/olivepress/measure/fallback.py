"""A model for an accelerator that is not here, opened on the CPU: only where the user allowed that."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from olivepress.errors import JobError
from olivepress.measure.grid import Subject
from olivepress.measure.machine import available_providers

__all__ = ["on_cpu", "provider_is_missing"]


def provider_is_missing(subject: Subject) -> bool:
    """Whether the installed runtime lacks the provider that an exported artifact is for: genai would not open it."""
    return subject.runtime == "onnxruntime-genai" and subject.execution_provider not in available_providers()


def on_cpu(subject: Subject, folder: Path) -> Subject:
    """The same subject from ``folder``: links to its files, and a genai_config.json that asks for no provider.

    JobError when that file cannot be read.
    """
    file = subject.model_dir / "genai_config.json"
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
        _without_providers(config)
    except (OSError, ValueError, RecursionError) as error:
        raise JobError(f"{file}: not readable as JSON", next_step="export the model again") from error
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for path in subject.model_dir.iterdir():
        (folder / path.name).symlink_to(path.resolve(), target_is_directory=path.is_dir())
    (folder / file.name).unlink()
    (folder / file.name).write_text(json.dumps(config), encoding="utf-8")
    return replace(subject, model_dir=folder)


def _without_providers(config: Any) -> None:
    """Empty every ``provider_options`` list, wherever a model of several parts has one."""
    values = config.values() if isinstance(config, dict) else config if isinstance(config, list) else ()
    if isinstance(config, dict) and "provider_options" in config:
        config["provider_options"] = []
    for value in values:
        _without_providers(value)
