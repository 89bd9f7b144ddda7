"""An ONNX model held against its PyTorch parent on the same tokens (``reference.write_reference`` made them)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from olivepress.errors import JobError
from olivepress.measure.accuracy import Progress
from olivepress.measure.intervals import cluster_mean
from olivepress.measure.latency import import_genai
from olivepress.measure.report import Measurement, measured, not_measured

__all__ = ["FIDELITY_METRICS", "Reference", "divergence", "fidelity", "kl_top", "log_softmax", "read_reference"]

FIDELITY_METRICS = ("max_abs_logit_diff", "kl_divergence", "kl_p999", "kl_top256", "top1_agreement")
ROWS = 16  # positions handled at once: 16 × 200k × float64 = 26 MB per array
PREFILL_BYTES = 256 * 1024 * 1024  # of float32 logits for the tokens appended at once: 335 tokens at 200k


@dataclass(frozen=True, kw_only=True)
class Reference:
    """What travels with an artifact: per position of all prompts, the parent's top tokens (see ``write_reference``)."""

    folder: Path
    prompts: tuple[np.ndarray, ...]
    vocab_size: int
    top_ids: np.ndarray
    top_logprobs: np.ndarray
    tail_mass: np.ndarray

    def logits(self, index: int) -> np.ndarray | None:
        """The parent's full logits of a prompt [tokens, vocabulary], mapped from disk; None away from the desk."""
        file = self.folder / f"logits-{index:04d}.npy"
        return np.load(file, mmap_mode="r", allow_pickle=False) if file.is_file() else None


@dataclass(kw_only=True)
class _Seen:
    """Per prompt sums, and the per-token KLs that the quantile needs."""

    kl: list[np.ndarray] = field(default_factory=list)
    kl_top: list[np.ndarray] = field(default_factory=list)
    agree: list[np.ndarray] = field(default_factory=list)
    worst: float = 0.0


def read_reference(folder: Path) -> Reference:
    """Read ``reference.npz``; JobError when it is missing, of another format or inconsistent."""
    file = folder / "reference.npz"
    try:
        with np.load(file, allow_pickle=False) as data:
            if int(data["format"]) != 1:
                raise ValueError(f"format {int(data['format'])}, expected 1")
            lengths, ids = data["lengths"], data["ids"]
            reference = Reference(
                folder=folder,
                prompts=tuple(np.split(ids, np.cumsum(lengths)[:-1])),
                vocab_size=int(data["vocab_size"]),
                top_ids=data["top_ids"],
                top_logprobs=data["top_logprobs"].astype(np.float64),
                tail_mass=data["tail_mass"].astype(np.float64),
            )
        if int(lengths.sum()) != len(ids) or not len(ids) == len(reference.top_ids) == len(reference.tail_mass):
            raise ValueError("its arrays do not belong together")
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise JobError(f"{file}: not a reference ({error})", next_step="make it again at the desk") from error
    return reference


def fidelity(model_dir: Path, reference_dir: Path, *, progress: Progress | None = None) -> dict[str, Measurement]:
    """Teacher-forced divergence of an onnxruntime-genai model from its parent, every metric of ``FIDELITY_METRICS``.

    Away from the desk (no ``logits-*.npy``) only kl_top256 and top1_agreement have values. Intervals resample whole
    prompts. JobError when the vocabularies differ, the model does not return logits for all positions, or they are
    not finite.
    """
    reference = read_reference(reference_dir)
    og = import_genai()
    model = og.Model(str(model_dir))
    seen, start, desk = _Seen(), 0, True
    for index, ids in enumerate(reference.prompts):
        parent = reference.logits(index)
        desk = desk and parent is not None
        begin = len(seen.agree)
        for offset, logits in _model_logits(og, model, ids, reference.vocab_size):
            rows = slice(start + offset, start + offset + len(logits))
            part = None if parent is None else np.asarray(parent[offset : offset + len(logits)], dtype=np.float64)
            _compare(seen, logits, part, reference, rows)
        for parts in (seen.kl, seen.kl_top, seen.agree):  # one array per prompt: the unit of the bootstrap
            parts[begin:] = [np.concatenate(parts[begin:])] if parts[begin:] else []
        start += len(ids)
        if progress:
            progress(index + 1, len(reference.prompts))
    return _measurements(seen, desk)


