"""A package: one base model folder that takes LoRA adapters, and any number of them beside it.

``package.json`` says what the base takes and what each adapter is; ``manifest.json`` speaks of the base alone, so that
adapters come and go without another base.
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
    """Where an adapter comes from, as far as that is known. ``recipe`` is None for one trained elsewhere."""

    recipe: str | None = None
    task: str | None = None
    dataset: str | None = None
    dataset_version: str | None = None


class PackagedAdapter(Record):
    """``r`` and ``alpha`` are its config's; ``ranks`` those that its patterns made of it; ``source_sha256`` is of the
    PEFT weights that it was made from."""

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
    schema_version: Literal[1] = 1
    recipe: str
    target: str
    family: str
    base_model: str
    base_sha256: str
    """Of the base's manifest: the adapters belong to this very base."""
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
        return frozenset(one.file.removeprefix(f"{ADAPTERS}/") for one in self.adapters.values())

    @property
    def lora_inputs(self) -> dict[str, LoraInput]:
        return {name: LoraInput(name=name, shape=one.shape, dtype=one.dtype) for name, one in self.inputs.items()}


def is_of_package(name: str) -> bool:
    """Whether a file of a package's folder, by its POSIX relative path, is no file of the base."""
    return name == PACKAGE or name.startswith(f"{ADAPTERS}/")


def new_package(
    directory: Path, *, recipe: str, target: str, family: str, base_model: str, base_sha256: str, random_weights: bool
) -> Package:
    """The package of a base that was just exported: what its graph takes, and no adapter yet."""
    inputs = {name: {"shape": one.shape, "dtype": one.dtype} for name, one in read_lora_inputs(directory).items()}
    return Package.model_validate({
        "recipe": recipe, "target": target, "family": family, "base_model": base_model, "base_sha256": base_sha256,
        "random_weights": random_weights, "inputs": inputs,
    })  # fmt: skip


