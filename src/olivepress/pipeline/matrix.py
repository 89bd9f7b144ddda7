"""``olivepress matrix``: every target for one model, what was built of it, and how far it could be verified here."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from olivepress.catalog import Target, targets
from olivepress.core.artifact import Check, Manifest, PlacedNodes, Verified
from olivepress.core.errors import JobError
from olivepress.core.files import write_text
from olivepress.core.layout import MATRICES
from olivepress.core.yaml_document import Record
from olivepress.data.build import build_dataset
from olivepress.models.admission import target_reason
from olivepress.pipeline.run import run
from olivepress.recipe.schema import Recipe
from olivepress.report.machine import Machine, fingerprint
from olivepress.runtimes.session import size_on_disk_bytes
from olivepress.workflow.find_recipe import data_of, find_recipe
from olivepress.workflow.model import resolve_model
from olivepress.workflow.plan import Plan, make_plan

if TYPE_CHECKING:
    from olivepress.run import JobOutcome, Reporter
    from olivepress.run.executors.plan_jobs import ClusterRun

__all__ = ["HEAD", "Matrix", "MatrixRow", "matrix", "matrix_recipe", "raise_failed_target", "table"]

HEAD = ("target", "precision", "built", "verified", "nodes placed", "KL", "top-1", "size")
# Check of the answers, and of all tokens where no answer is known.
_KL_CHECKS = ("kl_answer", "kl_divergence")
_TOP1_CHECKS = ("top1_answer", "top1_agreement")


class MatrixRow(Record):
    """One target. ``why`` is the reason that it was not built; ``failed`` when it was tried, and not only left out."""

    target: str
    precision: str
    built: bool
    failed: bool = False
    reason: str | None = None
    verified: Verified | None = None
    placed: str | None = None
    placement: PlacedNodes | None = None
    kl_divergence: float | None = None
    top1_agreement: float | None = None
    size_on_disk_bytes: int | None = None
    seconds: float | None = None


class Matrix(Record):
    """Every target of the catalog for one model, on one machine: ``benchmarks/matrix/MODEL.json``."""

    model: str
    random_weights: bool
    machine: Machine
    rows: tuple[MatrixRow, ...]

    def text(self) -> str:
        """As JSON; keys that say nothing of a row are left out."""
        return json.dumps(self.model_dump(mode="json", exclude_unset=True), indent=2)


def matrix_recipe(recipe: Recipe, own_targets: Path | None = None) -> Recipe:
    """The recipe with every target that its model can take, under a name of its own."""
    model = resolve_model(recipe)
    names = [
        name
        for name, target in targets(own_targets).items()
        if target_reason(model.family, model.facts.config, target) is None
    ]
    changed = {"name": f"{recipe.name}-matrix", "targets": names, "budget": {}}
    return Recipe.model_validate_json(json.dumps({**recipe.model_dump(mode="json"), **changed}))


def matrix(model: str, *, reporter: Reporter, trust_targets: bool = False, cluster: ClusterRun | None = None) -> Matrix:
    """Build and verify every target, here or on a ``cluster``; one that fails does not stop the others. Writes
    ``benchmarks/matrix/MODEL.json``.

    Raises what ``pipeline.run`` raises before the first export.
    """
    real, own_targets = find_recipe(model)
    recipe = matrix_recipe(real, own_targets)
    dataset = build_dataset(data_of(recipe, "matrix"))
    plan = make_plan(recipe, dataset, own_targets=own_targets, trust_targets=trust_targets)
    ran = run(plan, reporter=reporter, keep_going=True, cluster=cluster)
    outcomes = {outcome.job: outcome for _, outcome in ran}
    result = Matrix(
        model=real.name,
        random_weights=plan.model.random_weights,
        machine=fingerprint(),
        rows=tuple(_rows(targets(own_targets), plan, outcomes)),
    )
    write_text(MATRICES / f"{real.name}.json", result.text() + "\n")
    return result


def raise_failed_target(result: Matrix) -> None:
    """Raises JobError naming the first target that failed, if one did."""
    failed = [row for row in result.rows if row.failed]
    if failed:
        raise JobError(f"{len(failed)} targets failed, first {failed[0].target}: {failed[0].reason}")


def _rows(known: Mapping[str, Target], plan: Plan, outcomes: Mapping[str, JobOutcome]) -> Iterator[MatrixRow]:
    for name, target in known.items():
        outcome = outcomes.get(f"export-{name}")
        if outcome is None:
            reason = target_reason(plan.model.family, plan.model.facts.config, target)
            yield MatrixRow(target=name, precision=target.precision, built=False, reason=reason)
        elif outcome.manifest is None:
            failed, reason = outcome.state == "failed", str(outcome.error)
            yield MatrixRow(target=name, precision=target.precision, built=False, failed=failed, reason=reason)
        else:
            yield _built_row(plan, target, outcome.manifest)


def _built_row(plan: Plan, target: Target, manifest: Manifest) -> MatrixRow:
    checks = {check.name: check for check in manifest.checks}
    placement = checks["placed"].placement if "placed" in checks else None
    return MatrixRow(
        target=target.target,
        precision=target.precision,
        built=True,
        verified=manifest.verified,
        placed=checks["placed"].detail if "placed" in checks else None,
        placement=placement,
        kl_divergence=_first_value(checks, _KL_CHECKS),
        top1_agreement=_first_value(checks, _TOP1_CHECKS),
        size_on_disk_bytes=size_on_disk_bytes(plan.output_dir(plan.job(manifest.job))),
        seconds=manifest.resources.seconds,
    )


def _first_value(checks: Mapping[str, Check], names: Sequence[str]) -> float | None:
    """The value of the first of these checks that was made."""
    return next((checks[name].value for name in names if name in checks), None)


def table(rows: Sequence[MatrixRow]) -> tuple[list[tuple[str, ...]], list[str]]:
    """The rows as texts in the order of ``HEAD``, and the notes that they refer to by number: ``yes [1]``."""
    notes = dict[str, int]()

    def with_note(text: str, note: str | None) -> str:
        return f"{text} [{notes.setdefault(note, len(notes) + 1)}]" if note else text

    cells = list[tuple[str, ...]]()
    for row in rows:
        if not row.built:
            cells.append((row.target, row.precision, with_note("no", row.reason), "", "", "", "", ""))
            continue
        placed = with_note(_nodes(row), row.placement.note if row.placement else None)
        cells.append((row.target, row.precision, "yes", row.verified or "", placed, *_figures(row)))
    return cells, list(notes)


def _nodes(row: MatrixRow) -> str:
    return f"{row.placement.placed}/{row.placement.of}" if row.placement else ""


def _figures(row: MatrixRow) -> tuple[str, str, str]:
    """Divergence, agreement and size; "" for what is not known."""
    kl = "" if row.kl_divergence is None else f"{row.kl_divergence:.2g}"
    top1 = "" if row.top1_agreement is None else f"{100 * row.top1_agreement:.1f} %"
    size = "" if row.size_on_disk_bytes is None else f"{row.size_on_disk_bytes / 1e6:.1f} MB"
    return kl, top1, size
