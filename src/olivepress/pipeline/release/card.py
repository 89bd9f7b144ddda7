"""The model card of an artifact: its facts collected from the project, written once, checked for holes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from olivepress.card.facts import CardFacts, DataFacts
from olivepress.card.lint import lint_card
from olivepress.card.markdown import card_markdown
from olivepress.core.artifact import Manifest, read_manifest
from olivepress.core.bounded import read_text
from olivepress.core.errors import DataError, ReportError, UsageError
from olivepress.core.files import write_text
from olivepress.core.layout import dataset_dir, model_card, safety_result, stored_reports
from olivepress.data.store.reader import read_facts
from olivepress.pipeline.stored_comparison import stored_recipe
from olivepress.recipe.schema import Recipe
from olivepress.registry.licence_sources import base_licence, data_licence
from olivepress.report.device_report import DeviceReport, read_report
from olivepress.safety.results import SafetyResult, read_result

__all__ = ["LARGEST_CARD", "Card", "card_facts", "check_card", "safety_results", "write_card"]

LARGEST_CARD = 4 * 1024 * 1024
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_TRAINING = (
    "method", "r", "alpha", "learning_rate", "lr_scheduler_type", "epochs", "max_steps", "batch_size",
    "gradient_accumulation_steps", "torch_dtype", "train_on", "packing", "keep",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Card:
    """A card's file and what it lacks."""

    path: Path
    holes: tuple[str, ...]


def write_card(
    directory: Path, *, licence: str, languages: Sequence[str], out: Path | None, force: bool = False
) -> Card:
    """Write the card of an artifact. UsageError when there is one, which a person may have completed, unless
    ``force``; ReportError as ``read_manifest``."""
    facts = card_facts(directory, licence=licence, languages=languages)
    path = out or model_card(facts.manifest.recipe, facts.manifest.job)
    if path.exists() and not force:
        raise UsageError(
            f"{path}: is there already", next_step=f"olivepress card {path} checks it, --force writes it anew"
        )
    text = card_markdown(facts)
    write_text(path, text)
    return Card(path=path, holes=lint_card(text, path))


def check_card(path: Path) -> Card:
    """What a card lacks. DataError when it cannot be read."""
    try:
        text = read_text(path, LARGEST_CARD, DataError)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise DataError(f"{path}: cannot be read ({reason})", next_step="olivepress card ARTIFACT writes one") from None
    return Card(path=path, holes=lint_card(text, path))


def card_facts(directory: Path, *, licence: str = "", languages: Sequence[str] = ()) -> CardFacts:
    """What the project knows about an artifact. Nothing is downloaded, and no row of the data is read."""
    manifest = read_manifest(directory)
    recipe = stored_recipe(manifest.recipe)
    on_hub = _HUB_ID.fullmatch(manifest.base_model) is not None and not Path(manifest.base_model).exists()
    return CardFacts(
        title=f"{manifest.recipe} {manifest.target or manifest.job}",
        manifest=manifest,
        base_model=manifest.base_model if on_hub else re.split(r"[/\\]", manifest.base_model)[-1],
        base_is_on_hub=on_hub,
        base_licence=base_licence(recipe, manifest).name or "",
        licence=licence,
        languages=tuple(languages),
        description=recipe.description if recipe else "",
        data=_data_facts(manifest, data_licence(recipe, manifest).name or ""),
        training=_training(recipe),
        reports=_reports(manifest.recipe, manifest.job, manifest.sha256, manifest.dataset_version),
        before=_before(manifest),
        safety=safety_results(manifest),
    )


def _data_facts(manifest: Manifest, licence: str) -> DataFacts:
    try:
        facts = read_facts(dataset_dir(manifest.dataset, manifest.dataset_version))
    except DataError:
        facts = {}
    source, noted = _mapping(facts.get("source")), _mapping(facts.get("noted"))
    return DataFacts(
        name=manifest.dataset,
        version=manifest.dataset_version,
        rows=_counts(facts.get("rows")),
        origin=_origin(str(source.get("origin") or "")),
        licence=licence,
        synthetic=bool(facts.get("synthetic")) or manifest.synthetic_data,
        dropped=_counts(facts.get("dropped")),
        personal_data=sum(count for reason, count in _counts(noted).items() if "personal data" in reason),
    )


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _counts(value: Any) -> dict[str, int]:
    return {str(key): count for key, count in _mapping(value).items() if isinstance(count, int)}


def _origin(text: str) -> str:
    """An address as it is; of a path on this machine the file's name alone."""
    return text if "://" in text or text.startswith("hub:") else re.split(r"[/\\]", text)[-1]


def _training(recipe: Recipe | None) -> dict[str, str]:
    if recipe is None:
        return {}
    settings = recipe.finetune.model_dump(mode="json")
    return {name: str(settings[name]) for name in _TRAINING if settings.get(name) is not None}


def _reports(recipe: str, job: str, sha256: str, dataset_version: str) -> tuple[DeviceReport, ...]:
    """The newest report of each machine that is of this very artifact and its data."""
    newest: dict[str, DeviceReport] = {}
    for path in stored_reports(recipe, job):
        try:
            report = read_report(path)
        except ReportError:
            continue
        is_of_it = report.artifact_sha256 == sha256
        if not is_of_it or (report.dataset is not None and report.dataset.version != dataset_version):
            continue
        other = newest.get(report.machine.id)
        if other is None or other.created_at < report.created_at:
            newest[report.machine.id] = report
    return tuple(newest.values())


def _before(manifest: Manifest) -> tuple[DeviceReport, ...]:
    """Reports of the parent, as far as it is here."""
    if manifest.parent is None or manifest.parent_sha256 is None:
        return ()
    return _reports(manifest.recipe, manifest.parent, manifest.parent_sha256, manifest.dataset_version)[:1]


def safety_results(manifest: Manifest) -> tuple[SafetyResult, ...]:
    """The artifact's own, and with it those of the parent that it was made from and of the base model, as far as they
    were asked the same; none without its own."""
    own = _safety_result(manifest, manifest.job)
    if own is None or own.artifact_sha256 != manifest.sha256:
        return ()
    parent = _safety_result(manifest, manifest.parent) if manifest.parent else None
    if parent is not None and parent.artifact_sha256 != manifest.parent_sha256:
        parent = None
    base = _safety_result(manifest, "base") if manifest.parent != "base" else None
    before = [each for each in (parent, base) if each is not None and _same_prompts(each, own)]
    return own, *before


def _same_prompts(a: SafetyResult, b: SafetyResult) -> bool:
    return a.prompts_sha256 == b.prompts_sha256 and a.max_new_tokens == b.max_new_tokens


def _safety_result(manifest: Manifest, job: str) -> SafetyResult | None:
    try:
        return read_result(safety_result(manifest.recipe, job))
    except ReportError:
        return None
