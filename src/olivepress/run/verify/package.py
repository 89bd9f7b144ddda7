"""A package compared with the base alone, and each of its adapters with PyTorch and with its merged export."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from olivepress.adapters import PeftAdapter, check_adapter, read_package, read_peft_adapter
from olivepress.adapters.adapter_file import read_adapter_file
from olivepress.adapters.projections import projection_of_input
from olivepress.catalog.provider import CPU
from olivepress.core.artifact import Check, TaskVerdict, Verified
from olivepress.core.child.run import run_task
from olivepress.core.yaml_document import Record
from olivepress.measure.proof.package import AdapterProof, AdapterProofSpec, PackageProof, PackageProofSpec
from olivepress.measure.worker import tasks
from olivepress.run.verify.divergence import divergence_checks
from olivepress.run.verify.export import adapter_kept, by_default
from olivepress.run.verify.long_row import NOT_OPENED, check_long_row, not_compared
from olivepress.run.verify.structure import as_asked, structure
from olivepress.run.verify.task import TaskSpec, task_check
from olivepress.runtimes.linked_copy import cpu_copy, linked_with_adapter
from olivepress.workflow.olive_plugin.built import Asked

__all__ = ["MemberSpec", "PackageSpec", "verify_package"]

_BASE_LIMIT = 1.0e-6  # nats: the base's weights are the same, only what is added to them is zero
_FP32_LOGIT_LIMIT = 1.0e-3


class MemberSpec(Record):
    """One adapter: the folder that it was trained into, the merge that it became, and that merge's export. ``task`` has
    the limits of its answers, None where they are not asked for."""

    name: str
    peft_dir: str
    reference_dir: str
    twin_dir: str
    task: TaskSpec | None = None


class PackageSpec(Record):
    """Paths are relative to the project root; the rest as in ``ExportSpec``."""

    output_dir: str
    base_dir: str
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
    members: tuple[MemberSpec, ...]
    asked: Asked | None = None


def verify_package(spec: PackageSpec) -> Iterator[Check]:
    """All weights are in place, every adapter fits and contains what was trained; and unless that is all that this
    machine can check (``structure``): what base and adapters compute. JobError when something cannot be opened."""
    output = Path(spec.output_dir)
    yield from structure(output)
    yield from as_asked(output, spec.asked)
    package = read_package(output)
    for member in spec.members:
        check_adapter(output, package, member.name)
        tensors = read_adapter_file(output / package.adapters[member.name].file)
        yield _weight_delta(member.name, read_peft_adapter(Path(member.peft_dir)), tensors)
    if spec.how == "structure":
        yield from not_compared(NOT_OPENED)
        return
    opened = _opened(spec)
    proof = _prove(spec, opened)
    if spec.how != "cpu-copy":
        taken, total = proof.placement.placed
        yield Check(
            name="placed",
            passed=proof.placement.holds(spec.min_placed, spec.max_cpu_nodes),
            value=taken / total if total else 0.0,
            limit=spec.min_placed,
            detail=f"{taken} of {total} nodes on {spec.execution_provider}",
        )
    yield from by_default(proof.by_default)
    yield from _base(proof)
    for member in spec.members:
        kept = _keeps_task(spec, member, opened[spec.output_dir])
        yield from _adapter(member.name, proof.adapters[member.name], spec, kept.task if kept else None)
        if kept is not None:
            yield kept.model_copy(update={"name": f"{member.name}: {kept.name}"})


def _keeps_task(spec: PackageSpec, member: MemberSpec, opened: Path) -> Check | None:
    """The verdict by the task's own answers: the package with this adapter beside the merged PyTorch model."""
    if member.task is None:
        return None
    package, scratch = read_package(Path(spec.output_dir)), Path(spec.scratch, f"task-{member.name}")
    file = Path(spec.output_dir, package.adapters[member.name].file)
    folder = linked_with_adapter(opened, file, scratch / "model")
    return task_check(member.task, folder, scratch, spec.interpreter)


def _weight_delta(name: str, adapter: PeftAdapter, tensors: dict[str, np.ndarray]) -> Check:
    """The update A B of every projection in the package, compared with what was trained: in the Frobenius norm,
    ‖AB‖² = tr(AᵀA BBᵀ), so that no whole matrix is made. Of a fused projection, packed or split, the squares add up."""
    trained = sum(_squared_norm(pair.a, pair.b) for pair in adapter.pairs.values())
    packed = 0.0
    for key, a in tensors.items():
        named = projection_of_input(key)
        if named is not None and named[1] == "A":
            packed += _squared_norm(a.T, tensors[key.replace(".lora_A.", ".lora_B.")].T)
    kept = float(np.sqrt(packed / trained)) if trained else 0.0
    return Check(
        name=f"{name}: weight_delta",
        passed=abs(kept - 1.0) <= 1.0e-3,
        value=kept,
        limit=1.0,
        detail=f"of the trained update's norm, over {len(adapter.pairs)} projections",
    )


