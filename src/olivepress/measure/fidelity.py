"""An exported model held against its PyTorch parent on the same tokens (``reference.write_reference`` made them)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from olivepress.errors import JobError
from olivepress.measure.accuracy import Progress
from olivepress.measure.array_file import map_logits, read_arrays
from olivepress.measure.intervals import bootstrap_median, bootstrap_of_sums, cluster_mean
from olivepress.measure.language_model import LanguageModel, open_model, teacher_forced
from olivepress.measure.report import Measurement, measured, not_measured

__all__ = [
    "FIDELITY_METRICS",
    "REFERENCE_FORMAT",
    "Reference",
    "divergence",
    "fidelity",
    "first_divergence",
    "kl_top",
    "log_softmax",
    "questions",
    "read_reference",
    "shift_sums",
]

ADAPTER_METRICS = ("adapter_kept", "adapter_noise")
FIDELITY_METRICS = (
    "max_abs_logit_diff",
    "kl_divergence",
    "kl_p50",
    "kl_p999",
    "kl_top256",
    "top1_agreement",
    "first_divergence",
    *ADAPTER_METRICS,
)

Tokens = TypeVar("Tokens", bound=Any)  # a list of ids, or an array of them

REFERENCE_FORMAT = 4  # of a merge's reference; a merge of an older one is made again
# Array → kinds of its numbers, dimensions.
_ARRAYS: Mapping[str, tuple[str, int]] = {
    "format": ("iu", 0),
    "vocab_size": ("iu", 0),
    "lengths": ("iu", 1),
    "starts": ("iu", 1),
    "ids": ("iu", 1),
    "top_ids": ("iu", 2),
    "top_logprobs": ("f", 2),
    "tail_mass": ("f", 1),
    "greedy_lengths": ("iu", 1),
    "greedy_ids": ("iu", 1),
}


@dataclass(frozen=True, kw_only=True)
class Reference:
    """What travels with an artifact: per position of all prompts, the parent's top tokens (see ``write_reference``).

    ``greedy`` holds pairs of a prompt and the parent's greedy answer to it, in token ids.
    """

    folder: Path
    prompts: tuple[np.ndarray, ...]
    starts: np.ndarray
    vocab_size: int
    top_ids: np.ndarray
    top_logprobs: np.ndarray
    tail_mass: np.ndarray
    greedy: tuple[tuple[np.ndarray, np.ndarray], ...] = ()

    def logits(self, index: int) -> np.ndarray | None:
        """The parent's full logits of a prompt [tokens, vocabulary], mapped from disk; None away from the desk."""
        return self._full("logits", index)

    def base_logits(self, index: int) -> np.ndarray | None:
        """Those of the base without its adapter; None away from the desk, or for a parent that has no adapter."""
        return self._full("base", index)

    def _full(self, name: str, index: int) -> np.ndarray | None:
        file = self.folder / f"{name}-{index:04d}.npy"
        return map_logits(file) if file.exists() else None


@dataclass(kw_only=True)
class _Seen:
    """Per prompt sums, and the per-token KLs that the quantile needs."""

    kl: list[np.ndarray] = field(default_factory=list)
    kl_top: list[np.ndarray] = field(default_factory=list)
    agree: list[np.ndarray] = field(default_factory=list)
    shift: list[np.ndarray] = field(default_factory=list)
    worst: float = 0.0


def read_reference(folder: Path) -> Reference:
    """Read ``reference.npz``; JobError when it is missing, of another format or inconsistent."""
    file = folder / "reference.npz"
    try:
        data = read_arrays(file, _ARRAYS)
        if data["format"].tolist() != REFERENCE_FORMAT:
            raise ValueError(f"format {data['format'].tolist()!r}"[:40] + f", expected {REFERENCE_FORMAT}")
        _check_arrays(data)
        prompts = np.split(data["ids"], np.cumsum(data["lengths"], dtype=np.int64)[:-1])
        return Reference(
            folder=folder,
            prompts=tuple(prompts),
            starts=data["starts"],
            vocab_size=int(data["vocab_size"]),
            top_ids=data["top_ids"],
            top_logprobs=data["top_logprobs"].astype(np.float64),
            tail_mass=data["tail_mass"].astype(np.float64),
            greedy=_greedy(prompts, data),
        )
    except (OSError, ValueError) as error:
        why = str(error).split("\n")[0]
        raise JobError(f"{file}: not a reference ({why})", next_step="olivepress run makes it again") from error


