"""An export compared with its parent, in the environment of its target as far as this machine has it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from olivepress.catalog.provider import CPU, DIRECTML
from olivepress.core.artifact import Check, PlacedNodes, TaskVerdict, Verified
from olivepress.core.child.run import run_task
from olivepress.core.errors import JobError
from olivepress.core.yaml_document import Record
from olivepress.data.store.reader import read_split
from olivepress.measure.proof.export import Proof, ProofSpec
from olivepress.measure.worker import tasks
from olivepress.report.device_report import Measurement
from olivepress.run.verify.directml import dml_operators
from olivepress.run.verify.divergence import divergence_checks
from olivepress.run.verify.float32_copy import wide_copy
from olivepress.run.verify.long_row import NOT_OPENED, check_long_row, not_compared
from olivepress.run.verify.structure import as_asked, structure
from olivepress.run.verify.task import TaskSpec, task_check
from olivepress.runtimes.base import runtime_of
from olivepress.runtimes.chat_template.prompts import render_prompt
from olivepress.runtimes.linked_copy import cpu_copy, npu_on_cpu
from olivepress.workflow.olive_plugin.built import Asked

__all__ = ["STRENGTH", "WITHOUT_TORCH", "ExportSpec", "against_parent", "by_default", "verify_export"]

STRENGTH: tuple[Verified, ...] = ("structure", "cpu-copy", "emulated", "native")  # weakest first
# Of the process: transformers is there for its tokenizer, and importing torch would take seconds and 0.4 GB.
WITHOUT_TORCH = {"USE_TORCH": "0", "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1"}  # nor say that it is missing
_TOKENIZER_ROWS = 100
_FP32_LOGIT_LIMIT = 1.0e-3
_LAST_POSITION_LIMIT = 1.0e-3  # the same arithmetic, its sums in another order
# Half way between an export that has the adapter's whole shift and one that has lost it.
_MIN_ADAPTER_KEPT = 0.5
# Noise twice as large as the shift moves the value by about 2/√128 = 0.18 in the smallest models: still clear of 0.5.
_MAX_NOISE_ON_RANDOM = 2.0


class ExportSpec(Record):
    """Paths are relative to the project root. ``parent_model`` is the PyTorch model that it was made from,
    ``reference_dir`` what that computed, ``has_adapter`` whether an adapter was merged into it; ``interpreter`` is the
    Python to open it with, None for this one.

    ``limit`` is nats of mean KL, ``min_top1`` (None: not judged) and ``min_placed`` are shares of positions and of
    nodes. ``task`` has the limits of its answers, None where they are not asked for; ``asked`` how its weights are to
    be rounded, None where a later pass changes that.
    """

    output_dir: str
    parent_model: str
    reference_dir: str
    dataset: str
    scratch: str
    how: Verified
    interpreter: Path | None
    execution_provider: str
    precision: str
    limit: float
    min_top1: float | None
    min_placed: float
    max_cpu_nodes: int | None
    random_weights: bool
    has_adapter: bool
    task: TaskSpec | None = None
    asked: Asked | None = None


def verify_export(spec: ExportSpec) -> Iterator[Check]:
    """All weights are in place; and unless that is all that can be done here (``structure``): where its nodes go, the
    same token ids, an answer, logits and greedy tokens against the parent's. JobError when it cannot be opened."""
    output = Path(spec.output_dir)
    yield from structure(output)
    yield from as_asked(output, spec.asked)
    if spec.execution_provider == DIRECTML.name:
        yield dml_operators(output)
    if spec.how == "structure":
        yield from not_compared(NOT_OPENED)
        return
    opened = _opened(spec, output)
    proof = _prove(spec, output, opened)
    if spec.how != "cpu-copy":
        yield _placed(spec, proof)
    detail = proof.differs or "texts whose ids equal Hugging Face's"
    yield Check(name="tokenizer", passed=proof.differs is None, value=float(proof.texts), detail=detail)
    # A parent that ends every answer at once leaves nothing to be generated.
    talks = proof.generated > 0 or proof.expected == 0
    yield Check(name="generates", passed=talks, value=float(proof.generated), detail="tokens of the longest answer")
    if proof.last_position is not None:
        yield Check(
            name="last_position",
            passed=proof.last_position <= _LAST_POSITION_LIMIT,
            value=proof.last_position,
            limit=_LAST_POSITION_LIMIT,
            detail="largest logit difference between the graph that runs and the one that is measured",
        )
    yield from by_default(proof.by_default)
    # What cannot be asked as it should fails below: minutes of answers would say nothing more.
    kept = _keeps_task(spec, opened) if talks and proof.differs is None else None
    yield from against_parent(spec, proof, verdict=kept.task if kept else None)
    if kept is not None:
        yield kept
    if proof.long_row is not None:
        yield from check_long_row(proof.long_row, limit=spec.limit, exact=spec.precision == "fp32")
    yield from not_compared(proof.not_long)


