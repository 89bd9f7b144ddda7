"""Targets: a device, an execution provider, and for each precision the Olive passes that get there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from olivepress.core.errors import RecipeError
from olivepress.core.yaml_document import Record, read_record

__all__ = ["BUILD", "Runtime", "Target", "choices", "grid", "targets"]

BUILD = "build"  # the environment that builds, unless a target or a model's family names another

Runtime = Literal["onnxruntime-genai", "openvino"]
FileName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*\.json$")]
_HERE = Path(__file__).parent


class _Device(Record):
    """What all precisions of a target file have in common."""

    description: str
    device: Literal["cpu", "gpu", "npu"]
    execution_provider: str
    runtime: Runtime = "onnxruntime-genai"
    environment: str = Field(description="the environment it runs in")
    build_environment: str = Field(BUILD, description="the environment that Olive builds it in")
    build_execution_provider: str | None = Field(None, description="what Olive is given instead, where it has to be")
    provider_options: dict[str, dict[str, Any]] = Field({}, description="for the session, by the runtime's own name")
    cpu_copy: bool = Field(False, description="the ONNX Runtime CPU provider computes the same graph")
    last_logits: bool = Field(
        False, description="beside Olive's graph one whose head computes a prompt's last position only; it is what runs"
    )
    min_placed: float = Field(1.0, ge=0, le=1, description="share of the graph's nodes that the provider must take")
    max_cpu_nodes: int | None = Field(None, ge=0, description="nodes that may stay on the CPU")
    soc_models: dict[str, str] = Field({}, description="chips that it can be compiled for")
    files: dict[FileName, dict[str, Any]] = Field(
        {}, description="JSON files that passes name, written beside the workflow"
    )
    package_config: dict[str, str] = Field({}, description="pass → module path, where Olive's own list refuses a pass")


class _Divergence(Record):
    """The largest loss allowed on the tokens that were trained on; for fp32 on every token."""

    max_kl_divergence: float = Field(gt=0, description="nats from the PyTorch parent, when the recipe sets none")
    min_top1_agreement: float = Field(ge=0, le=1, description="share of positions whose likeliest token is the same")


class _DefaultLimits(Record):
    """``catalog/limits.yaml``: precision → what its targets may lose, unless a target has limits of its own."""

    limits: dict[str, _Divergence]


class _Sizes(Record):
    bytes_per_parameter: float = Field(gt=0, description="on disk, for the estimate")
    bytes_per_embedding_parameter: float = Field(gt=0, description="on disk, beside the head that it may be tied to")
    passes: dict[str, dict[str, Any]] = Field(min_length=1, description="in Olive's own words")


class _Precision(_Sizes):
    """One entry of ``precisions``; its keys override those of the file."""

    description: str | None = None
    runtime: Runtime | None = None
    build_environment: str | None = None
    build_execution_provider: str | None = None
    provider_options: dict[str, dict[str, Any]] | None = None
    min_placed: float | None = Field(None, ge=0, le=1)
    package_config: dict[str, str] | None = None
    max_kl_divergence: float | None = Field(None, gt=0)
    min_top1_agreement: float | None = Field(None, ge=0, le=1)


class _File(_Device):
    """A target file. Keys of ``precisions`` are a precision, or a precision and how it is reached: ``int4-kquant``."""

    target: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    precisions: dict[str, _Precision] = Field(min_length=1)
    choices: tuple[str, ...] = Field(
        (), description="precisions to try, smallest first, for a recipe that names the file and no precision"
    )

    @model_validator(mode="after")
    def _one_package_config(self) -> _File:
        given = [entry.package_config for entry in self.precisions.values() if entry.package_config is not None]
        if any(other != given[0] for other in given):
            raise ValueError("one package_config for all precisions that have one: they share its file")
        return self

    @model_validator(mode="after")
    def _choices_are_precisions(self) -> _File:
        unknown = [key for key in self.choices if key not in self.precisions]
        if unknown or len(set(self.choices)) < len(self.choices):
            raise ValueError(f"keys of precisions under choices, each once, not {', '.join(unknown or self.choices)}")
        return self


class Target(_Device, _Sizes, _Divergence):
    """One precision of a target file: what an export job is for. ``target`` is ``<file>-<key of precisions>``."""

    target: str
    file: str
    precision: str

    def built_in(self, environment: str, runs_in: str) -> Target:
        """The target for models that are built in ``environment``, and then run in another than its own."""
        return self.model_copy(update={"build_environment": environment, "environment": runs_in})

    @property
    def no_adapters(self) -> str | None:
        """Why a model of this target cannot take adapters while it runs; None when it can."""
        *_, last = self.passes.values()
        if self.runtime != "onnxruntime-genai" or last["type"] != "ModelBuilder":
            return "its graph is compiled, or run by another runtime than ONNX Runtime GenAI"
        if last.get("enable_cuda_graph"):
            return "a CUDA graph replays fixed addresses and shapes"
        if self.precision == "bf16":
            return "adapters are float32 or float16, to be checked on a CPU; take fp16"
        return None

    @property
    def context_length(self) -> int | None:
        """Tokens that the key/value cache holds, where the passes make it one of fixed length."""
        for settings in self.passes.values():
            fixed = dict(zip(settings.get("dim_param", ()), settings.get("dim_value", ()), strict=False))
            if "past_sequence_length" in fixed:
                return int(fixed["past_sequence_length"])
        return None


def targets(own: Path | None = None) -> dict[str, Target]:
    """All targets by name; a ``targets/`` directory ``own`` beside the recipe is read too and may override."""
    return _read(_HERE / "targets") | _read(own)


def choices(own: Path | None = None) -> dict[str, tuple[str, ...]]:
    """Target file → the targets to try in order when a recipe names the file alone, until one passes its checks."""
    files = {file.target: file for directory in (_HERE / "targets", own) for file in _files(directory)}
    return {name: tuple(f"{name}-{key}" for key in file.choices) for name, file in files.items() if file.choices}


def grid() -> dict[str, Target]:
    """The targets that a search tries in addition to a recipe's own, by name."""
    return _read(_HERE / "grid")