def _check_arrays(data: Mapping[str, np.ndarray]) -> None:
    """ValueError unless the arrays have the kinds and shapes of a reference and their values are in range."""
    for name, (kind, dimensions) in _ARRAYS.items():
        if data[name].dtype.kind not in kind or data[name].ndim != dimensions:
            raise ValueError(f"{name} is {data[name].dtype} {list(data[name].shape)}")
    lengths, vocabulary = data["lengths"].astype(np.int64), int(data["vocab_size"])
    lines = {len(data[name]) for name in ("ids", "top_ids", "top_logprobs", "tail_mass")}
    if len(data["starts"]) != len(lengths) or lines != {int(lengths.sum())} or lengths.min(initial=0) < 0:
        raise ValueError("its arrays do not belong together")
    if data["top_ids"].shape != data["top_logprobs"].shape or not 1 <= data["top_ids"].shape[1] <= vocabulary:
        raise ValueError("its top tokens do not belong to their log-probabilities")
    for name in ("ids", "top_ids", "greedy_ids"):
        if data[name].size and not 0 <= int(data[name].min()) <= int(data[name].max()) < vocabulary:
            raise ValueError(f"{name} has tokens outside of its vocabulary of {vocabulary}")
    if not np.isfinite(data["top_logprobs"]).all() or not np.isfinite(data["tail_mass"]).all():
        raise ValueError("its log-probabilities are not finite")


def questions(prompts: Sequence[Tokens], starts: Sequence[int]) -> list[Tokens]:
    """Each prompt up to its answer, where it is known to start inside: what the parent answers for ``greedy``."""
    return [ids[: start + 1] for ids, start in zip(prompts, starts, strict=True) if 0 < start < len(ids)]


def _greedy(prompts: list[np.ndarray], data: Mapping[str, np.ndarray]) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """(prompt up to its answer, the parent's answer) for the first prompts that have a start."""
    asked, lengths = questions(prompts, data["starts"].tolist()), data["greedy_lengths"].astype(np.int64)
    answers = np.split(data["greedy_ids"], np.cumsum(lengths)[:-1]) if len(lengths) else []
    whole = int(lengths.sum()) == len(data["greedy_ids"]) and lengths.min(initial=0) >= 0
    if not whole or len(answers) > len(asked):
        raise ValueError("its greedy answers do not belong to its prompts")
    return tuple(zip(asked, answers, strict=False))


def fidelity(
    model_dir: Path, reference_dir: Path, *, model: LanguageModel | None = None, progress: Progress | None = None
) -> dict[str, Measurement]:
    """Teacher-forced divergence of an exported model from its parent, every metric of ``FIDELITY_METRICS``.

    Away from the desk (no ``logits-*.npy``) only kl_top256, top1_agreement and first_divergence have values; without
    ``base-*.npy`` the adapter's have none. Intervals resample whole prompts. JobError when the vocabularies differ, the
    model does not return logits for all positions, or they are not finite.
    """
    reference = read_reference(reference_dir)
    model = model or open_model(model_dir)
    if model.vocabulary < reference.vocab_size:
        raise JobError(
            f"{model_dir}: a vocabulary of {model.vocabulary} tokens, its parent has {reference.vocab_size}",
            next_step="export the model again",
        )
    seen, start, desk = _Seen(), 0, True
    for index, ids in enumerate(reference.prompts):
        parent, base = reference.logits(index), reference.base_logits(index)
        desk = desk and parent is not None
        begin = len(seen.agree)
        for offset, logits in teacher_forced(model, ids.tolist()):
            rows = slice(start + offset, start + offset + len(logits))
            part, before = (_rows(full, offset, len(logits)) for full in (parent, base))
            _compare(seen, logits[:, : reference.vocab_size], part, before, reference, rows)
        for parts in (seen.kl, seen.kl_top, seen.agree, seen.shift):  # one array per prompt: the unit of the bootstrap
            parts[begin:] = [np.concatenate(parts[begin:])] if parts[begin:] else []
        start += len(ids)
        if progress:
            progress(index + 1, len(reference.prompts))
    return _measurements(seen, reference.starts, desk) | _adapter(seen)


def _rows(full: np.ndarray | None, offset: int, count: int) -> np.ndarray | None:
    return None if full is None else np.asarray(full[offset : offset + count], dtype=np.float64)


def _compare(
    seen: _Seen,
    logits: np.ndarray,
    parent: np.ndarray | None,
    base: np.ndarray | None,
    reference: Reference,
    rows: slice,
) -> None:
    logq = log_softmax(logits)
    seen.kl_top.append(kl_top(logq, reference.top_ids[rows], reference.top_logprobs[rows], reference.tail_mass[rows]))
    seen.agree.append(logits.argmax(axis=1) == reference.top_ids[rows, 0])
    if parent is not None:
        seen.worst = max(seen.worst, float(np.abs(parent - logits).max()))
        seen.kl.append(divergence(log_softmax(parent), logq))
        if base is not None:
            seen.shift.append(shift_sums(base, parent, logits)[None])


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


