"""What a diagnosis is made from: the settings of a run, its curves, its rows, and measurements where they were made."""

from __future__ import annotations

from dataclasses import dataclass, field

from olivepress.core.yaml_document import Record
from olivepress.recipe.schema import Recipe
from olivepress.report.training_record import Shipped, TrainingStep

__all__ = ["Evidence", "MemoryUse", "RowFacts", "RowLoss", "RowLosses", "TextChange"]


class RowFacts(Record):
    """Of ``sampled`` of the ``rows`` of the training split, through the chat template of the base model.

    ``too_long`` have more than ``max_length`` tokens, ``enough`` tokens hold 95 % of them; ``answers`` and
    ``trained_answers`` count turns of the assistant. ``marked_up`` contain signs of a chat template in their own texts.
    ``system_shares``: split → share of its rows that begin with a system message. ``lost`` is what the template drops.
    ``context`` and ``width`` are the model's longest text in tokens and its hidden size, None where it states none.
    """

    rows: int
    sampled: int
    too_long: int
    max_length: int
    longest: int
    enough: int
    tokens: int
    trained_tokens: int
    answers: int
    trained_answers: int
    marked_up: int
    system_shares: dict[str, float]
    vocabulary: int
    context: int | None = None
    width: int | None = None
    example_of_markup: str = ""
    marked_up_instruction: bool = False
    lost: tuple[str, ...] = ()


class RowLoss(Record):
    """The loss of a row's answer by the trained model, in nats a token.

    ``given`` is the lowest probability of a token of the answer, ``other`` that of the likeliest token in its place:
    where both are clear, the model has learned another answer, which begins as ``suggested`` does.
    """

    id: str
    loss: float
    given: float
    other: float
    answer: str
    prompt: str
    suggested: str


class RowLosses(Record):
    """Of ``measured`` of ``rows`` training rows; ``highest`` are those to look at, the highest loss first.

    ``learned`` counts the rows of which the model gives every token of the answer at least 50 %, ``contradicted`` those
    that it contradicts clearly.
    """

    rows: int
    measured: int
    learned: int
    median: float
    contradicted: int
    highest: tuple[RowLoss, ...]


@dataclass(frozen=True, kw_only=True)
class TextChange:
    """Perplexity of the same text before and after the training; the interval is of after / before, paired by window,
    None where there are too few windows or the two were measured apart."""

    before: float
    after: float
    tokens: int
    ci_low: float | None = None
    ci_high: float | None = None

    @property
    def ratio(self) -> float:
        return self.after / self.before


@dataclass(frozen=True, kw_only=True)
class MemoryUse:
    """Bytes: the peak of the job, and what the machine has; ``ended_by_it`` when the job ended for want of memory."""

    peak: int | None
    machine: int | None
    ended_by_it: bool = False


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is known of a run; ``missing``: what could not be examined → why, and what to type for it."""

    run: str
    recipe: Recipe
    status: str
    reason: str
    steps: tuple[TrainingStep, ...]
    shipped: Shipped | None = None
    not_finite: str | None = None
    rows: RowFacts | None = None
    row_losses: RowLosses | None = None
    text: TextChange | None = None
    memory: MemoryUse | None = None
    missing: dict[str, str] = field(default_factory=dict)
