"""Says what went wrong in a fine-tune, from what it left."""

from __future__ import annotations

from pathlib import Path

from olivepress.core.progress import Progress
from olivepress.pipeline.training.evidence import evidence_of, files_of
from olivepress.track.runs import find_run
from olivepress.train.diagnosis import Diagnosis
from olivepress.train.diagnosis import diagnose as diagnose_evidence

__all__ = ["diagnose"]


def diagnose(
    run: str, *, rows: int | None = None, text: Path | None = None, progress: Progress = lambda *_: None
) -> Diagnosis:
    """The findings of the run that ``run`` names; options as ``evidence_of``. Errors as ``find_run`` and that."""
    return diagnose_evidence(evidence_of(files_of(find_run(run)), rows=rows, text=text, progress=progress))
