"""All that a model card is written from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from olivepress.core.artifact import Manifest
from olivepress.report.device_report import DeviceReport
from olivepress.safety.results import SafetyResult

__all__ = ["CardFacts", "DataFacts"]


@dataclass(frozen=True, kw_only=True)
class DataFacts:
    """The training data: its versions and counts, never its contents. ``licence`` as its source states it."""

    name: str
    version: str
    rows: Mapping[str, int] = field(default_factory=dict)
    origin: str = ""
    licence: str = ""
    synthetic: bool = False
    dropped: Mapping[str, int] = field(default_factory=dict)
    personal_data: int = 0


@dataclass(frozen=True, kw_only=True)
class CardFacts:
    """``base_model`` is the Hub id, or the name alone of a local folder. ``licence`` is that of the artifact as
    somebody gave it, "" when nobody did. ``training`` are the settings by name. ``reports`` are of this very artifact,
    the newest of each machine; ``before`` those of the models that it was made from, on the same data. ``safety``
    results are its own first, then those of the models before."""

    title: str
    manifest: Manifest
    base_model: str
    base_is_on_hub: bool
    base_licence: str = ""
    licence: str = ""
    languages: tuple[str, ...] = ()
    description: str = ""
    data: DataFacts
    training: Mapping[str, str] = field(default_factory=dict)
    reports: tuple[DeviceReport, ...] = ()
    before: tuple[DeviceReport, ...] = ()
    safety: tuple[SafetyResult, ...] = ()
