"""Opens a package in its own environment and compares its base with the base alone, each adapter with its twin.

The twin of an adapter is the export of the merged model at the package's precision; ``run.verify`` judges the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from olivepress.core.errors import JobError
from olivepress.core.progress import Progress
from olivepress.measure.proof.export import default_answer
from olivepress.measure.proof.long_row import LongRowProof, compare_shipped, prove_long_row, row_to_compare
from olivepress.measure.quality.accuracy import greedy_answers
from olivepress.measure.quality.fidelity import divergence, fidelity, log_softmax
from olivepress.measure.quality.reference_file import read_reference
from olivepress.report.device_report import Measurement, Placement
from olivepress.runtimes.base import LanguageModel, teacher_forced
from olivepress.runtimes.genai_model import GenaiModel
from olivepress.runtimes.placement import node_placement

__all__ = ["AdapterProof", "AdapterProofSpec", "Difference", "PackageProof", "PackageProofSpec", "prove_package"]

_BASE_PROMPTS = 8  # of each adapter's reference
_ANSWER_TOKENS = 16


class AdapterProofSpec(BaseModel):
    """``reference_dir`` is of the merged PyTorch parent, ``twin_dir`` of its export at the same precision."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    file: Path
    reference_dir: Path
    twin_dir: Path


class PackageProofSpec(BaseModel):
    """``model_dir`` is the package, ``base_dir`` the base exported without adapters."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model_dir: Path
    base_dir: Path
    execution_provider: str
    adapters: tuple[AdapterProofSpec, ...]


class Difference(BaseModel):
    """Of two models on the same tokens: KL(first ‖ second) in nats per token, and the largest difference of two logits.

    ``same_answers`` of ``answers`` greedy answers are equal token by token.
    """

    model_config = ConfigDict(frozen=True)

    kl_divergence: float
    max_abs_logit_diff: float
    answers: int
    same_answers: int


class AdapterProof(BaseModel):
    """``metrics`` of ``fidelity`` against the parent; ``same_answers`` of its ``answers`` greedy answers are equal.

    ``to_base`` and ``to_others``: the largest logit difference to the package without adapter, and with each other one.
    """

    model_config = ConfigDict(frozen=True)

    metrics: dict[str, Measurement]
    answers: int
    same_answers: int
    to_twin: Difference
    to_base: float
    to_others: dict[str, float]
    long_row: LongRowProof | None = None
    not_long: str = ""


class PackageProof(BaseModel):
    """The base compared with the base alone, and each adapter by name; ``by_default`` as in ``Proof``."""

    model_config = ConfigDict(frozen=True)

    placement: Placement
    base: Difference
    adapters: dict[str, AdapterProof]
    by_default: str | None = None


def prove_package(spec: PackageProofSpec, *, progress: Progress | None = None) -> PackageProof:
    """Compare everything that ``run.verify.package`` judges. JobError when the package or a twin cannot be run."""
    placed = node_placement(spec.model_dir, spec.execution_provider)
    package, total = GenaiModel(spec.model_dir), len(spec.adapters) + 1
    prompts = [ids for adapter in spec.adapters for ids in _prompts(adapter.reference_dir)[:_BASE_PROMPTS]]
    by_default = default_answer(package, package.decode(prompts[0])) if prompts else None
    questions = [ids for adapter in spec.adapters for ids, _ in _answers(adapter.reference_dir)]
    alone = GenaiModel(spec.base_dir, every_position=True)
    base = _difference(alone, spec.base_dir, package, spec.model_dir, prompts, questions)
    if progress:
        progress(1, total)
    proofs = {}
    for done, adapter in enumerate(spec.adapters, start=2):
        proofs[adapter.name] = _prove_adapter(spec, adapter, package)
        if progress:
            progress(done, total)
    return PackageProof(placement=placed, base=base, adapters=proofs, by_default=by_default)


def _prove_adapter(spec: PackageProofSpec, adapter: AdapterProofSpec, package: GenaiModel) -> AdapterProof:
    model, greedy = package.with_adapter(adapter.file), _answers(adapter.reference_dir)
    prompts, questions = _prompts(adapter.reference_dir), [ids for ids, _ in greedy]
    longest = max((len(answer) for _, answer in greedy), default=0)
    ours = greedy_answers(model, spec.model_dir, questions, longest)
    twin = GenaiModel(adapter.twin_dir, every_position=True)
    first = prompts[:_BASE_PROMPTS]
    others = {
        other.name: _largest(model, package.with_adapter(other.file), first)
        for other in spec.adapters
        if other.name != adapter.name
    }
    row, not_long = row_to_compare(adapter.reference_dir, spec.model_dir)
    return AdapterProof(
        metrics=fidelity(spec.model_dir, adapter.reference_dir, model=model),
        answers=len(greedy),
        same_answers=sum(answer == expected for answer, (_, expected) in zip(ours, greedy, strict=True)),
        to_twin=_difference(twin, adapter.twin_dir, model, spec.model_dir, prompts, questions),
        to_base=_largest(model, package.with_adapter(None), first),
        to_others=others,
        long_row=prove_long_row(row, compare_shipped(row, model), model) if row else None,
        not_long=not_long,
    )


def _prompts(reference_dir: Path) -> list[list[int]]:
    return [ids.tolist() for ids in read_reference(reference_dir).prompts]


def _answers(reference_dir: Path) -> list[tuple[list[int], list[int]]]:
    return [(prompt.tolist(), answer.tolist()) for prompt, answer in read_reference(reference_dir).greedy]


def _difference(
    first: LanguageModel,
    first_dir: Path,
    second: LanguageModel,
    second_dir: Path,
    prompts: Sequence[Sequence[int]],
    questions: Sequence[Sequence[int]],
) -> Difference:
    """Compare two models on the tokens of ``prompts`` and by their greedy answers to ``questions``."""
    total, count, worst = 0.0, 0, 0.0
    for ids in prompts:
        for (_, a), (_, b) in zip(teacher_forced(first, ids), teacher_forced(second, ids), strict=True):
            if a.shape != b.shape:
                raise JobError(f"{second_dir}: logits of shape {b.shape}, {first_dir} has {a.shape}")
            total += float(divergence(log_softmax(a), log_softmax(b)).sum())
            count += len(a)
            worst = max(worst, float(np.abs(a - b).max()))
    first_answers = greedy_answers(first, first_dir, questions, _ANSWER_TOKENS)
    second_answers = greedy_answers(second, second_dir, questions, _ANSWER_TOKENS)
    return Difference(
        kl_divergence=total / count,
        max_abs_logit_diff=worst,
        answers=len(questions),
        same_answers=sum(a == b for a, b in zip(first_answers, second_answers, strict=True)),
    )


def _largest(first: LanguageModel, second: LanguageModel, prompts: Sequence[Sequence[int]]) -> float:
    """Largest difference of two logits on the same tokens."""
    worst = 0.0
    for ids in prompts:
        for (_, a), (_, b) in zip(teacher_forced(first, ids), teacher_forced(second, ids), strict=True):
            worst = max(worst, float(np.abs(a - b).max()))
    return worst
