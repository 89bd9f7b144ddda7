"""Opens an export in its own environment and compares it with its parent; ``run.verify`` judges the result."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from olivepress.core.errors import JobError
from olivepress.core.progress import Progress
from olivepress.measure.proof.long_row import LongRowProof, compare_shipped, prove_long_row, row_to_compare
from olivepress.measure.quality.accuracy import greedy_answers
from olivepress.measure.quality.fidelity import fidelity
from olivepress.measure.quality.reference_file import read_reference
from olivepress.report.device_report import Measurement, Placement
from olivepress.runtimes.base import LanguageModel
from olivepress.runtimes.open import load_runtime, open_model
from olivepress.runtimes.placement import node_placement
from olivepress.runtimes.weights import LAST_POSITION

__all__ = ["Proof", "ProofSpec", "default_answer", "prove"]


class ProofSpec(BaseModel):
    """``texts`` and their ``token_ids`` by the parent's tokenizer, without special tokens."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model_dir: Path
    execution_provider: str
    reference_dir: Path
    texts: tuple[str, ...]
    token_ids: tuple[tuple[int, ...], ...]


class Proof(BaseModel):
    """The export compared with its parent.

    - ``placement`` of its nodes; ``metrics`` of ``fidelity``
    - ``differs``: the first of ``texts`` texts with other token ids than the parent's, None when there is none
    - ``same_answers`` of ``answers`` greedy answers equal the parent's token by token; ``generated`` and ``expected``
      are the lengths of the longest answer of the export and of the parent
    - ``last_position``: the largest difference between the logits of a prompt's last token from the shipped graph and
      from the graph with every position; None for a model with one graph
    - ``long_row``: None where there is no row to compare, for the reason ``not_long``
    - ``by_default``: the runtime's error with its own settings, "" without an error, None when that was not tried
    """

    model_config = ConfigDict(frozen=True)

    placement: Placement
    texts: int
    differs: str | None
    generated: int
    expected: int
    answers: int
    same_answers: int
    metrics: dict[str, Measurement]
    last_position: float | None
    long_row: LongRowProof | None = None
    not_long: str = ""
    by_default: str | None = None


def prove(spec: ProofSpec, *, progress: Progress | None = None) -> Proof:
    """Place, tokenize, answer, and compare logits with the parent's. JobError when one of them cannot be done."""
    placed = node_placement(spec.model_dir, spec.execution_provider)
    reference = read_reference(spec.reference_dir)
    prompts = [prompt.tolist() for prompt, _ in reference.greedy]
    longest = max((len(answer) for _, answer in reference.greedy), default=0)
    model = load_runtime(spec.model_dir)(spec.model_dir)
    answers, shipped = greedy_answers(model, spec.model_dir, prompts, longest), None
    by_default = default_answer(model, spec.texts[0][:200]) if spec.texts else None
    row, not_long = row_to_compare(spec.reference_dir, spec.model_dir)
    as_shipped = compare_shipped(row, model) if row else None
    if (spec.model_dir / LAST_POSITION).is_file():
        shipped = _last_logits(model, prompts)
        del model  # never two models in memory
        model = open_model(spec.model_dir)
    expected = [answer.tolist() for _, answer in reference.greedy]
    return Proof(
        placement=placed,
        texts=len(spec.texts),
        differs=_differing(model, spec.texts, spec.token_ids),
        generated=max(map(len, answers), default=0),
        expected=max(map(len, expected), default=0),
        answers=len(answers),
        same_answers=sum(ours == theirs for ours, theirs in zip(answers, expected, strict=True)),
        metrics=fidelity(spec.model_dir, spec.reference_dir, model=model, progress=progress),
        last_position=None if shipped is None else _largest_difference(shipped, _last_logits(model, prompts)),
        long_row=prove_long_row(row, as_shipped, model) if row and as_shipped else None,
        not_long=not_long,
        by_default=by_default,
    )


def default_answer(model: LanguageModel, text: str) -> str | None:
    """The runtime's error when it answers with its own settings; "" without an error, None when it cannot be tried."""
    try:
        return "" if model.answer_by_default(text) else None
    except JobError as error:
        return error.message


def _last_logits(model: LanguageModel, prompts: Sequence[Sequence[int]]) -> list[np.ndarray]:
    """float32 [vocabulary] for each prompt: the logits from which the first token of an answer is chosen."""
    logits = []
    for ids in prompts:
        generation = model.generation(len(ids) + 1)
        generation.append(ids)
        logits.append(generation.logits()[-1].astype(np.float32))
    return logits


def _largest_difference(some: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> float:
    differences = [np.abs(a - b).max() for a, b in zip(some, others, strict=True)]
    return float(np.max(differences, initial=0.0))  # NaN is kept, and passes no limit


def _differing(model: LanguageModel, texts: Sequence[str], token_ids: Sequence[Sequence[int]]) -> str | None:
    """The first place where token ids differ from those of the parent's tokenizer; None when there is none."""
    for text, expected in zip(texts, token_ids, strict=True):
        ids = model.encode(text)
        if ids != list(expected):
            pairs = enumerate(zip(expected, ids, strict=False))
            at = next((i for i, (a, b) in pairs if a != b), len(ids))
            theirs, ours = list(expected[at : at + 1]), ids[at : at + 1]
            return f"token {at} of {text[:40]!r} is {theirs} to Hugging Face, {ours} here"
    return None
