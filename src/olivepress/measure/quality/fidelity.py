"""An exported model held against its PyTorch parent on the same tokens (``reference.write_reference`` made them)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from olivepress.core.errors import JobError
from olivepress.core.progress import Progress
from olivepress.measure.quality.reference_file import Reference, read_reference
from olivepress.report.device_report import Measurement, measured, not_measured
from olivepress.report.registry import in_group
from olivepress.runtimes.base import LanguageModel, teacher_forced
from olivepress.runtimes.chat_template.prompts import context_length
from olivepress.runtimes.open import open_model
from olivepress.stats.intervals import bootstrap_median, bootstrap_of_sums, cluster_mean

__all__ = [
    "ANSWER_METRICS",
    "divergence",
    "fidelity",
    "first_divergence",
    "kl_top",
    "log_softmax",
    "shift_sums",
]

ADAPTER_METRICS = ("adapter_kept", "adapter_noise")
ANSWER_METRICS = ("kl_answer", "kl_prompt", "kl_top256_answer", "top1_answer")


@dataclass(kw_only=True)
class _Prompt:
    """One prompt, an array over its kept positions each: the unit of the bootstrap.

    ``answer``: whether a position predicts a token of an answer; ``start``: the first of the last answer, among the
    kept ones. ``kl`` stays empty away from the desk, ``shift`` (see ``shift_sums``) None without the base's logits.
    """

    answer: np.ndarray
    start: int
    kl: np.ndarray = field(default_factory=lambda: np.zeros(0))
    kl_top: np.ndarray = field(default_factory=lambda: np.zeros(0))
    agree: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=bool))
    shift: np.ndarray | None = None
    worst: float = 0.0


def fidelity(
    model_dir: Path, reference_dir: Path, *, model: LanguageModel | None = None, progress: Progress | None = None
) -> dict[str, Measurement]:
    """Teacher-forced divergence of an exported model from its parent, every metric of the group ``fidelity``.

    Away from the desk (no ``logits-*.npy``) only the top-256 divergences, the agreements and first_divergence have
    values; without ``base-*.npy`` the adapter's have none; where the reference knows no answers, those of answers none.
    Intervals resample whole prompts. A prompt that the model's context does not hold is left out. JobError when the
    vocabularies differ, the model does not return logits for all positions, or they are not finite.
    """
    reference = read_reference(reference_dir)
    model = model or open_model(model_dir)
    if model.vocabulary < reference.vocab_size:
        raise JobError(
            f"{model_dir}: a vocabulary of {model.vocabulary} tokens, its parent has {reference.vocab_size}",
            next_step="export the model again",
        )
    seen, start, context = list[_Prompt](), 0, context_length(model_dir)
    for index, ids in enumerate(reference.prompts):
        end = start + len(ids) - int(reference.firsts[index])
        if context is None or len(ids) <= context:
            seen.append(_compare_prompt(model, reference, index, slice(start, end)))
        start = end
        if progress:
            progress(index + 1, len(reference.prompts))
    if not seen:
        raise JobError(f"{model_dir}: its context of {context} tokens holds no prompt of {reference_dir}")
    return _measurements(seen) | _adapter(seen)


def _compare_prompt(model: LanguageModel, reference: Reference, index: int, lines: slice) -> _Prompt:
    """One prompt of the reference; ``lines`` are its kept positions among those of all prompts."""
    parent, base = reference.logits(index), reference.base_logits(index)
    first, answer = int(reference.firsts[index]), reference.supervised[lines]
    # What an adapter does to an answer is what it was trained for; where no answer is known, all positions count.
    shifted = answer if reference.supervised.any() else np.ones_like(answer)
    prompt = _Prompt(answer=answer, start=int(reference.starts[index]) - first)
    for offset, block in teacher_forced(model, reference.prompts[index].tolist()):
        logits = block[max(first - offset, 0) :, : reference.vocab_size]
        at = max(offset - first, 0)
        if len(logits):
            rows = slice(lines.start + at, lines.start + at + len(logits))
            full = [None if one is None else _rows(one, at, len(logits)) for one in (parent, base)]
            _compare(prompt, logits, full[0], full[1], reference, rows, shifted[at : at + len(logits)])
    return prompt


def _rows(full: np.ndarray, offset: int, count: int) -> np.ndarray:
    return np.asarray(full[offset : offset + count], dtype=np.float64)


def _compare(
    prompt: _Prompt,
    logits: np.ndarray,
    parent: np.ndarray | None,
    base: np.ndarray | None,
    reference: Reference,
    rows: slice,
    shifted: np.ndarray,
) -> None:
    logq = log_softmax(logits)
    top = kl_top(logq, reference.top_ids[rows], reference.top_logprobs[rows], reference.tail_mass[rows])
    prompt.kl_top = np.concatenate([prompt.kl_top, top])
    prompt.agree = np.concatenate([prompt.agree, logits.argmax(axis=1) == reference.top_ids[rows, 0]])
    if parent is None:
        return
    prompt.worst = max(prompt.worst, float(np.abs(parent - logits).max()))
    prompt.kl = np.concatenate([prompt.kl, divergence(log_softmax(parent), logq)])
    if base is not None and shifted.any():
        sums = shift_sums(base[shifted], parent[shifted], logits[shifted])
        prompt.shift = sums if prompt.shift is None else prompt.shift + sums


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


def _adapter(seen: Sequence[_Prompt]) -> dict[str, Measurement]:
    """What became of the adapter's shift, over the answers; see ``shift_sums`` for the letters.

    adapter_kept = Σ (q−b)·(p−b) / Σ (p−b)² is the least-squares factor by which the export has the shift: 1 when all of
    it is there, 0 when none is. Quantization adds noise n, q = p + n; where that does not point along the shift, their
    product is zero on average: the noise widens the spread and leaves the value. How wide says
    adapter_noise = |q−p| / |p−b|: a random direction in d dimensions lies along the shift by about 1/√d, which moves
    the value by adapter_noise/√d.
    """
    shifts = [prompt.shift for prompt in seen if prompt.shift is not None]
    sums = np.stack(shifts) if shifts else np.zeros((0, 3))
    if sums[:, 1].sum() == 0.0:
        known = len(sums) > 0
        why = "the adapter changes nothing on these prompts" if known else "the base's full logits stay at the desk"
        return {name: not_measured(name, why) for name in ADAPTER_METRICS}
    answers = sum(int(prompt.answer.sum()) for prompt in seen)
    n = answers or sum(len(prompt.agree) for prompt in seen)

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


def _measurements(seen: Sequence[_Prompt]) -> dict[str, Measurement]:
    agree, top = [prompt.agree for prompt in seen], [prompt.kl_top for prompt in seen]
    answers = [prompt.answer for prompt in seen]
    # A prompt that was cut before its answer has no answer to diverge in.
    later = [prompt.agree[prompt.start :] for prompt in seen if 0 <= prompt.start < len(prompt.agree)]
    before = [first_divergence(answer) for answer in later]
    found = {
        "kl_top256": _mean("kl_top256", top),
        "kl_top256_answer": _mean("kl_top256_answer", top, answers),
        "top1_agreement": _mean("top1_agreement", agree),
        "top1_answer": _mean("top1_answer", agree, answers),
        "first_divergence": measured(
            "first_divergence", float(np.median(before)), n=len(before), interval=bootstrap_median(before)
        )
        if before
        else not_measured("first_divergence", "the reference's prompts end before their answers"),
    }
    if all(len(prompt.kl) for prompt in seen):
        parts = [prompt.kl for prompt in seen]
        kl = np.concatenate(parts)
        found["kl_divergence"] = _mean("kl_divergence", parts)
        found["kl_answer"] = _mean("kl_answer", parts, answers)
        found["kl_prompt"] = _mean("kl_prompt", parts, [~answer for answer in answers])
        found["kl_p50"] = measured("kl_p50", float(np.median(kl)), n=len(kl), interval=_median_interval(parts))
        found["kl_p999"] = measured("kl_p999", float(np.quantile(kl, 0.999)), n=len(kl))
        found["max_abs_logit_diff"] = measured("max_abs_logit_diff", max(prompt.worst for prompt in seen), n=len(kl))
    missing = "the parent's full logits stay at the desk; here only its top 256 log-probabilities are known"
    names = [name for name in in_group("fidelity") if name not in ADAPTER_METRICS]
    return {name: found.get(name) or not_measured(name, missing) for name in names}


def _mean(name: str, parts: Sequence[np.ndarray], among: Sequence[np.ndarray] | None = None) -> Measurement:
    """Mean over all tokens, or those that ``among`` marks; the interval resamples whole prompts."""
    if among is not None:
        parts = [part[mask] for part, mask in zip(parts, among, strict=True) if mask.any()]
    sums, counts = [float(part.sum()) for part in parts], [len(part) for part in parts]
    if not counts:
        return not_measured(name, f"the reference has no {'prompt' if name == 'kl_prompt' else 'answer'} tokens")
    return measured(name, sum(sums) / sum(counts), n=sum(counts), interval=cluster_mean(sums, counts))
