"""KL and top-1 agreement of each subject against the parent, on logits that the subject's own runtime returned."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from olivepress.measure.quality.fidelity import divergence, log_softmax
from olivepress.measure.quality.reference import write_logits
from olivepress.report.device_report import measured
from olivepress.stats.intervals import cluster_mean

__all__ = ["METRICS", "against_parent", "compared", "parent"]

METRICS = ("kl_divergence", "top1_agreement")


def parent(model: Path, texts: Sequence[Sequence[int]], project: Path) -> Path:
    """The parent's logits on the texts: transformers, float32. Kept in ``project`` for the next run."""
    weights = [file.read_bytes() for file in sorted(model.glob("*.safetensors"))]
    digest = hashlib.sha256(b"".join([*weights, json.dumps(texts).encode()])).hexdigest()[:12]
    folder = project / f"reference-{digest}"
    return folder if len(list(folder.glob("logits-*.npy"))) == len(texts) else write_logits(model, texts, folder)


def against_parent(reference: Path, record: Callable[[Path], object]) -> dict[str, Any]:
    """``record`` writes a subject's logits into the folder that it is given; returns value, n, interval by metric."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        try:
            record(folder)
            texts, ours = sorted(reference.glob("logits-*.npy")), sorted(folder.glob("*.npy"))
            return compared([np.load(file) for file in texts], [np.load(file) for file in ours])
        except (RuntimeError, ValueError) as error:
            return {name: {"value": None, "reason": str(error)} for name in METRICS}


def compared(parents: Sequence[np.ndarray], ours: Sequence[np.ndarray]) -> dict[str, Any]:
    """Mean KL(parent || ours) in nats a token and share of equal likeliest tokens; intervals resample whole texts.

    A runtime may pad the vocabulary at its end. ValueError: other texts or positions, or logits that are not finite.
    """
    kl, agree = [], []
    for theirs, padded in zip(parents, ours, strict=True):
        mine = padded[:, : theirs.shape[1]].astype(np.float64)
        if mine.shape != theirs.shape or not np.isfinite(mine).all():
            raise ValueError(f"logits of shape {padded.shape} for {theirs.shape}, or not finite")
        kl.append(divergence(log_softmax(theirs.astype(np.float64)), log_softmax(mine)))
        agree.append(mine.argmax(axis=1) == theirs.argmax(axis=1))
    found = {}
    for name, values in zip(METRICS, (kl, agree), strict=True):
        sums, counts = [float(one.sum()) for one in values], [len(one) for one in values]
        one = measured(name, sum(sums) / sum(counts), n=sum(counts), interval=cluster_mean(sums, counts))
        found[name] = one.model_dump(mode="json", exclude_none=True)
    return found