def by_default(refusal: str | None) -> Iterator[Check]:
    """Opened once as an application opens it that sets nothing."""
    if refusal is not None:
        detail = refusal or "a token with the settings that ship alone"
        yield Check(name="answers_by_default", passed=not refusal, detail=detail)


def _prove(spec: ExportSpec, output: Path, opened: Path) -> Proof:
    """Run the proof in a process of the target's environment; for a copy on the CPU in this one."""
    rows = read_split(Path(spec.dataset), "test", limit=_TOKENIZER_ROWS).rows
    texts = [render_prompt(output, row.messages, row.tools).full for row in rows]
    asked = ProofSpec(
        model_dir=opened,
        execution_provider=CPU.name if spec.how == "cpu-copy" else spec.execution_provider,
        reference_dir=Path(spec.reference_dir),
        texts=tuple(texts),
        token_ids=tuple(tuple(ids) for ids in _token_ids(Path(spec.parent_model), texts)),
    )
    return run_task(tasks.proof, asked, interpreter=spec.interpreter).result


def _keeps_task(spec: ExportSpec, opened: Path) -> Check | None:
    """The verdict by the task's own answers; None where they are not asked for."""
    if spec.task is None:
        return None
    return task_check(spec.task, opened, Path(spec.scratch), spec.interpreter)


def _opened(spec: ExportSpec, output: Path) -> Path:
    """The artifact, or the copy of it that can be opened here."""
    copy = Path(spec.scratch, "copy")
    if spec.how == "cpu-copy":
        # ONNX Runtime's CPU casts around what it lacks in float16; in bfloat16 it lacks too much.
        return wide_copy(output, copy) if spec.precision == "bf16" else cpu_copy(output, copy)
    if spec.how == "emulated" and runtime_of(output) == "openvino":
        return npu_on_cpu(output, copy)
    return output


def _token_ids(parent: Path, texts: Sequence[str]) -> list[list[int]]:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(parent), trust_remote_code=False)
    ids: list[list[int]] = tokenizer(texts, add_special_tokens=False)["input_ids"]
    return ids


def _placed(spec: ExportSpec, proof: Proof) -> Check:
    """The share of nodes that the provider got; what it left to the CPU is named."""
    placement = proof.placement
    taken, total = placement.placed
    nodes = PlacedNodes(
        execution_provider=spec.execution_provider,
        placed=taken,
        of=total,
        fallback_ops=placement.fallback_ops,
        arithmetic=placement.arithmetic,
    )
    return Check(
        name="placed",
        passed=placement.holds(spec.min_placed, spec.max_cpu_nodes),
        value=taken / total if total else 0.0,
        limit=spec.min_placed,
        detail=str(nodes),
        placement=nodes,
    )


def against_parent(spec: ExportSpec, proof: Proof, *, verdict: TaskVerdict | None = None) -> Iterator[Check]:
    """What was computed against what the parent computes. JobError when the parent's full logits are not there."""
    exact = spec.precision == "fp32"
    # An fp32 export is the parent on every token, and of a base alone no token was trained on.
    on_answers = spec.has_adapter and not exact
    divergence = divergence_checks(
        proof.metrics,
        spec.reference_dir,
        limit=spec.limit,
        min_top1=spec.min_top1,
        on_answers=on_answers,
        verdict=verdict,
    )
    if spec.has_adapter:
        yield adapter_kept(proof.metrics, spec.reference_dir, random_weights=spec.random_weights)
    yield from divergence
    yield Check(
        name="greedy_answers",
        passed=not exact or proof.same_answers == proof.answers,
        value=float(proof.same_answers),
        limit=float(proof.answers) if exact else None,
        detail=f"of {proof.answers} answers are the parent's, token by token",
    )
    difference = proof.metrics["max_abs_logit_diff"].value
    if exact and difference is not None:
        passed = difference <= _FP32_LOGIT_LIMIT
        yield Check(name="max_abs_logit_diff", passed=passed, value=difference, limit=_FP32_LOGIT_LIMIT)


def adapter_kept(metrics: Mapping[str, Measurement], reference_dir: str, *, random_weights: bool) -> Check:
    """An export of the base would pass every limit that is wider than what the adapter changed: here it does not."""
    kept, noise = (metrics[name] for name in ("adapter_kept", "adapter_noise"))
    if kept.value is None or noise.value is None:
        raise JobError(
            f"{reference_dir}: adapter_kept cannot be computed: {kept.reason}", next_step="run the merge again"
        )
    share = f"share of the adapter's shift; what else differs is {noise.value:.2g} times as large"
    # A few steps on random weights may change less than rounding does; then the share means nothing.
    judged = not (random_weights and noise.value > _MAX_NOISE_ON_RANDOM)
    return Check(
        name="adapter_kept",
        passed=kept.value > _MIN_ADAPTER_KEPT or not judged,
        value=kept.value,
        limit=_MIN_ADAPTER_KEPT if judged else None,
        detail=share if judged else f"{share}; not judged: random weights",
        ci_low=kept.ci_low,
        ci_high=kept.ci_high,
        n=kept.n,
    )