def shift_sums(base: np.ndarray, parent: np.ndarray, ours: np.ndarray) -> np.ndarray:
    """[Σ (q−b)·(p−b), Σ (p−b)², Σ (q−p)²] over rows and vocabulary of logits: base b, tuned parent p, export q.

    Each row is centred first. A softmax does not see a constant added to a row, and centring takes it out, from logits
    and from log-probabilities alike: the result is the same. Uncentred log-probabilities would carry each row's log Z,
    which noise of any kind raises, into every entry, and so count noise as shift.
    """
    shift, found = parent - base, ours - base
    shift -= shift.mean(axis=1, keepdims=True)
    found -= found.mean(axis=1, keepdims=True)
    return np.asarray([(found * shift).sum(), (shift**2).sum(), ((found - shift) ** 2).sum()])


def _adapter(seen: _Seen) -> dict[str, Measurement]:
    """What became of the adapter's shift; see ``shift_sums`` for the letters.

    adapter_kept = Σ (q−b)·(p−b) / Σ (p−b)² is the least-squares factor by which the export has the shift: 1 when all of
    it is there, 0 when none is. Quantization adds noise n, q = p + n; where that does not point along the shift, their
    product is zero on average: the noise widens the spread and leaves the value. How wide says
    adapter_noise = |q−p| / |p−b|: a random direction in d dimensions lies along the shift by about 1/√d, which moves
    the value by adapter_noise/√d.
    """
    sums = np.stack([part.sum(axis=0) for part in seen.shift]) if seen.shift else np.zeros((0, 3))
    if sums[:, 1].sum() == 0.0:
        known = len(sums) > 0
        why = "the adapter changes nothing on these prompts" if known else "the base's full logits stay at the desk"
        return {name: not_measured(name, why) for name in ADAPTER_METRICS}
    n = sum(map(len, seen.agree))

    def one(name: str, estimate: Callable[[np.ndarray], np.ndarray]) -> Measurement:
        value = float(estimate(sums.sum(axis=0, keepdims=True))[0])
        return measured(name, value, n=n, interval=bootstrap_of_sums(sums, estimate))

    return {
        "adapter_kept": one("adapter_kept", lambda found: found[:, 0] / found[:, 1]),
        "adapter_noise": one("adapter_noise", lambda found: np.sqrt(found[:, 2] / found[:, 1])),
    }


def _median_interval(parts: list[np.ndarray], *, resamples: int = 500, seed: int = 0) -> tuple[float, float] | None:
    """Percentile bootstrap of the median over all tokens that resamples whole prompts; None below 3 prompts."""
    if len(parts) < 3:
        return None
    rng = np.random.default_rng(seed)
    picks = (rng.integers(0, len(parts), len(parts)) for _ in range(resamples))
    medians = [float(np.median(np.concatenate([parts[i] for i in pick]))) for pick in picks]
    low, high = np.quantile(medians, [0.025, 0.975])
    return float(low), float(high)


def first_divergence(agree: np.ndarray) -> int:
    """Tokens of an answer before the first where the two prefer different ones; all of them when there is none."""
    return len(agree) if agree.all() else int(np.argmin(agree))


def _measurements(seen: _Seen, starts: np.ndarray, desk: bool) -> dict[str, Measurement]:
    def mean(name: str, parts: list[np.ndarray]) -> Measurement:
        sums, counts = [float(p.sum()) for p in parts], [len(p) for p in parts]
        return measured(name, sum(sums) / sum(counts), n=sum(counts), interval=cluster_mean(sums, counts))

    # A prompt that was cut before its answer has no answer to diverge in.
    answers = [agree[start:] for agree, start in zip(seen.agree, starts.tolist(), strict=True) if start < len(agree)]
    before = [first_divergence(answer) for answer in answers]
    found = {
        "kl_top256": mean("kl_top256", seen.kl_top),
        "top1_agreement": mean("top1_agreement", seen.agree),
        "first_divergence": measured(
            "first_divergence", float(np.median(before)), n=len(before), interval=bootstrap_median(before)
        )
        if before
        else not_measured("first_divergence", "the reference's prompts end before their answers"),
    }
    if desk:
        kl = np.concatenate(seen.kl)
        found["kl_divergence"] = mean("kl_divergence", seen.kl)
        found["kl_p50"] = measured("kl_p50", float(np.median(kl)), n=len(kl), interval=_median_interval(seen.kl))
        found["kl_p999"] = measured("kl_p999", float(np.quantile(kl, 0.999)), n=len(kl))
        found["max_abs_logit_diff"] = measured("max_abs_logit_diff", seen.worst, n=len(kl))
    missing = "the parent's full logits stay at the desk; here only its top 256 log-probabilities are known"
    return {name: found.get(name) or not_measured(name, missing) for name in FIDELITY_METRICS if name != "adapter_kept"}
