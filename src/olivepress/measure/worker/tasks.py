"""The tasks of a measuring process: a spec record in, a result record out. Runtimes and torch load inside functions.

Every task that opens a model looks at its files first (``_check``): they may come from elsewhere.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from olivepress.core.progress import Progress
from olivepress.measure.latency.kernel_profile import ProfileSpec
from olivepress.measure.latency.latency import LatencySpec
from olivepress.measure.proof.export import Proof, ProofSpec
from olivepress.measure.proof.package import PackageProof, PackageProofSpec
from olivepress.measure.tuning.trial import TrialResult, TrialSpec
from olivepress.measure.worker.records import (
    Answer,
    Answers,
    AnswersSpec,
    CeilingSpec,
    Devices,
    FidelitySpec,
    ImportedPackage,
    ImportSpec,
    Labels,
    LabelsSpec,
    LatencyResult,
    Likelihoods,
    LikelihoodsSpec,
    LmEvalSpec,
    Metrics,
    ModelSpec,
    NamedAnswers,
    NamedAnswersSpec,
    Nothing,
    OpenvinoTokenizerSpec,
    PlacementSpec,
    ProbeSpec,
    ProfileResult,
    TextResult,
    TextSpec,
)
from olivepress.report.device_report import Ceiling, Placement
from olivepress.report.machine import Machine
from olivepress.runtimes.probe import ProviderProbe
from olivepress.runtimes.runtime_tokenizer import TokenizerReading, TokenizerSpec

__all__ = ["TASKS"]


def _check(model_dir: Path, *, profile: str | None = None) -> None:
    """ReportError for a model whose files must not be opened."""
    from olivepress.runtimes.artifact_safety import check_before_opening

    check_before_opening(model_dir, profile=profile)


def _check_exported(spec: ModelSpec) -> None:
    if not spec.is_pytorch:
        _check(spec.model_dir)


def latency(spec: LatencySpec, progress: Progress) -> LatencyResult:
    from olivepress.measure.latency.latency import measure_process

    _check(spec.model_dir)
    return LatencyResult.model_validate(measure_process(spec), strict=False)


def placement(spec: PlacementSpec, progress: Progress) -> Placement:
    from olivepress.runtimes.placement import node_placement

    _check(spec.model_dir)
    return node_placement(spec.model_dir, spec.execution_provider)


def machine(spec: Nothing, progress: Progress) -> Machine:
    from olivepress.report.machine import fingerprint

    return fingerprint()


def openvino_devices(spec: Nothing, progress: Progress) -> Devices:
    from olivepress.runtimes import openvino_model

    return Devices(devices=tuple(openvino_model.openvino_devices()))


def proof(spec: ProofSpec, progress: Progress) -> Proof:
    from olivepress.measure.proof.export import prove

    _check(spec.model_dir)
    return prove(spec, progress=progress)


def package_proof(spec: PackageProofSpec, progress: Progress) -> PackageProof:
    from olivepress.measure.proof.package import prove_package

    _check(spec.model_dir)
    return prove_package(spec, progress=progress)


def tokenizer(spec: TokenizerSpec, progress: Progress) -> TokenizerReading:
    from olivepress.runtimes.runtime_tokenizer import read_tokenizer

    _check(spec.model_dir)
    return read_tokenizer(spec, progress=progress)


def openvino_tokenizer(spec: OpenvinoTokenizerSpec, progress: Progress) -> Nothing:
    from olivepress.runtimes.runtime_tokenizer import convert_for_openvino

    convert_for_openvino(spec.source, spec.directory)
    return Nothing()


def ceiling(spec: CeilingSpec, progress: Progress) -> Ceiling:
    from olivepress.report.ceiling import measure_ceiling

    return measure_ceiling(spec.threads)


def answers(spec: AnswersSpec, progress: Progress) -> Answers:
    """Greedy answers; with ``few_shot`` examples before each question, as many of them as the context holds."""
    from olivepress.data.store.reader import read_split
    from olivepress.measure.quality.few_shot import add_shots
    from olivepress.runtimes.chat_template.model_config import ContextExceeded

    _check_exported(spec)
    asked = read_split(spec.dataset_dir, spec.split, limit=spec.limit).rows
    shots = spec.few_shot
    while True:
        rows = add_shots(spec.dataset_dir, asked, shots)
        try:
            examples, budget = _answers(spec, rows, shots, progress)
        except ContextExceeded:
            if shots == 0:
                raise
            shots -= 1
            continue
        given = (Answer(id=e.id, output=e.output, expected=e.expected, label=e.label) for e in examples)
        return Answers(max_new_tokens=budget, few_shot=shots, examples=tuple(given))


def _answers(spec: AnswersSpec, rows: Any, shots: int, progress: Progress) -> tuple[list[Any], int]:
    from olivepress.measure.quality.accuracy import AnswerStore

    store = AnswerStore(spec.partial.with_name(f"{spec.partial.name}.{shots}") if spec.partial else None)
    options: dict[str, Any] = {"whole": shots > 0, "store": store, "progress": progress}
    if spec.is_pytorch:
        from olivepress.measure.quality.parent_answers import measure_pytorch

        return measure_pytorch(spec.model_dir, rows, **spec.tuned, **options)
    from olivepress.measure.quality.accuracy import measure_exported

    return measure_exported(spec.model_dir, rows, **options)


def named_answers(spec: NamedAnswersSpec, progress: Progress) -> NamedAnswers:
    """Greedy answers to the rows of a split that are named by id; finished ones are not asked again."""
    from olivepress.data.store.reader import read_split
    from olivepress.measure.quality.accuracy import AnswerStore, measure_exported

    _check_exported(spec)
    rows = {row.id: row for row in read_split(spec.dataset_dir, spec.split).rows}
    asked = [rows[row_id] for row_id in spec.ids]
    options: dict[str, Any] = {
        "budget": spec.max_new_tokens, "store": AnswerStore(spec.partial), "progress": progress
    }  # fmt: skip
    if spec.is_pytorch:
        from olivepress.measure.quality.parent_answers import measure_pytorch

        examples, _ = measure_pytorch(spec.model_dir, asked, **options)
    else:
        examples, _ = measure_exported(spec.model_dir, asked, **options)
    return NamedAnswers(examples=tuple((example.output, example.expected) for example in examples))


def labels(spec: LabelsSpec, progress: Progress) -> Labels:
    """The class of each example by constrained scoring."""
    from olivepress.data.store.reader import read_split
    from olivepress.measure.quality.few_shot import add_shots

    _check_exported(spec)
    asked = read_split(spec.dataset_dir, spec.split, limit=spec.limit).rows
    rows = add_shots(spec.dataset_dir, asked, spec.few_shot)
    if spec.is_pytorch:
        from olivepress.measure.quality.parent_text import score_labels_pytorch

        scored = score_labels_pytorch(spec.model_dir, rows, spec.labels, **spec.tuned, progress=progress)
    else:
        from olivepress.measure.quality.label_scoring import score_labels_exported

        scored = score_labels_exported(spec.model_dir, rows, spec.labels, progress=progress)
    return Labels(labels=tuple(scored))


def likelihoods(spec: LikelihoodsSpec, progress: Progress) -> Likelihoods:
    """Log-probabilities of given answers to the rows of a split."""
    from olivepress.data.store.reader import read_split
    from olivepress.measure.quality import likelihood

    _check_exported(spec)
    rows = read_split(spec.dataset_dir, spec.split, limit=spec.limit).rows
    if spec.is_pytorch:
        values = likelihood.answer_likelihoods_pytorch(
            spec.model_dir, rows, spec.answers, **spec.tuned, progress=progress
        )
    else:
        values = likelihood.answer_likelihoods_exported(spec.model_dir, rows, spec.answers, progress=progress)
    return Likelihoods(rows=tuple(None if each is None else tuple(each) for each in values))


def text(spec: TextSpec, progress: Progress) -> TextResult:
    """Perplexity on a text file."""
    from olivepress.measure.quality.perplexity import perplexity_exported, read_text, text_metrics

    _check_exported(spec)
    content = read_text(spec.text)
    if spec.is_pytorch:
        from olivepress.measure.quality.parent_text import perplexity_pytorch

        likelihood = perplexity_pytorch(spec.model_dir, content, window=spec.window, **spec.tuned, progress=progress)
    else:
        likelihood = perplexity_exported(spec.model_dir, content, window=spec.window, progress=progress)
    return TextResult(metrics=text_metrics(likelihood), window=likelihood.window, stride=likelihood.stride)


def lm_eval(spec: LmEvalSpec, progress: Progress) -> Metrics:
    """Tasks of lm-evaluation-harness; the task ``dataset`` is the test split, written as one of its tasks."""
    from olivepress.measure.quality.lm_eval_tasks import OWN_TASK, run_lm_eval, task_from_dataset

    _check_exported(spec)
    metrics: dict[str, Any] = {}
    for name in spec.tasks:
        # The harness takes the first rows; of our own split the same are chosen as for all other metrics.
        folder, limit = spec.include_path, spec.limit
        with tempfile.TemporaryDirectory() as scratch:
            if name == OWN_TASK:
                folder, limit = Path(scratch), None
                task_from_dataset(
                    spec.dataset_dir, folder, name, model_dir=spec.model_dir, split=spec.split, limit=spec.limit
                )
            metrics |= run_lm_eval(
                spec.model_dir, [name], include_path=folder, limit=limit, execution_provider=spec.execution_provider
            )
    return Metrics(metrics=metrics)


def lm_eval_known(spec: LmEvalSpec, progress: Progress) -> Nothing:
    from olivepress.measure.quality.lm_eval_tasks import OWN_TASK, check_tasks

    check_tasks([name for name in spec.tasks if name != OWN_TASK], include_path=spec.include_path)
    return Nothing()


def fidelity(spec: FidelitySpec, progress: Progress) -> Metrics:
    from olivepress.measure.quality.fidelity import fidelity as measure_fidelity

    _check(spec.model_dir)
    return Metrics(metrics=measure_fidelity(spec.model_dir, spec.reference_dir, progress=progress))


def trial(spec: TrialSpec, progress: Progress) -> TrialResult:
    from olivepress.measure.tuning.trial import run_trial

    _check(spec.model_dir)
    return run_trial(spec)


def profile(spec: ProfileSpec, progress: Progress) -> ProfileResult:
    from olivepress.measure.latency.kernel_profile import profile_prefix, profile_process

    _check(spec.model_dir, profile=profile_prefix(spec.folder) if spec.folder else None)
    return ProfileResult.model_validate(profile_process(spec), strict=False)


def probe(spec: ProbeSpec, progress: Progress) -> ProviderProbe:
    from olivepress.runtimes.probe import probe_provider

    return probe_provider(spec.provider, spec.plugin)


def import_package(spec: ImportSpec, progress: Progress) -> ImportedPackage:
    from olivepress.runtimes.probe import probe_import

    return ImportedPackage.model_validate(probe_import(spec.module), strict=False)


TASKS: dict[str, Callable[[Any, Progress], BaseModel]] = {
    task.__name__: task
    for task in (
        latency, placement, machine, openvino_devices, proof, package_proof, tokenizer, openvino_tokenizer, ceiling,
        answers, named_answers, labels, likelihoods, text, lm_eval, lm_eval_known, fidelity, trial, profile, probe,
        import_package,
    )
}  # fmt: skip
