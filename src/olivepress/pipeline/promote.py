"""Promote the artifact of a recipe and a target, take a promotion back, and verify the logs of all of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from olivepress.core.artifact import MANIFEST, read_manifest
from olivepress.core.errors import ReportError, SetupError, UsageError
from olivepress.core.layout import promotion_logs, recipe_runs
from olivepress.core.messages import next_command
from olivepress.core.printable import printable
from olivepress.pipeline.release.promotion_case import artifact_dir, gather
from olivepress.recipe.schema import Recipe
from olivepress.registry.audit import Audited, audit, models_here
from olivepress.registry.case import Champion
from olivepress.registry.gates import judge_all
from olivepress.registry.mlflow_registry import MlflowRegistry
from olivepress.registry.moves import current, finish_interrupted
from olivepress.registry.promote import Promotion, champion_of, earlier_champions, promote, verdict_of
from olivepress.registry.rollback import Rollback, rollback
from olivepress.registry.store import is_empty, model_name, registry_here

__all__ = ["audit_all", "gather", "promote_recipe", "rollback_recipe"]


def promote_recipe(
    recipe: Recipe,
    target: str,
    *,
    by: str | None = None,
    require_signature: bool = False,
    dry_run: bool = False,
    now: datetime | None = None,
) -> Promotion:
    """Judge the present artifact of a target, and promote it where every gate holds.

    With ``dry_run`` nothing is written. What is the champion already is judged by a dry run only. ReportError without
    an artifact, UsageError for what cannot be promoted, SetupError without a registry, JobError while another promotion
    runs.
    """
    store, name = registry_here(), model_name(recipe.name, target)
    _check_target(recipe, target)
    manifest = read_manifest(artifact_dir(recipe, target))
    registry, champion, earlier, already, done = None, None, tuple[Champion, ...](), False, ""
    if not (dry_run and is_empty(store)):
        registry = MlflowRegistry(store)
        if not dry_run:
            done = finish_interrupted(registry, name, shared=not store.is_embedded)
        present = current(registry, name)
        champion = champion_of(present)
        already = champion is not None and champion.artifact_sha256 == manifest.sha256 and not present.deleted
        if already and not dry_run:
            notes = (done,) if done else ()
            return Promotion(model=name, verdict=None, gates=(), champion=_number(champion), already=True, notes=notes)
        earlier = earlier_champions(present)
    case = gather(
        recipe,
        target,
        champion=champion,
        earlier=earlier,
        require_signature=require_signature,
        now=now or datetime.now(UTC),
    )
    gates = judge_all(case)
    if dry_run or registry is None:
        return Promotion(
            model=name, verdict=verdict_of(gates), gates=gates, champion=_number(champion), already=already
        )
    promoted = promote(registry, case, name=name, shared=not store.is_embedded, by=by, gates=gates)
    return replace(promoted, notes=(done, *promoted.notes)) if done else promoted


def _number(champion: Champion | None) -> int | None:
    return champion.version if champion else None


def _check_target(recipe: Recipe, target: str) -> None:
    if recipe.adapter_mode == "multi":
        raise UsageError(
            f"recipe {recipe.name} packages several adapters, and a package cannot be promoted",
            next_step=f"olivepress promote {recipe.name}.{next(iter(recipe.adapters))} --target {target}, one of them",
        )
    if not (artifact_dir(recipe, target) / MANIFEST).is_file():
        built = [
            path.parent.name.removeprefix("export-")
            for path in sorted(recipe_runs(recipe.name).glob(f"export-*/{MANIFEST}"))
        ]
        known = f"; built: {', '.join(built)}" if built else ""
        raise UsageError(
            f"recipe {recipe.name}: no finished artifact for the target {printable(target)}{known}",
            next_step=next_command("run", recipe.name),
        )


def rollback_recipe(recipe: Recipe, target: str, *, by: str | None = None, now: datetime | None = None) -> Rollback:
    """Give the alias champion back, and say whether the files in ``runs/`` are those of that version; errors as
    ``rollback``."""
    store = registry_here()
    name = model_name(recipe.name, target)
    if is_empty(store):
        raise UsageError(f"{name}: nothing was promoted yet", next_step=next_command("promote", recipe.name))
    at = now or datetime.now(UTC)
    done = rollback(MlflowRegistry(store), name, shared=not store.is_embedded, by=by, now=at)
    return replace(done, notes=(*done.notes, _files_note(artifact_dir(recipe, target), done.line.artifact_sha256)))


def _files_note(directory: Path, sha256: str) -> str:
    """Rolling back moves the alias only."""
    try:
        present = read_manifest(directory).sha256
    except ReportError:
        present = ""
    if present == sha256:
        return f"{directory.as_posix()} has its files"
    state = f"has the files of another artifact ({present[:12]})" if present else "has no artifact"
    return (
        f"{directory.as_posix()} {state}: olivepress lineage {sha256[:12]} names the run that made this one, "
        "olivepress reproduce RUN makes it again"
    )


def audit_all() -> list[Audited]:
    """Every registered model of this project. Nothing is written; SetupError without the registry."""
    store = registry_here()
    if is_empty(store):
        if not any(promotion_logs()):
            return []
        raise SetupError(
            f"{next(promotion_logs())}: its registry {store.name} is not here",
            next_step="name the registry that it belongs to (MLFLOW_TRACKING_URI)",
        )
    registry = MlflowRegistry(store)
    return [audit(registry, model) for model in models_here(registry)]