def read_package(directory: Path) -> Package:
    """Read ``package.json``. AdapterError when there is none, or it is damaged or of another version."""
    path = directory / PACKAGE
    try:
        package = Package.model_validate_json(read_text(path, CONFIG, AdapterError))
    except FileNotFoundError:
        raise AdapterError(
            f"{directory}: no {PACKAGE} in it, so no package",
            next_step=f"adapter_mode: multi in the recipe, then {next_command('run')}",
        ) from None
    except (OSError, ValueError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else "not readable"
        raise AdapterError(f"{path}: cannot be believed ({reason})", next_step="run the job again") from None
    return package


def write_package(package: Package, directory: Path) -> None:
    """Write ``package.json`` in one step; SetupError, and no leftovers, when that fails."""
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
    """Put a PEFT adapter into a package; the base is not touched. Everything is checked before anything is written.

    ``any_base`` takes an adapter whose config names another base model than the package's, if its shapes fit.

    Raises AdapterError: a name that is taken or is no file name, an adapter that LoRA inputs cannot hold or that is not
    whole, of another base, or one that changes nothing.
    """
    read_package(directory)  # before anything is made in a folder that is none
    check_artifact(directory)
    adapter = read_peft_adapter(peft_dir)
    with exclusive(directory / ADAPTERS):
        package = read_package(directory)
        if name in package.adapters and not replace:
            raise AdapterError(
                f"{directory}: has an adapter {name!r} already",
                next_step="--replace, or another --name",
            )
        try:
            check_names([*package.adapters, name])
        except ValueError as error:
            raise AdapterError(
                f"{name[:80]!r} is not a name for an adapter: expected {error}", next_step="another --name"
            ) from None
        if not any_base:
            _check_base(package, adapter)
        tensors = fitted(directory, package, adapter)
        remove_leftovers(directory / ADAPTERS, package.files)
        entry = _entry(directory, package, adapter, name, origin or Origin(), tensors)
        changed = package.model_copy(update={"adapters": {**package.adapters, name: entry}})
        write_package(changed, directory)  # from here on the new file is the adapter's
        remove_leftovers(directory / ADAPTERS, changed.files)
    return entry


def fitted(directory: Path, package: Package, adapter: PeftAdapter) -> dict[str, np.ndarray]:
    """The adapter's tensors for the package's base, checked against its graph. AdapterError as ``fit``."""
    inputs = read_lora_inputs(directory)
    if inputs != package.lora_inputs:
        raise AdapterError(f"{directory}: its graph is not the one of its {PACKAGE}", next_step="run the job again")
    tensors = fit(adapter, inputs, projection_sizes(directory))
    check_tensors(tensors, inputs, str(adapter.directory))
    silent = [pair.tensor for pair in adapter.pairs.values() if not (pair.a.any() and pair.b.any())]
    if len(silent) == len(adapter.pairs):
        raise AdapterError(
            f"{adapter.directory}: tensor {silent[0]} is zero, and so is every other: it changes nothing",
            next_step="train the adapter",
        )
    return tensors


def _check_base(package: Package, adapter: PeftAdapter) -> None:
    """By the last part of the names: a folder's place says nothing."""
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
    """Write the adapter's file, beside the one that it replaces, and say what it is."""
    path = directory / ADAPTERS / unused_file(name, package.files)
    write_adapter_file(path, tensors)
    held = hash_file(path)
    return PackagedAdapter.model_validate({
        "file": f"{ADAPTERS}/{path.name}", "r": adapter.r, "alpha": adapter.alpha, "ranks": adapter.ranks,
        "target_modules": adapter.target_modules, "base_model": package.base_model, "origin": origin,
        "source_sha256": hash_file(adapter.directory / "adapter_model.safetensors").sha256,
        "sha256": held.sha256, "bytes": held.bytes,
    })  # fmt: skip


def check_adapter(directory: Path, package: Package, name: str) -> None:
    """Whether an adapter's file is the one that ``package.json`` names and fits the base's graph, tensor by tensor.

    AdapterError names the tensor where the file can be read at all.
    """
    entry = package.adapters.get(name)
    if entry is None:
        known = ", ".join(package.adapters) or "none"
        raise AdapterError(f"{directory}: has no adapter {name!r}; it has: {known}")
    path = directory / entry.file
    if not path.is_file():
        raise AdapterError(
            f"{path}: is not there", next_step=f"olivepress adapters remove {directory} {name}, then add it again"
        )
    check_tensors(read_adapter_file(path), read_lora_inputs(directory), str(path))
    if hash_file(path) != FileHash(sha256=entry.sha256, bytes=entry.bytes):
        raise AdapterError(
            f"{path}: not the file that {PACKAGE} names", next_step=f"olivepress adapters remove {directory} {name}"
        )


def check_package(directory: Path, name: str | None = None) -> dict[str, int]:
    """Adapter → its number of tensors, after the base's files were hashed and every adapter (or the one) was checked.

    AdapterError as ``check_adapter``, and for a base that is not the package's, or a file that it does not name;
    ReportError when a file of the base is not the one of its manifest.
    """
    package = read_package(directory)
    check_artifact(directory)
    manifest = read_manifest(directory, verify=True)
    if manifest.sha256 != package.base_sha256:
        raise AdapterError(f"{directory}: {PACKAGE} is of another base than {MANIFEST}", next_step="run the job again")
    for stray in strays(directory, package):
        raise AdapterError(
            f"{directory / stray}: {PACKAGE} names no such file", next_step="rename it back, or delete it"
        )
    names = [name] if name is not None else list(package.adapters)
    for one in names:
        check_adapter(directory, package, one)
    return dict.fromkeys(names, len(package.inputs))


def remove_adapter(directory: Path, name: str) -> None:
    """Take an adapter out: first out of ``package.json``, then its file. AdapterError when there is none."""
    read_package(directory)
    check_artifact(directory)
    with exclusive(directory / ADAPTERS):
        package = read_package(directory)
        entry = package.adapters.get(name)
        if entry is None:
            known = ", ".join(package.adapters) or "none"
            raise AdapterError(f"{directory}: has no adapter {name!r}; it has: {known}")
        rest = {other: one for other, one in package.adapters.items() if other != name}
        changed = package.model_copy(update={"adapters": rest})
        write_package(changed, directory)
        (directory / entry.file).unlink(missing_ok=True)
        remove_leftovers(directory / ADAPTERS, changed.files)


def strays(directory: Path, package: Package) -> Iterator[str]:
    """Files in ``adapters/`` that ``package.json`` does not name; what a killed ``--replace`` left is none of them."""
    for path in sorted((directory / ADAPTERS).glob("*")):
        if (
            path.name not in package.files
            and not path.name.startswith(".")
            and not is_leftover(path.name, package.files)
        ):
            yield f"{ADAPTERS}/{path.name}"
