"""What the tasks of a measuring process are given and what they return."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from olivepress.core.yaml_document import Record
from olivepress.measure.latency.kernel_profile import Run
from olivepress.recipe.methods import FourBit
from olivepress.report.device_report import LatencySample, Measurement, ProcessSample

__all__ = [
    "Answer",
    "Answers",
    "AnswersSpec",
    "CeilingSpec",
    "Devices",
    "FidelitySpec",
    "ImportSpec",
    "ImportedPackage",
    "Labels",
    "LabelsSpec",
    "LatencyResult",
    "Likelihoods",
    "LikelihoodsSpec",
    "LmEvalSpec",
    "Metrics",
    "ModelSpec",
    "NamedAnswers",
    "NamedAnswersSpec",
    "Nothing",
    "OpenvinoTokenizerSpec",
    "PlacementSpec",
    "ProbeSpec",
    "ProfileResult",
    "TextResult",
    "TextSpec",
]

PYTORCH = "pytorch"


class Nothing(Record):
    """For a task that needs no spec, or returns no result."""


class ImportSpec(Record):
    module: str


class ImportedPackage(Record):
    """``providers`` are those that ONNX Runtime lists; none of another package."""

    version: str
    providers: tuple[str, ...]


class ProbeSpec(Record):
    """``plugin`` is the module of the package that brings the provider, if one does."""

    provider: str
    plugin: str | None = None


class Devices(Record):
    devices: tuple[str, ...]


class OpenvinoTokenizerSpec(Record):
    source: Path
    directory: Path


class PlacementSpec(Record):
    model_dir: Path
    execution_provider: str


class CeilingSpec(Record):
    threads: int


class FidelitySpec(Record):
    model_dir: Path
    reference_dir: Path


class ModelSpec(Record):
    """A model to open. ``runtime`` is ``pytorch``, or anything else for an exported model. A PyTorch model that is not
    merged has its ``adapter_dir``, and ``four_bit`` says how its base was quantized while it was trained."""

    model_dir: Path
    runtime: str = ""
    adapter_dir: Path | None = None
    four_bit: FourBit | None = None

    @property
    def is_pytorch(self) -> bool:
        return self.runtime == PYTORCH

    @property
    def tuned(self) -> dict[str, Any]:
        """The same as arguments of what opens a PyTorch model."""
        return {"adapter_dir": self.adapter_dir, "four_bit": self.four_bit}


class _SplitSpec(ModelSpec):
    dataset_dir: Path
    split: str
    limit: int | None = None


class AnswersSpec(_SplitSpec):
    """``few_shot`` examples before each question. Finished answers are kept in files that begin with ``partial``."""

    few_shot: int = 0
    partial: Path | None = None


class NamedAnswersSpec(ModelSpec):
    """The rows of a split by their ``ids``. Finished answers are kept in the file ``partial``."""

    dataset_dir: Path
    split: str
    ids: tuple[str, ...]
    max_new_tokens: int
    partial: Path


class LabelsSpec(_SplitSpec):
    labels: tuple[str, ...]
    few_shot: int = 0


class LikelihoodsSpec(_SplitSpec):
    """For each row of the split the ``answers`` to score."""

    answers: tuple[tuple[str, ...], ...]


class TextSpec(ModelSpec):
    """``window`` tokens at a time; None: what the context holds."""

    text: Path
    window: int | None = None


class LmEvalSpec(_SplitSpec):
    """Tasks of lm-evaluation-harness, those of ``include_path`` too."""

    tasks: tuple[str, ...]
    include_path: Path | None = None
    execution_provider: str


class Answer(Record):
    id: str
    output: str
    expected: str
    label: str | None = None


class Answers(Record):
    """``max_new_tokens`` is what an answer could take, ``few_shot`` the examples that fitted before a question."""

    max_new_tokens: int
    few_shot: int
    examples: tuple[Answer, ...]


class NamedAnswers(Record):
    """(output, expected answer) of each row, in the order of the ids."""

    examples: tuple[tuple[str, str], ...]


class Labels(Record):
    labels: tuple[str | None, ...]


class Likelihoods(Record):
    """Log-probabilities in nats of each row's answers; null for a row that does not fit the context."""

    rows: tuple[tuple[float, ...] | None, ...]


class Metrics(Record):
    metrics: dict[str, Measurement]


class TextResult(Metrics):
    window: int
    stride: int


class LatencyResult(Record):
    """``reasons`` say why a value of ``process`` is missing, by the name of its metric."""

    process: ProcessSample
    samples: tuple[LatencySample, ...]
    prompt_tokens: int
    runtime_device: str
    reasons: dict[str, str | None]


class ProfileResult(Record):
    """Medians in milliseconds; ``runs`` and ``nodes`` (kernel → names of its nodes that have weights or are in the
    graph) are empty without the profiler."""

    ttft_ms: float
    step_ms: float
    prompt_tokens: int
    runs: tuple[Run, ...]
    nodes: dict[str, dict[str, int]]
