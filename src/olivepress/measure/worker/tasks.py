"""The tasks of a measuring process by name: a spec in, a record out. Runtimes and torch load inside functions only."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from olivepress.core.progress import Progress

__all__ = ["TASKS"]

Spec = Mapping[str, Any]


def _latency(spec: Spec, progress: Progress) -> dict[str, Any]:
    from olivepress.measure.latency.latency import LatencySpec, measure_process

    return measure_process(LatencySpec.model_validate(spec))


def _placement(spec: Spec, progress: Progress) -> dict[str, Any]:
    from olivepress.runtimes.placement import node_placement

    return node_placement(Path(spec["model_dir"]), spec["execution_provider"]).model_dump()


def _machine(spec: Spec, progress: Progress) -> dict[str, Any]:
    from olivepress.report.machine import fingerprint

    return {"machine": fingerprint().model_dump(mode="json")}


def _openvino_devices(spec: Spec, progress: Progress) -> dict[str, Any]:
    from olivepress.runtimes.openvino_model import openvino_devices

    return {"devices": list(openvino_devices())}


def _proof(spec: Spec, progress: Progress) -> dict[str, Any]:
    from olivepress.measure.proof.export import ProofSpec, prove

    return prove(ProofSpec.model_validate(spec), progress=progress).model_dump(mode="json")


def _package_proof(spec: Spec, progress: Progress) -> dict[str, Any]:
    from olivepress.measure.proof.package import PackageProofSpec, prove_package

    return prove_package(PackageProofSpec.model_validate(spec), progress=progress).model_dump(mode="json")


def _tokenizer(spec: Spec, progress: Progress) -> dict[str, Any]:
    from olivepress.runtimes.runtime_tokenizer import TokenizerSpec, read_tokenizer

    return read_tokenizer(TokenizerSpec.model_validate(spec), progress=progress).model_dump(mode="json")


def _openvino_tokenizer(spec: Spec, progress: Progress) -> dict[str, Any]:
    from olivepress.runtimes.runtime_tokenizer import convert_for_openvino

    convert_for_openvino(Path(spec["source"]), Path(spec["directory"]))
    return {}


def _ceiling(spec: Spec, progress: Progress) -> dict[str, Any]:
    from olivepress.report.ceiling import measure_ceiling

    return measure_ceiling(spec["threads"]).model_dump()


def _answers(spec: Spec, progress: Progress) -> dict[str, Any]:
    """Greedy answers; with ``few_shot`` examples before each question, as many of them as the context holds."""
    from olivepress.data.split_reader import read_split
    from olivepress.measure.quality.accuracy import AnswerStore
    from olivepress.measure.quality.few_shot import add_shots
    from olivepress.runtimes.chat_template.model_config import ContextExceeded

    dataset = Path(spec["dataset_dir"])
    asked = read_split(dataset, spec["split"], limit=spec["limit"]).rows
    examples: list[Any] = []
    for shots in range(spec["few_shot"], -1, -1):
        rows = add_shots(dataset, asked, shots)
        try:
            examples, budget = _measure(
                spec, rows, AnswerStore(Path(f"{spec['partial']}.{shots}")), progress, whole=shots > 0
            )
        except ContextExceeded:
            if shots == 0:
                raise
            continue
        break
    return {
        "max_new_tokens": budget,
        "few_shot": shots,
        "examples": [{"id": e.id, "output": e.output, "expected": e.expected, "label": e.label} for e in examples],
    }


def _measure(spec: Spec, rows: Any, store: Any, progress: Progress, *, whole: bool) -> tuple[list[Any], int]:
    model_dir = Path(spec["model_dir"])
    if spec["runtime"] == "pytorch":
        from olivepress.measure.quality.parent_answers import measure_pytorch

        return measure_pytorch(model_dir, rows, **_tuned(spec), whole=whole, store=store, progress=progress)
    from olivepress.measure.quality.accuracy import measure_exported

    return measure_exported(model_dir, rows, whole=whole, store=store, progress=progress)


def _named_answers(spec: Spec, progress: Progress) -> dict[str, Any]:
    """Greedy answers to the rows of a split that are named by id; those that ``partial`` holds are not asked again."""
    from olivepress.data.split_reader import read_split
    from olivepress.measure.quality.accuracy import AnswerStore, measure_exported

    rows = {row.id: row for row in read_split(Path(spec["dataset_dir"]), spec["split"]).rows}
    asked = [rows[row_id] for row_id in spec["ids"]]
    how = {"budget": spec["max_new_tokens"], "store": AnswerStore(Path(spec["partial"])), "progress": progress}
    if spec["runtime"] == "pytorch":
        from olivepress.measure.quality.parent_answers import measure_pytorch

        examples, _ = measure_pytorch(Path(spec["model_dir"]), asked, **how)
    else:
        examples, _ = measure_exported(Path(spec["model_dir"]), asked, **how)
    return {"examples": [[example.output, example.expected] for example in examples]}


def _tuned(spec: Spec) -> dict[str, Any]:
    """The adapter of a PyTorch parent that is not merged, and how its base was quantized when it was trained."""
    from olivepress.recipe.methods import FourBit

    adapter, four_bit = spec.get("adapter_dir"), spec.get("four_bit")
    return {
        "adapter_dir": Path(adapter) if adapter else None,
        "four_bit": FourBit.model_validate(four_bit) if four_bit else None,
    }


def _labels(spec: Spec, progress: Progress) -> dict[str, Any]:
    """The class of each example by constrained scoring."""
    from olivepress.data.split_reader import read_split
    from olivepress.measure.quality.few_shot import add_shots

    dataset, model_dir, labels = Path(spec["dataset_dir"]), Path(spec["model_dir"]), spec["labels"]
    rows = add_shots(dataset, read_split(dataset, spec["split"], limit=spec["limit"]).rows, spec["few_shot"])
    if spec["runtime"] == "pytorch":
        from olivepress.measure.quality.parent_text import score_labels_pytorch

        found = score_labels_pytorch(model_dir, rows, labels, **_tuned(spec), progress=progress)
    else:
        from olivepress.measure.quality.label_scoring import score_labels_exported

        found = score_labels_exported(model_dir, rows, labels, progress=progress)
    return {"labels": found}


def _text(spec: Spec, progress: Progress) -> dict[str, Any]:
    """Perplexity on a text file."""
    from olivepress.measure.quality.perplexity import perplexity_exported, read_text, text_metrics

    model_dir, text = Path(spec["model_dir"]), read_text(Path(spec["text"]))
    if spec["runtime"] == "pytorch":
        from olivepress.measure.quality.parent_text import perplexity_pytorch

        found = perplexity_pytorch(model_dir, text, window=spec["window"], **_tuned(spec), progress=progress)
    else:
        found = perplexity_exported(model_dir, text, window=spec["window"], progress=progress)
    return {
        "metrics": {name: value.model_dump() for name, value in text_metrics(found).items()},
        "window": found.window,
        "stride": found.stride,
    }


def _lm_eval(spec: Spec, progress: Progress) -> dict[str, Any]:
    """Tasks of lm-evaluation-harness; the task ``dataset`` is the test split, written as one of its tasks."""
    from olivepress.measure.quality.lm_eval_tasks import OWN_TASK, run_lm_eval, task_from_dataset

    model_dir = Path(spec["model_dir"])
    found: dict[str, Any] = {}
    own = Path(spec["include_path"]) if spec["include_path"] else None
    for name in spec["tasks"]:
        with tempfile.TemporaryDirectory() as scratch:
            folder = own
            if name == OWN_TASK:
                folder = Path(scratch)
                split, limit = spec["split"], spec["limit"]
                task_from_dataset(
                    Path(spec["dataset_dir"]), folder, name, model_dir=model_dir, split=split, limit=limit
                )
            found |= run_lm_eval(
                model_dir,
                [name],
                include_path=folder,
                # The harness takes the first rows; of our own split the same are chosen as for all other metrics.
                limit=None if name == OWN_TASK else spec["limit"],
                execution_provider=spec["execution_provider"],
            )
    return {"metrics": {name: value.model_dump() for name, value in found.items()}}


def _lm_eval_known(spec: Spec, progress: Progress) -> dict[str, Any]:
    from olivepress.measure.quality.lm_eval_tasks import OWN_TASK, check_tasks

    own = Path(spec["include_path"]) if spec["include_path"] else None
    check_tasks([name for name in spec["tasks"] if name != OWN_TASK], include_path=own)
    return {}


def _fidelity(spec: Spec, progress: Progress) -> dict[str, Any]:
    from olivepress.measure.quality.fidelity import fidelity

    found = fidelity(Path(spec["model_dir"]), Path(spec["reference_dir"]), progress=progress)
    return {"metrics": {name: measurement.model_dump() for name, measurement in found.items()}}


def _trial(spec: Spec, progress: Progress) -> dict[str, Any]:
    from olivepress.measure.tuning.trial import TrialSpec, run_trial

    fields = {name: value for name, value in spec.items() if name in TrialSpec.model_fields}
    return run_trial(TrialSpec.model_validate(fields)).model_dump(mode="json")


def _profile(spec: Spec, progress: Progress) -> dict[str, Any]:
    from olivepress.measure.latency.kernel_profile import ProfileSpec, profile_process

    return profile_process(ProfileSpec.model_validate(spec))


def _probe(spec: Spec, progress: Progress) -> dict[str, Any]:
    from olivepress.runtimes.probe import probe_import, probe_provider

    if "module" in spec:
        return probe_import(spec["module"])
    return probe_provider(spec["provider"], spec["plugin"]).model_dump()


TASKS: dict[str, Callable[[Spec, Progress], dict[str, Any]]] = {
    "machine": _machine,
    "openvino_devices": _openvino_devices,
    "proof": _proof,
    "package_proof": _package_proof,
    "tokenizer": _tokenizer,
    "openvino_tokenizer": _openvino_tokenizer,
    "latency": _latency,
    "placement": _placement,
    "ceiling": _ceiling,
    "answers": _answers,
    "named_answers": _named_answers,
    "labels": _labels,
    "text": _text,
    "lm_eval": _lm_eval,
    "lm_eval_known": _lm_eval_known,
    "fidelity": _fidelity,
    "probe": _probe,
    "trial": _trial,
    "profile": _profile,
}