def _squared_norm(a: np.ndarray, b: np.ndarray) -> float:
    a64, b64 = a.astype(np.float64), b.astype(np.float64)
    return float(np.trace((a64.T @ a64) @ (b64 @ b64.T)))


def _prove(spec: PackageSpec, opened: Mapping[str, Path]) -> PackageProof:
    """Run the proof in a process of the target's environment; of copies on the CPU in this one."""
    package = read_package(Path(spec.output_dir))
    asked = PackageProofSpec(
        model_dir=opened[spec.output_dir],
        base_dir=opened[spec.base_dir],
        execution_provider=CPU.name if spec.how == "cpu-copy" else spec.execution_provider,
        adapters=tuple(
            AdapterProofSpec(
                name=member.name,
                file=Path(spec.output_dir, package.adapters[member.name].file),
                reference_dir=Path(member.reference_dir),
                twin_dir=opened[member.twin_dir],
            )
            for member in spec.members
        ),
    )
    return run_task(tasks.package_proof, asked, interpreter=spec.interpreter).result


def _opened(spec: PackageSpec) -> dict[str, Path]:
    """The package, its base and its adapters' merged exports: each as it is, or the copy that can be opened here."""
    places = (spec.output_dir, spec.base_dir, *(member.twin_dir for member in spec.members))
    if spec.how != "cpu-copy":
        return {place: Path(place) for place in places}
    return {place: cpu_copy(Path(place), Path(spec.scratch, f"copy-{number}")) for number, place in enumerate(places)}


def _base(proof: PackageProof) -> Iterator[Check]:
    kl = proof.base.kl_divergence
    detail = "nats a token between package without adapter and base alone"
    yield Check(name="base: kl_to_base_alone", passed=kl <= _BASE_LIMIT, value=kl, limit=_BASE_LIMIT, detail=detail)
    yield _same("base: greedy_as_base_alone", proof.base.same_answers, proof.base.answers, "the base's alone")


def _same(name: str, same: int, answers: int, whose: str, *, judged: bool = True) -> Check:
    return Check(
        name=name,
        passed=not judged or same == answers,
        value=float(same),
        limit=float(answers) if judged else None,
        detail=f"of {answers} answers are {whose}, token by token",
    )


def _adapter(name: str, proof: AdapterProof, spec: PackageSpec, verdict: TaskVerdict | None) -> Iterator[Check]:
    """fp32 must equal PyTorch and the merged export in every logit and token; rounded weights are judged by answers."""
    exact = spec.precision == "fp32"
    yield from divergence_checks(
        proof.metrics,
        name,
        limit=spec.limit,
        min_top1=None if exact else spec.min_top1,
        on_answers=not exact,
        verdict=verdict,
        before=f"{name}: ",
    )
    kept = adapter_kept(proof.metrics, name, random_weights=spec.random_weights)
    yield kept.model_copy(update={"name": f"{name}: {kept.name}"})
    yield _same(f"{name}: greedy_answers", proof.same_answers, proof.answers, "PyTorch's", judged=exact)
    twin = proof.to_twin
    yield Check(
        name=f"{name}: kl_to_merged",
        passed=twin.kl_divergence <= spec.limit or not exact,
        value=twin.kl_divergence,
        limit=spec.limit if exact else None,
        detail="nats a token to the merged export",
    )
    yield _same(f"{name}: greedy_as_merged", twin.same_answers, twin.answers, "the merged export's", judged=exact)
    differences = {
        "max_abs_logit_diff": (proof.metrics["max_abs_logit_diff"].value, "PyTorch"),
        "max_abs_logit_diff_to_merged": (twin.max_abs_logit_diff, "the merged export"),
    }
    for check, (value, whose) in differences.items() if exact else ():
        assert value is not None
        yield Check(
            name=f"{name}: {check}",
            passed=value <= _FP32_LOGIT_LIMIT,
            value=value,
            limit=_FP32_LOGIT_LIMIT,
            detail=f"to {whose}",
        )
    yield from _does_something(name, {"without adapter": proof.to_base} | proof.to_others)
    if proof.long_row is not None:
        yield from check_long_row(proof.long_row, limit=spec.limit, exact=exact, before=f"{name}: ")
    yield from not_compared(proof.not_long)


def _does_something(name: str, differences: dict[str, float]) -> Sequence[Check]:
    """What it computes differs from the base and from every other adapter."""
    nearest = min(differences, key=lambda other: differences[other])
    return [
        Check(
            name=f"{name}: differs",
            passed=differences[nearest] > _FP32_LOGIT_LIMIT,
            value=differences[nearest],
            limit=_FP32_LOGIT_LIMIT,
            detail=f"largest difference of a logit to the package {nearest}, the nearest",
        )
    ]
