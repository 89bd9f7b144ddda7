"""A search of fine-tunes that runs: what is searched, and the studies of its stages in the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from olivepress.pipeline.search.joint import joint_kind
from olivepress.pipeline.search.kind import Kind, finetune_kind
from olivepress.pipeline.search.reporter import SearchReporter
from olivepress.pipeline.search.trial import Searched
from olivepress.recipe.search import Search
from olivepress.study.results import StudyRecord, study_record
from olivepress.study.storage import Direction, Storage, Study, create, numbered

__all__ = ["FinetuneSearch", "kind_of"]


@dataclass(frozen=True, kw_only=True)
class FinetuneSearch:
    """A search that runs: what is searched, its database and the number of its study."""

    searched: Searched
    storage: Storage
    number: int
    reporter: SearchReporter

    @property
    def search(self) -> Search:
        return self.searched.search

    @property
    def kind(self) -> Kind:
        return kind_of(self.searched)

    def study(self, stage: str = "", facts: Mapping[str, Any] | None = None) -> Study:
        """The study of a stage, begun at its first use."""
        name = numbered(self.searched.recipe.name, self.kind.level, self.number, stage)
        directions: list[Direction] = ["maximize"]
        if stage != "fresh":
            directions = self.kind.directions
        return create(self.storage, name, directions, dict(facts or {}))

    def record(self, stage: str = "") -> StudyRecord:
        """The study of a stage as it is now."""
        return study_record(self.study(stage), list(self.kind.objectives))

    def run_name(self, stage: str, number: int) -> str:
        return f"{self.searched.recipe.name}.{self.kind.letter}{self.number}-{stage}-{number}"


def kind_of(searched: Searched) -> Kind:
    """By what its trials are judged."""
    return finetune_kind(searched) if searched.search.joint is None else joint_kind(searched)
