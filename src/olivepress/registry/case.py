"""What the gates judge: an artifact, what was measured of it, and what it is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from olivepress.compare.limits import Budgets
from olivepress.compare.load import Loaded
from olivepress.core.artifact import Manifest
from olivepress.core.errors import DataError
from olivepress.monitor.report import MonitorReport
from olivepress.recipe.schema import Recipe
from olivepress.report.answers import answer_metric
from olivepress.safety.results import SafetyResult

__all__ = ["Case", "Champion", "Licence", "Signature"]


@dataclass(frozen=True, kw_only=True)
class Champion:
    """The version that is in production. ``reports`` are those that it was promoted with; none where they are not
    here any more."""

    version: int
    artifact_sha256: str
    reports: tuple[Loaded, ...]


@dataclass(frozen=True, kw_only=True)
class Licence:
    """Of ``part`` (base, adapter or data): an SPDX identifier and where it is stated; None where nothing states one."""

    part: str
    name: str | None
    source: str


@dataclass(frozen=True, kw_only=True)
class Signature:
    """Of a file: the id of the trusted key that signed it, or the ``problem``. ``broken``: there is a signature, and it
    is not one of this content."""

    file: Path
    key: str | None = None
    problem: str = ""
    broken: bool = False


@dataclass(frozen=True, kw_only=True)
class Case:
    """One artifact that is to be promoted, with everything that its gates read.

    ``reports`` are device reports of this very artifact, ``other_reports`` those of the same job that are not: file →
    reason. ``parents`` are the manifests that it was made from, the nearest first. ``base_sha256`` is of the base model
    as it is here, None where its files are not. ``baselines`` are reports of that model as it is and prompted with
    examples, ``other_baselines`` those that do not count: file → reason. ``parent_reports`` are of the full-precision
    model that was exported. ``earlier`` are the champions before the present one. ``shipped``: id of a machine → the
    jobs whose artifacts ``compare`` ships there; several that it cannot distinguish, or none.
    ``changed_files`` no longer have the hash of their manifest. ``signatures`` are those of the artifact and of each
    report; none where nothing is signed and no signature is required. ``safety`` are results of the same prompts: of
    this very artifact first, then of the models before; none where it was not asked. ``sheets``: key of a blind
    comparison with the champion → the filled sheets beside it. ``card`` is the text of the model card. ``use`` is what
    was measured of the logged answers of this artifact; None where the recipe names no log, or none has an answer of
    it. ``use_error``: a log cannot be read.
    """

    recipe: Recipe
    target: str
    directory: Path
    manifest: Manifest
    now: datetime
    parents: tuple[Manifest, ...] = ()
    reports: tuple[Loaded, ...] = ()
    other_reports: Mapping[Path, str]
    base_sha256: str | None = None
    baselines: tuple[Loaded, ...] = ()
    other_baselines: Mapping[Path, str] = field(default_factory=dict)
    parent_reports: tuple[Loaded, ...] = ()
    champion: Champion | None = None
    earlier: tuple[Champion, ...] = ()
    shipped: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    budgets: Budgets
    licences: tuple[Licence, ...] = ()
    changed_files: tuple[str, ...] = ()
    require_signature: bool = False
    signatures: tuple[Signature, ...] = ()
    safety: tuple[SafetyResult, ...] = ()
    sheets: Mapping[Path, tuple[Path, ...]] = field(default_factory=dict)
    card: str | None = None
    use: MonitorReport | None = None
    use_error: DataError | None = None

    @property
    def signed_by(self) -> str | None:
        """The ids of the keys, where everything is signed."""
        if not self.signatures or any(each.key is None for each in self.signatures):
            return None
        return ", ".join(sorted({str(each.key) for each in self.signatures}))

    @property
    def limits(self) -> dict[str, float]:
        """The budget's limits for this target."""
        return {**self.budgets.get("all", {}), **self.budgets.get(self.target, {})}

    @property
    def metric(self) -> str:
        """The metric that answers are judged by."""
        return answer_metric(self.limits)

    @property
    def margin(self) -> float:
        """How much of it may be lost: 0.02 is 2 points."""
        return self.recipe.limits.margin
