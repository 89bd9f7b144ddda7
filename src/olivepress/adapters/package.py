"""A package: one base model folder that accepts LoRA adapters, and any number of adapters in it.

``package.json`` describes the base's inputs and each adapter; ``manifest.json`` covers the base alone, so that adapters
can be added and removed without changing the base.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, ValidationError, field_validator

from olivepress.adapters.adapter_file import read_adapter_file, write_adapter_file
from olivepress.adapters.fit import check_tensors, fit, projection_sizes
from olivepress.adapters.lora_inputs import LoraInput, read_lora_inputs
from olivepress.adapters.package_files import is_leftover, remove_leftovers, unused_file
from olivepress.adapters.peft_adapter import PeftAdapter, read_peft_adapter
from olivepress.core.artifact import MANIFEST, FileHash, hash_file, read_manifest
from olivepress.core.bounded import CONFIG, read_text
from olivepress.core.errors import AdapterError
from olivepress.core.files import write_text
from olivepress.core.messages import next_command
from olivepress.core.names import check_names
from olivepress.core.process import exclusive
from olivepress.core.yaml_document import Record
from olivepress.runtimes.artifact_safety import check_artifact

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "ADAPTERS", "PACKAGE", "Origin", "Package", "PackagedAdapter", "add_adapter", "check_adapter", "check_package",
    "is_of_package",    "new_package", "read_package", "remove_adapter", "write_package",
]  # fmt: skip

PACKAGE, ADAPTERS = "package.json", "adapters"
SCHEMA_VERSION = 1


class Origin(Record):
    """The origin of an adapter as far as it is known. ``recipe`` is None for an adapter trained elsewhere."""

    recipe: str | None = None
    task: str | None = None
    dataset: str | None = None
    dataset_version: str | None = None


class PackagedAdapter(Record):
    """``r`` and ``alpha`` are from its PEFT config, ``ranks`` include its patterns.

    ``source_sha256`` is of the PEFT weights that it was converted from.
    """

    file: Annotated[str, Field(pattern=r"^adapters/[A-Za-z0-9][A-Za-z0-9._-]*(@new)?\.onnx_adapter$")]
    sha256: str
    bytes: int
    r: int
    alpha: float
    ranks: tuple[int, ...]
    target_modules: tuple[str, ...]
    source_sha256: str
    base_model: str
    origin: Origin


class Input(Record):
    """A LoRA input of the base; the free dimension, the rank, is null."""

    shape: tuple[int | None, int | None]
    dtype: Literal["float32", "float16"]


class Package(Record):
    """``package.json``: the base, its LoRA inputs, and the adapters by name."""

    schema_version: Literal[1] = 1
    recipe: str
    target: str
    family: str
    base_model: str
    base_sha256: str
    """sha256 of the base's manifest: the adapters belong to exactly this base."""
    random_weights: bool
    inputs: dict[str, Input]
    adapters: dict[str, PackagedAdapter] = Field(default_factory=dict)

    @field_validator("adapters")
    @classmethod
    def _names_are_files(cls, adapters: dict[str, PackagedAdapter]) -> dict[str, PackagedAdapter]:
        check_names(adapters)
        return adapters

    @property
    def files(self) -> frozenset[str]:
        """Names of the adapters' files in ``adapters/``."""
        return frozenset(entry.file.removeprefix(f"{ADAPTERS}/") for entry in self.adapters.values())

    @property
    def lora_inputs(self) -> dict[str, LoraInput]:
        """The base's LoRA inputs by name."""
        return {name: LoraInput(name=name, shape=i.shape, dtype=i.dtype) for name, i in self.inputs.items()}


def is_of_package(name: str) -> bool:
    """Whether a file of a package's folder (POSIX relative path) belongs to the package and not to the base."""
    return name == PACKAGE or name.startswith(f"{ADAPTERS}/")


