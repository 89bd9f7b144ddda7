"""The parts of a workflow file that lint reads, checked before it reads them: a file may have been edited by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field

from olivepress.core.yaml_document import Record, read_record

__all__ = ["check_shape"]


class _Open(Record):
    """Other keys are Olive's to judge."""

    model_config = ConfigDict(extra="allow")


class _Model(_Open):
    type: str
    model_path: str | None = None
    adapter_path: str | None = None


class _Accelerator(_Open):
    device: Literal["cpu", "gpu", "npu"]
    execution_providers: tuple[str, ...] = Field(min_length=1)


class _System(_Open):
    type: Literal["LocalSystem"]
    accelerators: tuple[_Accelerator, ...] = Field(min_length=1)


class _Systems(_Open):
    here: _System


class _Pass(_Open):
    type: str


class _Rows(_Open):
    type: str
    directory: str
    split: str


class _Tokens(_Open):
    type: str
    model_path: str
    max_length: int = Field(ge=1)


class _Data(_Open):
    name: str
    load_dataset_config: _Rows
    pre_process_data_config: _Tokens


class _Evaluator(_Open):
    type_args: dict[str, Any] = Field({})


class _Shape(_Open):
    input_model: _Model
    systems: _Systems
    passes: dict[str, _Pass] = Field(min_length=1)
    data_configs: tuple[_Data, ...] = ()
    evaluators: dict[str, _Evaluator] = Field({})
    host: Literal["here"] = "here"
    target: Literal["here"] = "here"
    output_dir: str = Field(min_length=1)


def check_shape(path: Path) -> None:
    """Raise RecipeError, with file and line, for a file that is no workflow as olivepress renders it."""
    read_record(path, _Shape)
