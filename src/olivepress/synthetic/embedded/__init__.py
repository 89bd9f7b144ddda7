"""Models and tasks that ship with the package: a tiny trained Phi, three demo tasks, shapes of random models."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from olivepress.catalog import ModelFacts
from olivepress.core.yaml_document import Record, read_record
from olivepress.synthetic.embedded.demo_data import TASKS, DemoRow, answer_schema, generate

TINY_PHI: Path = Path(__file__).parent / "tiny_phi"

__all__ = ["TASKS", "TINY_PHI", "DemoRow", "RandomModel", "answer_schema", "generate", "random_models"]


class RandomModel(ModelFacts):
    """The shape of a model, which gets random weights when it is needed."""

    family: str


class _File(Record):
    models: dict[str, RandomModel]


@lru_cache
def random_models() -> dict[str, RandomModel]:
    """The small random models by name."""
    return read_record(Path(__file__).parent / "random_models.yaml", _File).models