def new_package(
    directory: Path, *, recipe: str, target: str, family: str, base_model: str, base_sha256: str, random_weights: bool
) -> Package:
    """The package of a newly exported base: the inputs of its graph, and no adapter yet."""
    inputs = {name: {"shape": i.shape, "dtype": i.dtype} for name, i in read_lora_inputs(directory).items()}
    return Package.model_validate({
        "recipe": recipe, "target": target, "family": family, "base_model": base_model, "base_sha256": base_sha256,
        "random_weights": random_weights, "inputs": inputs,
    })  # fmt: skip


def read_package(directory: Path) -> Package:
    """Read ``package.json``. AdapterError when it is missing, damaged or of another version."""
    path = directory / PACKAGE
    try:
        package = Package.model_validate_json(read_text(path, CONFIG, AdapterError))
    except FileNotFoundError:
        raise AdapterError(
            f"{directory}: not a package, it has no {PACKAGE}",
            next_step=f"adapter_mode: multi in the recipe, then {next_command('run')}",
        ) from None
    except (OSError, ValueError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else "not readable"
        raise AdapterError(f"{path}: not a valid package file ({reason})", next_step="run the job again") from None
    return package


def write_package(package: Package, directory: Path) -> None:
    """Write ``package.json`` in one step. SetupError, without partial files, when that fails."""
    text = json.dumps(package.model_dump(mode="json"), indent=2, sort_keys=True) + "\n"
    write_text(directory / PACKAGE, text)


def add_adapter(
    directory: Path,
    peft_dir: Path,
    name: str,
    *,
    origin: Origin | None = None,
    replace: bool = False,
    any_base: bool = False,
) -> PackagedAdapter:
    """Add a PEFT adapter to a package; the base does not change. All checks run before anything is written.

    ``replace`` permits a name that is in use; ``any_base`` accepts an adapter whose config names another base model
    than the package's, if its shapes fit.

    AdapterError for a name that is in use or not a file name, and for an adapter that cannot be expressed as LoRA
    inputs, is incomplete, belongs to another base, or changes nothing.
    """
    read_package(directory)  # before anything is written into a folder that is not a package
    check_artifact(directory)
    adapter = read_peft_adapter(peft_dir)
    with exclusive(directory / ADAPTERS):
        package = read_package(directory)
        if name in package.adapters and not replace:
            raise AdapterError(
                f"{directory}: already has an adapter {name!r}",
                next_step="--replace, or another --name",
            )
        try:
            check_names([*package.adapters, name])
        except ValueError as error:
            raise AdapterError(
                f"{name[:80]!r} is not a valid name for an adapter: expected {error}", next_step="another --name"
            ) from None
        if not any_base:
            _check_base(package, adapter)
        tensors = fitted(directory, package, adapter)
        remove_leftovers(directory / ADAPTERS, package.files)
        entry = _entry(directory, package, adapter, name, origin or Origin(), tensors)
        changed = package.model_copy(update={"adapters": {**package.adapters, name: entry}})
        write_package(changed, directory)  # from here on the new file is in use
        remove_leftovers(directory / ADAPTERS, changed.files)
    return entry


def fitted(directory: Path, package: Package, adapter: PeftAdapter) -> dict[str, np.ndarray]:
    """The adapter's tensors for the package's base (input name → array), checked against its graph.

    AdapterError as ``fit``, for a graph that does not match ``package.json``, and for an adapter of zeros.
    """
    inputs = read_lora_inputs(directory)
    if inputs != package.lora_inputs:
        raise AdapterError(f"{directory}: its graph does not match its {PACKAGE}", next_step="run the job again")
    tensors = fit(adapter, inputs, projection_sizes(directory))
    check_tensors(tensors, inputs, str(adapter.directory))
    zero = [pair.tensor for pair in adapter.pairs.values() if not (pair.a.any() and pair.b.any())]
    if len(zero) == len(adapter.pairs):
        raise AdapterError(
            f"{adapter.directory}: tensor {zero[0]} and all others are zero: it changes nothing",
            next_step="train the adapter",
        )
    return tensors


def _check_base(package: Package, adapter: PeftAdapter) -> None:
    """AdapterError for another base model, by the last part of the names: the location of a folder is irrelevant."""
    ours, theirs = (
        name.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1] for name in (package.base_model, adapter.base_model)
    )
    if theirs and ours.casefold() != theirs.casefold():
        raise AdapterError(
            f"{adapter.directory}: trained on {theirs}, this package's base is {ours}",
            next_step="--any-base if it is the same model under another name",
        )


