"""KL and top-1 agreement of each subject against the parent, on logits that the subject's own runtime returned."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from olivepress.errors import JobError
from olivepress.measure.fidelity import fidelity
from olivepress.measure.reference import write_reference

__all__ = ["METRICS", "against_parent", "parent"]

METRICS = ("kl_divergence", "top1_agreement")


class Recorded:
    """A LanguageModel (measure.language_model) whose logits lie on disk, a file for each text in order."""

    device = "recorded"

    def __init__(self, folder: Path) -> None:
        self._files = iter(sorted(folder.glob("*.npy")))
        self.vocabulary = int(np.load(folder / "0000.npy", mmap_mode="r").shape[1])

    def generation(self, longest: int, *, shortest: int = 0) -> RecordedText:
        return RecordedText(next(self._files))

    def encode(self, text: str) -> list[int]:
        raise NotImplementedError

    def decode(self, token_ids: Sequence[int]) -> str:
        raise NotImplementedError


class RecordedText:
    """The logits of one text; appends must follow its tokens in order."""

    def __init__(self, file: Path) -> None:
        self._rows, self._end, self._start = np.load(file), 0, 0

    def append(self, token_ids: Sequence[int]) -> None:
        self._start, self._end = self._end, self._end + len(token_ids)

    def logits(self) -> np.ndarray:
        return np.asarray(self._rows[self._start : self._end])


def parent(model: Path, texts: Sequence[Sequence[int]], project: Path) -> Path:
    """The parent's logits on the texts: transformers, float32. Kept in ``project`` for the next run."""
    weights = [file.read_bytes() for file in sorted(model.glob("*.safetensors"))]
    digest = hashlib.sha256(b"".join([*weights, json.dumps(texts).encode()])).hexdigest()[:12]
    folder = project / f"reference-{digest}"
    return folder if (folder / "reference.npz").is_file() else write_reference(model, texts, folder)


def against_parent(reference: Path, record: Callable[[Path], object]) -> dict[str, Any]:
    """``record`` writes a subject's logits into the folder that it is given; returns value, n, interval by metric."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        try:
            record(folder)
            found = fidelity(folder, reference, model=Recorded(folder))  # type: ignore[arg-type]
        except (JobError, RuntimeError) as error:
            return {name: {"value": None, "reason": str(error)} for name in METRICS}
    return {name: found[name].model_dump(mode="json", exclude_none=True) for name in METRICS}
