"""A rendered workflow, and where the files of a recipe's workflows are."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from olivepress.catalog import BUILD

__all__ = ["SHIM", "Workflow", "shim_of"]

SHIM = "olivepress_shim.py"


@dataclass(frozen=True, kw_only=True)
class Workflow:
    """A rendered workflow: ``identity`` hashes it with its dataset and names its cache and training directory.

    ``files`` (path → text) are read by it; ``package_config`` is the one of them that Olive is given by name.
    ``environment`` is the one that it runs in.
    """

    job_id: str
    path: Path
    text: str
    identity: str
    files: Mapping[Path, str] = field(default_factory=dict)
    package_config: Path | None = None
    environment: str = BUILD

    @property
    def sha256(self) -> str:
        """Over the workflow and the files that it reads."""
        return hashlib.sha256("\n".join([self.text, *self.files.values()]).encode()).hexdigest()

    @cached_property
    def config(self) -> dict[str, Any]:
        """The workflow as Olive parses it; to be read, not changed."""
        config: dict[str, Any] = yaml.safe_load(self.text)
        return config

    @property
    def cache_dir(self) -> Path:
        return Path(self.config["cache_dir"])

    @property
    def training_dir(self) -> Path | None:
        """Where checkpoints go; None for a job that does not train."""
        for settings in self.config["passes"].values():
            if "training_args" in settings:
                return Path(settings["training_args"]["output_dir"])
        return None


def shim_of(seed: int) -> str:
    """The text of the shim; only the seed changes in it."""
    return (
        '"""Rendered by olivepress: seeds, then registers its Olive components. Do not edit."""\n\n'
        "from olivepress.workflow.olive_plugin.extension import activate\n\n"
        f"activate(seed={seed})\n"
    )