def _entry(
    directory: Path,
    package: Package,
    adapter: PeftAdapter,
    name: str,
    origin: Origin,
    tensors: dict[str, np.ndarray],
) -> PackagedAdapter:
    """Write the adapter's file, next to the file that it replaces, and return its entry."""
    path = directory / ADAPTERS / unused_file(name, package.files)
    write_adapter_file(path, tensors)
    written = hash_file(path)
    return PackagedAdapter.model_validate({
        "file": f"{ADAPTERS}/{path.name}", "r": adapter.r, "alpha": adapter.alpha, "ranks": adapter.ranks,
        "target_modules": adapter.target_modules, "base_model": package.base_model, "origin": origin,
        "source_sha256": hash_file(adapter.directory / "adapter_model.safetensors").sha256,
        "sha256": written.sha256, "bytes": written.bytes,
    })  # fmt: skip


def check_adapter(directory: Path, package: Package, name: str) -> None:
    """Check that an adapter's file is the file in ``package.json`` and fits the base's graph, tensor by tensor.

    AdapterError names the tensor if the file can be read at all.
    """
    entry = package.adapters.get(name)
    if entry is None:
        known = ", ".join(package.adapters) or "none"
        raise AdapterError(f"{directory}: has no adapter {name!r}; it has: {known}")
    path = directory / entry.file
    if not path.is_file():
        raise AdapterError(
            f"{path}: is missing", next_step=f"olivepress adapters remove {directory} {name}, then add it again"
        )
    check_tensors(read_adapter_file(path), read_lora_inputs(directory), str(path))
    if hash_file(path) != FileHash(sha256=entry.sha256, bytes=entry.bytes):
        raise AdapterError(
            f"{path}: differs from the file recorded in {PACKAGE}",
            next_step=f"olivepress adapters remove {directory} {name}",
        )


def check_package(directory: Path, name: str | None = None) -> dict[str, int]:
    """Check the base's files and every adapter, or the one called ``name``; returns adapter → number of tensors.

    AdapterError as ``check_adapter``, for a base of another package, and for a file that ``package.json`` does not
    name; ReportError when a file of the base differs from its manifest.
    """
    package = read_package(directory)
    check_artifact(directory)
    manifest = read_manifest(directory, verify=True)
    if manifest.sha256 != package.base_sha256:
        raise AdapterError(
            f"{directory}: {PACKAGE} belongs to another base than {MANIFEST}", next_step="run the job again"
        )
    for stray in strays(directory, package):
        raise AdapterError(f"{directory / stray}: not listed in {PACKAGE}", next_step="rename it back, or delete it")
    names = [name] if name is not None else list(package.adapters)
    for each in names:
        check_adapter(directory, package, each)
    return dict.fromkeys(names, len(package.inputs))


def remove_adapter(directory: Path, name: str) -> None:
    """Remove an adapter, first from ``package.json``, then its file. AdapterError if there is no such adapter."""
    read_package(directory)
    check_artifact(directory)
    with exclusive(directory / ADAPTERS):
        package = read_package(directory)
        entry = package.adapters.get(name)
        if entry is None:
            known = ", ".join(package.adapters) or "none"
            raise AdapterError(f"{directory}: has no adapter {name!r}; it has: {known}")
        rest = {other: kept for other, kept in package.adapters.items() if other != name}
        changed = package.model_copy(update={"adapters": rest})
        write_package(changed, directory)
        (directory / entry.file).unlink(missing_ok=True)
        remove_leftovers(directory / ADAPTERS, changed.files)


def strays(directory: Path, package: Package) -> Iterator[str]:
    """Files in ``adapters/`` that ``package.json`` does not name, without leftovers of an interrupted ``--replace``."""
    for path in sorted((directory / ADAPTERS).glob("*")):
        if (
            path.name not in package.files
            and not path.name.startswith(".")
            and not is_leftover(path.name, package.files)
        ):
            yield f"{ADAPTERS}/{path.name}"
