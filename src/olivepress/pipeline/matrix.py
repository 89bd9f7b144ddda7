"""``olivepress matrix``: every target for one model, what was built of it, and how far it could be verified here."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from olivepress.catalog import Target, targets
from olivepress.core.artifact import Check, Manifest
from olivepress.core.files import write_text
from olivepress.core.layout import MATRICES
from olivepress.data.build import build_dataset
from olivepress.models.admission import target_reason
from olivepress.pipeline.verbs import run
from olivepress.recipe.schema import Recipe
from olivepress.report.machine import fingerprint
from olivepress.runtimes.session import size_on_disk_bytes
from olivepress.workflow.plan import Plan, data_of, find_recipe, make_plan, resolve_model

if TYPE_CHECKING:
    from olivepress.run import JobOutcome, Reporter

__all__ = ["HEAD", "matrix", "matrix_recipe", "table"]

# What a record calls it → the check of the answers, and of all tokens where no answer is known.
_JUDGED = {"kl_divergence": ("kl_answer", "kl_divergence"), "top1_agreement": ("top1_answer", "top1_agreement")}
HEAD = ("target", "precision", "built", "verified", "nodes placed", "KL", "top-1", "size")


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


def matrix(model: str, *, reporter: Reporter, trust_targets: bool = False) -> dict[str, Any]:
    """Build and verify every target; one that fails does not stop the others. Writes ``benchmarks/matrix/MODEL.json``.

    Raises what ``pipeline.run`` raises before the first export.
    """
    real, own_targets = find_recipe(model)
    recipe = matrix_recipe(real, own_targets)
    dataset = build_dataset(data_of(recipe, "matrix"))
    plan = make_plan(recipe, dataset, own_targets=own_targets, trust_targets=trust_targets)
    outcomes = {outcome.job: outcome for _, outcome in run(plan, reporter=reporter, keep_going=True)}
    record = {
        "model": real.name,
        "random_weights": plan.model.random_weights,
        "machine": fingerprint().model_dump(mode="json"),
        "rows": list(_rows(targets(own_targets), plan, outcomes)),
    }
    write_text(MATRICES / f"{real.name}.json", json.dumps(record, indent=2) + "\n")
    return record


def _rows(known: dict[str, Target], plan: Plan, outcomes: dict[str, JobOutcome]) -> Iterator[dict[str, Any]]:
    for name, target in known.items():
        row: dict[str, Any] = {"target": name, "precision": target.precision}
        outcome = outcomes.get(f"export-{name}")
        if outcome is None:
            yield row | {"built": False, "why": target_reason(plan.model.family, plan.model.facts.config, target)}
        elif outcome.manifest is None:
            yield row | {"built": False, "failed": outcome.state == "failed", "why": str(outcome.error)}
        else:
            yield row | {"built": True, **_measured(plan, outcome.manifest)}


def _measured(plan: Plan, manifest: Manifest) -> dict[str, Any]:
    checks = {check.name: check for check in manifest.checks}
    value = {name: _value(checks, *among) for name, among in _JUDGED.items()}
    return {
        "verified": manifest.verified,
        "placed": checks["placed"].detail if "placed" in checks else None,
        **value,
        "size_on_disk_bytes": size_on_disk_bytes(plan.output_dir(plan.job(manifest.job))),
        "seconds": manifest.resources.seconds,
    }


def _value(checks: Mapping[str, Check], *names: str) -> float | None:
    """Of the first of these checks that was made: the answers' where they are known."""
    return next((checks[name].value for name in names if name in checks), None)


def table(rows: Sequence[dict[str, Any]]) -> tuple[list[tuple[str, ...]], list[str]]:
    """The rows as texts in the order of ``HEAD``, and the notes that they refer to by number: ``yes [1]``."""
    notes: list[str] = []

    def noted(text: str, note: str | None) -> str:
        if not note:
            return text
        if note not in notes:
            notes.append(note)
        return f"{text} [{notes.index(note) + 1}]"

    return [_cells(row, noted) for row in rows], notes


def _cells(row: dict[str, Any], noted: Callable[[str, str | None], str]) -> tuple[str, ...]:
    if not row["built"]:
        return (row["target"], row["precision"], noted("no", row["why"]), "", "", "", "", "")
    kl, top1 = row["kl_divergence"], row["top1_agreement"]
    found = re.match(r"(\d+) of (\d+) nodes on \w+(?:; (.*))?$", row["placed"] or "")
    return (
        row["target"],
        row["precision"],
        "yes",
        row["verified"],
        noted(f"{found[1]}/{found[2]}", found[3]) if found else "",
        "" if kl is None else f"{kl:.2g}",
        "" if top1 is None else f"{100 * top1:.1f} %",
        f"{row['size_on_disk_bytes'] / 1e6:.1f} MB",
    )