def _read(directory: Path | None) -> dict[str, Target]:
    if directory is None:
        return {}
    files = _files(directory)
    return {target.target: target for file in files for target in _targets(file, directory / f"{file.target}.yaml")}


def _files(directory: Path | None) -> Sequence[_File]:
    if directory is None or not directory.is_dir():
        return ()
    if directory.parent == _HERE:
        return _shipped_files(directory)
    return _read_files(directory)


@cache
def _shipped_files(directory: Path) -> tuple[_File, ...]:
    """Read once in a process: they are part of the program."""
    return tuple(_read_files(directory))


def _read_files(directory: Path) -> list[_File]:
    files = []
    for path in sorted(directory.glob("*.yaml")):
        file = read_record(path, _File)
        if file.target != path.stem:
            raise RecipeError(f"{path}: 'target' is {file.target!r}, expected the file's own name {path.stem!r}")
        files.append(file)
    return files


def _targets(file: _File, path: Path) -> Iterator[Target]:
    """Every precision of a file. RecipeError for one that has no limits, neither its own nor those of its precision."""
    shared, defaults = file.model_dump(exclude={"target", "precisions", "choices"}), _default_limits(_HERE)
    for key, entry in file.precisions.items():
        precision = key.split("-")[0]
        default = defaults[precision].model_dump() if precision in defaults else {}
        own = {name: value for name, value in entry.model_dump().items() if value is not None}
        missing = [name for name in _Divergence.model_fields if name not in default | own]
        if missing:
            raise RecipeError(
                f"{path}: precisions.{key}: no {missing[0]}, and none by precision {precision!r}; known: "
                f"{', '.join(defaults)}"
            )
        names = {"target": f"{file.target}-{key}", "file": file.target, "precision": precision}
        yield Target.model_validate({**shared, **default, **own, **names})


@cache
def _default_limits(directory: Path) -> dict[str, _Divergence]:
    return read_record(directory / "limits.yaml", _DefaultLimits).limits