def _model_logits(og: Any, model: Any, ids: np.ndarray, vocabulary: int) -> Iterator[tuple[int, np.ndarray]]:
    """(offset, logits float64 [<=16, vocabulary]) in order; in chunks, as genai keeps the logits of one append.

    Chunks are as long as memory allows: a longrope model takes its long factors by the length of an append, so that
    a prompt across original_max_position_embeddings must go in whole, as the parent saw it.
    """
    prefill = max(PREFILL_BYTES // (4 * vocabulary), ROWS)
    params = og.GeneratorParams(model)
    params.set_search_options(do_sample=False, num_beams=1, max_length=len(ids) + 1)
    generator = og.Generator(model, params)
    for offset in range(0, len(ids), prefill):
        part = ids[offset : offset + prefill].astype(np.int32)
        generator.append_tokens(part)
        logits = generator.get_output("logits")[0]
        if logits.shape[0] != len(part) or logits.shape[1] < vocabulary:
            raise JobError(
                f"the model returned logits of shape {logits.shape}, expected ({len(part)}, {vocabulary})",
                next_step="export without pruning the prompt's logits, from the parent of this reference",
            )
        for row in range(0, len(part), ROWS):
            block = logits[row : row + ROWS, :vocabulary].astype(np.float64)
            if not np.isfinite(block).all():
                raise JobError("the model returned NaN or infinite logits", next_step="export it again")
            yield offset + row, block


def _compare(seen: _Seen, logits: np.ndarray, parent: np.ndarray | None, reference: Reference, rows: slice) -> None:
    logq = log_softmax(logits)
    seen.kl_top.append(kl_top(logq, reference.top_ids[rows], reference.top_logprobs[rows], reference.tail_mass[rows]))
    seen.agree.append(logits.argmax(axis=1) == reference.top_ids[rows, 0])
    if parent is not None:
        seen.worst = max(seen.worst, float(np.abs(parent - logits).max()))
        seen.kl.append(divergence(log_softmax(parent), logq))


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """log softmax over the last axis, float64, shifted by the maximum."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def divergence(logp: np.ndarray, logq: np.ndarray) -> np.ndarray:
    """KL(p || q) = Σ p (log p - log q) in nats per row (Kullback, Leibler 1951); clipped at 0 against rounding."""
    return np.asarray(np.maximum((np.exp(logp) * (logp - logq)).sum(axis=-1), 0.0))


def kl_top(logq: np.ndarray, ids: np.ndarray, logp: np.ndarray, tail_p: np.ndarray) -> np.ndarray:
    """KL in nats per row over the parent's top tokens plus one bucket that holds the rest.

    Merging outcomes cannot raise a divergence (data processing inequality), so this bounds the full KL from below
    (up to the float32 rounding of the stored log-probabilities, about 1e-8 nats).
    """
    top_q = np.take_along_axis(logq, ids.astype(np.int64), axis=1)
    tail_q = np.clip(1.0 - np.exp(top_q).sum(axis=1), 1e-12, 1.0)
    inside = (np.exp(logp) * (logp - top_q)).sum(axis=1)
    # Below 1e-6 the parent's tail is rounding of its float32 sums, not probability.
    tail = np.where(tail_p > 1e-6, tail_p * np.log(np.maximum(tail_p, 1e-12) / tail_q), 0.0)
    return np.asarray(np.maximum(inside + tail, 0.0))


def _measurements(seen: _Seen, desk: bool) -> dict[str, Measurement]:
    def mean(name: str, parts: list[np.ndarray]) -> Measurement:
        sums, counts = [float(p.sum()) for p in parts], [len(p) for p in parts]
        return measured(name, sum(sums) / sum(counts), n=sum(counts), interval=cluster_mean(sums, counts))

    found = {"kl_top256": mean("kl_top256", seen.kl_top), "top1_agreement": mean("top1_agreement", seen.agree)}
    if desk:
        kl = np.concatenate(seen.kl)
        found["kl_divergence"] = mean("kl_divergence", seen.kl)
        found["kl_p999"] = measured("kl_p999", float(np.quantile(kl, 0.999)), n=len(kl))
        found["max_abs_logit_diff"] = measured("max_abs_logit_diff", seen.worst, n=len(kl))
    missing = "the parent's full logits stay at the desk; here only its top 256 log-probabilities are known"
    return {name: found.get(name) or not_measured(name, missing) for name in FIDELITY_METRICS}
